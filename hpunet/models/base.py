"""What every model offers, and the models by name."""

from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from hpunet.models.hierarchical.config import HierarchicalConfig

if TYPE_CHECKING:
    from hpunet.models.network import Network

# What features and convolutions are computed in; weights are float32 in both.
PRECISIONS = ("float32", "bfloat16")
# The form of the convolutions: the fastest on the platform, or plain operations for export.
CONVOLUTIONS = ("fast", "portable")


@runtime_checkable
class ModelConfig(Protocol):
    """The settings of a model, a frozen dataclass, and what the rest of hpunet asks of it.

    Attributes:
        name: Its key in `MODELS` and the value of `model.name`.
        title: Its name for people.
        usual_objective: The value of `objective.name` where none is given.
        can_reconstruct: Whether it has a posterior, from which it rebuilds a segmentation.
        first_kernel: Module and name of the weights that see the image first, `[h, w, C, D]`.
        num_classes: Classes of the segmentation, background included.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    usual_objective: ClassVar[str]
    can_reconstruct: ClassVar[bool]
    first_kernel: ClassVar[tuple[str, str]]
    num_classes: int

    @property
    def num_levels(self) -> int:
        """Number of resolutions, the full one included."""
        ...

    @property
    def num_scales(self) -> int:
        """Number of scales that have a latent; 0 for a model without latents."""
        ...

    @property
    def size_multiple(self) -> int:
        """What height and width of an image are multiples of, in pixels."""
        ...

    @property
    def least_extent(self) -> tuple[int, int]:
        """Arrays of weights that the network has at least, and the longest axis among them.

        A weights file whose arrays are fewer or smaller is refused before the network is built.
        """
        ...

    def latent_shapes(self, height: int, width: int) -> tuple[tuple[int, int, int], ...]:
        """Height, width and channels of the latent at each scale, coarsest first.

        Raises:
            ValueError: If the model takes no image of this size.
        """
        ...

    def check_size(self, height: int, width: int) -> None:
        """Refuses an image of a size that the model does not take.

        Raises:
            ValueError: Naming the sizes that are allowed.
        """
        ...

    def build_network(
        self, precision: str = "float32", remat: bool = False, convolution: str = "fast"
    ) -> "Network":
        """The model as pure functions.

        Args:
            precision: What features and convolutions are computed in, `float32` or `bfloat16`.
            remat: Whether levels are computed again in the gradient, to save memory.
            convolution: `fast`, in the form that is fastest on the platform, or `portable`, as
                plain operations for export.

        Raises:
            ValueError: If one of these is none of the allowed values.
        """
        ...


MODELS: dict[str, Any] = {
    "hierarchical": HierarchicalConfig,
}
