"""The sample command: what it leaves, and what it says of mistakes."""

import json
import os
import re
import zlib

import jax
import nibabel
import numpy as np
import pytest
from PIL import Image

from hpunet import sample
from hpunet.models.model import build_model
from hpunet.weights.file import save_weights
from tests import tiny
from tests.evaluation import tiny_network

pytestmark = pytest.mark.usefixtures("quick_compilation")

SAMPLES = 6
HEADER = {"crop": 8, "pixel_spacing_mm": 0.5, "intensity_range": [0, 255]}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(path, tiny_network.parameters(), tiny.CONFIG, HEADER)
    return path


@pytest.fixture
def picture(tmp_path):
    return write_picture(tmp_path / "nodule.png")


def write_picture(path, size=(13, 9), seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def write_nifti(path, slices=3, spacing=0.7):
    values = np.random.default_rng(0).uniform(-1000, 400, (9, 13, slices)).astype(np.float32)
    image = nibabel.Nifti1Image(values, np.diag([spacing, spacing, 2.5, 1]))
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
    return path


@pytest.fixture
def drawn(run_command, weights, tmp_path):
    """Draws few samples into a folder and gives it."""

    def draw(*words, out="out"):
        folder = tmp_path / out
        given = (
            ()
            if any("weights=" in str(w) or "workdir=" in str(w) for w in words)
            else (f"--weights={weights}",)
        )
        code, _, err = run_command(
            sample, *given, f"--out={folder}", f"--num_samples={SAMPLES}", *words
        )
        assert code == 0, err
        return folder

    return draw


@pytest.fixture
def refused(refusal_of, weights, tmp_path):
    """The one line that the command says of mistaken words; it leaves no results."""

    def refuse(*words, out=tmp_path / "out"):
        before = sorted(tmp_path.rglob("*"))
        text = refusal_of(sample, f"--weights={weights}", f"--out={out}", *words)
        assert sorted(tmp_path.rglob("*")) == before
        return text

    return refuse


def read_mask(path):
    return np.asarray(Image.open(path)) // 255


def read_samples(folder):
    """Masks by name, without what their files say of where they come from."""
    found = sorted(folder.rglob("sample_*.png"))
    return {path.relative_to(folder).as_posix(): read_mask(path).tolist() for path in found}


def content(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_files_results_and_page_say_the_same(drawn, picture):
    out = drawn(picture)
    results = json.loads((out / "results.json").read_text())
    (image,) = results["images"]
    (found,) = image["pictures"]
    masks = np.stack([read_mask(out / f"nodule/sample_{n:03d}.png") for n in range(1, SAMPLES + 1)])
    assert masks.shape == (SAMPLES, 13, 9)
    assert found["area"]["samples"] == masks.sum(axis=(1, 2)).tolist()
    assert found["area"]["unit"] == "pixels"
    assert sorted(s for h in found["hypotheses"] for s in h["samples"]) == list(
        range(1, SAMPLES + 1)
    )
    assert sum(h["share"] for h in found["hypotheses"]) == pytest.approx(1)
    mean = np.asarray(Image.open(out / "nodule/mean.png")) / 65535
    np.testing.assert_allclose(mean, masks.mean(axis=0), atol=1 / 65535)
    std = np.asarray(Image.open(out / "nodule/std.png")) / 65535 / 2
    np.testing.assert_allclose(std, masks.std(axis=0), atol=1 / 65535)
    assert sorted(content(out)) == sorted([*image["files"], "index.html", "results.json"])
    page = (out / "index.html").read_text()
    assert "nodule" in page
    # Nothing is fetched from elsewhere.
    assert re.findall(r"https?:|(?:src|href)=.(?!data:|#)", page) == []
    assert [p.name for p in out.parent.iterdir() if p.name.startswith(".")] == []


def test_samples_are_those_of_the_python_interface(drawn, tmp_path):
    out = drawn(write_picture(tmp_path / "a.png", (8, 8)), "--seed=5", "--format=npy")
    pixels = np.asarray(Image.open(tmp_path / "a.png"), np.float32)[..., None]
    key = jax.random.fold_in(jax.random.key(5), zlib.crc32(pixels.tobytes()))
    model = build_model(tiny.CONFIG)
    logits = model.sample(
        tiny_network.parameters(), key[None], pixels[None] / 255, num_samples=SAMPLES
    )
    np.testing.assert_array_equal(np.load(out / "a/samples.npy"), np.argmax(logits[:, 0], axis=-1))


def test_npy_holds_the_exact_maps(drawn, picture):
    out = drawn(picture, "--format=npy,png") / "nodule"
    samples = np.load(out / "samples.npy")
    share = samples.mean(axis=0)
    np.testing.assert_allclose(np.load(out / "mean.npy").squeeze(), share, rtol=1e-6)
    np.testing.assert_allclose(
        np.load(out / "std.npy").squeeze(), np.sqrt(share * (1 - share)), atol=1e-6
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.nansum([p * np.log(p) for p in (share, 1 - share)], axis=0)
    np.testing.assert_allclose(np.load(out / "entropy.npy").squeeze(), entropy, atol=1e-6)
    assert (out / "sample_001.png").is_file()


def test_same_image_weights_and_seed_give_the_same_bytes(drawn, picture, tmp_path):
    other = write_picture(tmp_path / "other.png", seed=1)
    one, same = drawn(picture, out="one"), drawn(picture, out="same")
    assert content(one) == content(same)
    beside = drawn(other, picture, out="beside")
    masks = {k: v for k, v in content(beside).items() if k.startswith("nodule/")}
    assert masks == {k: v for k, v in content(one).items() if k.startswith("nodule/")}
    changed = drawn(picture, "--seed=1", out="changed")
    assert content(changed)["nodule/mean.png"] != content(one)["nodule/mean.png"]


def test_means_at_all_scales_give_one_hypothesis(drawn, picture):
    out = drawn(picture, "--mean_scales=all")
    results = json.loads((out / "results.json").read_text())
    assert len(results["images"][0]["pictures"][0]["hypotheses"]) == 1
    assert results["mean_scales"] == [0, 1]
    cold = drawn(picture, "--temperature=0", out="cold")
    assert read_samples(out) == read_samples(cold)


def test_area_is_in_square_millimetres_where_the_spacing_is_given(drawn, picture):
    pixels = drawn(picture, out="pixels")
    out = drawn(picture, "--spacing=0.8,0.6", "--noresample", out="mm")
    of = [json.loads((f / "results.json").read_text())["images"][0] for f in (pixels, out)]
    in_pixels, in_mm = (image["pictures"][0]["area"] for image in of)
    assert in_mm["unit"] == "mm²"
    np.testing.assert_allclose(in_mm["samples"], np.multiply(in_pixels["samples"], 0.48))


def test_slices_of_a_volume_are_written_where_they_lie(drawn, tmp_path):
    path = write_nifti(tmp_path / "ct.nii.gz")
    out = drawn(path, "--slices=1:3")
    source = nibabel.load(path)
    first = nibabel.load(out / "ct/sample_001.nii.gz")
    np.testing.assert_array_equal(first.affine, source.affine)
    assert first.shape == source.shape
    masks = np.stack(
        [
            np.asarray(nibabel.load(out / f"ct/sample_{n:03d}.nii.gz").dataobj)
            for n in range(1, SAMPLES + 1)
        ]
    )
    assert not masks[..., 0].any()
    assert masks[..., 1:].any()
    pictures = json.loads((out / "results.json").read_text())["images"][0]["pictures"]
    assert [picture["slice"] for picture in pictures] == [1, 2]
    for picture in pictures:
        assert picture["area"]["unit"] == "mm²"
        areas = masks[..., picture["slice"]].sum(axis=(1, 2)) * 0.49
        np.testing.assert_allclose(picture["area"]["samples"], areas, rtol=1e-6)
        assert "resampled to 0.5 mm" in picture["facts"]["Seen by the network"]
        size = f"{picture['height']} × {picture['width']} pixels (height × width)"
        assert picture["facts"]["Size"] == size
        assert "−1000 to 400 HU (default)" in picture["facts"]["Window"]


def test_volume_without_a_choice_of_slices_is_refused_with_how_to_choose(refused, tmp_path):
    text = refused(write_nifti(tmp_path / "ct.nii.gz"))
    assert "3 slices" in text
    assert "--slices=" in text


def test_crop_is_taken_around_the_center(drawn, picture):
    out = drawn(picture, "--center=4,9")
    region = json.loads((out / "results.json").read_text())["images"][0]["pictures"][0]["region"]
    assert region == {"top": 5, "left": 0, "bottom": 13, "right": 8}
    masks = np.stack([read_mask(p) for p in sorted(out.glob("nodule/sample_*.png"))])
    assert masks[:, 5:, :8].any()
    assert not masks[:, :5].any()
    assert not masks[:, :, 8].any()


def test_results_are_replaced_only_with_overwrite(drawn, refused, picture, tmp_path):
    out = drawn(picture)
    before = content(out)
    assert "--overwrite" in refused(picture, "--seed=1")
    assert content(out) == before
    drawn(picture, "--seed=1", "--overwrite")
    assert content(out) != before


def test_scales_are_numbers_however_they_are_written(drawn, picture):
    out = drawn(picture, "--mean_scales=00, 1")
    assert json.loads((out / "results.json").read_text())["mean_scales"] == [0, 1]


@pytest.mark.parametrize(
    "name",
    [
        "index.html.png",
        "results.json.png",
        "a b 'c' <i>.png",
        "Läsion.png",
        os.fsdecode(b"l\xe9.png"),
    ],
)
def test_any_name_of_an_image_is_drawn(drawn, tmp_path, name):
    out = drawn(write_picture(tmp_path / name))
    results = json.loads((out / "results.json").read_text())
    assert results["images"][0]["file"] == name
    (folder,) = (path for path in out.iterdir() if path.is_dir())
    assert len(list(folder.glob("sample_*.png"))) == SAMPLES
    assert (out / "index.html").is_file()


def test_results_go_where_a_link_leads(drawn, picture, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    drawn(picture, out="link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "index.html").is_file()


def test_images_in_the_folder_of_results_are_refused(refused, tmp_path):
    inside = tmp_path / "in"
    inside.mkdir()
    image = write_picture(inside / "a.png")
    assert "a.png" in refused(image, out=inside)


def test_spacing_that_only_rounding_tells_from_the_networks_is_not_resampled(drawn, picture):
    exact = drawn(picture, "--spacing=0.5", out="exact")
    rounded = drawn(picture, "--spacing=0.50000003", out="rounded")
    assert read_samples(exact) == read_samples(rounded)


def test_what_the_network_saw_is_told(drawn, picture, weights, tmp_path):
    def told(*words):
        out = drawn(picture, "--overwrite", *words)
        (image,) = json.loads((out / "results.json").read_text())["images"]
        return image["pictures"][0]["facts"]["Seen by the network"]

    assert "assumed to have pixels of 0.5 mm" in told()
    assert "resampled to 0.5 mm" in told("--spacing=0.7")
    assert "not resampled (--noresample)" in told("--spacing=0.7", "--noresample")
    unknown = tmp_path / "unknown.safetensors"
    save_weights(unknown, tiny_network.parameters(), tiny.CONFIG, {})
    text = told(f"--weights={unknown}", "--spacing=0.7")
    assert "the weights do not state the pixel size of their training" in text


def test_files_in_a_folder_that_are_no_images_are_named(run_command, weights, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    write_picture(folder / "a.png")
    (folder / "notes.txt").write_text("x")
    words = (f"--weights={weights}", f"--out={tmp_path / 'out'}", "--num_samples=1", folder)
    code, _, err = run_command(sample, *words)
    assert code == 0
    assert f"left out: {folder / 'notes.txt'}: unknown format" in err


def test_workdir_gives_what_its_weights_give(drawn, tmp_path):
    tiny_network.write_workdir(tmp_path / "run", tmp_path / "prepared", num_test=2)
    picture = write_picture(tmp_path / "a.png", (32, 32))
    one = drawn(f"--workdir={tmp_path / 'run'}", picture, out="one")
    file = tmp_path / "run" / "weights.safetensors"
    same = drawn(f"--weights={file}", picture, out="same")
    assert read_samples(one)
    assert read_samples(one) == read_samples(same)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--temperature=-1"], "--temperature=-1: allowed are finite numbers of at least 0"),
        (["--temperature=nan"], "--temperature=nan"),
        (["--same_iou=0"], "--same_iou=0: allowed are numbers above 0 and at most 1"),
        (["--mean_scales=2"], "--mean_scales=2: allowed are all and scales from 0 to 1"),
        (["--mean_scales=x"], "--mean_scales=x"),
        (["--mean_scales=00,²"], "--mean_scales=00,²"),
        ([f"--center={'9' * 5000},1"], "allowed are two whole numbers x,y"),
        (
            ["--center=1,1", "--crop=400000"],
            "would see 400000 x 400000 pixels (height x width); allowed are 16777216",
        ),
        (["--spacing=1000"], "the network was trained on 0.5 mm; allowed are sizes up to 20 times"),
        (["--spacing=1e-9"], "the network was trained on 0.5 mm"),
        (["--num_samples=0"], "num_samples"),
        (["--num_samples=100000"], "num_samples"),
        (["--center=4"], "--center=4: allowed are two whole numbers x,y"),
        (["--center=9,0"], "--center=9,0: allowed are x from 0 to 8 and y from 0 to 12"),
        (["--crop=8"], "--crop: allowed only with --center"),
        (["--center=1,1", "--crop=7"], "--crop=7: allowed are multiples of 4"),
        (["--window=4"], "--window=4: allowed are two numbers"),
        (["--window=4,3"], "--window=4,3"),
        (["--spacing=0"], "--spacing=0: allowed are positive numbers in mm"),
        (["--spacing=a"], "--spacing=a: allowed are numbers"),
        (["--format=bmp"], "--format=bmp: allowed are dicom, nifti, npy, png"),
        (["--format=nifti"], "nodule.png: --format=nifti does not fit it; allowed are png, npy"),
        (["--slices=3"], "--slices=3"),
        (["--checkpoint=last"], "--checkpoint: allowed only with --workdir"),
        (["--workdir=x"], "exactly one of --weights and --workdir"),
        (["missing.png"], "missing.png"),
    ],
)
def test_mistakes_are_refused_in_one_line(refused, picture, words, part):
    assert part in refused(picture, *words)


def test_images_that_cannot_be_looked_at_are_refused_by_name(refused, tmp_path):
    colour = tmp_path / "colour.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)).save(colour)
    assert "colour.png: has 3 channels, but the network was trained on" in refused(colour)
    nan = tmp_path / "nan.npy"
    np.save(nan, np.full((8, 8), np.nan, np.float32))
    assert "nan.npy" in refused(nan)
    (tmp_path / "empty.png").touch()
    assert "empty.png" in refused(tmp_path / "empty.png")
    wide = tmp_path / "wide.npy"
    np.save(wide, np.arange(64, dtype=np.float32).reshape(8, 8))
    assert "--window=LOW,HIGH (its values are 0 to 63)" in refused(wide)


def test_no_image_and_no_folder_are_refused(refusal_of, weights, picture):
    assert "no image is given" in refusal_of(sample, f"--weights={weights}", "--out=x")
    assert "--out is missing" in refusal_of(sample, f"--weights={weights}", picture)


def test_flags_may_stand_behind_images(drawn, picture):
    assert (drawn(picture, "--seed=1") / "index.html").is_file()


def test_files_of_channels_are_one_image(run_command, tmp_path):
    weights = tmp_path / "colour.safetensors"
    save_weights(weights, tiny_network.parameters(channels=3), tiny.CONFIG, HEADER)
    values = np.random.default_rng(0).integers(0, 256, (9, 13, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "whole.png")
    for number in range(3):
        Image.fromarray(values[..., number]).save(tmp_path / f"parts_000{number}.png")
    paths = [tmp_path / "whole.png", *sorted(tmp_path.glob("parts_*.png"))]
    out = tmp_path / "out"
    words = (f"--weights={weights}", f"--out={out}", "--num_samples=2", "--window=0,255")
    code, _, err = run_command(sample, *words, *paths)
    assert code == 0
    assert f"{tmp_path / 'parts_0000.png'}: read from 3 files, one for each channel" in err
    _, parts = json.loads((out / "results.json").read_text())["images"]
    assert [one["file"] for one in parts["sources"]] == [f"parts_000{n}.png" for n in range(3)]
    masks = read_samples(out)
    assert masks["parts/sample_001.png"] == masks["whole/sample_001.png"]


def test_nan_is_replaced_as_in_training_or_as_asked(run_command, tmp_path):
    values = np.random.default_rng(0).uniform(0, 255, (9, 13)).astype(np.float32)
    np.save(tmp_path / "zero.npy", np.where(values < 99, np.float32(0), values))
    np.save(tmp_path / "nan.npy", np.where(values < 99, np.float32("nan"), values))
    header = HEADER | {"intensity_range": [0, 256], "intensity_clip": True}

    def drawn(name, *words, **more):
        weights, out = tmp_path / "w.safetensors", tmp_path / "out"
        save_weights(weights, tiny_network.parameters(), tiny.CONFIG, header | more)
        given = (f"--weights={weights}", f"--out={out}", "--num_samples=2", "--overwrite")
        code, _, err = run_command(sample, *given, *words, tmp_path / f"{name}.npy")
        if code:
            return err
        (image,) = json.loads((out / "results.json").read_text())["images"]
        facts = image["pictures"][0]["facts"]
        return list(read_samples(out).values()), facts.get("Replaced NaN")

    expected, replaced = drawn("zero")
    assert replaced is None
    count = f"{np.count_nonzero(values < 99)} values"
    assert drawn("nan", nan=0) == drawn("nan", "--nan=0") == (expected, count)
    # The flag has priority.
    assert drawn("nan", "--nan=0", nan="min") == (expected, count)
    assert "values are NaN; --nan gives the replacement: a number, or min" in drawn("nan")
    assert "--nan=1,2: allowed are a number and min" in drawn("nan", "--nan=1,2")
    assert drawn("nan", "--nan=min")[1] == count
