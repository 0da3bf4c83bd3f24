"""Runs a notebook from top to bottom, away from the user's caches."""

import importlib
import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.commands import ROOT, TIME_LIMIT, run_here

PNG = "image/png"
# Follows the cell that defines how the notebook runs commands.
QUICK = "from tests.integration.notebooks import first_in_a_process; run = first_in_a_process(run)"


def first_in_a_process(run):
    """What the notebook defines as `run`, whose later commands need no process of their own."""
    started = []

    def run_quickly(module, *words, allowed=(0,)):
        if not started:
            started.append(module)
            run(module, *words)
            return
        done = run_here(importlib.import_module(module), *words)
        print(done.stdout, done.stderr, sep="", end="")
        assert done.code in allowed, done.stderr

    importlib.import_module("hpunet.figures.saving").PRINT_RESOLUTION = 60
    return run_quickly


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
    (place,) = [i for i, cell in enumerate(notebook.cells) if "def run(" in cell.source]
    notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(QUICK))
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
