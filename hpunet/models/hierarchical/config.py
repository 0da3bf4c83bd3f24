"""The settings that decide a network's shape."""

import dataclasses
from collections.abc import Sequence

from hpunet.io.errors import UserError

LIDC_CHANNELS = (24, 48, 96, 192, 192, 192, 192, 192)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Shape of a Hierarchical Probabilistic U-Net; the defaults are the published LIDC network.

    Attributes:
        latent_dims: Channels of the latent at each scale, coarsest first; at least one scale and
            fewer than there are levels.
        channels_per_block: Channels of the residual blocks at each level, level 0 (full
            resolution) first. Its length is the number of levels.
        down_channels_per_block: Channels inside the residual blocks at each level. None halves
            `channels_per_block`. (The reference halves its default widths there, whatever
            `channels_per_block` says: a slip that is not repeated here.)
        num_classes: Classes of the segmentation, background included.
        convs_per_block: 3x3 convolutions in a residual block.
        blocks_per_level: Residual blocks at a level, in encoder and decoder alike.

    Raises:
        UserError: If a value is out of range or lengths do not fit each other.

    Reference: Kohl et al. 2019, appendix A; `HierarchicalProbUNet` in the reference's model.
    """

    latent_dims: Sequence[int] = (1, 1, 1, 1)
    channels_per_block: Sequence[int] = LIDC_CHANNELS
    down_channels_per_block: Sequence[int] | None = None
    num_classes: int = 2
    convs_per_block: int = 3
    blocks_per_level: int = 3

    def __post_init__(self) -> None:
        """Turns lists into tuples, fills in the inner widths, and checks every value."""
        for name in ("latent_dims", "channels_per_block", "down_channels_per_block"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _positive_integers(name, value))
        if self.down_channels_per_block is None:
            halves = tuple(max(1, c // 2) for c in self.channels_per_block)
            object.__setattr__(self, "down_channels_per_block", halves)
        _check_counts(self)

    @property
    def num_levels(self) -> int:
        """Number of resolutions, the full one included."""
        return len(self.channels_per_block)

    @property
    def num_scales(self) -> int:
        """Number of scales that have a latent."""
        return len(self.latent_dims)

    @property
    def inner_channels(self) -> tuple[int, ...]:
        """Channels inside the residual blocks at each level, never None."""
        assert self.down_channels_per_block is not None
        return tuple(self.down_channels_per_block)

    def level_of_scale(self, scale: int) -> int:
        """Level at which the latent of a scale lives: scale 0 lives at the coarsest level."""
        return self.num_levels - 1 - scale

    def latent_shapes(self, height: int, width: int) -> tuple[tuple[int, int, int], ...]:
        """Height, width and channels of the latent at each scale, coarsest first.

        Args:
            height: Height of the image in pixels.
            width: Width of the image in pixels.

        Raises:
            UserError: If a side is no multiple of `2**(num_levels - 1)`.
        """
        self.check_size(height, width)
        factors = [2 ** self.level_of_scale(s) for s in range(self.num_scales)]
        return tuple(
            (height // f, width // f, dim) for f, dim in zip(factors, self.latent_dims, strict=True)
        )

    def check_size(self, height: int, width: int) -> None:
        """Refuses an image whose sides cannot be halved at every level, naming those that can."""
        multiple = 2 ** (self.num_levels - 1)
        wrong = [
            f"{name} {size} (nearest: {_nearest_multiples(size, multiple)})"
            for name, size in (("height", height), ("width", width))
            if size % multiple or size < multiple
        ]
        if wrong:
            raise UserError(
                f"image {' and '.join(wrong)}: a network of {self.num_levels} levels takes "
                f"multiples of {multiple}"
            )


def _nearest_multiples(size: int, multiple: int) -> str:
    below = size // multiple * multiple
    return f"{below} or {below + multiple}" if below else f"{multiple}"


def _positive_integers(name: str, values: object) -> tuple[int, ...]:
    if not isinstance(values, list | tuple) or not values:
        raise UserError(f"{name}={values!r}: allowed is a list of at least one whole number")
    if not all(isinstance(v, int) and not isinstance(v, bool) and v >= 1 for v in values):
        raise UserError(f"{name}={tuple(values)}: allowed are whole numbers from 1 up")
    return tuple(values)


def _check_counts(config: ModelConfig) -> None:
    for name, least in (("num_classes", 2), ("convs_per_block", 1), ("blocks_per_level", 1)):
        value = getattr(config, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise UserError(f"{name}={value!r}: allowed are whole numbers from {least} up")
    if len(config.inner_channels) != config.num_levels:
        raise UserError(
            f"down_channels_per_block={config.inner_channels}: allowed are as many widths as in "
            f"channels_per_block={config.channels_per_block}"
        )
    if config.num_scales >= config.num_levels:
        raise UserError(
            f"latent_dims={config.latent_dims}: allowed are fewer scales than the "
            f"{config.num_levels} levels of channels_per_block"
        )
