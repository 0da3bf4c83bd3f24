"""The notebook runs from top to bottom, in a small form and without a network."""

import base64
import os
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "colab" / "hpunet.ipynb"
TIME_LIMIT = 240
PNG = "image/png"


@pytest.fixture(scope="module")
def read():
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The notebook with its outputs, and the folder that it was run in."""
    folder = tmp_path_factory.mktemp("notebook")
    places = ("HOME", "XDG_CACHE_HOME", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")
    environment = {name: str(folder / name.lower()) for name in places}
    for place in environment.values():
        Path(place).mkdir()
    environment |= {
        "PYTHONPATH": str(ROOT),
        "XLA_FLAGS": "",
        # Most of the time goes into compiling.
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "true",
        # So many that samples begin to differ.
        "HPUNET_NOTEBOOK_STEPS": "100",
        # What is asked for the published checkpoint instead of the network.
        "HPUNET_LIDC_CHECKPOINT": str(folder / "nowhere.tar.gz"),
    }
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        client = NotebookClient(
            notebook, timeout=TIME_LIMIT, resources={"metadata": {"path": str(folder)}}
        )
        client.execute(env=os.environ.copy())
    return notebook, folder


def outputs_of(notebook, text):
    """The outputs of the only code cell that holds a text."""
    (cell,) = [c for c in notebook.cells if c.cell_type == "code" and text in c.source]
    return cell.outputs


def printed(outputs):
    return "".join(output.text for output in outputs if output.output_type == "stream")


def test_notebook_is_valid_and_holds_no_outputs(read):
    nbformat.validate(read)
    assert read.metadata.kernelspec.name == "python3"
    code = [cell for cell in read.cells if cell.cell_type == "code"]
    assert [cell.outputs for cell in code] == [[]] * len(code)
    assert {cell.execution_count for cell in code} == {None}


def test_notebook_uses_the_public_interface_alone(read):
    code = "\n".join(cell.source for cell in read.cells if cell.cell_type == "code")
    assert re.findall(r"^\s*(?:from|import) (hpunet\S*)", code, re.MULTILINE) == ["hpunet"]
    hpunet = __import__("hpunet")
    for name in re.findall(r"\bhpunet\.(\w+)", code):
        assert name in {*hpunet.__all__, "train", "sample"}


def test_without_the_published_weights_a_network_is_trained(executed):
    notebook, folder = executed
    (message,) = outputs_of(notebook, 'hpunet.load("lidc")')
    assert "nowhere.tar.gz" in message.text
    assert "GED^2" in printed(outputs_of(notebook, 'run("hpunet.train"'))
    assert (folder / "runs" / "notebook" / "weights.safetensors").is_file()


def test_three_ways_to_sample_give_three_different_figures(executed):
    notebook, _ = executed
    ways = ("show(draw(image))", "scale < scales[-1]", "scale > 0 for")
    figures = [output.data[PNG] for way in ways for output in outputs_of(notebook, way)]
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
