"""The parity report says what its results hold, and the README shows it."""

import importlib.util
import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from tests import golden_reference

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "experiments" / "parity"
# Values that the reference computed; the others are what it was given.
COMPUTED = ("out", "grad", "gradnorm", "traj", "traj_adam")


@pytest.fixture(scope="module")
def tables():
    spec = importlib.util.spec_from_file_location("parity_tables", REPORT / "tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def text():
    return (REPORT / "results.json").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def results(text):
    return json.loads(text)


@pytest.mark.parametrize("name", golden_reference.NAMES)
def test_report_compares_every_value_that_the_reference_computed(results, name):
    with np.load(golden_reference.FOLDER / f"{name}.npz") as golden:
        computed = {value for value in golden.files if value.split(":")[0] in COMPUTED}
    compared = {c["value"] for c in results["comparisons"] if c["golden"] == name}
    assert computed - compared == set()


def test_report_holds_conversions_in_both_directions_and_nothing_is_left_out(results):
    parts = ("variables read", "variables converted", "converted", "variables written back")
    found = {(c["golden"], c["part"]) for c in results["comparisons"]}
    assert found >= set(itertools.product(("small", "lidc"), parts))
    assert results["left_out"] == []


def test_every_difference_of_the_report_is_allowed(results):
    assert [c for c in results["comparisons"] if not c["worst"] <= c["allowed"]] == []


def test_tables_hold_every_comparison(results, tables):
    assert {c["part"] for c in results["comparisons"]} <= set(tables.PARTS)
    table = tables.table(results)
    for comparison in results["comparisons"]:
        if comparison["part"] != "gradients":
            assert f"| {comparison['part']} | `{comparison['value']}` |" in table


def test_written_tables_and_the_readme_show_the_results(results, tables, text):
    assert text == tables.as_json(results)
    summary = (REPORT / "summary.md").read_text(encoding="utf-8")
    assert summary == tables.summary(results)
    assert (REPORT / "table.md").read_text(encoding="utf-8") == tables.table(results)
    assert summary in (ROOT / "README.md").read_text(encoding="utf-8")


def test_a_table_shows_the_worst_and_what_is_not_equal(tables):
    def found(part, allowed, worst):
        return {
            **{"golden": "small", "part": part, "value": "v", "count": 2},
            **{"allowed": allowed, "worst": worst},
        }

    comparisons = [
        found("samples", 1e-5, 1.234e-7),
        found("samples", 1e-5, float("nan")),
        found("prior", 1e-5, 1.234e-7),
        found("kept pixels", 0.0, 3),
    ]
    rows = tables.summary({"comparisons": comparisons}).splitlines()[2:]
    cells = [[cell.strip() for cell in row.split("|")[2:-1]] for row in rows]
    assert cells == [
        ["1e-5", "nan", "–", "–"],
        ["1e-5", "1.2e-7", "–", "–"],
        ["equal", "3 differ", "–", "–"],
        ["", "8", "0", "0"],
    ]
