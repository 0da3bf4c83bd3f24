"""What the pixels of masks mean, and what is refused when they are read."""

import functools
import io

import numpy as np
import pytest
from PIL import Image

from hpunet.evaluation.folders import open_folders
from hpunet.imaging.png import decode_png
from hpunet.io.errors import UserError
from tests.evaluation.folder_files import (
    ANNOTATIONS,
    MASK,
    PREDICTIONS,
    SIZE,
    draw,
    npz,
    png,
    raw_png,
    refusal_in,
    write,
)


@pytest.fixture
def refusal(tmp_path):
    return functools.partial(refusal_in, tmp_path, opens=True)


# Values.


@pytest.mark.parametrize(
    ("depth", "color", "row", "expected"),
    [
        (1, 0, b"\x50", [0, 1, 0, 1]),
        (2, 0, b"\x1b", [0, 1, 2, 3]),
        (4, 0, b"\x01\x2f", [0, 1, 2, 15]),
        (8, 0, b"\x00\x01\x02\xff", [0, 1, 2, 255]),
        (16, 0, b"\x00\x00\x00\x01\x00\x02\x01\x00", [0, 1, 2, 256]),
        (1, 3, b"\x50", [0, 1, 0, 1]),
        (2, 3, b"\x1b", [0, 1, 2, 3]),
        (4, 3, b"\x01\x2f", [0, 1, 2, 15]),
        (8, 3, b"\x00\x01\x02\x0f", [0, 1, 2, 15]),
    ],
)
def test_gray_levels_of_every_depth_and_indices_of_palettes_are_the_labels(
    depth, color, row, expected
):
    file = raw_png(depth, color, row, width=4)
    np.testing.assert_array_equal(decode_png(file), [expected])


@pytest.mark.parametrize(("depth", "color"), [(1, 0), (16, 0), (8, 3)])
def test_a_png_cut_or_changed_anywhere_is_refused_or_read_as_it_was(depth, color):
    file = raw_png(depth, color, bytes(depth), width=8)
    damaged = [file[:length] for length in range(len(file))]
    damaged += [file[:p] + bytes([file[p] ^ 1]) + file[p + 1 :] for p in range(len(file))]
    refusals = []
    for contents in damaged:
        try:
            np.testing.assert_array_equal(decode_png(contents), np.zeros((1, 8)))
        except ValueError as error:
            refusals.append(str(error))
    # What is left is the end of the closing chunk, which Pillow does not look at.
    assert len(refusals) >= len(damaged) - 12
    assert all(refusal.startswith("is ") for refusal in refusals)


@pytest.mark.parametrize("white", [1, 255, True])
def test_two_classes_may_be_0_and_1_or_0_and_255(opened, white):
    mask = draw(1).astype(bool) if white is True else draw(1) * np.uint8(white)
    files = {"a_s0.png": png(mask), "b.npz": npz(samples=mask[None])}
    for case in opened(files, {"a_a0.png": MASK, "b_a0.png": MASK}):
        np.testing.assert_array_equal(case.samples, [draw(1)])


def test_pixels_of_the_ignored_label_in_any_annotation_are_ignored(opened):
    first, second = draw(1, most=2), draw(2, most=2)
    marked = [np.where(mask == 2, 255, mask).astype(np.uint8) for mask in (first, second)]
    either = (first == 2) | (second == 2)
    annotated = {
        "a_a0.png": png(marked[0]),
        "a_a1.png": png(marked[1]),
        "b.npz": npz(annotations=np.stack(marked).astype(int), ignored=np.eye(*SIZE, dtype=bool)),
    }
    predicted = {"a_s0.png": MASK, "b_s0.png": MASK}
    cases = opened(predicted, annotated, ignore_label=255)
    np.testing.assert_array_equal(cases[0].ignored, either)
    np.testing.assert_array_equal(cases[1].ignored, either | np.eye(*SIZE, dtype=bool))
    for case in cases:
        expected = [np.where(mask == 2, 0, mask) for mask in (first, second)]
        np.testing.assert_array_equal(case.annotations, expected)


def test_black_and_white_annotations_may_have_another_label_to_ignore(opened):
    mask = np.array([[0, 128, 255]], np.uint8)
    (case,) = opened({"a_s0.png": png(mask // 255)}, {"a_a0.png": png(mask)}, ignore_label=128)
    np.testing.assert_array_equal(case.annotations, [[[0, 0, 1]]])
    np.testing.assert_array_equal(case.ignored, [[False, True, False]])


def test_the_ignored_label_may_be_negative_in_an_npz(opened):
    annotated = np.array([[[0, -1, 1]]])
    (case,) = opened(
        {"a.npz": npz(samples=np.zeros((1, 1, 3), int))},
        {"a.npz": npz(annotations=annotated)},
        ignore_label=-1,
    )
    np.testing.assert_array_equal(case.ignored, [[False, True, False]])


@pytest.mark.parametrize(
    ("pixels", "num_classes", "said"),
    [
        ([0, 1, 255], 2, "holds 0, 1, 255; allowed are 0 and 1, or 0 and 255"),
        ([0, 2, 2], 2, "holds 0, 2; allowed are 0 and 1, or 0 and 255"),
        ([0, 0, 255], 3, "holds 255; allowed are 0 to 2"),
        ([0, 3, 255], 3, "holds 3, 255; allowed are 0 to 2"),
        ([4, 5, 6, 7, 8, 9], 3, "holds 4, 5, 6, 7, 8, ...; allowed are 0 to 2"),
    ],
)
def test_values_outside_the_classes_are_named(refusal, pixels, num_classes, said):
    file = {"a_s0.png": png(np.array([pixels], np.uint8))}
    message = refusal(file, {"a_a0.png": MASK}, num_classes=num_classes)
    assert message == f"predictions/a_s0.png {said}"


def test_values_outside_the_classes_are_named_in_annotations_and_npz(refusal):
    array = np.array([[[0, -1, 2]]])
    message = refusal({"a_s0.png": MASK}, {"a.npz": npz(annotations=array)}, ignore_label=2)
    assert message == (
        "annotations/a.npz: annotations holds -1, 0; allowed are 0 and 1, or 0 and 255, "
        "and 2 to ignore a pixel"
    )


def test_white_predictions_are_no_ignored_pixels(opened):
    white = np.full(SIZE, 255, np.uint8)
    (case,) = opened({"a_s0.png": png(white)}, {"a_a0.png": MASK}, ignore_label=255)
    np.testing.assert_array_equal(case.samples, np.ones((1, *SIZE)))
    assert case.ignored is None


def test_predictions_may_not_have_the_ignored_label(refusal):
    file = {"a.npz": npz(samples=np.array([[[0, 1, 7]]]))}
    assert "holds 0, 1, 7; allowed are" in refusal(file, {"a_a0.png": MASK}, ignore_label=7)


# What is refused when a case is read.


@pytest.mark.parametrize(
    ("place", "name", "said"),
    [
        (
            PREDICTIONS,
            "a_s1.png",
            "predictions/a_s1.png has 4 x 3 pixels (height x width), but predictions/a_s0.png",
        ),
        (
            PREDICTIONS,
            "a_r1.png",
            "predictions/a_r1.png has 4 x 3 pixels (height x width), but predictions/a_r0.png",
        ),
        (
            ANNOTATIONS,
            "a_a1.png",
            "annotations/a_a1.png has 4 x 3 pixels (height x width), but annotations/a_a0.png",
        ),
    ],
)
def test_sizes_that_differ_are_named_with_their_files(refusal, place, name, said):
    files = {
        PREDICTIONS: dict.fromkeys(("a_s0.png", "a_s1.png", "a_r0.png", "a_r1.png"), MASK),
        ANNOTATIONS: {"a_a0.png": MASK, "a_a1.png": MASK},
    }
    files[place][name] = png(draw(0, size=(4, 3)))
    assert refusal(*files.values()) == f"{said} has 3 x 4; allowed is one size"


def test_sizes_that_differ_between_annotations_and_predictions_are_named(refusal):
    predicted = {"a.npz": npz(samples=draw(0, 1, size=(5, 5)))}
    assert refusal(predicted, {"a_a0.png": MASK}) == (
        "predictions/a.npz: samples has 5 x 5 pixels (height x width), but "
        "annotations/a_a0.png has 3 x 4; allowed is one size"
    )


def test_a_picture_of_another_size_is_named(refusal):
    message = refusal(images={"a.png": png(draw(0, size=(5, 5))), "b.png": MASK})
    assert message == (
        "images/a.png has 5 x 5 pixels (height x width), but "
        "annotations/a_a0.png has 3 x 4; allowed is one size"
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("key", ["logits", "probabilities"])
def test_scores_that_are_not_finite_are_refused(refusal, key, value):
    scores = np.zeros((2, *SIZE, 2), np.float32)
    scores[1, 2, 3] = value
    message = refusal({"a.npz": npz(**{key: scores})}, {"a_a0.png": MASK})
    assert message == (
        f"predictions/a.npz: {key} holds NaN or infinity in 1 of 24 pixels; allowed is finite"
    )


def test_probabilities_that_are_none_are_refused(refusal):
    scores = np.full((1, *SIZE, 2), -1.5)
    message = refusal({"a.npz": npz(probabilities=scores)}, {"a_a0.png": MASK})
    assert message == "predictions/a.npz: probabilities holds -1.5 to -1.5; allowed are 0 to 1"


@pytest.mark.parametrize("weights", [[1.0, -1.0], [np.nan, 1.0], [np.inf, 1.0], [0, 0]])
def test_weights_that_are_none_are_refused(refusal, weights):
    annotated = {"a.npz": npz(annotations=draw(0, 2), weights=weights)}
    message = refusal({"a_s0.png": MASK}, annotated)
    assert message == (
        f"annotations/a.npz: weights holds {weights[0]:g}, {weights[1]:g}; "
        "allowed are finite numbers from 0 up, not all of them 0"
    )


def test_an_image_in_an_npz_must_be_finite(refusal):
    annotated = {"a.npz": npz(annotations=draw(0, 2), image=np.full(SIZE, np.nan))}
    message = refusal({"a_s0.png": MASK}, annotated)
    assert message == "annotations/a.npz: image holds NaN or infinity; allowed are finite numbers"


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_a_mask_of_equal_channels_is_read_as_one_of_gray(opened, mode):
    file = io.BytesIO()
    Image.fromarray(draw(0)).convert(mode).save(file, "png")
    (case,) = opened({"a_s0.png": file.getvalue()}, {"a_a0.png": file.getvalue()})
    np.testing.assert_array_equal(case.samples, [draw(0)])
    np.testing.assert_array_equal(case.annotations, [draw(0)])


def test_a_mask_of_colours_is_refused(refusal):
    colours = np.stack([draw(0), draw(1), draw(2)], axis=-1)
    message = refusal({"a_s0.png": png(colours)}, {"a_a0.png": MASK})
    assert message.startswith("predictions/a_s0.png: has ")
    assert "colours, but classes are integers; allowed are gray masks" in message


def test_a_damaged_mask_of_equal_channels_is_refused(opened):
    file = png(np.repeat(draw(0)[..., None], 3, axis=-1))
    for length in range(len(file) - 12):
        (case,) = opened({"a_s0.png": file[:length]}, {"a_a0.png": MASK}).names
        assert case == "a"
        with pytest.raises(UserError, match=r"a_s0\.png: is "):
            opened({"a_s0.png": file[:length]}, {"a_a0.png": MASK})[0]


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "I;16"])
def test_a_picture_may_be_a_png_of_any_kind(opened, mode):
    black_and_white = draw(0) * np.uint8(255)
    picture = Image.fromarray(black_and_white)
    if mode == "I;16":
        picture = Image.fromarray(black_and_white.astype(np.uint16) * 257)
    file = io.BytesIO()
    picture.convert(mode).save(file, "png")
    (case,) = opened({"a_s0.png": MASK}, {"a_a0.png": MASK}, {"a.png": file.getvalue()})
    np.testing.assert_array_equal(case.image, draw(0))


@pytest.mark.parametrize(
    ("contents", "said"),
    [(b"", "is empty"), (b"GIF89a", "is no PNG"), (MASK[:-1], "is a truncated PNG")],
)
def test_a_damaged_png_is_named(refusal, contents, said):
    assert refusal({"a_s0.png": contents}, {"a_a0.png": MASK}) == f"predictions/a_s0.png: {said}"


def test_a_damaged_picture_is_named(refusal):
    message = refusal({"a_s0.png": MASK}, {"a_a0.png": MASK}, {"a.png": MASK[:50]})
    assert message == "images/a.png: is a corrupt PNG"


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_npz_cut_or_changed_anywhere_is_refused_or_read_as_it_was(tmp_path, save):
    file = io.BytesIO()
    samples = draw(0, 1)
    save(file, samples=samples)
    sound = file.getvalue()
    write(tmp_path / ANNOTATIONS, {"a_a0.png": MASK})
    damaged = [sound[:length] for length in range(0, len(sound), 3)]
    damaged += [sound[:p] + bytes([sound[p] ^ 4]) + sound[p + 1 :] for p in range(len(sound))]
    refusals = []
    for contents in damaged:
        write(tmp_path / PREDICTIONS, {"a.npz": contents})
        try:
            (case,) = open_folders(tmp_path / PREDICTIONS, tmp_path / ANNOTATIONS)
            np.testing.assert_array_equal(case.samples, samples)
        except UserError as error:
            refusals.append(str(error))
    assert len(refusals) > len(damaged) / 2
    assert all(str(tmp_path / PREDICTIONS / "a.npz") in refusal for refusal in refusals)


def test_a_file_that_vanished_is_named(opened, tmp_path):
    cases = opened()
    (tmp_path / ANNOTATIONS / "a_a1.png").unlink()
    with pytest.raises(UserError, match=r"a_a1\.png: cannot be read: No such file"):
        cases[0]
    # Its image is not scored.
    assert set(cases.checksums()) == {PREDICTIONS, ANNOTATIONS}
