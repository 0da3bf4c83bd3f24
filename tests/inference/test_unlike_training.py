"""The sample command on images whose values or priors are unlike those of training."""

import json

import nibabel
import numpy as np
import pytest

from hpunet import sample
from hpunet.inference.prior_range import PriorRange
from hpunet.weights.file import save_weights
from tests import tiny
from tests.evaluation import tiny_network

pytestmark = pytest.mark.usefixtures("quick_compilation")

RNG = np.random.default_rng(0)
WINDOW = {"intensity_range": [44, 160], "intensity_clip": True}
STANDARD = {"intensity_range": [100, 130], "intensity_clip": False}
# As narrow as no image's prior, and as wide as all are.
NARROW = PriorRange(((50.0, 50.0),) * 2, ((9.0, 9.0),) * 2, 100)
WIDE = PriorRange(((-1e6, 1e6),) * 2, ((-10.0, 10.0),) * 2, 100)


def weights(tmp_path, header, prior_range=None):
    path = tmp_path / "tiny.safetensors"
    extent = None if prior_range is None else prior_range.to_header()
    header = {"crop": 8, **header}
    save_weights(path, tiny_network.parameters(), tiny.CONFIG, header, prior_range=extent)
    return f"--weights={path}"


def array(tmp_path, low, high):
    path = tmp_path / "new.npy"
    np.save(path, RNG.uniform(low, high, (9, 13)).astype(np.float32))
    return path


def volume(tmp_path, *ranges):
    """A NIfTI volume of slices with values in these ranges, which is taken for CT in HU."""
    path = tmp_path / "ct.nii.gz"
    slices = [RNG.uniform(low, high, (9, 13)) for low, high in ranges]
    nibabel.save(nibabel.Nifti1Image(np.stack(slices, -1).astype(np.float32), np.eye(4)), path)
    return path


def run(run_command, tmp_path, *words):
    code, out, err = run_command(sample, f"--out={tmp_path / 'out'}", "--num_samples=2", *words)
    path = tmp_path / "out" / "results.json"
    images = json.loads(path.read_text())["images"] if path.is_file() else []
    return code, out + err, [picture for image in images for picture in image["pictures"]]


@pytest.mark.parametrize(
    ("header", "values", "expected"),
    [
        (WINDOW, (0, 1), "all of its values are below the training's black (44): is it on another"),
        (WINDOW, (1000, 4000), "all of its values are above the training's white (160): is it on"),
        (STANDARD, (1000, 4000), "all of its values are above the training's mean + 10 deviations"),
    ],
)
def test_image_of_another_scale_is_refused(run_command, tmp_path, header, values, expected):
    code, text, _ = run(run_command, tmp_path, weights(tmp_path, header), array(tmp_path, *values))
    assert code != 0
    assert f"new.npy: {expected}" in text
    assert ("--window=LOW,HIGH" in text) == header["intensity_clip"]


def test_image_of_another_scale_is_drawn_with_its_own_window(run_command, tmp_path):
    words = [weights(tmp_path, WINDOW), array(tmp_path, 0, 1), "--window=0,1"]
    code, _, (picture,) = run(run_command, tmp_path, *words)
    assert (code, picture["warnings"]) == (0, [])


def test_fractions_within_the_window_are_drawn_with_a_warning(run_command, tmp_path):
    header = {"intensity_range": [0, 200], "intensity_clip": True}
    code, text, (picture,) = run(
        run_command, tmp_path, weights(tmp_path, header), array(tmp_path, 0, 1)
    )
    assert code == 0
    assert "warning: new: its values are" in text
    assert "nearly equal to the network (0 to 200 in training)" in picture["warnings"][0]
    assert "nearly equal to the network" in (tmp_path / "out" / "index.html").read_text()


def test_volume_of_which_one_slice_is_air_is_drawn(run_command, tmp_path):
    path = volume(tmp_path, (-1000, -900), (44, 160))
    words = [weights(tmp_path, WINDOW), path, "--slices=all"]
    code, text, pictures = run(run_command, tmp_path, *words)
    assert code == 0, text
    assert len(pictures) == 2


def test_volume_of_another_scale_is_refused(run_command, tmp_path):
    path = volume(tmp_path, (-1000, -900), (-1000, 30))
    words = [weights(tmp_path, WINDOW), path, "--slices=all"]
    code, text, _ = run(run_command, tmp_path, *words)
    assert code != 0
    assert "ct.nii.gz: all of its values are below the training's black (44)" in text


@pytest.mark.parametrize(
    ("header", "words", "expected"),
    [
        (WINDOW, (), "44 to 160 (as in training)"),
        (WINDOW, ("--window=-500,200",), "\N{MINUS SIGN}500 to 200 HU (--window)"),
        ({}, (), "\N{MINUS SIGN}1000 to 400 HU (default)"),
    ],
)
def test_unit_stands_beside_windows_in_the_values_of_the_file_alone(
    run_command, tmp_path, header, words, expected
):
    path = volume(tmp_path, (-1000, 400), (-1000, 400))
    given = [weights(tmp_path, header), path, "--slices=0", *words]
    code, text, (picture,) = run(run_command, tmp_path, *given)
    assert code == 0, text
    assert picture["facts"]["Window"] == expected


@pytest.mark.parametrize(("prior_range", "count"), [(NARROW, 1), (WIDE, 0), (None, 0)])
def test_prior_far_outside_that_of_validation_is_warned_of_once_with_its_value(
    run_command, tmp_path, prior_range, count
):
    path = array(tmp_path, -10000, 10000)
    header = {"intensity_range": [0, 1000], "intensity_clip": False}
    given = weights(tmp_path, header, prior_range)
    code, text, (picture,) = run(run_command, tmp_path, given, path)
    assert code == 0, text
    assert (
        len([line for line in text.splitlines() if "unlike the training images" in line]) == count
    )
    assert len(picture["warnings"]) == count


def test_windows_are_drawn_and_recorded(run_command, tmp_path):
    words = [weights(tmp_path, WINDOW), array(tmp_path, 44, 160), "--windows"]
    code, text, (picture,) = run(run_command, tmp_path, *words)
    assert code == 0, text
    assert (picture["height"], picture["width"]) == (9, 13)
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["windows"] == [8, 8]
    assert "8 pixels" in (tmp_path / "out" / "index.html").read_text()
