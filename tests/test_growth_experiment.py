"""The measurement of growth measures what it says, on a network that compiles in seconds."""

import json

import jax
import pytest

from experiments.speed import (
    growth,
    growth_figure,
    growth_network,
    growth_point,
    growth_table,
)
from experiments.speed.growth_point import Point

pytestmark = pytest.mark.usefixtures("quick_compilation")

TINY = Point("train", network="tiny", size=4, num_levels=2, budget_s=0.01)
PROGRAM = """
  %psum.1 = f32[] all-reduce(%a), channel_id=1, metadata={op_name="jit/all-reduce(x)"}
  ROOT %sum = (f32[2,3]{1,0}, bf16[4]{0}, /*index=5*/f32[]) all-reduce(%b, %c), to_apply=%add
  %gathered.2 = u32[8,65]{1,0} all-gather(%d), dimensions={0}
  %other = f32[7]{0} add(%all-reduce.1, %e)
"""


def flags_of(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["growth", *words])
    return growth.parse_flags()


def test_collectives_of_a_program_are_counted_with_the_bytes_of_their_results():
    assert growth_point.collectives_of(PROGRAM) == [
        {"kind": "all-reduce", "bytes": 4},
        {"kind": "all-reduce", "bytes": 24 + 8 + 4},
        {"kind": "all-gather", "bytes": 8 * 65 * 4},
    ]


def test_step_moves_its_gradients_scores_and_a_few_scalars():
    batch_size, size = 4, TINY.size
    point = TINY._replace(kind="devices", batch_size=batch_size, num_devices=2)
    found = growth_point.measure(point)["collectives"]
    parameters = growth_point.num_parameters(TINY)
    scores_and_places = 4 * batch_size * (size**2 + 1)
    # Of the terms: reconstruction, number of pixels, one KL. Of the gradients: the multiplier's.
    expected = [4, 4 * 3, scores_and_places, 4 * (parameters + 1)]
    assert sorted(c["bytes"] for c in found) == sorted(expected)


def test_training_needs_more_memory_for_a_larger_batch():
    one, four = (growth_point.measure(TINY._replace(batch_size=n)) for n in (1, 4))
    assert one["planned_bytes"] < four["planned_bytes"]
    assert one["repeats"] >= growth_point.LEAST_REPEATS
    assert 0 < one["shortest_s"] <= one["seconds"] <= one["longest_s"]


def test_what_does_not_fit_into_memory_is_not_run(monkeypatch):
    monkeypatch.setattr(growth_point, "available_memory", lambda: 1)
    figures = growth_point.measure(TINY._replace(kind="sample"))
    assert figures["seconds"] is None
    assert "needs" in figures["reason"]
    assert figures["planned_bytes"] > 0


def test_each_point_is_measured_in_a_process_of_its_own():
    point = TINY._replace(kind="asked", batch_size=6, num_devices=6)
    assert len(jax.local_devices()) < point.num_devices
    assert growth.measure_apart(point)["asked_for"] == 4


def test_point_that_fails_leaves_its_reason(monkeypatch):
    monkeypatch.setattr(growth.sys, "executable", "/bin/false")
    assert growth.measure_apart(TINY) == {"reason": "ended with 1: "}


def test_every_part_varies_what_it_is_called_after(monkeypatch):
    points = growth.list_points(flags_of(monkeypatch, "--network=tiny", "--sizes=8,16"))
    for part, (_, name) in growth_figure.VARIED.items():
        varied = [getattr(p, name) for q, p in points if q == part and p.kind != "asked"]
        assert len(varied) == len(set(varied)) > 1, part
    assert [p.size for q, p in points if q == "size"] == [8, 16]


def test_sizes_of_the_lidc_network_can_be_halved_at_all_its_levels(monkeypatch):
    points = growth.list_points(flags_of(monkeypatch))
    for _, point in points:
        growth_point.model_of(point).config.check_size(point.size, point.size)


def test_unknown_part_is_refused(monkeypatch, capsys):
    with pytest.raises(SystemExit):
        flags_of(monkeypatch, "--parts=batch,weather")
    assert "'weather': allowed are batch, size" in capsys.readouterr().err


def test_more_levels_than_the_network_has_are_refused(monkeypatch, capsys):
    with pytest.raises(SystemExit):
        flags_of(monkeypatch, "--levels=3,9")
    assert "--levels: allowed are 2 to 8" in capsys.readouterr().err


def test_command_leaves_results_table_and_figure(monkeypatch, tmp_path):
    def measured(point):
        scale = point.batch_size * point.size**2 * point.num_samples * point.num_levels
        if point.kind == "asked":
            return {"asked_for": 4}
        if point.kind == "devices":
            return {"collectives": [{"kind": "all-reduce", "bytes": 8}], "result_bytes": 8}
        if point.batch_size == 64:
            return {"reason": "too large", "seconds": None, "planned_bytes": scale}
        return {"seconds": scale / 1e4, "planned_bytes": scale, "peak_rss_bytes": 2**30}

    flags_of(monkeypatch, f"--out={tmp_path}")
    monkeypatch.setattr(growth, "measure_apart", measured)
    growth.main()
    results = json.loads((tmp_path / "growth.json").read_text())
    assert {p["part"] for p in results["points"]} == set(growth.PARTS)
    table = (tmp_path / "growth_table.md").read_text()
    assert table == growth_table.table(results["points"])
    assert "- batch | 64 | 128 x 128 | 8 | - | 1: too large" in table
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


def test_milliseconds_each_are_of_an_image_or_a_sample():
    point = TINY._replace(batch_size=4)._asdict()
    trained = growth_table.row({**point, "part": "batch", "seconds": 0.2, "planned_bytes": 2**20})
    assert trained[6:9] == ["200", "50.0", "1.00"]
    point |= {"kind": "sample", "num_samples": 5, "batch_size": 1}
    drawn = growth_table.row({**point, "part": "samples", "seconds": 0.2})
    assert drawn[6:9] == ["200", "40.0", "-"]


def test_slope_of_one_is_drawn_from_the_first_point():
    points = [
        {"part": "size", **TINY._replace(size=n)._asdict(), "seconds": n / 1000} for n in (8, 16)
    ]
    axis = growth_figure.draw(points).axes[0]
    curve, slope = axis.lines
    assert list(curve.get_ydata()) == [8, 16]
    assert list(slope.get_ydata()) == [8, 32]


def test_text_shows_the_table_of_many_devices():
    assert growth_network.table() in (growth.FOLDER / "GROWTH.md").read_text(encoding="utf-8")


def test_arithmetic_of_many_devices_is_of_the_lidc_network():
    assert growth_point.num_parameters(Point("train")) == growth_network.PARAMETERS


@pytest.mark.parametrize("weak", [False, True])
def test_from_the_bound_on_sending_takes_longer_than_computing(weak):
    step, link = 0.003, 450e9
    bound = growth_network.bound_from(step, link, weak)
    computing, sending = growth_network.step_time(bound, step, link, weak)
    assert sending > computing
    computing, sending = growth_network.step_time(bound - 1, step, link, weak)
    assert sending <= computing


def test_two_devices_send_their_gradients_once_and_their_own_scores():
    sent = growth_network.bytes_sent(2, 32)
    assert sent == 4 * (growth_network.PARAMETERS + 1) + 16 * 4 * (128 * 128 + 1)
