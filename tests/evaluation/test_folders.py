"""Folders of any tool's masks are read in every layout."""

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
    png,
    write,
)

# What is read.


def test_png_masks_of_both_folders_become_cases_in_the_order_of_their_names(opened):
    masks = {name: draw(seed) for seed, name in enumerate(["s0", "s1", "r0", "r1", "a0", "a1"])}
    cases = opened(
        {f"{x}_{k}.png": png(masks[k]) for x in "ba" for k in ("s0", "s1", "r0", "r1")},
        {f"{x}_{k}.png": png(masks[k]) for x in "ba" for k in ("a0", "a1")},
    )
    assert cases.names == ["a", "b"]
    assert len(cases) == cases.num_samples == 2
    case = cases[1]
    assert (case.name, case.ignored, case.weights, case.image) == ("b", None, None, None)
    for stack, kind in ((case.samples, "s"), (case.annotations, "a"), (case.reconstructions, "r")):
        assert stack.dtype == np.uint8
        np.testing.assert_array_equal(stack, [masks[f"{kind}0"], masks[f"{kind}1"]])


def test_masks_are_ordered_by_number_from_any_on(opened):
    masks = {number: draw(number) for number in (8, 9, 10)}
    numbered = {f"a_s{number}.png": png(mask) for number, mask in masks.items()}
    (case,) = opened(numbered, {"a_a7.png": MASK})
    np.testing.assert_array_equal(case.samples, list(masks.values()))


def test_npz_arrays_become_cases(opened):
    arrays = {
        "annotations": draw(1, 3),
        "weights": np.array([0, 1, 2]),
        "ignored": draw(2).astype(bool),
        "patient": "p",
        "image": draw(3).astype(np.float64) * 1000,
    }
    samples, rebuilt = draw(4, 5).astype(np.int64), draw(5, 3).astype(bool)
    (case,) = opened(
        {"a.npz": npz(samples=samples, reconstructions=rebuilt)}, {"a.npz": npz(**arrays)}
    )
    assert (case.name, case.patient) == ("a", "p")
    np.testing.assert_array_equal(case.samples, samples)
    np.testing.assert_array_equal(case.reconstructions, rebuilt)
    for key in ("annotations", "weights", "ignored", "image"):
        np.testing.assert_array_equal(getattr(case, key), arrays[key])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("key", ["logits", "probabilities"])
def test_scores_become_the_first_of_the_most_likely_classes(opened, key, dtype):
    scores = (draw(0, 2, 3, most=4).transpose(0, 2, 3, 1) / 4).astype(dtype)
    expected = [[[list(p).index(max(p)) for p in row] for row in mask] for mask in scores]
    options = {"num_classes": 3}
    (case,) = opened({"a.npz": npz(**{key: scores})}, {"a_a0.png": MASK}, **options)
    np.testing.assert_array_equal(case.samples, expected)


def test_png_and_npz_may_be_mixed_in_a_folder_and_between_folders(opened):
    both = {"a.npz": npz(samples=draw(0, 2)), "b_s0.png": MASK, "b_s1.png": MASK}
    cases = opened(both, {"a_a0.png": MASK, "b.npz": npz(annotations=draw(0, 1))})
    assert [case.samples.shape for case in cases] == [(2, *SIZE)] * 2
    np.testing.assert_array_equal(cases[0].annotations, cases[1].annotations)


def test_the_published_lidc_crops_are_annotations_and_images_as_they_are(opened):
    white = {f"p/z-1.5_c0_l{k}.png": png(draw(k) * np.uint8(255)) for k in range(4)}
    picture = draw(9, most=255)
    cases = opened({"p/z-1.5_c0_s0.png": MASK}, white, {"p/z-1.5_c0.png": png(picture)})
    (case,) = cases
    assert (case.name, case.patient, cases.patients_known) == ("p/z-1.5_c0", "p", True)
    np.testing.assert_array_equal(case.annotations, [draw(k) for k in range(4)])
    np.testing.assert_array_equal(case.image, (picture / np.float32(255)).astype(np.float32))


def test_the_number_of_annotations_may_differ_between_images(opened):
    assert [len(case.annotations) for case in opened()] == [2, 1]


def test_cases_are_read_only_when_asked_for(opened, tmp_path):
    cases = opened()
    (tmp_path / PREDICTIONS / "a_s0.png").write_bytes(b"")
    assert cases[1].name == "b"
    with pytest.raises(UserError, match=r"a_s0\.png: is empty"):
        cases[0]
    with pytest.raises(IndexError):
        cases[2]


def test_hidden_files_and_those_that_are_no_masks_are_passed_over(opened):
    stray = dict.fromkeys(
        [".DS_Store", "._a_s0.png", "Thumbs.db", "README.txt", "__MACOSX/a_s0.png", ".x/b_s7.png"],
        b"",
    )
    plain = opened().checksums()
    cases = opened(SOUND[PREDICTIONS] | stray, SOUND[ANNOTATIONS] | stray)
    assert cases.names == ["a", "b"]
    assert cases.checksums() == plain


def test_a_folder_of_images_may_hold_more_than_are_scored(opened):
    cases = opened(images={"a.png": MASK, "b.png": MASK, "c.png": MASK, "notes.txt": b""})
    assert [case.image.shape for case in cases] == [SIZE, SIZE]


def test_linked_folders_are_followed(opened, tmp_path):
    write(tmp_path / "elsewhere", {"a_s0.png": MASK})
    (tmp_path / PREDICTIONS).mkdir()
    (tmp_path / PREDICTIONS / "p").symlink_to(tmp_path / "elsewhere")
    write(tmp_path / ANNOTATIONS, {"p/a_a0.png": MASK})
    assert open_folders(tmp_path / PREDICTIONS, tmp_path / ANNOTATIONS).names == ["p/a"]


# Patients.


def test_the_first_folder_of_a_name_is_the_patient(opened):
    names = ["p/q/a", "p/b", "r/a"]
    cases = opened({f"{n}_s0.png": MASK for n in names}, {f"{n}_a0.png": MASK for n in names})
    assert {case.name: case.patient for case in cases} == {"p/q/a": "p", "p/b": "p", "r/a": "r"}
    assert cases.patients_known


def test_in_a_flat_folder_every_image_is_its_own_patient(opened):
    cases = opened()
    assert [case.patient for case in cases] == ["a", "b"]
    assert not cases.patients_known


@pytest.mark.parametrize("name", ["a", "p/a"])
def test_the_patient_in_an_npz_goes_before_the_folder(opened, name):
    annotated = npz(annotations=draw(0, 1), patient="who")
    cases = opened({f"{name}_s0.png": MASK}, {f"{name}.npz": annotated})
    assert cases[0].patient == "who"
    assert cases.patients_known


# Checksums.


def test_a_checksum_changes_with_a_byte_and_with_a_name_and_no_other_does(opened, tmp_path):
    before = opened().checksums()
    assert set(before) == {PREDICTIONS, ANNOTATIONS}
    assert opened().checksums() == before
    other = bytearray(MASK)
    other[-1] ^= 1
    changed = opened(SOUND[PREDICTIONS] | {"a_s0.png": bytes(other)}).checksums()
    assert changed[PREDICTIONS] != before[PREDICTIONS]
    assert changed[ANNOTATIONS] == before[ANNOTATIONS]
    opened()
    (tmp_path / PREDICTIONS / "a_s0.png").rename(tmp_path / PREDICTIONS / "a_s2.png")
    renamed = open_folders(tmp_path / PREDICTIONS, tmp_path / ANNOTATIONS).checksums()
    assert renamed[PREDICTIONS] not in (before[PREDICTIONS], changed[PREDICTIONS])


def test_a_checksum_does_not_change_with_the_place(opened, tmp_path):
    before = opened().checksums()
    for folder in (PREDICTIONS, ANNOTATIONS):
        (tmp_path / folder).rename(tmp_path / f"moved_{folder}")
    moved = open_folders(tmp_path / f"moved_{PREDICTIONS}", tmp_path / f"moved_{ANNOTATIONS}")
    assert moved.checksums() == before
