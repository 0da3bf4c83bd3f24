"""Writes samples and maps as PNG files, for viewing."""

import colorsys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from hpunet.imaging.maps import Maps, NamedMap, named_maps, sample_names, slice_names
from hpunet.imaging.volume import Volume

WHITE_8_BIT = 255
WHITE_16_BIT = 65535
# Hue steps of the golden ratio: consecutive classes differ most.
HUE_STEP = 0.618034


def write_png(folder: Path, volume: Volume, maps: Maps, text: str) -> list[Path]:
    """Writes each sample and map as a PNG; for a volume, in one folder for each slice.

    Samples of two classes are 8-bit gray, 0 or 255. Samples of more classes have a palette: the
    values are the labels, and the background is black. Maps are 16-bit gray from 0 to their largest
    possible value: the mean is `value / 65535`, the standard deviation `value / 65535 * 0.5`, the
    entropy `value / 65535 * ln K` nats. A `.npy` file holds the exact values.

    Args:
        folder: Folder for the files, which must exist.
        volume: The source of the maps.
        maps: Samples in a memory map are read slice by slice.
        text: The `Description` in each file.

    Returns:
        The files.

    Raises:
        OSError: If a file cannot be written as a whole.
    """
    info = PngInfo()
    info.add_itxt("Description", text)
    folders = [folder]
    if volume.numbers is not None:
        folders = [folder / name for name in slice_names(volume.numbers)]
    written = []
    for index, place in enumerate(folders):
        place.mkdir(exist_ok=True)
        for name, image in _images_of_slice(maps, index):
            written.append(place / f"{name}.png")
            image.save(written[-1], pnginfo=info)
    return written


def write_map_png(path: Path, one: NamedMap, text: str) -> None:
    """Writes a map of a single image as `write_png` does.

    Args:
        path: The file.
        one: The map, of one slice.
        text: The `Description` in the file.

    Raises:
        OSError: If the file cannot be written as a whole.
    """
    info = PngInfo()
    info.add_itxt("Description", text)
    _map_image(one.of_slice(0), one.most).save(path, pnginfo=info)


def _images_of_slice(maps: Maps, index: int) -> Iterator[tuple[str, Image.Image]]:
    for name, sample in zip(sample_names(maps), maps.samples, strict=True):
        yield name, _labels_image(sample[index], maps.num_classes)
    for one in named_maps(maps):
        yield one.name, _map_image(one.of_slice(index), one.most)


def _labels_image(labels: UInt8[np.ndarray, "H W"], num_classes: int) -> Image.Image:
    if num_classes == 2:
        return Image.fromarray(labels * np.uint8(WHITE_8_BIT))
    height, width = labels.shape
    image = Image.frombytes("P", (width, height), labels.tobytes())
    image.putpalette([value for label in range(num_classes) for value in _colour(label)])
    return image


def _colour(label: int) -> tuple[int, ...]:
    if label == 0:
        return 0, 0, 0
    rgb = colorsys.hsv_to_rgb((label - 1) * HUE_STEP % 1, 0.8, 1.0)
    return tuple(round(WHITE_8_BIT * value) for value in rgb)


def _map_image(values: Float[np.ndarray, "H W"], most: float) -> Image.Image:
    shares = np.clip(values.astype(np.float64) / most, 0, 1)
    return Image.fromarray(np.rint(shares * WHITE_16_BIT).astype(np.uint16))
