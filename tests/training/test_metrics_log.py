import json

from hpunet.training.metrics_log import MetricsLog, read_metrics


def write(folder, first_step, steps):
    log = MetricsLog(folder, first_step)
    for step in steps:
        log.write(step, {"loss": 0.1 * step})
    log.close()


def steps(folder):
    return [line["step"] for line in read_metrics(folder / "metrics.jsonl")]


def test_lines_after_the_checkpoint_are_cut_away(tmp_path):
    write(tmp_path, 0, [1, 2, 3, 4])
    before = (tmp_path / "metrics.jsonl").read_text().splitlines()
    write(tmp_path, 2, [3])
    assert steps(tmp_path) == [1, 2, 3]
    assert (tmp_path / "metrics.jsonl").read_text().splitlines() == before[:3]


def test_last_line_that_was_cut_short_is_dropped(tmp_path):
    write(tmp_path, 0, [1, 2])
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 3, "lo')
    assert steps(tmp_path) == [1, 2]
    write(tmp_path, 5, [6])
    assert steps(tmp_path) == [1, 2, 6]


def test_what_is_not_finite_is_null(tmp_path):
    log = MetricsLog(tmp_path, 0)
    log.write(1, {"loss": float("nan"), "kl_0": float("inf"), "kl_1": 2.0})
    log.close()
    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert "NaN" not in line
    assert json.loads(line) == {"step": 1, "loss": None, "kl_0": None, "kl_1": 2.0}
