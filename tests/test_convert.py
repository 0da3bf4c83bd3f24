import sys

import numpy as np
import pytest

import hpunet
from hpunet import convert
from hpunet.weights.file import read
from tests import golden_reference
from tests.parity.comparison import OUTPUT_TOLERANCE, relative_error

CHECKPOINT = golden_reference.FOLDER / "tf_checkpoint_small" / "tf_graph_data.ckpt"
SMALL = {
    "model.latent_dims": (3, 2, 1),
    "model.channels_per_block": (4, 8, 8, 16, 16),
    "model.down_channels_per_block": (2, 4, 4, 8, 8),
    "model.convs_per_block": 3,
    "model.blocks_per_level": 2,
    "data.crop": 32,
    "data.pixel_spacing": 0.7,
}


@pytest.fixture
def out(tmp_path):
    return tmp_path / "new" / "weights.safetensors"


@pytest.mark.usefixtures("quick_compilation")
def test_converted_checkpoint_draws_and_rebuilds_as_the_reference(run_command, out):
    code, printed, err = run_command(convert, f"--checkpoint={CHECKPOINT}", f"--out={out}")
    assert (code, err) == (0, "")
    assert "converted: 312 variables of model/HPUNet, 46,698 weights" in printed
    assert "derived from the shapes" in printed
    assert "multiplier: 1 (" in printed
    assert "skipped: nothing" in printed
    (images,) = (line for line in printed.splitlines() if line.startswith("images: "))
    assert "unknown, so images will not be resampled; --config=lidc" in images
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    golden = golden_reference.load("small")
    model, params = hpunet.load(out)
    image, segmentation = golden.values["img"], golden.values["seg"]
    mean = model.sample(params, None, image, mean=True)[0]
    given = model.sample(params, None, image, latents=golden.per_scale("z"))[0]
    rebuilt = model.reconstruct(params, None, image, segmentation, mean=True)
    for value, name in ((mean, "sample_mean"), (given, "sample_z"), (rebuilt, "reconstruct_mean")):
        assert relative_error(value, golden.values[f"out:{name}"]) < OUTPUT_TOLERANCE


def test_header_says_where_the_weights_come_from(run_command, out):
    run_command(convert, f"--checkpoint={CHECKPOINT.parent}", f"--out={out}")
    header = read(out).header
    assert header.network == golden_reference.load("small").model.config
    assert header.preprocessing == {
        "intensity_range": [0, 255],
        "intensity_clip": False,
        "resized": False,
        "pixel_spacing_mm": None,
        "crop": None,
        "classes": 2,
        "data_checksum": None,
        "image_channels": 1,
    }
    source = header.source
    assert len(source.pop("sha256")) == 64
    assert source == {
        "checkpoint": "tf_graph_data.ckpt",
        "scope": "model/HPUNet",
        "multiplier": {
            "name": "model/HPUNet/snt_lagrange_multiplier/lagrange_multiplier/w",
            "value": float(np.float32(np.log(np.e - 1))),
        },
        "skipped": [],
        "converted_by": f"hpunet {hpunet.__version__}",
        "conversion": 1,
    }


def test_configuration_gives_network_crop_and_spacing(run_command, out):
    keys = [f"--config.{name}={value}" for name, value in SMALL.items()]
    words = [f"--checkpoint={CHECKPOINT}", f"--out={out}", "--config=synthetic", *keys]
    code, printed, _ = run_command(convert, *words)
    assert code == 0
    assert "as given" in printed
    assert "images: crop 32 x 32 pixels (height x width), pixel spacing 0.7 mm\n" in printed
    preprocessing = read(out).header.preprocessing
    assert (preprocessing["crop"], preprocessing["pixel_spacing_mm"]) == ([32, 32], 0.7)


def test_configuration_of_another_network_is_refused(refusal_of, out):
    words = [f"--checkpoint={CHECKPOINT}", f"--out={out}", "--config=lidc"]
    assert "is missing (and" in refusal_of(convert, *words)
    assert not out.parent.exists()


def test_existing_file_is_replaced_only_if_asked_to(run_command, refusal_of, out):
    out.parent.mkdir()
    out.write_bytes(b"precious")
    words = [f"--checkpoint={CHECKPOINT}", f"--out={out}"]
    assert f"{out} exists; --overwrite replaces it" in refusal_of(convert, *words)
    assert out.read_bytes() == b"precious"
    assert run_command(convert, *words, "--overwrite")[0] == 0
    hpunet.load(out)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--checkpoint is missing"),
        (["--checkpoint=x"], "--out is missing"),
        (["--checkpoint=x", "--out=y.npz"], "--out=y.npz: allowed is the name of a file that ends"),
        (["--checkpoint=x", "--weights=x"], "--weights: without --to_reference, allowed is"),
        (["--to_reference"], "--weights is missing"),
        (["--to_reference", "--weights=x"], "--out is missing"),
        (["--to_reference", "--checkpoint=x"], "--checkpoint: with --to_reference, allowed is"),
        (["--to_reference", "--weights=x", "--config=lidc"], "--config: the weights file has"),
        (["--checkpoint=none.ckpt", "--out=y.safetensors"], "none.ckpt: no such checkpoint"),
        (["--to_reference", "--weights=none", "--out=y"], "none: there is no such file"),
        (["--to_reference", "--weights=x", "--out=."], "is a folder"),
        ([f"--checkpoint={CHECKPOINT}", "--out=y.safetensors", "--scope=a"], "--scope=a: allowed"),
        (["--checkpoint=x", "--out=/dev/null/y.safetensors"], "is not a writable folder"),
    ],
)
def test_mistaken_words_end_in_one_line(refusal_of, words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in refusal_of(convert, *words)
    assert list(tmp_path.iterdir()) == []


def test_tensorflow_s_absence_is_said_with_what_to_install(
    run_command, refusal_of, monkeypatch, out
):
    run_command(convert, f"--checkpoint={CHECKPOINT}", f"--out={out}")
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    prefix = out.with_name("back.ckpt")
    message = refusal_of(convert, "--to_reference", f"--weights={out}", f"--out={prefix}")
    assert "pip install 'hpunet[convert]'" in message
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_checkpoint_of_others_beside_is_not_taken_over(refusal_of, tmp_path):
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "theirs"\n')
    words = ["--to_reference", "--weights=x", f"--out={tmp_path}/ours"]
    assert f"{tmp_path}/checkpoint exists; --overwrite replaces it" in refusal_of(convert, *words)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_interrupted_conversion_leaves_nothing(run_command, monkeypatch, out, error):
    def broken(*_):
        raise error

    monkeypatch.setattr("os.replace", broken)
    code, printed, err = run_command(convert, f"--checkpoint={CHECKPOINT}", f"--out={out}")
    assert code in (2, 130)
    assert printed == ""
    assert len(err.splitlines()) == 1
    assert list(out.parent.iterdir()) == []
