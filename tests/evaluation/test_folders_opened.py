"""What is wrong with the names of files, or with an npz, is said when folders are opened."""

import functools

import numpy as np
import pytest

from hpunet.evaluation.folders import open_folders
from hpunet.io.errors import UserError
from tests.evaluation.folder_files import (
    ANNOTATIONS,
    MASK,
    PREDICTIONS,
    SIZE,
    SOUND,
    draw,
    npz,
    refusal_in,
    write,
)


@pytest.fixture
def refusal(tmp_path):
    return functools.partial(refusal_in, tmp_path, opens=False)


# What is refused by names alone, when the folders are opened.


@pytest.mark.parametrize("flag", ["predictions", "annotations", "images"])
def test_a_folder_that_is_none_is_refused(opened, tmp_path, flag):
    opened()
    write(tmp_path, {"file": b""})
    folders = {key: tmp_path / key for key in (PREDICTIONS, ANNOTATIONS)}
    for name, said in {"none": "no such folder", "file": "is a file, not a folder"}.items():
        with pytest.raises(UserError) as caught:
            open_folders(**folders | {flag: tmp_path / name})
        assert str(caught.value) == f"--{flag}={tmp_path / name}: {said}"


def test_a_folder_without_a_mask_is_refused(refusal, tmp_path):
    (tmp_path / PREDICTIONS).mkdir()
    said = "--predictions=predictions: holds no prediction, allowed are <name>_s<k>.png, "
    message = refusal({".DS_Store": b""})
    assert message.startswith(said.replace(",", ";", 1))
    assert refusal({"a_s0.jpg": b""}).endswith("<name>.npz; found is 'a_s0.jpg'")


def test_images_of_one_folder_only_are_counted_and_named(refusal):
    more = {f"{name}_s{k}.png": MASK for name in "cdefg" for k in (0, 1)}
    message = refusal(SOUND[PREDICTIONS] | more, SOUND[ANNOTATIONS] | {"x_a0.png": MASK})
    assert message == (
        "5 images have predictions but no annotations: c, d, e, ...; "
        "1 image has annotations but no predictions: x"
    )


def test_an_image_without_its_picture_is_named(refusal):
    message = refusal(images={"b.png": MASK})
    assert message == "--images=images: 1 image has no <name>.png: a"


@pytest.mark.parametrize(
    "name", ["a_s.png", "a.png", "_s0.png", "q/_s0.png", "a_sx.png", "a_a0.png", "a_l0.PNG"]
)
def test_a_png_that_is_no_prediction_is_named(refusal, name):
    message = refusal(SOUND[PREDICTIONS] | {name: MASK})
    assert message == (
        f"predictions/{name}: no name of --predictions; allowed are <name>_s<k>.png, "
        "<name>_r<k>.png, <name>/sample_<k>.png or <name>.npz"
    )


@pytest.mark.parametrize("name", ["a_s0.png", "a_r0.png", "a.png"])
def test_a_png_that_is_no_annotation_is_named(refusal, name):
    message = refusal(annotations=SOUND[ANNOTATIONS] | {name: MASK})
    assert message == (
        f"annotations/{name}: no name of --annotations; allowed are <name>_a<k>.png, "
        "<name>_l<k>.png, <annotator>/<name>.png or <name>.npz"
    )


@pytest.mark.parametrize(("first", "second"), [("a_a1", "a_a01"), ("a_a0", "a_l0")])
def test_two_masks_of_one_number_are_refused(refusal, first, second):
    message = refusal(annotations={f"{first}.png": MASK, f"{second}.png": MASK})
    assert set(message.split(": the same image and number as ")) == {
        f"annotations/{first}.png",
        f"annotations/{second}.png",
    }


@pytest.mark.parametrize("role", [PREDICTIONS, ANNOTATIONS])
def test_number_that_is_missing_between_others_is_named(refusal, role):
    kind = {PREDICTIONS: "s", ANNOTATIONS: "a"}[role]
    files = {f"a_{kind}{number}.png": MASK for number in (1, 2, 5)}
    assert refusal(**{role: files}) == (
        f"{role}/a_{kind}5.png: number 3 is missing before it; allowed are numbers that follow "
        "each other"
    )


@pytest.mark.parametrize("other", ["a.NPZ", "a_s5.png", "a_r0.png"])
def test_an_npz_and_another_file_of_one_image_are_refused(refusal, other):
    message = refusal({"a.npz": npz(samples=draw(0, 2)), other: MASK})
    assert "is of the same image; allowed is one file with all masks, or one" in message
    assert "predictions/a.npz" in message
    assert f"predictions/{other}" in message


def test_numbers_of_samples_that_differ_are_named(refusal):
    few = {"a_s0.png": MASK, "b.npz": npz(samples=draw(0, 3))}
    assert refusal(few) == (
        "--predictions: numbers of samples differ, 1 for a and 3 for b; "
        "allowed is one number for all images"
    )


def test_reconstructions_of_some_images_only_are_refused(refusal):
    some = {"a_r0.png": MASK, "a_r1.png": MASK}
    assert refusal(SOUND[PREDICTIONS] | some) == (
        "--predictions: 1 image has no reconstructions: b; "
        "allowed are reconstructions of all images or of none"
    )


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"a_r0.png": MASK}, "numbers of reconstructions and annotations differ, 1 and 2"),
        (
            {"a_r1.png": MASK, "a_r2.png": MASK},
            "reconstructions are 1, 2, but annotations 0, 1",
        ),
    ],
)
def test_reconstructions_must_be_those_of_the_annotations(refusal, files, said):
    predicted = {"a_s0.png": MASK, "a_s1.png": MASK} | files
    message = refusal(predicted, {"a_a0.png": MASK, "a_a1.png": MASK})
    assert message == f"--predictions: a: {said}; allowed is one for each annotation"


def test_reconstructions_in_an_npz_must_be_as_many_as_the_annotations(refusal):
    predicted = {"a.npz": npz(samples=draw(0, 2), reconstructions=draw(0, 3))}
    message = refusal(predicted, {"a_a1.png": MASK, "a_a2.png": MASK})
    assert "a: numbers of reconstructions and annotations differ, 3 and 2" in message


def test_reconstructions_in_an_npz_follow_the_annotations_whatever_their_numbers(opened):
    predicted = {"a.npz": npz(samples=draw(0, 2), reconstructions=draw(0, 2))}
    (case,) = opened(predicted, {"a_a1.png": MASK, "a_a2.png": MASK})
    assert len(case.reconstructions) == 2


def test_reconstructions_without_samples_are_refused(refusal):
    message = refusal(SOUND[PREDICTIONS] | {"c_r0.png": MASK})
    assert message == "predictions/c_r0.png: a reconstruction of an image without samples"


def test_a_folder_that_leads_into_itself_is_refused(refusal, tmp_path):
    (tmp_path / PREDICTIONS / "p").mkdir(parents=True)
    (tmp_path / PREDICTIONS / "p" / "again").symlink_to(tmp_path / PREDICTIONS)
    assert refusal() == "predictions/p/again: is a link to a folder that it lies in"


@pytest.mark.parametrize("num_classes", [1, 257])
def test_a_number_of_classes_that_no_label_has_is_refused(refusal, num_classes):
    message = refusal(num_classes=num_classes)
    assert message == f"--num_classes={num_classes}: allowed are 2 to 256"


# What is refused in npz files, when the folders are opened.

ANNOTATED = draw(0, 2)
SAMPLES = draw(0, 2)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        (
            {},
            "holds nothing; allowed are annotations, and perhaps ignored, image, patient, ",
        ),
        (
            {"masks": ANNOTATED, "other": ANNOTATED},
            "holds masks, other; allowed are annotations, and",
        ),
        ({"annotations": ANNOTATED, "weight": [1, 1]}, "holds annotations, weight; allowed are"),
        ({"annotations": ANNOTATED * 1.0}, "has dtype float64; allowed is integer or bool"),
        ({"annotations": ANNOTATED.astype(object)}, "dtype object; allowed is integer or bool"),
        ({"annotations": ANNOTATED[0]}, "annotations has shape (3, 4); it must be [G, H, W]"),
        (
            {"annotations": ANNOTATED[:0]},
            "(0, 3, 4); it must be [G, H, W], each at least 1",
        ),
        (
            {"annotations": ANNOTATED, "weights": [1.0]},
            "weights has shape (1,); it must be [G] with G = 2",
        ),
        ({"annotations": ANNOTATED, "weights": ["a"]}, "dtype <U1; allowed is float or integer"),
        (
            {"annotations": ANNOTATED, "ignored": np.ones((4, 3), bool)},
            "ignored has shape (4, 3); it must be [H, W] with H = 3, W = 4",
        ),
        ({"annotations": ANNOTATED, "ignored": ANNOTATED[0]}, "dtype uint8; allowed is bool"),
        ({"annotations": ANNOTATED, "patient": 7}, "patient has dtype int64; allowed is text"),
        ({"annotations": ANNOTATED, "patient": ["a"]}, "has shape (1,); it must be one text"),
        ({"annotations": ANNOTATED, "patient": ""}, "patient is empty; allowed is a text"),
    ],
)
def test_an_npz_that_is_not_as_it_must_be_is_refused_when_opened(opened, arrays, said):
    with pytest.raises(UserError) as caught:
        opened({"a_s0.png": MASK}, {"a.npz": npz(**arrays)})
    assert "annotations/a.npz: " in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        (
            {"annotations": SAMPLES},
            "holds annotations; allowed are one of samples, logits, probabilities, and perhaps "
            "reconstructions",
        ),
        ({"samples": SAMPLES, "logits": SAMPLES}, "holds logits, samples; allowed are one of"),
        (
            {"logits": np.zeros((2, 2, *SIZE))},
            "logits has shape (2, 2, 3, 4); it must be [S, H, W, K] with K = 2",
        ),
        ({"probabilities": np.zeros((2, *SIZE))}, "it must be [S, H, W, K] with K = 2"),
        ({"logits": np.zeros((2, *SIZE, 2), int)}, "logits has dtype int64; allowed is float"),
        (
            {"samples": SAMPLES, "reconstructions": draw(0, 1, size=(5, 4))},
            "reconstructions has shape (1, 5, 4); it must be [G, H, W] with H = 3, W = 4",
        ),
    ],
)
def test_an_npz_of_predictions_that_is_not_as_it_must_be_is_refused(opened, arrays, said):
    with pytest.raises(UserError) as caught:
        opened({"a.npz": npz(**arrays)}, {"a_a0.png": MASK})
    assert "predictions/a.npz: " in str(caught.value)
    assert said in str(caught.value)


def test_an_npz_that_would_run_code_is_never_unpickled(opened):
    class Trap:
        def __reduce__(self):
            return pytest.fail, ("unpickled",)

    annotated = npz(annotations=ANNOTATED, patient=np.array(Trap(), object))
    with pytest.raises(UserError, match="patient has dtype object; allowed is text"):
        opened({"a_s0.png": MASK}, {"a.npz": annotated})
