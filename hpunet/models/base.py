"""The interface of every model, and the models by name."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, runtime_checkable

from hpunet.models import hierarchical
from hpunet.models.hierarchical.config import HierarchicalConfig

if TYPE_CHECKING:
    from hpunet.models.network import Network


@runtime_checkable
class ModelConfig(Protocol):
    """The settings of a model: a frozen dataclass that also answers questions about the model.

    The other packages ask these members instead of assuming a particular model.

    Attributes:
        name: Key of the model in `MODELS`; the value of `model.name`.
        title: Name of the model in messages.
        usual_objective: Default of `objective.name`.
        can_reconstruct: Whether the model has a posterior and can reconstruct a segmentation.
        first_kernel: Module and name of the first kernel applied to the image, `[h, w, C, D]`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    usual_objective: ClassVar[str]
    can_reconstruct: ClassVar[bool]
    first_kernel: ClassVar[tuple[str, str]]

    @property
    def num_classes(self) -> int:
        """Classes of the segmentation, background included."""
        ...

    @property
    def num_levels(self) -> int:
        """Number of resolutions, including the full one."""
        ...

    @property
    def num_scales(self) -> int:
        """Number of scales that have a latent; 0 for a model without latents."""
        ...

    @property
    def size_multiple(self) -> int:
        """Height and width of an image must be multiples of this number, in pixels."""
        ...

    @property
    def least_extent(self) -> tuple[int, int]:
        """Lower bounds: number of arrays of weights, and length of their longest axis.

        Reading a weights file with fewer or smaller arrays fails before the network is built.
        """
        ...

    def latent_shapes(self, height: int, width: int) -> tuple[tuple[int, int, int], ...]:
        """Returns height, width and channels of the latent at each scale, coarsest first.

        Args:
            height: Height of the image in pixels.
            width: Width of the image in pixels.

        Raises:
            ValueError: If the model does not support images of this size.
        """
        ...

    def check_size(self, height: int, width: int) -> None:
        """Checks that the model supports images of this size.

        Args:
            height: Height of the image in pixels.
            width: Width of the image in pixels.

        Raises:
            ValueError: If it does not; the message names the allowed sizes.
        """
        ...


class ModelEntry(NamedTuple):
    """A model of the family.

    Attributes:
        config: Class of its settings, a frozen dataclass as `ModelConfig` describes it.
        build_network: `(config, precision, remat, convolution) -> Network`. It imports JAX when it
            is called, because commands that only list settings must not wait for JAX.
    """

    config: Any
    build_network: Callable[..., "Network"]


MODELS = {
    "hierarchical": ModelEntry(HierarchicalConfig, hierarchical.build_network),
}


def build_network(
    config: ModelConfig,
    precision: str = "float32",
    remat: bool = False,
    convolution: str = "fast",
) -> "Network":
    """Builds the pure functions of a model, without checks of their arguments.

    Args:
        config: Settings of the model.
        precision: Number format of features and convolutions, `float32` or `bfloat16`.
        remat: Whether the gradient recomputes levels, to save memory.
        convolution: `fast`, the form that is fastest on the platform, or `portable`, plain
            operations for export.

    Raises:
        ValueError: If `precision` or `convolution` is not an allowed value.
    """
    return MODELS[config.name].build_network(config, precision, remat, convolution)
