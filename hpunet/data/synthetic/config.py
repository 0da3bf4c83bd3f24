"""Settings of the synthetic data set and the choices that its annotators make."""

import dataclasses
import itertools
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool

from hpunet.io.errors import UserError

MIN_IMAGE_SIZE = 32
SIZE_MULTIPLE = 8
MAX_SITES = 4  # more protrusions than this would touch one another


@dataclasses.dataclass(frozen=True)
class SyntheticConfig:
    """What is drawn, how much of it, and how its annotators decide.

    An annotator makes independent choices with the same probabilities on every image: to draw the
    lesion at all, to count the halo around the core as lesion, and for every protrusion, to follow
    it or to leave it out.

    Attributes:
        image_size: Height and width, pixels; a multiple of 8 from 32 up.
        num_train: Images of the split `train`.
        num_val: Images of the split `val`.
        num_test: Images of the split `test`.
        num_annotators: Independent annotations of an image.
        p_drawn: Probability that an annotator draws the lesion at all.
        p_halo: Probability that one who draws it includes the halo.
        p_protrusion: The same of each protrusion; its length is their number, 0 to 4.
        seed: Of images and annotations; the splits never share a random stream.

    Raises:
        UserError: If a value is not allowed.
    """

    image_size: int = 128
    num_train: int = 2000
    num_val: int = 200
    num_test: int = 200
    num_annotators: int = 4
    p_drawn: float = 0.7
    p_halo: float = 0.4
    p_protrusion: tuple[float, ...] = (0.5, 0.35)
    seed: int = 0

    def __post_init__(self) -> None:
        """Checks every value; a list of probabilities becomes a tuple."""
        _check_sites(self.p_protrusion)
        object.__setattr__(self, "p_protrusion", tuple(self.p_protrusion))
        _check_size(self.image_size)
        for name in ("num_train", "num_val", "num_test", "num_annotators"):
            _check_integer(name, getattr(self, name), minimum=1)
        _check_integer("seed", self.seed, minimum=0)
        _check_probability("p_drawn", self.p_drawn)
        _check_probability("p_halo", self.p_halo)

    @property
    def num_sites(self) -> int:
        """Number of places where a protrusion leaves the core."""
        return len(self.p_protrusion)

    @property
    def num_images(self) -> Mapping[str, int]:
        """Images of each split."""
        return {"train": self.num_train, "val": self.num_val, "test": self.num_test}


def mode_choices(num_sites: int) -> Bool[np.ndarray, "M C"]:
    """The choices behind each distinct annotation, in the order used everywhere.

    Args:
        num_sites: Number of protrusions P.

    Returns:
        One row for each of the M = 1 + 2 * 2^P modes; columns are drawn, halo, protrusion 1, ... P.
        The first row is "not drawn"; the halo varies slowest, the first protrusion fastest.
    """
    rows = [(False,) * (2 + num_sites)]
    for halo in (False, True):
        for sites in itertools.product((False, True), repeat=num_sites):
            rows.append((True, halo, *sites[::-1]))
    return np.array(rows)


def _check_size(value: int) -> None:
    _check_integer("image_size", value, minimum=MIN_IMAGE_SIZE)
    if value % SIZE_MULTIPLE:
        raise UserError(
            f"data.synthetic.image_size={value}: expected a multiple of {SIZE_MULTIPLE} from "
            f"{MIN_IMAGE_SIZE} up"
        )


def _check_integer(name: str, value: object, *, minimum: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise UserError(
            f"data.synthetic.{name}={value!r}: expected an integer of at least {minimum}"
        )


def _check_probability(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise UserError(f"data.synthetic.{name}={value!r}: expected a probability from 0 to 1")


def _check_sites(values: object) -> None:
    if not isinstance(values, (tuple, list)) or len(values) > MAX_SITES:
        raise UserError(
            f"data.synthetic.p_protrusion={values!r}: expected at most {MAX_SITES} probabilities, "
            "one for each protrusion"
        )
    for index, value in enumerate(values):
        _check_probability(f"p_protrusion[{index}]", value)
