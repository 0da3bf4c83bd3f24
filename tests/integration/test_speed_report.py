"""The speed report says what its results hold, and the README shows it."""

import json
from pathlib import Path

import pytest

from experiments.speed import contest, run, tables

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "experiments" / "speed"


@pytest.fixture(scope="module")
def results():
    return json.loads((REPORT / "results_cpu.json").read_text(encoding="utf-8"))


def test_variants_that_were_timed_compute_the_same(results):
    assert contest.too_far(results["checks"]["float32"]) == []
    assert results["checks"]["float32"].keys() >= {"plain", "torch_eager"}


def test_every_measurement_of_the_full_network_is_there(results):
    assert results["model"] == "lidc"
    assert results["left_out"] == {}
    timed = {(t["measurement"], t["precision"]) for t in results["timings"]}
    assert timed == {(m, p) for m in contest.PROGRAMS for p in run.PRECISIONS}
    for timing in results["timings"]:
        assert all("seconds" in found for found in timing["contestants"].values())


def test_ratios_are_those_of_the_rounds(results):
    for timing in results["timings"]:
        computed = contest.ratios(timing["contestants"])
        assert computed.keys() == timing["ratios"].keys()
        for label, ratio in computed.items():
            # The file holds five digits.
            assert timing["ratios"][label] == pytest.approx(ratio, rel=1e-4)


def test_written_tables_and_the_readme_show_the_results(results):
    table = (REPORT / "table_cpu.md").read_text(encoding="utf-8")
    assert table == tables.table(results)
    profile = (REPORT / "profile_cpu.md").read_text(encoding="utf-8")
    assert profile == tables.profiles(results["profile"])
    assert table in (ROOT / "README.md").read_text(encoding="utf-8")
