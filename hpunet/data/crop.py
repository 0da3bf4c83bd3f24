"""The central part of images: what evaluation sees."""

from collections.abc import Sequence


def central(size: Sequence[int], crop: Sequence[int]) -> tuple[slice, ...]:
    """Where the central part of an image lies, along each axis.

    Args:
        size: Of the image, in pixels.
        crop: Of the part, in pixels, at most as large; it starts at `(size - crop) // 2`.
    """
    starts = [(whole - part) // 2 for whole, part in zip(size, crop, strict=True)]
    return tuple(slice(s, s + part) for s, part in zip(starts, crop, strict=True))
