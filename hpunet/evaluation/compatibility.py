"""Whether a trained network fits the data that it is scored on."""

import sys

from hpunet.data.dataset import Dataset, ExampleSource
from hpunet.data.intensities import BYTES, Intensities
from hpunet.inference.trained import TrainedNetwork, crop_text
from hpunet.io.errors import UserError


def check_config(network: TrainedNetwork, num_classes: int, crop: tuple[int, int]) -> None:
    """Refuses a network for other classes or crops than the configuration has.

    Args:
        network: With a crop.
        num_classes: Value of `model.num_classes`.
        crop: Height and width, from `data.crop`.

    Raises:
        UserError: With both values.
    """
    own_classes = network.model.config.num_classes
    if own_classes != num_classes:
        raise UserError(
            f"{network.place}: its network has {own_classes} classes, --config has "
            f"model.num_classes={num_classes}"
        )
    if network.preprocessing.crop != crop:
        raise UserError(
            f"{network.place}: its network is for crops of {_crop_of(network)}, --config has "
            f"data.crop={crop_text(crop)}"
        )


def warn_of_data(network: TrainedNetwork, checksum: str) -> None:
    """Warns if a network is known to have learned from other data than are scored."""
    own = network.preprocessing.data_checksum
    if own not in (None, checksum):
        print(
            f"warning: the network learned from other data, checksum {own}, than these, "
            f"{checksum}: their training images may be among those scored",
            file=sys.stderr,
        )


def warn_of_spacing(network: TrainedNetwork, pixel_spacing: float | None) -> None:
    """Warns if the images' pixels have another size than those the network learned from.

    Args:
        network: With the size in its preprocessing, if it is known.
        pixel_spacing: Of the images, in mm, or None if unknown.
    """
    own = network.preprocessing.pixel_spacing
    if None not in (own, pixel_spacing) and own != pixel_spacing:
        print(
            f"warning: {network.place} learned from pixels of {own} mm, these have "
            f"{pixel_spacing} mm: lesions appear at another size",
            file=sys.stderr,
        )


def intensities_for(network: TrainedNetwork, dataset: Dataset) -> Intensities:
    """Which intensities the network sees for the values of a data set: as it learned.

    Weights whose header says nothing but 8 bits are given the data's own.
    """
    own = network.preprocessing.intensities
    return dataset.intensities if own == BYTES else own


def check_fits(network: TrainedNetwork, source: ExampleSource, dataset: Dataset) -> None:
    """Refuses a network that cannot take the images of a split.

    Args:
        network: With a crop.
        source: The split; its first image is checked.
        dataset: The data set of the split.

    Raises:
        UserError: If channels or size do not fit.
    """
    height, width, channels = source[0]["image"].shape
    if channels != network.image_channels:
        raise UserError(
            f"{network.place}: its network takes images of {network.image_channels} channels, "
            f"those of {dataset.name} have {channels}"
        )
    crop = network.preprocessing.crop
    assert crop is not None, "the configuration gives it where the file does not"
    if dataset.crop_sampler is None and (height < crop[0] or width < crop[1]):
        raise UserError(
            f"{network.place}: its network is for crops of {_crop_of(network)}, the images of "
            f"{dataset.name} have {height} x {width}"
        )


def _crop_of(network: TrainedNetwork) -> str:
    assert network.preprocessing.crop is not None
    height, width = network.preprocessing.crop
    return f"{height} x {width} pixels"
