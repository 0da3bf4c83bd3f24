"""Samples of several settings as a grid and as an animation."""

import numpy as np
import pytest
from PIL import Image

from hpunet import figures
from tests.figures.contents import beside, labels, pictures, squares, titles

# Pixels below the panels of an animation.
FOOT = 28
WAYS = ("full hierarchy", "most local latent only")


def test_scale_grid_has_a_row_of_seven_samples_and_their_deviation_for_each_way():
    images, annotations = np.zeros((2, 8, 8)), labels(4, 2, 8, 8)
    ways = {way: labels(9, 2, 8, 8, seed=n) for n, way in enumerate(WAYS)}
    figure = figures.scale_grid(images, annotations, ways, captions=["a", "b"])
    shown = pictures(figure)
    assert len(shown) == 2 * (6 + 2 * 8)
    for b in range(2):
        block = shown[22 * b : 22 * b + 22]
        np.testing.assert_array_equal(block[1:5], annotations[:, b])
        np.testing.assert_allclose(block[5], annotations[:, b].std(axis=0))
        for n, samples in enumerate(ways.values()):
            np.testing.assert_array_equal(block[6 + 8 * n : 13 + 8 * n], samples[:7, b])
            np.testing.assert_allclose(block[13 + 8 * n], samples[:, b].std(axis=0))
    row = [f"sample {n}" for n in range(1, 8)] + ["std of all 9"]
    assert titles(figure)[6:14] == row
    written = [text.replace("\n", " ") for text in beside(figure)]
    assert written[:3] == ["a", *WAYS]


def test_deviations_of_a_way_of_few_samples_stand_under_those_of_the_annotators():
    figure = figures.scale_grid(None, labels(2, 1, 8, 8), {"all": labels(1, 1, 8, 8)})
    titled = {axis.get_title().replace("\n", " "): axis for axis in figure.axes}
    places = {title: axis.get_position().x0 for title, axis in titled.items()}
    assert places["std of annotators"] == places["std of samples"] > places["sample 1"]


def test_a_deviation_says_of_how_many_samples_it_is_where_not_all_are_shown():
    ways = {"a": labels(8, 1, 8, 8), "b": labels(8, 1, 8, 8), "c": labels(7, 1, 8, 8)}
    figure = figures.scale_grid(None, labels(1, 1, 8, 8), ways)
    found = [title for title in titles(figure) if title.startswith("std")]
    assert found == ["std of annotators", "std of all 8", "std of samples"]


def test_scale_grid_shows_every_way_in_one_window():
    masks = squares((60, 60), (20, 60), (90, 60))
    ways = {"first": masks[1:2], "second": masks[2:]}
    shown = pictures(figures.scale_grid(None, masks[:1], ways))
    assert len({picture.shape for picture in shown}) == 1
    assert [shown[n].sum() for n in (2, 4)] == [masks[1].sum(), masks[2].sum()]


@pytest.mark.parametrize(
    ("ways", "message"),
    [({}, "at least one"), ({"all": labels(2, 2, 8, 8)}, "samples 'all' .*must be")],
)
def test_scale_figures_refuse_ways_that_do_not_fit(ways, message, tmp_path):
    images = np.zeros((1, 8, 8))
    with pytest.raises(ValueError, match=message):
        figures.scale_grid(images, labels(2, 1, 8, 8), ways)
    with pytest.raises(ValueError, match=message):
        figures.scale_animation(images, ways, tmp_path / "scales.gif")
    assert not list(tmp_path.iterdir())


def test_animation_has_a_frame_a_sample_and_begins_again(tmp_path):
    masks = squares((2, 2), None, (2, 2), (8, 8), side=4, size=(16, 16))
    path = figures.scale_animation(
        np.linspace(0, 1, 256).reshape(1, 16, 16),
        dict.fromkeys(WAYS, masks),
        tmp_path / "scales.gif",
        seconds=0.25,
    )
    with Image.open(path) as animation:
        assert (animation.n_frames, animation.info["loop"]) == (4, 0)
        assert animation.info["duration"] == 250
        frames = []
        for n in range(4):
            animation.seek(n)
            frames.append(np.asarray(animation.convert("RGB"), int))
    coloured = [np.ptp(frame, axis=-1) > 50 for frame in frames]
    columns = [mask.any(axis=0) for mask in coloured]
    third = len(columns[0]) // 3
    # The image has no outline, an empty sample neither, and the two ways are alike.
    assert not any(column[:third].any() for column in columns)
    assert not coloured[1].any()
    assert all(columns[n][third : 2 * third].any() for n in (0, 2, 3))
    assert all(columns[n][2 * third :].any() for n in (0, 2, 3))
    assert (frames[0][:3, :3] == 255).all()
    assert [file.name for file in tmp_path.iterdir()] == ["scales.gif"]


def test_animation_says_where_a_sample_is_empty(tmp_path):
    samples = squares(None, (2, 2), side=4, size=(16, 16))
    path = figures.scale_animation(np.zeros((1, 16, 16)), {"all": samples}, tmp_path / "a.gif")
    written = []
    with Image.open(path) as animation:
        for n in range(2):
            animation.seek(n)
            frame = np.asarray(animation.convert("L"), int)
            height, width = frame.shape
            # The lower half of the panel, where the image is black; at the foot is the number.
            part = frame[height // 2 : -FOOT, width // 2 + 10 : -10]
            written.append(bool((part > 200).any()))
    assert written == [True, False]


def test_animation_outlines_each_class_in_its_colour(tmp_path):
    samples = np.zeros((1, 1, 16, 16), int)
    samples[..., 2:6, 2:6], samples[..., 9:13, 9:13] = 1, 2
    path = figures.scale_animation(np.zeros((1, 16, 16)), {"all": samples}, tmp_path / "a.gif")
    with Image.open(path) as animation:
        frame = np.asarray(animation.convert("RGB"), int)
    yellow, blue = [0xF0, 0xE4, 0x42], [0x00, 0x72, 0xB2]
    assert all((frame == colour).all(axis=-1).any() for colour in (yellow, blue))


def test_animation_refuses_ways_of_different_numbers_of_samples(tmp_path):
    ways = {"a": labels(2, 1, 8, 8), "b": labels(3, 1, 8, 8)}
    with pytest.raises(ValueError, match="allowed is one number for all"):
        figures.scale_animation(np.zeros((1, 8, 8)), ways, tmp_path / "a.gif")


def test_animation_refuses_frames_too_short_to_be_shown(tmp_path):
    with pytest.raises(ValueError, match="seconds 0"):
        figures.scale_animation(
            np.zeros((1, 8, 8)), {"a": labels(2, 1, 8, 8)}, tmp_path / "a.gif", seconds=0
        )


def test_a_failed_animation_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "scales.gif"
    path.write_bytes(b"old")

    def write_half(self, file, **_):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", write_half)
    with pytest.raises(OSError, match="disk full"):
        figures.scale_animation(np.zeros((1, 8, 8)), {"a": labels(2, 1, 8, 8)}, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
