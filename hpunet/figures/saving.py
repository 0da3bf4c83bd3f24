"""Writes figures atomically: a failed write leaves no partial file."""

import os
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from hpunet.figures.style import PRINT_RESOLUTION, RESOLUTION
from hpunet.io.atomic import written_whole


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Writes a figure atomically in the format of the path's suffix, at 160 dots per inch.

    Args:
        figure: The figure.
        path: The file to write.

    Raises:
        ValueError: If matplotlib does not support the format of the suffix.
        OSError: If the folder is missing or the disk is full.

    Example:
        >>> from hpunet import figures
        >>> figures.save(figures.ged_by_samples({16: [0.3, 0.4]}), "ged.png")
    """
    with written_whole(path) as file:
        suffix = Path(path).suffix.lstrip(".")
        figure.savefig(file, format=suffix or None, dpi=RESOLUTION)


def save_for_print(figure: Figure, path: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Writes a figure atomically as PNG at 300 dots per inch and as PDF.

    The PDF embeds TrueType fonts and has no date: the same figure gives the same bytes.

    Args:
        figure: The figure.
        path: Path without suffix; `.png` and `.pdf` are appended.

    Returns:
        The paths of the PNG and of the PDF.

    Raises:
        OSError: If the folder is missing or the disk is full.

    Example:
        >>> from hpunet import figures
        >>> paths = figures.save_for_print(figures.ged_by_samples({16: [0.3, 0.4]}), "ged")
        >>> [path.name for path in paths]
        ['ged.png', 'ged.pdf']
    """
    path = Path(path)
    png, pdf = (path.with_name(path.name + suffix) for suffix in (".png", ".pdf"))
    with written_whole(png) as file:
        figure.savefig(file, format="png", dpi=PRINT_RESOLUTION)
    # Publishers reject the Type 3 fonts that matplotlib embeds by default.
    with written_whole(pdf) as file, rc_context({"pdf.fonttype": 42}):
        dateless = {"CreationDate": None}
        figure.savefig(file, format="pdf", dpi=PRINT_RESOLUTION, metadata=dateless)
    return png, pdf
