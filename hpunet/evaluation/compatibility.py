"""Whether a trained network fits the data that it is scored on."""

import sys

import jax
import jax.numpy as jnp
import numpy as np

from hpunet.data.dataset import Dataset, ExampleSource
from hpunet.data.intensities import BYTES, Intensities
from hpunet.evaluation.dataset_images import DatasetImages
from hpunet.inference.prior_range import REMEDIES, build_prior_extent
from hpunet.inference.trained import TrainedNetwork, crop_text
from hpunet.inference.value_check import scale_warning
from hpunet.io.errors import UserError, first_names
from hpunet.io.progress import Progress


def check_config(network: TrainedNetwork, num_classes: int, crop: tuple[int, int]) -> None:
    """Checks that a network has the number of classes and the crop of the configuration.

    Args:
        network: A network whose crop is known.
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
    """Warns if a network was trained on other data than those that are scored."""
    own = network.preprocessing.data_checksum
    if own not in (None, checksum):
        print(
            f"warning: the network was trained on data with the checksum {own}, these have "
            f"{checksum}: some of the scored images may have been used for training",
            file=sys.stderr,
        )


def warn_of_spacing(network: TrainedNetwork, pixel_spacing: float | None) -> None:
    """Warns if the pixel spacing of the images differs from that of the training images.

    Args:
        network: A network, whose preprocessing has the pixel spacing if it is known.
        pixel_spacing: Pixel spacing of the images in mm, or None if unknown.
    """
    own = network.preprocessing.pixel_spacing
    if None not in (own, pixel_spacing) and own != pixel_spacing:
        print(
            f"warning: {network.place} was trained with a pixel spacing of {own} mm, but these "
            f"images have {pixel_spacing} mm: lesions appear at another size",
            file=sys.stderr,
        )


def warn_of_values(images: DatasetImages) -> None:
    """Warns of images whose values have another scale than those that the network learned from."""
    warning = scale_warning(images.value_problems, len(images))
    if warning is not None:
        print(warning, file=sys.stderr)


def warn_of_prior(images: DatasetImages, network: TrainedNetwork) -> dict[str, str]:
    """Warns of images whose prior lies far outside that of the validation split.

    Args:
        images: The images to score.
        network: A network; without a range of its prior, no image is examined.

    Returns:
        The value that lies farthest outside, by the name of the image.
    """
    measure, prior_range = build_prior_extent(network.model), network.prior_range
    if prior_range is None or measure is None:
        return {}
    encode, found = jax.jit(network.model.network.encode), {}
    with Progress("comparing with training", len(images), lines=False) as progress:
        for index in range(len(images)):
            image = images[index]
            encoded = encode(network.params, jnp.asarray(image.network_image[None]))
            extent = np.asarray(measure(network.params, encoded))[0]
            value = prior_range.far_outside(extent)
            if value is not None:
                found[image.name] = value
            progress()
    if found:
        name, value = next(iter(found.items()))
        print(
            f"warning: {len(found)} of {len(images)} images are unlike the training images "
            f"({first_names(list(found))}): on {name}, {value}; in hpunet.sample, {REMEDIES}",
            file=sys.stderr,
        )
    return found


def intensities_for(network: TrainedNetwork, dataset: Dataset) -> Intensities:
    """Returns the intensity window of the network for the values of a data set.

    The data set's own window is used for weights whose header has the default of 8 bits.
    """
    own = network.preprocessing.intensities
    return dataset.intensities if own == BYTES else own


def check_fits(network: TrainedNetwork, source: ExampleSource, dataset: Dataset) -> None:
    """Checks that a network can process the images of a split.

    Args:
        network: A network whose crop is known.
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
            f"{dataset.name} have {height} x {width} pixels"
        )


def _crop_of(network: TrainedNetwork) -> str:
    assert network.preprocessing.crop is not None
    height, width = network.preprocessing.crop
    return f"{height} x {width} pixels (height x width)"
