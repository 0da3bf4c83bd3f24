"""The settings of a Hierarchical Probabilistic U-Net."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from hpunet.models.fields import check_fields, field, optional, several, whole

if TYPE_CHECKING:
    from hpunet.models.network import Network

LIDC_CHANNELS = (24, 48, 96, 192, 192, 192, 192, 192)
WIDTHS = several(whole(1), least=1)


@dataclasses.dataclass(frozen=True)
class HierarchicalConfig:
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
        ValueError: If a value is out of range or lengths do not fit each other.

    Reference: Kohl et al. 2019, appendix A; `HierarchicalProbUNet` in the reference's model.
    """

    name: ClassVar[str] = "hierarchical"
    title: ClassVar[str] = "Hierarchical Probabilistic U-Net"
    # What the names of the variables begin with in the reference's own checkpoints.
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
        None, optional(WIDTHS), "Channels inside the blocks; None halves channels_per_block."
    )
    num_classes: int = field(2, whole(2), "Classes, background included.")
    convs_per_block: int = field(3, whole(1), "3x3 convolutions of a residual block.")
    blocks_per_level: int = field(3, whole(1), "Residual blocks of a level.")

    def __post_init__(self) -> None:
        """Checks every value, turns lists into tuples and fills in the inner widths."""
        check_fields(self)
        if self.down_channels_per_block is None:
            halves = tuple(max(1, c // 2) for c in self.channels_per_block)
            object.__setattr__(self, "down_channels_per_block", halves)
        if len(self.inner_channels) != self.num_levels:
            raise ValueError(
                f"down_channels_per_block={self.inner_channels}: allowed are as many widths as in "
                f"channels_per_block={self.channels_per_block}"
            )
        if self.num_scales >= self.num_levels:
            raise ValueError(
                f"latent_dims={self.latent_dims}: allowed are fewer scales than the "
                f"{self.num_levels} levels of channels_per_block"
            )

    @property
    def num_levels(self) -> int:
        """Number of resolutions, the full one included."""
        return len(self.channels_per_block)

    @property
    def num_scales(self) -> int:
        """Number of scales that have a latent."""
        return len(self.latent_dims)

    @property
    def size_multiple(self) -> int:
        """What height and width of an image are multiples of, in pixels."""
        return 2 ** (self.num_levels - 1)

    @property
    def least_extent(self) -> tuple[int, int]:
        """Arrays of weights that the network has at least, and the longest axis among them."""
        widths = (*self.channels_per_block, *self.inner_channels, *self.latent_dims)
        blocks = self.num_levels * self.blocks_per_level
        return blocks * self.convs_per_block, max(*widths, self.num_classes)

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
            ValueError: If a side is no multiple of `size_multiple`.
        """
        self.check_size(height, width)
        factors = [2 ** self.level_of_scale(s) for s in range(self.num_scales)]
        return tuple(
            (height // f, width // f, dim) for f, dim in zip(factors, self.latent_dims, strict=True)
        )

    def check_size(self, height: int, width: int) -> None:
        """Refuses an image whose sides cannot be halved at every level, naming those that can.

        Raises:
            ValueError: Naming the side and the nearest that are allowed.
        """
        multiple = self.size_multiple
        wrong = [
            f"{name} {size} (nearest: {_nearest_multiples(size, multiple)})"
            for name, size in (("height", height), ("width", width))
            if size % multiple or size < multiple
        ]
        if wrong:
            raise ValueError(
                f"image {' and '.join(wrong)}: a network of {self.num_levels} levels takes "
                f"multiples of {multiple}"
            )

    def build_network(
        self, precision: str = "float32", remat: bool = False, convolution: str = "fast"
    ) -> "Network":
        """The network of this shape as pure functions; see `hpunet.models.network.Network`."""
        # Here, because whoever only reads or lists settings must not wait for JAX.
        from hpunet.models.hierarchical.network import build_network

        return build_network(self, precision, remat, convolution)


def _nearest_multiples(size: int, multiple: int) -> str:
    below = size // multiple * multiple
    return f"{below} or {below + multiple}" if below else f"{multiple}"
