"""Figures are written atomically."""

import contextlib
import zlib

import numpy as np
import pytest
from PIL import Image

from hpunet import figures
from tests.figures.contents import labels

LINES = [{"step": 1, "kl_sum": 2.0}, {"step": 2, "kl_sum": 1.0}]


def unpacked(pdf):
    """All that a PDF holds, its streams inflated."""
    found = [pdf]
    for part in pdf.split(b"stream\n")[1:]:
        with contextlib.suppress(zlib.error):
            found.append(zlib.decompressobj().decompress(part))
    return b"".join(found)


def test_save_writes_a_readable_picture_as_wide_as_a_page(tmp_path):
    figures.save(
        figures.hypothesis_grid(np.zeros((1, 8, 8)), labels(4, 1, 8, 8), labels(16, 1, 8, 8)),
        tmp_path / "samples.png",
    )
    with Image.open(tmp_path / "samples.png") as picture:
        assert picture.width == 7 * 160
    assert [path.name for path in tmp_path.iterdir()] == ["samples.png"]


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "course.png"
    path.write_bytes(b"old")
    figure = figures.training_curves(LINES)

    def write_half(file, **_):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(figure, "savefig", write_half)
    with pytest.raises(OSError, match="disk full"):
        figures.save(figure, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_saved_figure_may_be_read_by_whom_the_umask_lets(tmp_path, low_resolution):
    (tmp_path / "ordinary").touch()
    figures.save(figures.training_curves(LINES), tmp_path / "course.png")
    expected = (tmp_path / "ordinary").stat().st_mode
    assert (tmp_path / "course.png").stat().st_mode == expected


def test_save_for_print_writes_a_fine_png_and_a_pdf_of_truetype_letters(tmp_path):
    figure = figures.training_curves(LINES)
    paths = figures.save_for_print(figure, tmp_path / "z-1.5_course")
    assert [path.name for path in paths] == ["z-1.5_course.png", "z-1.5_course.pdf"]
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    with Image.open(paths[0]) as picture:
        assert picture.width == 7 * 300
        assert picture.info["dpi"] == pytest.approx((300, 300), abs=1)
    content = unpacked(paths[1].read_bytes())
    assert content.startswith(b"%PDF")
    assert b"/FontFile2" in content
    assert b"/Type3" not in content


def test_the_same_figure_gives_the_same_pdf_without_a_date(tmp_path, low_resolution):
    first, second = (
        figures.save_for_print(figures.training_curves(LINES), tmp_path / name)[1].read_bytes()
        for name in ("a", "b")
    )
    assert first == second
    assert b"CreationDate" not in unpacked(first)


def test_a_pdf_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch, low_resolution):
    path = tmp_path / "course.pdf"
    path.write_bytes(b"old")
    figure = figures.training_curves(LINES)
    write = figure.savefig

    def write_png_only(file, *, format, **settings):
        if format == "pdf":
            file.write(b"half")
            raise OSError("disk full")
        write(file, format=format, **settings)

    monkeypatch.setattr(figure, "savefig", write_png_only)
    with pytest.raises(OSError, match="disk full"):
        figures.save_for_print(figure, tmp_path / "course")
    assert path.read_bytes() == b"old"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["course.pdf", "course.png"]
