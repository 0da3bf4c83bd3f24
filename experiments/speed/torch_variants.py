"""Variants in PyTorch: the peer network, eager and compiled."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from experiments.speed import inputs, peer
from experiments.speed.program import NUM_SAMPLES, Program


class TorchVariant:
    """The peer network, on a GPU if there is one."""

    def __init__(self, folder: Path, precision: str, compiled: bool) -> None:
        """Reads the files of `inputs.make`; bfloat16 uses autocast."""
        settings = inputs.read_settings(folder)
        model, self.training = settings["model"], settings["training"]
        self.folder, self.size, self.compiled = folder, settings["size"], compiled
        self.shape = peer.Shape(
            model["latent_dims"],
            model["channels_per_block"],
            model["down_channels_per_block"],
            model["num_classes"],
            model["convs_per_block"],
            model["blocks_per_level"],
        )
        self.latent_shapes = self._latent_shapes()
        torch.manual_seed(inputs.SEED)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.autocast = functools.partial(
            torch.autocast, self.device.type, torch.bfloat16, enabled=precision == "bfloat16"
        )
        self.network = peer.Network(self.shape)
        peer.load_weights(self.network, inputs.read_arrays(folder / "params.npz"))
        self.network.to(self.device, memory_format=torch.channels_last)

    def check(self) -> dict[str, Any]:
        """Computes logits, loss and gradient norm for the common inputs of all variants."""
        with full_float32():
            return self._check()

    def _check(self) -> dict[str, Any]:
        arrays = inputs.read_arrays(self.folder / "check.npz")
        noise = {k: torch.tensor(v).to(self.device) for k, v in arrays.items()}
        latents = [peer.channels_last(noise[f"latent_{i}"]) for i in range(len(arrays) - 1)]
        image, labels = self._to_device(*inputs.images(len(arrays["gumbel"]), self.size))
        geco = self._geco()
        with self.autocast():
            output = self.network(image, self._one_hot(labels), latents)
        loss = self._loss(output, labels, noise["gumbel"], geco)
        parameters = list(self.network.parameters())
        loss = loss + self.training["objective.l2"] * sum(w.square().sum() for w in parameters)
        gradient = torch.autograd.grad(loss, parameters)
        norm = torch.stack([g.square().sum() for g in gradient]).sum().sqrt()
        logits = output.logits.detach().permute(0, 2, 3, 1).cpu().numpy()
        return {"logits": logits, "loss": loss.item(), "gradient_norm": norm.item()}

    def train(self, batch_size: int) -> Program:
        """Builds training steps."""
        geco = self._geco()
        rate, l2 = self.training["optimizer.learning_rate"], self.training["objective.l2"]
        optimizer = peer.build_optimizer(self.network, geco, rate, l2)
        loss_of_batch = self._maybe_compiled(functools.partial(self._loss_of_batch, geco))
        images = inputs.images(batch_size, self.size)

        def step() -> None:
            loss = loss_of_batch(*self._to_device(*images))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

        return self._repeated(step)

    def sample(self, batch_size: int) -> Program:
        """Builds sampling as separate whole passes."""
        draw = self._maybe_compiled(lambda image: self._decode(self._encode(image)))
        image, _ = self._to_device(*inputs.images(batch_size, self.size))

        @torch.no_grad()
        def step() -> None:
            for _ in range(NUM_SAMPLES):
                draw(image)

        return self._repeated(step)

    def sample_encoded_once(self, batch_size: int) -> Program:
        """Builds sampling with one pass of the encoder, then one sample at a time."""
        encode = self._maybe_compiled(self._encode)
        decode = self._maybe_compiled(self._decode)
        image, _ = self._to_device(*inputs.images(batch_size, self.size))

        @torch.no_grad()
        def step() -> None:
            encoded = encode(image)
            for _ in range(NUM_SAMPLES):
                decode(encoded)

        return self._repeated(step)

    def encode(self, batch_size: int) -> Program:
        """Builds the prior's encoder."""
        encode = self._maybe_compiled(self._encode)
        image, _ = self._to_device(*inputs.images(batch_size, self.size))
        return self._repeated(torch.no_grad()(lambda: encode(image)))

    def _encode(self, image: Tensor) -> list[Tensor]:
        with self.autocast():
            return self.network.prior_encoder(image)

    def _decode(self, encoded: list[Tensor]) -> Tensor:
        noise = peer.draw_latent_noise(encoded[0], self.latent_shapes)
        with self.autocast():
            return self.network.decode(encoded, noise)

    def _loss_of_batch(self, geco: peer.Geco, image: Tensor, labels: Tensor) -> Tensor:
        noise = peer.draw_latent_noise(image, self.latent_shapes)
        with self.autocast():
            output = self.network(image, self._one_hot(labels), noise)
        return self._loss(output, labels, peer.draw_gumbel(labels), geco)

    def _loss(self, output: peer.Output, labels: Tensor, gumbel: Tensor, geco: peer.Geco) -> Tensor:
        fraction = self.training["objective.top_k_fraction"]
        return peer.loss_of_pass(output, labels, gumbel, geco, fraction)

    def _geco(self) -> peer.Geco:
        names = ("kappa", "decay", "rate")
        return peer.Geco(*(self.training[f"objective.{n}"] for n in names)).to(self.device)

    def _one_hot(self, labels: Tensor) -> Tensor:
        return peer.one_hot(labels, self.shape.num_classes)

    def _to_device(self, image: Any, labels: Any) -> tuple[Tensor, Tensor]:
        bytes_ = torch.from_numpy(image).to(self.device, non_blocking=True)
        classes = torch.from_numpy(labels).to(self.device, non_blocking=True)
        return peer.channels_last(bytes_.float() / 255), classes.long()

    def _latent_shapes(self) -> list[tuple[int, int, int]]:
        dims = self.shape.latent_dims
        sides = [self.size >> self.shape.level_of_scale(scale) for scale in range(len(dims))]
        return [(side, side, dim) for side, dim in zip(sides, dims, strict=True)]

    def _maybe_compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return torch.compile(function, dynamic=False) if self.compiled else function

    def _repeated(self, step: Callable[[], Any]) -> Program:
        on_gpu = self.device.type == "cuda"

        def run(repeats: int) -> None:
            for _ in range(repeats):
                step()
            if on_gpu:
                torch.cuda.synchronize()

        def facts() -> dict[str, Any]:
            return {"peak_device_bytes": torch.cuda.max_memory_allocated() if on_gpu else None}

        return Program(run, facts)


@contextlib.contextmanager
def full_float32() -> Iterator[None]:
    """Disables rounding of float32 factors to ten bits on a GPU."""
    switches = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [switch.allow_tf32 for switch in switches]
    try:
        for switch in switches:
            switch.allow_tf32 = False
        yield
    finally:
        for switch, allowed in zip(switches, before, strict=True):
            switch.allow_tf32 = allowed


def device_facts() -> dict[str, Any]:
    """Returns device and versions of the variants in this module."""
    on_gpu = torch.cuda.is_available()
    name = torch.cuda.get_device_name() if on_gpu else "cpu"
    return {"platform": "gpu" if on_gpu else "cpu", "device": name, "torch": torch.__version__}
