import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

import hpunet
from hpunet.errors import UserError
from hpunet.weights.file import check_params, load, read_header, save_weights
from tests import tiny

MODEL = hpunet.build_model(tiny.CONFIG)
PREPROCESSING = {"crop": 8, "pixel_spacing_mm": None, "intensity_range": [0, 255]}
FIRST = "prior_encoder/level_0/block_0/conv_0"


@pytest.fixture(scope="module")
def params():
    image = np.zeros((1, 8, 8, 1), np.float32)
    return MODEL.init(jax.random.key(0), image, np.zeros((1, 8, 8, 2), np.float32))


@pytest.fixture
def path(tmp_path, params):
    save_weights(tmp_path / "weights.safetensors", params, tiny.CONFIG, PREPROCESSING)
    return tmp_path / "weights.safetensors"


def flat(params):
    return {f"{m}/{n}": np.asarray(v) for m, ws in params.items() for n, v in ws.items()}


def changed(params, module, name, value):
    return {**params, module: {**params.get(module, {}), name: value}}


def test_weights_and_network_come_back(path, params):
    model, loaded = hpunet.load(path)
    assert model.config == tiny.CONFIG
    assert flat(loaded).keys() == flat(params).keys()
    for name, value in flat(params).items():
        np.testing.assert_array_equal(flat(loaded)[name], value)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_header_says_what_a_later_command_needs(path):
    assert read_header(path) == {"network": tiny.CONFIG, "preprocessing": PREPROCESSING}


@pytest.mark.parametrize("size", [0, 5, 100, -1, -200])
def test_truncated_file_is_refused_by_name(path, size):
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(UserError, match=r"weights\.safetensors: not a readable weights file") as e:
        load(path)
    assert "\n" not in str(e.value)


def test_file_that_is_missing_or_no_safetensors_is_refused_by_name(tmp_path):
    with pytest.raises(UserError, match=r"none.safetensors"):
        load(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("These are no weights.")
    with pytest.raises(UserError, match=r"text.safetensors: not a readable weights file"):
        load(tmp_path / "text.safetensors")
    with pytest.raises(UserError):
        load(tmp_path)


@pytest.mark.parametrize("header", [None, {"format": "pt"}])
def test_safetensors_of_others_are_refused(tmp_path, header):
    save_file({"a": np.zeros(2, np.float32)}, tmp_path / "other.safetensors", metadata=header)
    with pytest.raises(UserError, match=r"other.safetensors: no weights of hpunet"):
        load(tmp_path / "other.safetensors")


def test_arrays_that_are_not_the_networks_are_refused_by_name(path, params):
    small = np.zeros((3, 3, 1, 1), np.float32)
    with pytest.raises(UserError, match=rf"{FIRST}/w has shape \(3, 3, 1, 1\), the network needs"):
        check_params(changed(params, FIRST, "w", small), MODEL, "file")
    with pytest.raises(UserError, match="extra/w is no weight"):
        check_params(changed(params, "extra", "w", small), MODEL, "file")
    missing = {m: w for m, w in params.items() if not m.startswith("stitching")}
    with pytest.raises(UserError, match=r"stitching_decoder/.* has shape None"):
        check_params(missing, MODEL, "file")
    with pytest.raises(UserError, match="not those of a Hierarchical"):
        check_params({}, MODEL, "file")


def test_file_may_be_read_by_whom_the_umask_lets(path):
    (path.parent / "ordinary").touch()
    assert path.stat().st_mode == (path.parent / "ordinary").stat().st_mode


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.astype(np.float16), "has type F16; allowed is F32"),
        (lambda w: w.astype(np.float64), "has type F64; allowed is F32"),
        (lambda w: w.astype(np.int32), "has type I32; allowed is F32"),
        (lambda w: w * np.float32("nan"), "is not finite"),
        (lambda w: w + np.float32("inf"), "is not finite"),
    ],
)
def test_weights_that_are_no_finite_float32_are_refused_by_name(tmp_path, params, change, message):
    weights = changed(params, FIRST, "w", change(np.asarray(params[FIRST]["w"])))
    save_weights(tmp_path / "bad.safetensors", weights, tiny.CONFIG, PREPROCESSING)
    with pytest.raises(UserError, match=rf"bad\.safetensors: {FIRST}/w {message}"):
        load(tmp_path / "bad.safetensors")
