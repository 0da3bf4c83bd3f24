"""Runs a notebook from top to bottom, away from the user's caches."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
TIME_LIMIT = 240
PNG = "image/png"


def execute(path, folder, **variables):
    """The notebook with its outputs, run in a folder with these environment variables besides."""
    places = ("HOME", "XDG_CACHE_HOME", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")
    environment = {name: str(folder / name.lower()) for name in places}
    for place in environment.values():
        Path(place).mkdir()
    environment |= {
        "PYTHONPATH": str(ROOT),
        "XLA_FLAGS": "",
        # Most of the time goes into compiling.
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "true",
        **variables,
    }
    notebook = nbformat.read(path, as_version=4)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        client = NotebookClient(
            notebook, timeout=TIME_LIMIT, resources={"metadata": {"path": str(folder)}}
        )
        client.execute(env=os.environ.copy())
    return notebook


def code_of(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs_of(notebook, text):
    """The outputs of the only code cell that holds a text."""
    (cell,) = [cell for cell in code_of(notebook) if text in cell.source]
    return cell.outputs


def printed(outputs):
    return "".join(output.text for output in outputs if output.output_type == "stream")


def pictures(outputs):
    return [output.data[PNG] for output in outputs if PNG in output.get("data", {})]
