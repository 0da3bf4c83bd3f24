"""Preprocessing: from stored values to the network's input.

Training, validation, evaluation and sampling all call `preprocess`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from hpunet.data.augment import center_crop
from hpunet.data.crops import CropSampler, cut
from hpunet.data.intensities import BYTES, Intensities
from hpunet.data.labels import without_ignored
from hpunet.imaging.fit import Fit, to_grid


class Preprocessing(NamedTuple):
    """Preprocessing of a network's images, as stored in the header of its weights file.

    Attributes:
        intensities: Mapping of stored values to the network's intensities.
        crop: Height and width of its training images in pixels, or None if unknown.
        pixel_spacing: Height and width of a pixel of these images in mm, or None if unknown.
        resized: Whether its training images were whole images, resized to the crop.
        num_classes: Classes, background included, or None if unknown.
        data_checksum: Checksum of its training data, or None if unknown.
        nan: Replacement of NaN in stored values: a number, `min` for the least value of the image,
            or None if its training images may not hold NaN.
    """

    intensities: Intensities = BYTES
    crop: tuple[int, int] | None = None
    pixel_spacing: float | None = None
    resized: bool = False
    num_classes: int | None = None
    data_checksum: str | None = None
    nan: float | str | None = None

    @staticmethod
    def from_header(entries: Mapping[str, Any]) -> "Preprocessing":
        """Creates the preprocessing from the checked entry `preprocessing` of a header.

        In older files the crop is one number, and entries may be missing.

        Args:
            entries: The values of the entry.
        """
        crop = entries.get("crop")
        if crop is not None:
            height, width = (crop, crop) if isinstance(crop, int) else crop
            crop = (height, width)
        return Preprocessing(
            _intensities(entries.get("intensity_range"), entries.get("intensity_clip")),
            crop,
            entries.get("pixel_spacing_mm"),
            entries.get("resized") or False,
            entries.get("classes"),
            entries.get("data_checksum"),
            entries.get("nan"),
        )

    def to_header(self) -> dict[str, Any]:
        """The entry `preprocessing` of a header."""
        ranges = [list(limits) for limits in zip(*self.intensities[:2], strict=True)]
        return {
            "intensity_range": ranges[0] if len(ranges) == 1 else ranges,
            "intensity_clip": self.intensities.clip,
            "resized": self.resized,
            "pixel_spacing_mm": self.pixel_spacing,
            "crop": None if self.crop is None else list(self.crop),
            "classes": self.num_classes,
            "data_checksum": self.data_checksum,
            "nan": self.nan,
        }


def _intensities(ranges: Any, clip: bool | None) -> Intensities:
    if ranges is None:
        return BYTES
    pairs = ranges if isinstance(ranges[0], list | tuple) else [ranges]
    low, high = zip(*((float(a), float(b)) for a, b in pairs), strict=True)
    # Older files lack the entry: 8-bit values are always in range, all others were clipped.
    return Intensities(low, high, (low, high) != BYTES[:2] if clip is None else clip)


def preprocess(values: Any, intensities: Intensities = BYTES, fit: Fit | None = None) -> Any:
    """Maps stored values to the network's input, with the same bits in NumPy and JAX.

    For images of any size, training applies the grid when it reads them, before this function; all
    other callers pass `fit`.

    Args:
        values: `[..., C]` of any type; a NumPy array or, without `fit`, a JAX array.
        intensities: Mapping of stored values to the network's intensities.
        fit: Position of the network's grid on an image `[H, W, C]`; None keeps the size.

    Returns:
        float32 `[..., C]`, with `fit` `[h, w, C]` of the grid's size.
    """
    image = intensities.apply(values.astype(np.float32))
    return image if fit is None else to_grid(image, fit)


class CroppedImages(NamedTuple):
    """Central crops of images with their annotations, after preprocessing.

    Attributes:
        image: Intensities of the network's input.
        annotations: Class labels of all annotators, `IGNORED` at ignored pixels.
        position: Index of each image among all scored images.
        names: Name of each image, which starts with the patient.
        weights: 1 for each annotator of an image, 0 for padding; None if all images have the same
            number of annotators.
    """

    image: Float[np.ndarray, "B H W C"]
    annotations: UInt8[np.ndarray, "G B H W"]
    position: Int[np.ndarray, " B"]
    names: tuple[str, ...]
    weights: Float[np.ndarray, "G B"] | None = None

    @property
    def labels(self) -> UInt8[np.ndarray, "G B H W"]:
        """The annotations, with background at ignored pixels."""
        return without_ignored(self.annotations)[0]

    @property
    def ignored(self) -> Bool[np.ndarray, "B H W"]:
        """Pixels that any annotator ignores."""
        return without_ignored(self.annotations)[1]


def crop_examples(
    examples: Sequence[dict[str, Any]],
    crop: tuple[int, int],
    intensities: Intensities = BYTES,
    crop_sampler: CropSampler | None = None,
) -> CroppedImages:
    """Crops examples at a fixed position: their centre, unless a sampler chooses another.

    Args:
        examples: Examples from a source.
        crop: Height and width, in pixels.
        intensities: Mapping of stored values to the network's intensities.
        crop_sampler: Chooses crops of images of any size; None if all have one size.

    Raises:
        ValueError: If the crop is larger than an image.
    """
    if crop_sampler is not None:
        examples = [cut_example(example, crop_sampler) for example in examples]
    pairs = [center_crop(e["image"][None], e["annotations"][:, None], crop) for e in examples]
    image = np.concatenate([image for image, _ in pairs])
    annotators = np.array([len(labels) for _, labels in pairs])
    filled = [np.resize(labels, (annotators.max(), *labels.shape[1:])) for _, labels in pairs]
    counted = np.arange(annotators.max())[:, None] < annotators
    return CroppedImages(
        preprocess(image, intensities),
        np.concatenate(filled, axis=1),
        np.arange(len(pairs)),
        tuple(map(full_name, examples)),
        None if counted.all() else counted.astype(np.float64),
    )


def full_name(example: Mapping[str, Any]) -> str:
    """Returns the name of an example with its patient, such as `p02/p02_s0`."""
    patient, name = example["patient"], example["name"]
    # The name of a file in the patient's folder begins with that.
    return name if name.startswith(f"{patient}/") else f"{patient}/{name}"


def cut_example(example: dict[str, Any], crop_sampler: CropSampler) -> dict[str, Any]:
    """Cuts an example to the crop for validation, with the margin, without mapping its values.

    Args:
        example: An example from a source.
        crop_sampler: Chooses the crop.
    """
    fit = crop_sampler.middle(example)
    image, annotations = cut(example["image"], example["annotations"], fit)
    return {**example, "image": image, "annotations": annotations}
