"""From stored values to what the network sees.

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
    """How images become a network's input, as the header of its weights file keeps it.

    Attributes:
        intensities: Which intensities the network sees for stored values.
        crop: Height and width of the images that it learned from, in pixels, or None if unknown.
        pixel_spacing: Height and width of a pixel of these images in mm, or None if unknown.
        resized: Whether it learned from whole images, resized to the crop.
        num_classes: Classes, background included, or None if unknown.
        data_checksum: Checksum of the data that it learned from, or None if unknown.
    """

    intensities: Intensities = BYTES
    crop: tuple[int, int] | None = None
    pixel_spacing: float | None = None
    resized: bool = False
    num_classes: int | None = None
    data_checksum: str | None = None

    @staticmethod
    def from_header(entries: Mapping[str, Any]) -> "Preprocessing":
        """Reads the checked entry `preprocessing` of a header.

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
        }


def _intensities(ranges: Any, clip: bool | None) -> Intensities:
    if ranges is None:
        return BYTES
    pairs = ranges if isinstance(ranges[0], list | tuple) else [ranges]
    low, high = zip(*((float(a), float(b)) for a, b in pairs), strict=True)
    # Older files say nothing: 8-bit values are within their range anyway, all others were clipped.
    return Intensities(low, high, (low, high) != BYTES[:2] if clip is None else clip)


def preprocess(values: Any, intensities: Intensities = BYTES, fit: Fit | None = None) -> Any:
    """What the network sees of stored values.

    Where images are of any size, training places them on the network's grid when they are read,
    before this function; all others pass `fit`. Gives the same bits in NumPy and in JAX.

    Args:
        values: `[..., C]`, of any type, in NumPy or, without `fit`, in JAX.
        intensities: Which intensities the network sees for stored values.
        fit: Where the network's grid lies on an image `[H, W, C]`; None leaves the size.

    Returns:
        float32 `[..., C]`, with `fit` `[h, w, C]` of the grid's size.
    """
    image = intensities.apply(values.astype(np.float32))
    return image if fit is None else to_grid(image, fit)


class CroppedImages(NamedTuple):
    """Central crops of images with their annotations, as the network sees them.

    Attributes:
        image: Intensities as the network sees them.
        annotations: Class labels of all annotators, `IGNORED` at ignored pixels.
        position: Place of each image among all images that are scored.
        weights: 1 for each annotator of an image, 0 for those that only fill up the array where
            images have different numbers of annotators; None where all have the same number.
    """

    image: Float[np.ndarray, "B H W C"]
    annotations: UInt8[np.ndarray, "G B H W"]
    position: Int[np.ndarray, " B"]
    weights: Float[np.ndarray, "G B"] | None = None

    @property
    def labels(self) -> UInt8[np.ndarray, "G B H W"]:
        """The annotations with the background at ignored pixels."""
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
    """Crops the same part of examples every time: their middle, unless a sampler says otherwise.

    Args:
        examples: As a source gives them.
        crop: Height and width, in pixels.
        intensities: Which intensities the network sees for stored values.
        crop_sampler: Places crops on images of any size; None where all have one size.

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
        None if counted.all() else counted.astype(np.float64),
    )


def cut_example(example: dict[str, Any], crop_sampler: CropSampler) -> dict[str, Any]:
    """An example cut to the crop for validation, with the margin, values as stored.

    Args:
        example: As a source gives it.
        crop_sampler: Places the crop.
    """
    fit = crop_sampler.middle(example)
    image, annotations = cut(example["image"], example["annotations"], fit)
    return {**example, "image": image, "annotations": annotations}
