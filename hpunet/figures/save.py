"""Figures become files, each as a whole or not at all."""

import os
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from hpunet.figures.style import PRINT_RESOLUTION, RESOLUTION
from hpunet.io.atomic import written_whole


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Writes a figure, in the format of the path's suffix, as a whole or not at all.

    Raises:
        ValueError: If matplotlib knows no format of that suffix.
        OSError: If the folder is missing or the disk full.
    """
    with written_whole(path) as file:
        suffix = Path(path).suffix.lstrip(".")
        figure.savefig(file, format=suffix or None, dpi=RESOLUTION)


def save_for_print(figure: Figure, path: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Writes a figure as PNG of 300 dots an inch and as PDF, each as a whole or not at all.

    The PDF holds its letters as TrueType fonts and no date: the same figure gives the same bytes.

    Args:
        figure: What to write.
        path: Without suffix; `.png` and `.pdf` are added.

    Returns:
        The paths of the PNG and of the PDF.

    Raises:
        OSError: If the folder is missing or the disk full.
    """
    path = Path(path)
    png, pdf = (path.with_name(path.name + suffix) for suffix in (".png", ".pdf"))
    with written_whole(png) as file:
        figure.savefig(file, format="png", dpi=PRINT_RESOLUTION)
    # Publishers refuse matplotlib's default, fonts of type 3.
    with written_whole(pdf) as file, rc_context({"pdf.fonttype": 42}):
        dateless = {"CreationDate": None}
        figure.savefig(file, format="pdf", dpi=PRINT_RESOLUTION, metadata=dateless)
    return png, pdf
