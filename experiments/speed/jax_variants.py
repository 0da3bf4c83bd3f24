"""Variants in JAX: hpunet as in its commands, and the plain transcription."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.speed import inputs, plain
from experiments.speed.planned import planned_memory
from experiments.speed.program import NUM_SAMPLES, Program
from hpunet.config.training import GecoConfig, LossConfig, OptimizerConfig
from hpunet.data.pipeline import Batch
from hpunet.inference.preprocessing import preprocess
from hpunet.models.hierarchical.config import HierarchicalConfig
from hpunet.models.model import Model, build_model
from hpunet.objectives.loss import build_objective, loss_of_pass
from hpunet.objectives.terms import SINGLE_DEVICE
from hpunet.training.devices import Devices
from hpunet.training.optimizer import build_optimizer
from hpunet.training.state import build_step, init_state
from hpunet.training.task import Task, build_task


class JaxVariant:
    """hpunet as a variant; `Plain` replaces its network."""

    def __init__(self, folder: Path, precision: str) -> None:
        """Reads the files of `inputs.make`; `precision` is the network's number format."""
        settings = inputs.read_settings(folder)
        training = settings["training"]
        self.folder, self.precision = folder, precision
        self.config = HierarchicalConfig(**settings["model"])
        self.size = settings["size"]
        geco = GecoConfig(*(training[f"objective.{name}"] for name in ("kappa", "decay", "rate")))
        fraction = training["objective.top_k_fraction"]
        self.loss_config = LossConfig(geco, fraction, l2=training["objective.l2"])
        self.optimizer = build_optimizer(OptimizerConfig(training["optimizer.learning_rate"]))
        self.model = self.build_model()
        self.params: dict[str, dict[str, Any]] = {}
        for name, array in inputs.read_arrays(folder / "params.npz").items():
            module, _, end = name.rpartition("/")
            self.params.setdefault(module, {})[end] = jnp.asarray(array)

    def build_model(self) -> Model:
        """Builds the model."""
        return build_model(self.config, self.precision)

    def check(self) -> dict[str, Any]:
        """Computes logits, loss and gradient norm for the common inputs of all variants."""
        arrays = inputs.read_arrays(self.folder / "check.npz")
        image, labels = inputs.images(len(arrays["gumbel"]), self.size)
        segmentation = jax.nn.one_hot(labels, self.config.num_classes)
        latents = [jnp.asarray(arrays[f"latent_{i}"]) for i in range(self.config.num_scales)]
        gumbel = jnp.asarray(arrays["gumbel"])
        variables, state = build_objective(self.loss_config).init()

        def loss(params: Any) -> Any:
            scaled = preprocess(jnp.asarray(image))
            output = self.model.network.forward(params, scaled, segmentation, latents)
            settings = (gumbel, params, variables, state, self.loss_config)
            result = loss_of_pass(output, segmentation, *settings, collectives=SINGLE_DEVICE)
            return result.share, (output.logits, result.scalars["loss"])

        # By default, a GPU rounds the factors of float32 products to ten bits.
        with jax.default_matmul_precision("highest"):
            gradient, (logits, value) = jax.jit(jax.grad(loss, has_aux=True))(self.params)
        squares = [jnp.sum(jnp.square(w)) for w in jax.tree.leaves(gradient)]
        norm = jnp.sqrt(jnp.sum(jnp.stack(squares)))
        return {"logits": np.asarray(logits), "loss": float(value), "gradient_norm": float(norm)}

    def task(self) -> Task:
        """Builds the task of training with central crops, without augmentation."""
        crop = (self.size, self.size)
        return build_task(self.model, self.loss_config, crop, 1, None)

    def train(self, batch_size: int) -> Program:
        """Builds training steps as the train command does, on one device."""
        task, devices = self.task(), Devices(jax.local_devices()[:1])
        state = devices.replicate(init_state(task, self.optimizer, inputs.SEED, self.params))
        step: Any = devices.pmap(build_step(task, self.optimizer, devices.collectives()))
        image, labels = inputs.images(batch_size, self.size)
        batch = Batch(image, labels, np.arange(batch_size, dtype=np.int32))
        compiled = step.lower(state, devices.split(batch)).compile()

        def run(repeats: int) -> None:
            nonlocal state
            for _ in range(repeats):
                state, scalars = compiled(state, devices.split(batch))
            jax.block_until_ready((state, scalars))

        def facts() -> dict[str, Any]:
            program = program_facts(compiled)
            if program["flops"] is not None:
                program["flops"] -= self._optimizer_flops()
            return {"program": program, **device_memory()}

        return Program(run, facts)

    def _optimizer_flops(self) -> float:
        """Returns XLA's count for Adam, which counts each slice of the vector as the whole."""

        def update(gradient: Any, state: Any, params: Any) -> Any:
            updates, state = self.optimizer.update(gradient, state, params)
            return optax.apply_updates(params, updates), state

        state = jax.eval_shape(self.optimizer.init, self.params)
        return count_flops(jax.jit(update).lower(self.params, state, self.params).compile()) or 0

    def sample(self, batch_size: int) -> Program:
        """Builds sampling as in the commands."""
        key = jax.random.key(inputs.SEED)
        draw = functools.partial(self.model.sample, self.params, key, num_samples=NUM_SAMPLES)
        return repeated(draw, self.scaled(batch_size))

    def encode(self, batch_size: int) -> Program:
        """Builds the encoder, which all samples of an image share."""
        encode = functools.partial(jax.jit(self.model.network.encode), self.params)
        return repeated(encode, self.scaled(batch_size))

    def scaled(self, batch_size: int) -> np.ndarray:
        """Scales images for `Model.sample`."""
        return preprocess(inputs.images(batch_size, self.size)[0])


class Plain(JaxVariant):
    """The plain transcription with hpunet's objective and optimizer."""

    @property
    def dtype(self) -> jnp.dtype:
        """Number format of the convolutions."""
        return jnp.dtype(self.precision)

    def build_model(self) -> Model:
        """Builds hpunet's model with the plain network."""
        model = build_model(self.config)
        forward = functools.partial(plain.forward, config=self.config, dtype=self.dtype)
        model.network = model.network._replace(forward=forward)
        return model

    def sample(self, batch_size: int) -> Program:
        """Builds sampling as separate whole passes, compiled once."""
        draw = jax.jit(functools.partial(plain.draw, config=self.config, dtype=self.dtype))
        keys = list(jax.random.split(jax.random.key(inputs.SEED), NUM_SAMPLES))

        def draw_all(image: np.ndarray) -> list[Any]:
            return [draw(self.params, key, image) for key in keys]

        return repeated(draw_all, self.scaled(batch_size))

    def encode(self, batch_size: int) -> Program:
        """Builds the prior's encoder."""

        @jax.jit
        def encode(params: Any, image: Any) -> Any:
            return plain.encoder(params, "prior_encoder", image.astype(self.dtype), self.config)

        return repeated(functools.partial(encode, self.params), self.scaled(batch_size))


def repeated(function: Callable[[np.ndarray], Any], image: np.ndarray) -> Program:
    """Builds a program that calls a function of an image repeatedly."""

    def run(repeats: int) -> None:
        for _ in range(repeats):
            drawn = function(image)
        jax.block_until_ready(drawn)

    return Program(run, device_memory)


def program_facts(compiled: Any) -> dict[str, Any]:
    """Returns XLA's operation count of a compiled program, and the bytes that it plans."""
    return {"flops": count_flops(compiled), **planned_memory(compiled)}


def count_flops(compiled: Any) -> float | None:
    """Returns XLA's operation count; None on a GPU, where XLA cannot count library calls."""
    if jax.default_backend() != "cpu":
        return None
    return (compiled.cost_analysis() or {}).get("flops")


def device_memory() -> dict[str, Any]:
    """Returns the peak device memory of this process in bytes, or None if unknown."""
    stats = jax.local_devices()[0].memory_stats() or {}
    return {"peak_device_bytes": stats.get("peak_bytes_in_use")}


def device_facts() -> dict[str, Any]:
    """Returns device and versions of the variants in this module."""
    device = jax.local_devices()[0]
    return {"platform": device.platform, "device": device.device_kind, "jax": jax.__version__}
