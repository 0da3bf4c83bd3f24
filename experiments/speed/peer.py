"""The network and its training step in plain PyTorch, for comparison.

The modules have the names of hpunet's modules, so weights are copied by name. Images are NCHW in
channels_last order. The module does not import hpunet.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional


class Shape(NamedTuple):
    """The fields of hpunet's HierarchicalConfig, and the channels of an image."""

    latent_dims: Sequence[int]
    channels: Sequence[int]
    inner_channels: Sequence[int]
    num_classes: int
    convs_per_block: int
    blocks_per_level: int
    image_channels: int = 1

    def level_of_scale(self, scale: int) -> int:
        """Returns the level of a scale; scale 0 is at the coarsest level."""
        return len(self.channels) - 1 - scale


class Gaussian(NamedTuple):
    """Mean and standard deviation of a latent, NCHW."""

    loc: Tensor
    scale: Tensor


class Output(NamedTuple):
    """Logits NCHW, and the distributions at each scale, coarsest first."""

    logits: Tensor
    posterior: list[Gaussian]
    prior: list[Gaussian]


class Block(nn.Module):
    """A pre-activated residual block."""

    def __init__(self, shape: Shape, level: int, inputs: int) -> None:
        """Creates a block with the widths of a level."""
        super().__init__()
        outer, inner = shape.channels[level], shape.inner_channels[level]
        self.names = [f"conv_{i}" for i in range(shape.convs_per_block)]
        widths = [inputs] + [inner] * shape.convs_per_block
        for name, before, after in zip(self.names, widths, widths[1:], strict=False):
            self.add_module(name, nn.Conv2d(before, after, 3, padding=1))
        self.skip = nn.Conv2d(inputs, outer, 1) if inputs != outer else nn.Identity()
        self.expand = nn.Conv2d(inner, outer, 1) if inner != outer else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Computes features of the same resolution."""
        residual = x
        for name in self.names:
            residual = getattr(self, name)(functional.relu(residual))
        return self.skip(x) + self.expand(residual)


def build_level(shape: Shape, level: int, inputs: int) -> nn.Sequential:
    """The blocks of a level."""
    level_module = nn.Sequential()
    for i in range(shape.blocks_per_level):
        width = shape.channels[level] if i else inputs
        level_module.add_module(f"block_{i}", Block(shape, level, width))
    return level_module


class Encoder(nn.Module):
    """The contracting path."""

    def __init__(self, shape: Shape, inputs: int) -> None:
        """Creates the levels for this number of input channels."""
        super().__init__()
        for level, width in enumerate([inputs, *shape.channels[:-1]]):
            self.add_module(f"level_{level}", build_level(shape, level, width))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Computes the features of every level, level 0 first."""
        features = []
        for i, level in enumerate(self.children()):
            x = level(functional.avg_pool2d(x, 2) if i else x)
            features.append(x)
        return features


class Decoder(nn.Module):
    """The part of the expanding path with latents."""

    def __init__(self, shape: Shape) -> None:
        """Creates the levels for a shape of the network."""
        super().__init__()
        self.shape = shape
        for scale, dim in enumerate(shape.latent_dims):
            level = shape.level_of_scale(scale)
            below, skip = shape.channels[level], shape.channels[level - 1]
            self.add_module(f"latent_{scale}", nn.Conv2d(below, 2 * dim, 1))
            inputs = dim + below + skip
            self.add_module(f"level_{level - 1}", build_level(shape, level - 1, inputs))

    def forward(
        self, encoded: Sequence[Tensor], noise: Sequence[Tensor], given: Sequence[Tensor] | None
    ) -> tuple[list[Gaussian], list[Tensor], Tensor]:
        """Computes distributions, latents (drawn or given) and the last features."""
        distributions, latents = [], []
        x = encoded[-1]
        for scale in range(len(self.shape.latent_dims)):
            parameters = getattr(self, f"latent_{scale}")(x).float()
            loc, log_scale = parameters.chunk(2, dim=1)
            q = Gaussian(loc, log_scale.exp())
            latent = q.loc + q.scale * noise[scale] if given is None else given[scale]
            distributions.append(q)
            latents.append(latent)
            level = self.shape.level_of_scale(scale) - 1
            x = functional.interpolate(torch.cat([latent.to(x.dtype), x], dim=1), scale_factor=2)
            x = getattr(self, f"level_{level}")(torch.cat([x, encoded[level]], dim=1))
        return distributions, latents, x


class Stitching(nn.Module):
    """The levels above the latents."""

    def __init__(self, shape: Shape) -> None:
        """Creates the levels for a shape of the network."""
        super().__init__()
        self.first = len(shape.channels) - len(shape.latent_dims) - 2
        for level in range(self.first, -1, -1):
            inputs = shape.channels[level + 1] + shape.channels[level]
            self.add_module(f"level_{level}", build_level(shape, level, inputs))
        self.logits = nn.Conv2d(shape.channels[0], shape.num_classes, 1)

    def forward(self, encoded: Sequence[Tensor], x: Tensor) -> Tensor:
        """Computes the logits, float32."""
        for level in range(self.first, -1, -1):
            x = torch.cat([functional.interpolate(x, scale_factor=2), encoded[level]], dim=1)
            x = getattr(self, f"level_{level}")(x)
        return self.logits(x).float()


class Network(nn.Module):
    """The Hierarchical Probabilistic U-Net."""

    def __init__(self, shape: Shape) -> None:
        """Creates a network of this shape."""
        super().__init__()
        self.prior_encoder = Encoder(shape, shape.image_channels)
        self.posterior_encoder = Encoder(shape, shape.image_channels + shape.num_classes)
        self.prior_decoder = Decoder(shape)
        self.posterior_decoder = Decoder(shape)
        self.stitching_decoder = Stitching(shape)

    def forward(self, image: Tensor, segmentation: Tensor, noise: Sequence[Tensor]) -> Output:
        """Computes one pass with latents from the posterior."""
        encoded = self.posterior_encoder(torch.cat([segmentation, image], dim=1))
        posterior, latents, _ = self.posterior_decoder(encoded, noise, None)
        encoded = self.prior_encoder(image)
        prior, _, x = self.prior_decoder(encoded, noise, latents)
        return Output(self.stitching_decoder(encoded, x), posterior, prior)

    def decode(self, encoded: Sequence[Tensor], noise: Sequence[Tensor]) -> Tensor:
        """Computes the logits of one sample of encoded images."""
        return self.stitching_decoder(encoded, self.prior_decoder(encoded, noise, None)[2])


def load_weights(network: Network, params: dict[str, np.ndarray]) -> None:
    """Copies weights from hpunet's `{module/name: array}`, which must be complete."""
    ends = {"w": "weight", "b": "bias"}
    state = {}
    for name, array in params.items():
        module, _, end = name.rpartition("/")
        layout = np.transpose(array, (3, 2, 0, 1)) if array.ndim == 4 else array
        state[f"{module.replace('/', '.')}.{ends[end]}"] = torch.tensor(layout)
    network.load_state_dict(state)


class Geco(nn.Module):
    """The variable and the moving average of GECO."""

    def __init__(self, kappa: float, decay: float, rate: float) -> None:
        """Initialises the multiplier to 1."""
        super().__init__()
        self.kappa, self.decay, self.rate = kappa, decay, rate
        self.variable = nn.Parameter(torch.tensor(float(np.log(np.e - 1))))
        self.register_buffer("average", torch.tensor(float("nan")))

    def forward(self, rec_loss: Tensor, num_kept: float, kl_sum: Tensor) -> Tensor:
        """Computes the objective; its gradient with respect to the variable is reversed."""
        newest = rec_loss.detach()
        moved = self.decay * self.average + (1 - self.decay) * newest
        self.average.copy_(torch.where(self.average.isnan(), newest, moved))
        constraint = self.average - self.kappa * num_kept
        constant = self.variable.detach()
        climbing = constant - self.rate * (self.variable - constant)
        multiplier = functional.softplus(climbing).square()
        return multiplier * (constraint + rec_loss - newest) + kl_sum


def loss_of_pass(
    output: Output, labels: Tensor, gumbel: Tensor, geco: Geco, top_k_fraction: float
) -> Tensor:
    """Computes GECO's objective of a batch, without L2 regularisation."""
    pixelwise = functional.cross_entropy(output.logits, labels, reduction="none")
    fixed = pixelwise.detach()
    scores = (fixed / fixed.sum()).log() + gumbel
    num_kept = max(1, int(top_k_fraction * scores.numel()))
    best = scores.flatten().topk(num_kept, sorted=False).indices
    batch_size = len(labels)
    rec_loss = pixelwise.flatten()[best].sum() / batch_size
    kl = [kl_divergence(q, p) for q, p in zip(output.posterior, output.prior, strict=True)]
    return geco(rec_loss, num_kept / batch_size, torch.stack(kl).sum() / batch_size)


def kl_divergence(q: Gaussian, p: Gaussian) -> Tensor:
    """Computes KL(q || p) in nats, summed over all elements."""
    squares = (q.scale / p.scale).square() + ((q.loc - p.loc) / p.scale).square()
    return (p.scale.log() - q.scale.log() + 0.5 * (squares - 1)).sum()


def build_optimizer(
    network: Network, geco: Geco, learning_rate: float, l2: float
) -> torch.optim.Optimizer:
    """Builds Adam, with regularisation as `weight_decay`, which is faster than a loss term."""
    weights = {"params": list(network.parameters()), "weight_decay": 2 * l2}
    variables = {"params": list(geco.parameters()), "weight_decay": 0.0}
    return torch.optim.Adam([weights, variables], lr=learning_rate, fused=True)


def draw_latent_noise(image: Tensor, shapes: Sequence[tuple[int, int, int]]) -> list[Tensor]:
    """Draws standard normal noise for latents of shapes (height, width, channels)."""
    return [torch.randn(len(image), c, h, w, device=image.device) for h, w, c in shapes]


def draw_gumbel(labels: Tensor) -> Tensor:
    """Draws standard Gumbel noise per pixel."""
    tiny = torch.finfo(torch.float32).tiny
    uniform = torch.rand(labels.shape, device=labels.device).clamp_min(tiny)
    return -(-uniform.log()).log()


def channels_last(array: Tensor) -> Tensor:
    """Converts NHWC to NCHW in channels_last order, without moving data."""
    return array.permute(0, 3, 1, 2)


def one_hot(labels: Tensor, num_classes: int) -> Tensor:
    """Computes a one-hot segmentation, NCHW in channels_last order."""
    return channels_last(functional.one_hot(labels, num_classes).float())
