"""One's own images through all commands: trained on, scored whole, sampled alike."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import hpunet
from hpunet import evaluate, sample, train
from hpunet.config.files import config_of_run
from hpunet.config.settings import settings_of
from hpunet.data.open import open_data
from hpunet.evaluation.dataset_images import DatasetImages
from hpunet.evaluation.scoring_set import evaluation_preprocessing
from hpunet.imaging.fit import fit_whole
from hpunet.imaging.read import find_volumes
from hpunet.inference.network_input import ImageOptions, network_input
from hpunet.inference.trained import from_weights
from tests.data.folder_files import write

SIZES = ((90, 140), (300, 200))
ANNOTATORS = ("anna", "ben", "cleo")
TINY = {
    "num_steps": 2,
    "batch_size": 4,
    "log_every": 1,
    "evaluate_every": 2,
    "data.name": "folder",
    "data.crop": 32,
    "data.num_workers": 0,
    "model.latent_dims": "1",
    "model.channels_per_block": "4,4,4",
    "model.convs_per_block": 1,
    "model.blocks_per_level": 1,
    "evaluation.num_images": 2,
    "evaluation.num_samples": 2,
}

pytestmark = pytest.mark.usefixtures("quick_compilation")


def ring(size, label, hole):
    rows, columns = np.mgrid[: size[0], : size[1]]
    distance = np.hypot(rows - size[0] / 2, columns - size[1] / 2)
    labels = np.where(distance < 20, 1, 0)
    labels[distance < 12] = label
    labels[distance < hole] = 0
    return labels.astype(np.uint8)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Three classes, three annotators, holes, 16-bit TIFF, two sizes; not all annotate all."""
    root = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(0)
    for patient in range(7):
        for number, size in enumerate(SIZES):
            name = f"p{patient}/i{number}"
            pixels = rng.normal(20_000, 500, size) + 9_000 * (ring(size, 2, 0) > 0)
            write(root / "images" / f"{name}.tif", pixels.astype(np.uint16))
            for k, annotator in enumerate(ANNOTATORS):
                if (patient + number + k) % 4:
                    labels = ring(size, 2, 3 * k)
                    labels[0, :5] = 255
                    write(root / "annotations" / annotator / f"{name}.png", labels)
    return root


def settings(root, prepared, **changed):
    values = TINY | {"data.dir": root, "data.prepared_dir": prepared}
    values |= {name.replace("__", "."): value for name, value in changed.items()}
    return [f"--config.{name}={value}" for name, value in values.items()]


def write_config(path, root, prepared, **changed):
    """A configuration file of three classes for a folder."""
    values = {
        "data.name": "folder",
        "data.dir": str(root),
        "data.prepared_dir": str(prepared),
        "data.folder.ignore": "255",
        "model.num_classes": 3,
    }
    lines = [f"    config.{name} = {value!r}\n" for name, value in (values | changed).items()]
    start = "from hpunet.config import default_config\ndef get_config():\n"
    path.write_text(f"{start}    config = default_config()\n{''.join(lines)}    return config\n")
    return path


@pytest.fixture
def prepared(tmp_path_factory):
    return tmp_path_factory.getbasetemp() / "prepared_own"


THREE_CLASSES = {"model__num_classes": 3, "data__folder__ignore": 255}


@pytest.mark.parametrize(
    ("sizes", "intensities"),
    [("crop", "percentiles"), ("annotated", "zscore"), ("resize", "percentiles")],
)
def test_training_scoring_and_sampling_go_together(
    root, prepared, run_command, tmp_path, sizes, intensities
):
    workdir = tmp_path / "run"
    changed = THREE_CLASSES | {
        "data__folder__sizes": sizes,
        "data__folder__intensities": intensities,
    }
    words = settings(root, prepared, **changed)
    code, _, err = run_command(train, "--config=synthetic", f"--workdir={workdir}", *words)
    assert code == 0, err
    assert "nan" not in (workdir / "metrics.jsonl").read_text().lower()
    network = from_weights(workdir / "weights.safetensors")
    learned = network.preprocessing
    assert learned.resized == (sizes == "resize")
    assert learned.intensities.clip == (intensities == "percentiles")
    assert 18_000 < learned.intensities.low[0] < learned.intensities.high[0] < 32_000

    words = [f"--workdir={workdir}", "--num_samples=2", "--split=test"]
    saved = tmp_path / "saved"
    code, out, err = run_command(evaluate, *words, f"--save_predictions={saved}")
    assert code == 0, err
    assert "annotators per image: " in out
    names = {path.relative_to(saved).with_suffix("").as_posix() for path in saved.rglob("*.npz")}
    with (workdir / "splits.csv").open() as table:
        assert names == {row["image"] for row in csv.DictReader(table) if row["split"] == "test"}
    for name in names:
        samples = np.load(saved / f"{name}.npz")["samples"]
        assert samples.shape[1:] == SIZES[int(name[-1])]

    image = root / "images" / "p0" / "i0.tif"
    out_dir = tmp_path / "samples"
    code, _, err = run_command(
        sample, f"--workdir={workdir}", f"--out={out_dir}", "--num_samples=2", image
    )
    assert code == 0, err
    with Image.open(out_dir / "i0" / "sample_001.png") as drawn:
        assert drawn.size == SIZES[0][::-1]
    facts = json.loads((out_dir / "results.json").read_text())["images"][0]["pictures"][0]
    if intensities == "percentiles":
        assert facts["window"] == [learned.intensities.low[0], learned.intensities.high[0]]


@pytest.fixture(scope="module")
def trained(root, tmp_path_factory):
    """The folder of a run."""
    workdir = tmp_path_factory.mktemp("trained") / "run"
    prepared = tmp_path_factory.getbasetemp() / "prepared_own"
    words = settings(root, prepared, **THREE_CLASSES)
    command = [sys.executable, "-m", "hpunet.train", "--config=synthetic", f"--workdir={workdir}"]
    subprocess.run([*command, *words], check=True, capture_output=True)
    return workdir


def test_scoring_and_sampling_see_the_same_numbers(root, trained):
    """What `evaluate` hands to the network of a TIFF is to the bit what `sample` does."""
    network = from_weights(trained / "weights.safetensors")
    dataset = open_data(settings_of(config_of_run(trained / "config.json")))
    preprocessing = evaluation_preprocessing(network, dataset)
    images = DatasetImages(dataset.splits["test"], range(2), preprocessing)
    for scored in (images[0], images[1]):
        (volume,) = find_volumes([root / "images" / f"{scored.name}.tif"]).volumes
        sampled = network_input(volume, 0, network, ImageOptions())
        assert sampled.fit == scored.fit == fit_whole(scored.image.shape[:2], (1.0, 1.0), 4)
        np.testing.assert_array_equal(sampled.image, scored.network_image)


def test_weights_bring_their_intensities_to_data_that_have_others(
    root, trained, run_command, tmp_path
):
    config = write_config(
        tmp_path / "other.py",
        root,
        tmp_path / "p",
        **{"data.crop": 32, "data.folder.intensities": "zscore"},
        **{"model.channels_per_block": (4, 4, 4), "model.latent_dims": (1,)},
    )
    weights, out = trained / "weights.safetensors", tmp_path / "scores.json"
    words = [f"--weights={weights}", f"--config={config}", "--num_samples=1", f"--out={out}"]
    code, _, err = run_command(evaluate, *words)
    assert code == 0
    assert "warning: the network was trained on data with the checksum " in err
    used = json.loads(out.read_text())["data"]["intensities"]
    assert used == [
        list(limits) for limits in from_weights(weights).preprocessing.intensities[:2]
    ] + [True]


def test_single_annotations_are_told_when_training_begins(prepared, run_command, tmp_path):
    root = tmp_path / "own"
    for number in range(8):
        write(root / "images" / f"p{number}" / "x.png", ring((40, 50), 200, 3))
        write(root / "annotations" / "anna" / f"p{number}" / "x.png", ring((40, 50), 1, 3))
    words = settings(root, tmp_path / "prepared")
    code, out, err = run_command(train, "--config=synthetic", f"--workdir={tmp_path / 'r'}", *words)
    assert code == 0
    assert "note: every image has a single annotation" in err
    assert "GED^2" in out


def test_the_same_command_goes_on_and_other_data_are_refused(
    root, prepared, run_command, refusal_of, tmp_path
):
    workdir = tmp_path / "run"
    words = [
        "--config=synthetic",
        f"--workdir={workdir}",
        *settings(root, prepared, **THREE_CLASSES),
    ]
    assert run_command(train, *words)[0] == 0
    table = (workdir / "splits.csv").read_text()
    assert run_command(train, *words, "--config.num_steps=3")[0] == 0
    assert (workdir / "splits.csv").read_text() == table
    line = refusal_of(train, *words, "--config.data.folder.split_seed=3")
    assert "data.folder.split_seed" in line


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"data__dir": "none"}, "data.dir is missing"),
        ({"data__dir": "/nowhere"}, "no such folder"),
        ({"model__num_classes": 2}, "holds 2"),
        ({"data__folder__classes": "0,1"}, "has 2 classes, but model.num_classes=3"),
        ({"data__folder__ignore": "none"}, "holds 255, which is not a class; allowed are 0 to 2"),
        ({"data__folder__sizes": "whole"}, "'crop', 'annotated' or 'resize'"),
        ({"data__folder__split_shares": "0.5,0.5"}, "three numbers that sum to 1"),
        ({"data__folder__splits": "/nowhere.csv"}, "/nowhere.csv: cannot be read"),
        ({"data__folder__range": "5,1"}, "two finite numbers, ascending"),
    ],
)
def test_mistakes_end_in_one_line_and_leave_nothing(root, refusal_of, tmp_path, changed, expected):
    words = settings(root, tmp_path / "prepared", **(THREE_CLASSES | changed))
    line = refusal_of(train, "--config=synthetic", f"--workdir={tmp_path / 'run'}", *words)
    assert expected in line
    assert not (tmp_path / "run").exists()
    assert not list(tmp_path.rglob("*.array_record*"))


def test_examples_of_images_of_any_size_come_with_what_counts_of_them(root, prepared, tmp_path):
    config = write_config(tmp_path / "examples.py", root, prepared, **{"data.crop": 128})
    found = hpunet.load_examples(config, split="train")
    annotators, images = found.annotations.shape[:2]
    assert annotators == 3
    assert found.annotations.max() == 2
    # Images of 90 x 140 are padded to the crop, and what is added counts nowhere.
    padded = found.ignored[:, 0].all(axis=1)
    assert 0 < padded.sum() < images
    same = hpunet.metrics.ged(
        found.annotations, found.annotations, weights=found.weights, ignored=found.ignored
    )
    assert same.shape == (images,)
    score = hpunet.metrics.score(
        found.annotations, found.annotations, weights=found.weights, ignored=found.ignored
    )
    assert np.isfinite(score[annotators].ged).all()
    assert set(found.weights.sum(axis=0)) <= {1, 2, 3}
