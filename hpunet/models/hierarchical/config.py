"""The settings of a Hierarchical Probabilistic U-Net."""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

from hpunet.models.fields import check_fields, field, optional, several, whole

LIDC_CHANNELS = (24, 48, 96, 192, 192, 192, 192, 192)
WIDTHS = several(whole(1), least=1)


@dataclasses.dataclass(frozen=True)
class HierarchicalConfig:
    """The settings of a Hierarchical Probabilistic U-Net; by default, the published LIDC network.

    Attributes:
        latent_dims: Channels of the latent at each scale, coarsest first. There is at least one
            scale, and there are fewer scales than levels.
        channels_per_block: Channels of the residual blocks at each level, level 0 (full
            resolution) first. The length is the number of levels.
        down_channels_per_block: Inner channels of the residual blocks at each level. None halves
            `channels_per_block`. (The reference halves its default widths instead, even if
            `channels_per_block` differs from them. That mistake is not reproduced.)
        num_classes: Number of classes, including the background.
        convs_per_block: 3x3 convolutions per residual block.
        blocks_per_level: Residual blocks per level, both in the encoder and in the decoder.

    Raises:
        ValueError: If a value is out of range, or the lengths are inconsistent.

    Reference: Kohl et al. 2019, appendix A; `HierarchicalProbUNet` in the reference's model.
    """

    name: ClassVar[str] = "hierarchical"
    title: ClassVar[str] = "Hierarchical Probabilistic U-Net"
    # Prefix of the names of variables in the reference's checkpoints.
    reference_scope: ClassVar[str] = "model/HPUNet"
    usual_objective: ClassVar[str] = "geco"
    can_reconstruct: ClassVar[bool] = True
    first_kernel: ClassVar[tuple[str, str]] = ("prior_encoder/level_0/block_0/conv_0", "w")

    latent_dims: Sequence[int] = field(
        (1, 1, 1, 1), WIDTHS, "Channels of the latent at each scale, coarsest first."
    )
    channels_per_block: Sequence[int] = field(
        LIDC_CHANNELS, WIDTHS, "Channels at each level, full resolution first."
    )
    down_channels_per_block: Sequence[int] | None = field(
        None, optional(WIDTHS), "Inner channels of the blocks; None halves channels_per_block."
    )
    num_classes: int = field(2, whole(2), "Number of classes, including the background.")
    convs_per_block: int = field(3, whole(1), "3x3 convolutions per residual block.")
    blocks_per_level: int = field(3, whole(1), "Residual blocks per level.")

    def __post_init__(self) -> None:
        """Checks every value, converts lists to tuples and fills in the inner widths."""
        check_fields(self)
        if self.down_channels_per_block is None:
            halves = tuple(max(1, c // 2) for c in self.channels_per_block)
            object.__setattr__(self, "down_channels_per_block", halves)
        if len(self.inner_channels) != self.num_levels:
            raise ValueError(
                f"down_channels_per_block={self.inner_channels}: allowed is one width for each of "
                f"channels_per_block={self.channels_per_block}"
            )
        if self.num_scales >= self.num_levels:
            raise ValueError(
                f"latent_dims={self.latent_dims}: allowed are fewer scales than the "
                f"{self.num_levels} levels of channels_per_block"
            )

    @property
    def num_levels(self) -> int:
        """Number of resolutions, including the full one."""
        return len(self.channels_per_block)

    @property
    def num_scales(self) -> int:
        """Number of scales that have a latent."""
        return len(self.latent_dims)

    @property
    def size_multiple(self) -> int:
        """Height and width of an image must be multiples of this number, in pixels."""
        return 2 ** (self.num_levels - 1)

    @property
    def least_extent(self) -> tuple[int, int]:
        """Lower bounds: number of arrays of weights, and length of their longest axis."""
        widths = (*self.channels_per_block, *self.inner_channels, *self.latent_dims)
        blocks = self.num_levels * self.blocks_per_level
        return blocks * self.convs_per_block, max(*widths, self.num_classes)

    @property
    def inner_channels(self) -> tuple[int, ...]:
        """Inner channels of the residual blocks at each level; never None."""
        assert self.down_channels_per_block is not None
        return tuple(self.down_channels_per_block)

    def level_of_scale(self, scale: int) -> int:
        """Returns the level of the latent at a scale; scale 0 is at the coarsest level."""
        return self.num_levels - 1 - scale

    def latent_shapes(self, height: int, width: int) -> tuple[tuple[int, int, int], ...]:
        """Returns height, width and channels of the latent at each scale, coarsest first.

        Args:
            height: Height of the image in pixels.
            width: Width of the image in pixels.

        Raises:
            ValueError: If height or width is not a multiple of `size_multiple`.
        """
        self.check_size(height, width)
        factors = [2 ** self.level_of_scale(s) for s in range(self.num_scales)]
        return tuple(
            (height // f, width // f, dim) for f, dim in zip(factors, self.latent_dims, strict=True)
        )

    def check_size(self, height: int, width: int) -> None:
        """Checks that height and width of an image can be halved at every level.

        Args:
            height: Height of the image in pixels.
            width: Width of the image in pixels.

        Raises:
            ValueError: If one cannot; the message names the nearest allowed sizes.
        """
        multiple = self.size_multiple
        wrong = [
            f"{name} {size} (nearest: {_nearest_multiples(size, multiple)})"
            for name, size in (("height", height), ("width", width))
            if size % multiple or size < multiple
        ]
        if wrong:
            raise ValueError(
                f"image {' and '.join(wrong)}: a network of {self.num_levels} levels needs "
                f"multiples of {multiple}"
            )


def _nearest_multiples(size: int, multiple: int) -> str:
    below = size // multiple * multiple
    return f"{below} or {below + multiple}" if below else f"{multiple}"
