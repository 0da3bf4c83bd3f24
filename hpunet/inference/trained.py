"""A trained network with its preprocessing."""

from pathlib import Path
from typing import Any, NamedTuple

from hpunet.inference.preprocessing import Preprocessing
from hpunet.inference.prior_range import PriorRange
from hpunet.io.errors import UserError
from hpunet.models.initialization import Params
from hpunet.models.model import Model
from hpunet.weights import published


class TrainedNetwork(NamedTuple):
    """A network with its weights.

    Attributes:
        model: The model.
        params: Haiku's tree.
        preprocessing: Preprocessing of its images.
        place: Origin of the weights, for messages.
        origin: Origin of the weights, for JSON: `weights`, or `checkpoint` and `step`.
        checksum: Checksum of names, shapes and values of the weights.
        prior_range: Range of the prior on the validation split, or None if it is not known.
    """

    model: Model
    params: Params
    preprocessing: Preprocessing
    place: str
    origin: dict[str, Any]
    checksum: str
    prior_range: PriorRange | None = None

    @property
    def image_channels(self) -> int:
        """Number of channels of its images."""
        return self.model.image_channels(self.params)

    def window(self) -> tuple[int, int]:
        """Returns height and width of the windows in which large images are drawn: the crop.

        Raises:
            UserError: If the crop is not known.
        """
        if self.preprocessing.crop is None:
            raise UserError(
                f"--windows: {self.place} does not say at which crop it was trained; allowed is to "
                "leave it out"
            )
        return self.preprocessing.crop


def from_weights(name_or_path: str | Path) -> TrainedNetwork:
    """Reads the network of a weights file, or a published one by name.

    Raises:
        UserError: If the file is missing or unreadable, or its header has a crop or a number of
            channels that the network does not support.
    """
    found = published.read(name_or_path)
    preprocessing = Preprocessing.from_header(found.header.preprocessing)
    network = TrainedNetwork(
        found.model,
        found.params,
        preprocessing,
        str(found.path),
        {"weights": found.path.name},
        found.checksum,
        PriorRange.from_header(found.header.prior_range),
    )
    _check_crop(network)
    _check_channels(network)
    return network


def _check_channels(network: TrainedNetwork) -> None:
    own, channels = len(network.preprocessing.intensities.low), network.image_channels
    if own not in (1, channels):
        raise UserError(
            f"{network.place}: its header has an intensity_range of {own} channels; allowed are 1 "
            f"and {channels}, the number of channels of its network"
        )


def _check_crop(network: TrainedNetwork) -> None:
    crop = network.preprocessing.crop
    if crop is None:
        return
    try:
        network.model.config.check_size(*crop)
    except ValueError as error:
        raise UserError(
            f"{network.place}: its header has crop={crop_text(crop)}: {error}"
        ) from None


def crop_text(crop: tuple[int, int]) -> str:
    """A crop in messages: one number if it is square, as in the key `data.crop`."""
    return str(crop[0]) if crop[0] == crop[1] else str(crop)
