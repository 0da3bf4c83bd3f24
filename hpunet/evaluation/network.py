"""Whether a trained network fits what it is scored on."""

import sys

from hpunet.data.dataset import Dataset, Source
from hpunet.data.intensities import BYTES, Intensities
from hpunet.io.errors import UserError
from hpunet.models.check import image_channels
from hpunet.training.trained import TrainedNetwork


def check_config(network: TrainedNetwork, num_classes: int, crop: int) -> None:
    """Refuses a network for other classes or crops than the configuration has.

    Raises:
        UserError: With both numbers.
    """
    own_classes = network.model.config.num_classes
    if own_classes != num_classes:
        raise UserError(
            f"{network.place}: its network has {own_classes} classes, --config has "
            f"model.num_classes={num_classes}"
        )
    if network.crop != crop:
        raise UserError(
            f"{network.place}: its network is for crops of {network.crop} x {network.crop} pixels, "
            f"--config has data.crop={crop}"
        )


def warn_of_data(network: TrainedNetwork, checksum: str) -> None:
    """Says so if a network learned from other data than are scored, where that is known."""
    if network.trained_on not in (None, checksum):
        print(
            f"warning: the network learned from other data, checksum {network.trained_on}, than "
            f"these, {checksum}: their training images may be among those scored",
            file=sys.stderr,
        )


def warn_of_spacing(network: TrainedNetwork, pixel_spacing: float | None) -> None:
    """Says so if the images' pixels have another size than those the network learned from.

    Args:
        network: With the size in its `pixel_spacing`, if that is known.
        pixel_spacing: Of the images, in mm, or None.
    """
    own = network.pixel_spacing
    if None not in (own, pixel_spacing) and own != pixel_spacing:
        print(
            f"warning: {network.place} learned from pixels of {own} mm, these have "
            f"{pixel_spacing} mm: lesions appear at another size",
            file=sys.stderr,
        )


def intensities_for(network: TrainedNetwork, dataset: Dataset) -> Intensities:
    """How the values of a data set become what a network sees: as the network learned.

    Weights that say nothing but 8 bits are given the data's own.
    """
    return dataset.intensities if network.intensities == BYTES else network.intensities


def check_fits(network: TrainedNetwork, source: Source, dataset: Dataset) -> None:
    """Refuses a network that cannot see the images of a split.

    Raises:
        UserError: If channels or size of the first image do not fit.
    """
    data_name = dataset.name
    example = source[0]
    *size, channels = example["image"].shape
    wanted = image_channels(network.params)
    if channels != wanted:
        raise UserError(
            f"{network.place}: its network takes images of {wanted} channels, those of {data_name} "
            f"have {channels}"
        )
    if dataset.window is None and min(size) < network.crop:
        raise UserError(
            f"{network.place}: its network is for crops of {network.crop} x {network.crop} pixels, "
            f"the images of {data_name} have {size[0]} x {size[1]}"
        )
