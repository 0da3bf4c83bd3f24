"""Derives the settings of a reference network from the shapes of its variables.

The reference numbers the convolutions of each part in the order of creation. The first block of a
decoder's level always has a 1x1 convolution on its skip path, because its input has more channels
than its output. This separates the blocks.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from hpunet.io.errors import UserError
from hpunet.models.hierarchical.config import HierarchicalConfig
from hpunet.weights.deepmind.names import variable_name
from hpunet.weights.header import MOST_LEVELS

Shapes = Mapping[str, tuple[int, ...]]
MOST_CHANNELS = 1 << 20


class Kernel(NamedTuple):
    """A convolution: its size in pixels, and its numbers of input and output channels."""

    size: int
    inputs: int
    outputs: int


class Core(NamedTuple):
    """The settings shared by prior and posterior, with the names of `HierarchicalConfig`."""

    latent_dims: tuple[int, ...]
    channels_per_block: tuple[int, ...]
    down_channels_per_block: tuple[int, ...]
    convs_per_block: int
    blocks_per_level: int


class MisfitError(ValueError):
    """The convolutions do not form a network."""


def find_configs(shapes: Shapes, scope: str) -> list[HierarchicalConfig]:
    """Derives the settings that fit the variables of the prior, the posterior or both.

    If no variable is missing or misshapen, there is exactly one result.

    Args:
        shapes: Shapes of all variables, by the reference's names.
        scope: Prefix of the names of the network's variables.

    Raises:
        UserError: If the variables of neither part form a network.
    """
    configs: list[HierarchicalConfig] = []
    for part in ("prior", "posterior"):
        try:
            core = find_core(_kernels(shapes, scope, part))
            config = HierarchicalConfig(**core._asdict(), num_classes=_num_classes(shapes, scope))
        except ValueError:
            continue
        if config not in configs:
            configs.append(config)
    if not configs:
        raise UserError(
            f"the shapes of the variables of {scope!r} do not fit a Hierarchical Probabilistic "
            "U-Net; --config gives its settings"
        )
    return configs


def _kernels(shapes: Shapes, scope: str, part: str) -> list[Kernel]:
    """Lists the convolutions of a part in the order of creation, up to a missing number."""
    kernels: list[Kernel] = []
    while True:
        conv = f"conv_2d_{len(kernels)}" if kernels else "conv_2d"
        shape = shapes.get(variable_name(scope, f"{part}/{conv}/w"))
        if shape is None:
            return kernels
        if len(shape) != 4 or shape[:2] not in ((1, 1), (3, 3)):
            raise MisfitError
        if not all(1 <= channels <= MOST_CHANNELS for channels in shape[2:]):
            raise MisfitError
        kernels.append(Kernel(*shape[1:]))


def _num_classes(shapes: Shapes, scope: str) -> int:
    """Derives the number of classes from the logits, or from the posterior's input channels."""
    logits = shapes.get(variable_name(scope, "f_comb/logits/w"), ())
    if len(logits) == 4:
        return logits[3]
    prior, posterior = (
        shapes.get(variable_name(scope, f"{part}/conv_2d/w"), ()) for part in ("prior", "posterior")
    )
    if len(prior) != 4 or len(posterior) != 4:
        raise MisfitError
    return posterior[2] - prior[2]


def find_core(kernels: list[Kernel]) -> Core:
    """Derives the settings of a part from its convolutions.

    Raises:
        MisfitError: If no settings fit.
    """
    for convs, blocks in _counts(kernels):
        try:
            return _Walk(kernels, convs, blocks).core()
        except MisfitError:
            continue
    raise MisfitError


def _counts(kernels: list[Kernel]) -> Iterator[tuple[int, int]]:
    """Yields possible numbers of 3x3 convolutions per block and of blocks per level."""
    sizes = "".join(str(kernel.size) for kernel in kernels)
    num_wide = sizes.count("3")
    for convs in sorted({len(run) for run in re.findall("3+", sizes)}):
        for blocks in range(1, num_wide // convs + 1):
            # All levels of encoder and decoder have the same number of blocks.
            if num_wide % (convs * blocks) == 0:
                yield convs, blocks


class _Walk:
    """Matches convolutions to the structure of a network with the given counts."""

    def __init__(self, kernels: list[Kernel], convs: int, blocks: int) -> None:
        self._rest = kernels[::-1]
        self._convs = convs
        self._blocks = blocks

    def core(self) -> Core:
        """Matches the encoder's levels, then for each scale its latent and the level above."""
        levels: list[tuple[int, int]] = []
        width = self._rest[-1].inputs
        while self._next().size == 3:
            levels.append(self._level(width))
            width = levels[-1][0]
        if len(levels) > MOST_LEVELS:
            raise MisfitError
        latent_dims: list[int] = []
        for channels, inner in levels[-2::-1]:
            if not self._rest:
                break
            latent_dims.append(self._take(1, width) // 2)
            if self._level(latent_dims[-1] + width + channels) != (channels, inner):
                raise MisfitError
            width = channels
        if self._rest or not latent_dims:
            raise MisfitError
        channels_per_block, inner_channels = zip(*levels, strict=True)
        return Core(
            tuple(latent_dims), channels_per_block, inner_channels, self._convs, self._blocks
        )

    def _level(self, inputs: int) -> tuple[int, int]:
        """Matches the next level and returns its outer and inner width."""
        widths = self._block(inputs)
        if any(self._block(widths[0]) != widths for _ in range(self._blocks - 1)):
            raise MisfitError
        return widths

    def _block(self, inputs: int) -> tuple[int, int]:
        """Matches the next block and returns its outer and inner width."""
        inner = self._take(3, inputs)
        if any(self._take(3, inner) != inner for _ in range(self._convs - 1)):
            raise MisfitError
        outer = self._outer(inputs, inner)
        if outer != inputs:
            self._take(1, inputs)
        if outer != inner:
            self._take(1, inner)
        return outer, inner

    def _outer(self, inputs: int, inner: int) -> int:
        first, second = self._next(), self._next(1)
        if inner != inputs:
            return first.outputs
        # Skip and expansion have the same shape; a single 1x1 convolution is the next latent's.
        return first.outputs if first.size == second.size == 1 else inputs

    def _next(self, ahead: int = 0) -> Kernel:
        return self._rest[-1 - ahead] if ahead < len(self._rest) else Kernel(0, 0, 0)

    def _take(self, size: int, inputs: int) -> int:
        """Matches the next convolution by size and input channels; returns its output channels."""
        kernel = self._next()
        if kernel[:2] != (size, inputs):
            raise MisfitError
        self._rest.pop()
        return kernel.outputs
