import json

import pytest

from hpunet.io.errors import UserError
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


@pytest.mark.parametrize(
    ("contents", "line"),
    [
        (b'{"step": 1}\n{"st\n{"step": 3}\n', 2),
        (b'{"step": 1}\n{"step"\n', 2),
        (b'{"step": 1}\n\xff\xfe\n{"step": 3}\n', 2),
        (b'{"step": 1}\n[1]\n', 2),
        (b'{"step": 1}\n3', 2),
        (b'{"loss": 1.0}\n', 1),
        (b'{"step": "1"}\n', 1),
        (b'{"step": true}\n', 1),
    ],
)
def test_line_that_was_never_logged_is_refused_by_file_and_number(tmp_path, contents, line):
    (tmp_path / "metrics.jsonl").write_bytes(contents)
    with pytest.raises(UserError, match=rf"metrics\.jsonl, line {line}: .*allowed are") as error:
        MetricsLog(tmp_path, 5)
    assert "\n" not in str(error.value)
    assert (tmp_path / "metrics.jsonl").read_bytes() == contents


def test_folder_in_place_of_the_log_is_refused_by_name(tmp_path):
    (tmp_path / "metrics.jsonl").mkdir()
    with pytest.raises(UserError, match=r"metrics\.jsonl: cannot be read \(Is a directory\)"):
        MetricsLog(tmp_path, 0)
