"""The notebooks run from top to bottom, in a small form and without a network."""

import base64
import re

import nbformat
import numpy as np
import pytest

from tests.integration.notebooks import ROOT, code_of, execute, outputs_of, pictures, printed

NOTEBOOK = ROOT / "colab" / "hpunet.ipynb"
OWN_IMAGES = ROOT / "colab" / "own_images.ipynb"


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The first notebook with its outputs, and the folder that it was run in."""
    folder = tmp_path_factory.mktemp("notebook")
    variables = {
        # So many that samples begin to differ.
        "HPUNET_NOTEBOOK_STEPS": "40",
        # What is asked for the published checkpoint instead of the network.
        "HPUNET_LIDC_CHECKPOINT": str(folder / "nowhere.tar.gz"),
    }
    return execute(NOTEBOOK, folder, **variables), folder


@pytest.fixture(scope="module")
def own_images(tmp_path_factory):
    """The notebook on one's own images with its outputs, and the folder that it was run in."""
    folder = tmp_path_factory.mktemp("own_images")
    return execute(OWN_IMAGES, folder, HPUNET_NOTEBOOK_STEPS="4"), folder


@pytest.mark.parametrize("path", [NOTEBOOK, OWN_IMAGES], ids=lambda path: path.stem)
def test_notebook_is_valid_and_holds_no_outputs(path):
    read = nbformat.read(path, as_version=4)
    nbformat.validate(read)
    assert read.metadata.kernelspec.name == "python3"
    code = code_of(read)
    assert [cell.outputs for cell in code] == [[]] * len(code)
    assert {cell.execution_count for cell in code} == {None}


@pytest.mark.parametrize("path", [NOTEBOOK, OWN_IMAGES], ids=lambda path: path.stem)
def test_notebook_uses_the_public_interface_alone(path):
    code = "\n".join(cell.source for cell in code_of(nbformat.read(path, as_version=4)))
    # What it writes for the commands to read is a configuration.
    code = code.replace("from hpunet.config import default_config", "").replace("hpunet.config", "")
    assert re.findall(r"^\s*(?:from|import) (hpunet\S*)", code, re.MULTILINE) == ["hpunet"]
    hpunet = __import__("hpunet")
    for name in re.findall(r"\bhpunet\.(\w+)", code):
        assert name in {*hpunet.__all__, "train", "inspect", "evaluate", "sample"}


def test_without_the_published_weights_a_network_is_trained(executed):
    notebook, folder = executed
    (message,) = outputs_of(notebook, 'hpunet.load("lidc")')
    assert "nowhere.tar.gz" in message.text
    assert "GED^2" in printed(outputs_of(notebook, 'run("hpunet.train"'))
    assert (folder / "runs" / "notebook" / "weights.safetensors").is_file()


def test_three_ways_to_sample_give_three_different_figures(executed):
    notebook, _ = executed
    ways = ("show(draw(image))", "scale < scales[-1]", "scale > 0 for")
    figures = [figure for way in ways for figure in pictures(outputs_of(notebook, way))]
    assert len(set(figures)) == len(ways)
    for figure in figures:
        assert len(base64.b64decode(figure)) > 10_000


def test_scores_are_numbers_within_their_intervals(executed):
    notebook, _ = executed
    text = printed(outputs_of(notebook, "hpunet.metrics.score"))
    lines = re.findall(r"^(\S+) +(\S+) \[(\S+), (\S+)\]", text, re.MULTILINE)
    assert [name for name, *_ in lines] == ["GED²", "HM-IoU", "IoU_rec"]
    for _, *numbers in lines:
        value, low, high = map(float, numbers)
        assert np.isfinite([value, low, high]).all()
        assert low <= value <= high


def test_a_picture_of_ones_own_is_sampled_and_its_page_shown(executed):
    notebook, folder = executed
    assert (folder / "picture" / "index.html").is_file()
    *_, shown = outputs_of(notebook, 'run("hpunet.sample"')
    assert shown.data["text/html"].startswith("<iframe srcdoc=")


def test_own_images_are_inspected_with_names_numbers_and_a_sheet(own_images):
    notebook, folder = own_images
    outputs = outputs_of(notebook, "--out=inspection")
    text = printed(outputs)
    for word in ("anna", "ben", "cleo", "body", "90 x 140", "300 x 200", "GED²", "Proposal"):
        assert word in text
    assert len(pictures(outputs)) == 1
    assert (folder / "inspection" / "inspection.json").is_file()


def test_own_images_faults_are_all_told(own_images):
    notebook, _ = own_images
    text = printed(outputs_of(notebook, "--out=faults"))
    assert "anna/patient00/scan0.png" in text
    assert "as photographs do" in text
    assert "ben/patient00/scan7.png" in text
    assert "2 faults" in text.splitlines()


def test_own_images_are_trained_scored_and_sampled(own_images):
    notebook, folder = own_images
    trained = outputs_of(notebook, 'run("hpunet.train"')
    assert "GED^2" in printed(trained)
    assert len(pictures(trained)) == 1
    assert (folder / "runs" / "own" / "splits.csv").is_file()
    assert "GED²" in printed(outputs_of(notebook, 'run("hpunet.evaluate"'))
    assert (folder / "samples" / "index.html").is_file()
    text = printed(outputs_of(notebook, "hpunet.load_examples"))
    assert re.search(r"annotations \(3, \d+, 64, 64\)", text)


def test_single_annotations_are_told_plainly_in_the_notebook(own_images):
    notebook, _ = own_images
    text = " ".join(printed(outputs_of(notebook, "own_single")).split())
    assert "note: every image has a single annotation" in text
