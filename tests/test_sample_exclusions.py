"""The sample command when some of its images cannot be read or drawn."""

import json

import nibabel
import numpy as np
import pytest

from hpunet import sample
from hpunet.inference.sampling import ImageSampler
from hpunet.io.errors import UserError
from hpunet.weights.file import save_weights
from tests import tiny
from tests.evaluation import tiny_network
from tests.imaging.dicom_phantom import distinct, write_ct
from tests.test_sample import HEADER, write_nifti, write_picture

pytestmark = pytest.mark.usefixtures("quick_compilation")

NOT_FINITE = "the network gives NaN or infinity"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(path, tiny_network.parameters(), tiny.CONFIG, HEADER)
    return path


@pytest.fixture
def draw(run_command, weights, tmp_path):
    """Draws two samples of each image; gives the exit code, the results and stderr."""

    def run(*words):
        out = tmp_path / "out"
        given = (f"--weights={weights}", f"--out={out}", "--num_samples=2", *words)
        code, _, err = run_command(sample, *given)
        results = out / "results.json"
        return code, json.loads(results.read_text()) if results.exists() else None, err

    return run


@pytest.fixture
def unfamiliar(monkeypatch):
    """Names of images for which the network gives NaN."""
    names = set()
    drawn = ImageSampler.draw

    def draw(self, given, encoded):
        for number, labels in enumerate(drawn(self, given, encoded)):
            yield labels
            if number == 0 and any(given.name.endswith(name) for name in names):
                raise UserError(f"{given.name}: {NOT_FINITE}")

    monkeypatch.setattr(ImageSampler, "draw", draw)
    return names


def pages(tmp_path):
    return (tmp_path / "out" / "index.html").read_text()


def test_an_image_that_gives_nan_does_not_stop_the_others(draw, unfamiliar, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a", "b", "c"):
        write_picture(folder / f"{name}.png")
    unfamiliar.add("b.png")
    code, results, err = draw(folder)
    assert code == 1
    assert [image["name"] for image in results["images"]] == ["a", "c"]
    assert results["failed"] == [{"file": "b.png", "reason": NOT_FINITE}]
    assert f"failed: {folder / 'b.png'}: {NOT_FINITE}" in err
    assert "Without results" in pages(tmp_path)
    assert not (tmp_path / "out" / "b").exists()
    assert not (tmp_path / "out" / ".samples").exists()


def test_slices_that_give_nan_do_not_stop_the_others(draw, unfamiliar, tmp_path):
    path = write_nifti(tmp_path / "ct.nii.gz", slices=4)
    _, whole, _ = draw(path, "--slices=0,2,3")
    samples = nibabel.load(tmp_path / "out/ct/sample_001.nii.gz").get_fdata()
    unfamiliar.add("slice 1")
    code, results, _ = draw(path, "--slices=all", "--overwrite")
    assert code == 1
    assert [picture["slice"] for picture in results["images"][0]["pictures"]] == [0, 2, 3]
    assert results["images"] == whole["images"]
    assert results["failed"] == [{"file": "ct.nii.gz: slice 1", "reason": NOT_FINITE}]
    found = nibabel.load(tmp_path / "out/ct/sample_001.nii.gz").get_fdata()
    np.testing.assert_array_equal(found, samples)


def test_images_of_which_none_can_be_drawn_are_refused(draw, unfamiliar, tmp_path):
    paths = [write_picture(tmp_path / f"{name}.png") for name in "ab"]
    unfamiliar.update(("a.png", "b.png"))
    code, results, err = draw(*paths)
    assert (code, results) == (2, None)
    assert f"{paths[0]}: {NOT_FINITE} (1 more fail)" in err
    assert not (tmp_path / "out").exists()


def test_files_that_cannot_be_read_are_listed(draw, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    write_picture(folder / "good.png")
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("text")
    (folder / "notes.txt").write_text("x")
    np.save(folder / "nan.npy", np.full((8, 8), np.nan, np.float32))
    np.save(folder / "wide.npy", np.arange(64, dtype=np.float32).reshape(8, 8))
    code, results, err = draw(folder)
    assert code == 1
    assert [image["name"] for image in results["images"]] == ["good"]
    assert [one["file"] for one in results["failed"]] == [
        "empty.png",
        "text.png",
        "nan.npy",
        "wide.npy",
    ]
    assert results["failed"][2]["reason"].startswith(
        "64 values are NaN; --nan gives the replacement"
    )
    assert results["left_out"] == [{"file": "notes.txt", "reason": "unknown format"}]
    assert f"left out: {folder / 'notes.txt'}: unknown format" in err
    for line in err.splitlines():
        assert line.count("empty.png") <= 1
    page = pages(tmp_path)
    assert all(name in page for name in ("empty.png", "text.png", "nan.npy", "notes.txt"))


def test_many_files_of_one_fault_are_one_line(draw, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    write_picture(folder / "good.png")
    for number in range(5):
        (folder / f"{number}.png").touch()
    code, results, err = draw(folder)
    assert code == 1
    assert len(results["failed"]) == 5
    (line,) = [line for line in err.splitlines() if line.startswith("failed")]
    listed = ", ".join(str(folder / f"{number}.png") for number in range(3))
    assert line == f"failed, 5 in all: {listed} and 2 more: is empty"


def test_slices_without_finite_values_are_listed(draw, tmp_path):
    values = np.random.default_rng(0).uniform(-1000, 400, (9, 13, 3)).astype(np.float32)
    values[0, 0, 1] = np.nan
    path = tmp_path / "ct.nii"
    nibabel.save(nibabel.Nifti1Image(values, np.diag([0.5, 0.5, 2, 1])), path)
    code, results, _ = draw(path, "--slices=all")
    assert code == 1
    assert [picture["slice"] for picture in results["images"][0]["pictures"]] == [0, 2]
    assert [one["file"] for one in results["failed"]] == ["ct.nii: slice 1"]


def test_odd_images_of_a_study_are_left_out(draw, tmp_path):
    study = tmp_path / "study"
    for height in range(3):
        position = {"ImagePositionPatient": [0, 0, height], "StudyInstanceUID": "1.2.3"}
        write_ct(study / "ct" / f"{height}.dcm", distinct(9, 13), **position)
    odd = {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1], "StudyInstanceUID": "1.2.3"}
    write_ct(study / "ct" / "odd.dcm", distinct(9, 13), **odd)
    code, results, err = draw(study, "--slices=all", "--noresample")
    assert code == 0
    assert [len(image["pictures"]) for image in results["images"]] == [3]
    assert [one["file"] for one in results["left_out"]] == ["odd.dcm"]
    assert "its orientation is 0, 1, 0, 0, 0, -1" in err


def test_mistaken_flags_stop_the_command_at_once(draw, tmp_path):
    paths = [write_picture(tmp_path / f"{name}.png") for name in "ab"]
    for flag, message in (
        ("--format=bmp", "--format=bmp: allowed are dicom, nifti, npy, png"),
        ("--plane=coronal", "--plane=coronal: allowed are NIfTI volumes"),
    ):
        code, _, err = draw(*paths, flag)
        assert code == 2
        assert message in err
        assert "more fail" not in err


def test_thick_slices_are_drawn_and_noted(draw, tmp_path):
    values = np.random.default_rng(0).uniform(-1000, 400, (3, 9, 13)).astype(np.float32)
    paths = [tmp_path / f"{name}.nii" for name in "ab"]
    for path in paths:
        nibabel.save(nibabel.Nifti1Image(values, np.diag([4, 0.5, 0.5, 1])), path)
    code, results, err = draw(*paths, "--slices=all")
    assert code == 0
    picture = results["images"][0]["pictures"][0]
    assert (len(results["images"][0]["pictures"]), picture["height"]) == (3, 13)
    assert f"note, 2 in all: {paths[0]}, {paths[1]}: is cut into sagittal slices" in err
    _, results, _ = draw(paths[0], "--slices=0", "--plane=axial", "--overwrite")
    picture = results["images"][0]["pictures"][0]
    assert (picture["height"], picture["width"]) == (9, 3)


def test_a_window_in_the_header_is_offered(draw, tmp_path):
    path = write_ct(
        tmp_path / "mr.dcm",
        distinct(8, 8),
        Modality="MR",
        StudyInstanceUID="1.2.3",
        WindowCenter=600,
        WindowWidth=1600,
    )
    code, _, err = draw(path)
    assert code == 2
    assert "(its values are -1024 to -961; its header suggests --window=-200,1400)" in err
    assert err.count("mr.dcm") == 1
