"""Which weights of a run are scored, and on what."""

import dataclasses
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import safetensors

from hpunet.data.intensities import BYTES, Intensities
from hpunet.evaluation.compatibility import warn_of_spacing
from hpunet.evaluation.scoring_set import SamplingChoices, network_scoring_set
from hpunet.inference.predictor import Predictor, sampling_key
from hpunet.inference.preprocessing import Preprocessing
from hpunet.inference.sampling import build_sampler
from hpunet.inference.trained import from_weights
from hpunet.io.checksums import params_checksum
from hpunet.io.errors import UserError
from hpunet.models.model import build_model
from hpunet.training.checkpoint import Checkpoints, LoopState
from hpunet.training.devices import Devices
from hpunet.training.load import from_workdir
from hpunet.training.state import init_state, keys_of
from hpunet.weights.file import save_weights
from tests import tiny
from tests.evaluation import tiny_network

pytestmark = pytest.mark.usefixtures("quick_compilation")
PREPROCESSING = Preprocessing(crop=(8, 8))


def weights(number):
    """Weights that say which ones they are."""
    return jax.tree.map(lambda x: jnp.full_like(x, number), tiny_network.parameters())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose checkpoints of steps 2 and 4 are the last ones, of step 2 the best."""
    folder = tmp_path_factory.mktemp("run")
    state = init_state(tiny.task(), optax.adam(1.0), 0)
    checkpoints = Checkpoints(folder / "checkpoints")
    for step in (2, 4):
        saved = state._replace(step=np.asarray(step, np.int32), params=weights(step))
        if step == 2:
            checkpoints.save_best(saved, LoopState(0.5, 2))
        checkpoints.save(saved, LoopState(0.5, 2))
    checkpoints.close()
    save_weights(folder / "weights.safetensors", weights(1), tiny_network.CONFIG, {"crop": 8})
    return folder


def number_of(network):
    return {float(x.ravel()[0]) for x in jax.tree.leaves(network.params)}


@pytest.mark.parametrize(
    ("which", "step", "origin"),
    [("best", 2, "best"), ("last", 4, "last"), ("2", 2, "2"), ("4", 4, "4")],
)
def test_checkpoint_that_is_asked_for_is_read(run, which, step, origin):
    network = from_workdir(run, which, tiny_network.CONFIG, PREPROCESSING)
    assert number_of(network) == {step}
    assert network.origin == {"checkpoint": origin, "step": step}


def test_step_without_checkpoint_is_refused_with_those_there_are(run):
    with pytest.raises(UserError, match=r"--checkpoint=3: .* only: 2, 4"):
        from_workdir(run, "3", tiny_network.CONFIG, PREPROCESSING)


def test_run_without_validation_has_its_last_weights_for_its_best(run, tmp_path):
    workdir = shutil.copytree(run, tmp_path / "run")
    shutil.rmtree(workdir / "checkpoints" / "best")
    assert number_of(from_workdir(workdir, "best", tiny_network.CONFIG, PREPROCESSING)) == {4}


def test_run_whose_checkpoints_are_gone_has_its_weights_file(run, tmp_path):
    workdir = shutil.copytree(run, tmp_path / "run")
    shutil.rmtree(workdir / "checkpoints")
    network = from_workdir(workdir, "best", tiny_network.CONFIG, PREPROCESSING)
    assert number_of(network) == {1}
    assert network.origin == {"weights": "weights.safetensors"}


def test_checkpoint_of_another_network_is_refused_by_name(run):
    wider = dataclasses.replace(
        tiny_network.CONFIG, channels_per_block=(4, 4, 8), down_channels_per_block=None
    )
    with pytest.raises(UserError, match=r"checkpoints, step 2: .* has shape"):
        from_workdir(run, "best", wider, PREPROCESSING)


def test_damaged_checkpoint_is_refused_by_name(run, tmp_path):
    workdir = shutil.copytree(run, tmp_path / "run")
    for path in (workdir / "checkpoints" / "last" / "4" / "state").rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    with pytest.raises(UserError, match=r"last/4: cannot be read"):
        from_workdir(workdir, "last", tiny_network.CONFIG, PREPROCESSING)


def test_checksum_is_of_names_shapes_and_values():
    params = tiny_network.parameters()
    first = params_checksum(params)
    assert params_checksum(dict(reversed(params.items()))) == first
    module, name = "stitching_decoder/logits", "b"
    changed = {**params, module: {**params[module], name: params[module][name] + 1e-6}}
    assert params_checksum(changed) != first


@pytest.mark.parametrize("which", ["best", "weights"])
def test_network_has_the_checksum_of_its_weights_wherever_they_lie(run, which):
    file = run / "weights.safetensors"
    network = (
        from_weights(file)
        if which == "weights"
        else from_workdir(run, which, tiny_network.CONFIG, PREPROCESSING)
    )
    assert network.checksum == params_checksum(network.params)


def test_weights_file_is_opened_once(run, monkeypatch):
    opened = []
    original = safetensors.safe_open
    monkeypatch.setattr(
        safetensors, "safe_open", lambda *a, **k: opened.append(a) or original(*a, **k)
    )
    from_weights(run / "weights.safetensors")
    assert len(opened) == 1


@pytest.mark.parametrize("allowed", [None, [0, 255], [0.0, 255.0]])
def test_usual_or_unknown_intensity_range_is_taken(tmp_path, allowed):
    path = tmp_path / "weights.safetensors"
    save_weights(path, weights(1), tiny_network.CONFIG, {"intensity_range": allowed})
    assert number_of(from_weights(path)) == {1}


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({}, BYTES),
        ({"intensity_range": [0, 255]}, BYTES),
        ({"intensity_range": [0, 1]}, Intensities((0,), (1,), clip=True)),
        (
            {"intensity_range": [100, 120], "intensity_clip": False},
            Intensities((100,), (120,), clip=False),
        ),
    ],
)
def test_intensities_are_those_that_the_header_keeps(tmp_path, header, expected):
    path = tmp_path / "weights.safetensors"
    save_weights(path, weights(1), tiny_network.CONFIG, header)
    assert from_weights(path).preprocessing.intensities == expected


def test_intensities_of_other_channels_than_the_network_has_are_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_weights(path, weights(1), tiny_network.CONFIG, {"intensity_range": [[0, 1], [0, 2]]})
    with pytest.raises(UserError, match="intensity_range of 2 channels; allowed are 1 and 1") as e:
        from_weights(path)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("spacing", [None, 0.5])
def test_same_or_unknown_spacing_is_not_warned_of(capsys, spacing):
    warn_of_spacing(tiny_network.network(pixel_spacing=0.5), spacing)
    assert capsys.readouterr().err == ""


def test_other_spacing_is_warned_of(capsys):
    warn_of_spacing(tiny_network.network(pixel_spacing=0.5), 0.7)
    assert "a pixel spacing of 0.5 mm, but these images have 0.7 mm" in capsys.readouterr().err


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn") / "kept"
    draw(folder)
    return folder


def draw(folder, network=None, dataset=None, **changed):
    """Draws samples of a tiny network on a tiny data set, with something changed."""
    choices = SamplingChoices("test", None, (1, 2), 0)._replace(**changed)
    return network_scoring_set(
        network or tiny_network.network(),
        dataset or tiny_network.dataset(),
        choices,
        Devices(),
        folder,
        may_replace=False,
    )


def test_kept_samples_are_taken_up_for_fewer_numbers_of_samples(kept, capsys):
    draw(kept, num_samples=(2,))
    assert "drawing: 10 of 10 images" in capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    "changed",
    [
        {"network": tiny_network.network(params=tiny_network.parameters(seed=1))},
        {"network": tiny_network.network(crop=(4, 4))},
        {"dataset": tiny_network.dataset()._replace(checksum="4567")},
        {"dataset": tiny_network.dataset()._replace(version="2.0.0")},
        {"split": "train"},
        {"num_images": 5},
        {"num_samples": (3,)},
        {"seed": 1},
    ],
    ids=["weights", "crop", "data", "version", "split", "images", "samples", "seed"],
)
def test_kept_samples_of_anything_else_are_refused(kept, changed):
    with pytest.raises(UserError, match="holds something else"):
        draw(kept, **changed)


def predictor(params, num_devices=1):
    devices = Devices(jax.devices()[:num_devices])
    made = Predictor(build_sampler(build_model(tiny_network.CONFIG)), 2, 0, devices)
    seen = tiny.validation_images(5)
    return lambda n: made(
        devices.replicate(params), seen.image[:n], seen.annotations[:, :n], seen.position[:n]
    )


def test_images_whose_logits_are_not_finite_are_marked():
    params = tiny_network.parameters()
    assert predictor(params)(3).finite.tolist() == [True] * 3
    params["stitching_decoder/logits"]["b"] = jnp.array([0.0, jnp.inf])
    assert predictor(params)(3).finite.tolist() == [False] * 3


def test_samples_are_drawn_from_the_third_key_of_a_run():
    expected = jax.random.key_data(keys_of(7)[2])
    np.testing.assert_array_equal(jax.random.key_data(sampling_key(7)), expected)


def test_more_images_than_fit_are_refused():
    with pytest.raises(ValueError, match="5 images; allowed are at most 4"):
        predictor(tiny_network.parameters())(5)
