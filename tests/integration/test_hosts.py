"""Two processes that train together, through the real command."""

import signal
import socket
import time

import jax
import numpy as np
import pytest

from hpunet.training.metrics_log import read_metrics
from tests import tiny_command

pytestmark = pytest.mark.usefixtures("quick_compilation")

# Two processes of two devices add up a batch as four devices of one process do, but not in the
# same program.
TOLERANCE = 1e-5
CHANGED = {"num_steps": 6, "checkpoint_every": 3, "evaluate_every": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("hosts")


def free_port():
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return listener.getsockname()[1]


def start_both(workdir, prepared_dir, **changed):
    hosts = [f"--coordinator=localhost:{free_port()}", "--num_processes=2"]
    return [
        tiny_command.start(
            workdir, prepared_dir, *hosts, f"--process_id={i}", num_devices=2, **changed
        )
        for i in range(2)
    ]


@pytest.fixture(scope="module")
def single(folder, quick_compilation):
    assert jax.local_device_count() == 4
    done = tiny_command.run(folder / "one", folder / "data", **CHANGED)
    assert done.code == 0, done.stderr
    return folder / "one", done


@pytest.fixture(scope="module")
def double(folder, single):
    processes = start_both(folder / "two", folder / "data", **CHANGED)
    done = [tiny_command.finish(process) for process in processes]
    assert [d.code for d in done] == [0, 0], [d.stderr for d in done]
    return folder / "two", done


def flat(tree):
    return np.concatenate([np.ravel(x).astype(np.float64) for x in jax.tree.leaves(tree)])


def test_two_processes_give_the_state_of_one(single, double):
    step, state, progress = tiny_command.last_checkpoint(double[0])
    expected_step, expected, expected_progress = tiny_command.last_checkpoint(single[0])
    assert step == expected_step == 6
    assert progress["best_step"] == expected_progress["best_step"]
    for part in ("params", "variables", "objective"):
        error = np.abs(flat(state[part]) - flat(expected[part])).max()
        assert error < TOLERANCE * np.abs(flat(expected[part])).max()


def test_two_processes_log_what_one_does(single, double):
    logged, expected = (tiny_command.lines(run[0]) for run in (double, single))
    for line, expected_line in zip(logged, expected, strict=True):
        assert line.keys() == expected_line.keys()
        for name, value in line.items():
            if name != "images_per_second":
                np.testing.assert_allclose(value, expected_line[name], rtol=1e-4, err_msg=name)


def test_only_the_first_process_says_and_writes_anything(double):
    workdir, (main, other) = double
    assert "weights and figures" in main.stdout
    # Gloo, which connects CPU devices, reports its connections, from threads whose lines may mix.
    own = [line for line in other.stdout.splitlines() if "[Gloo]" not in line]
    own = [line for line in own if line.strip() and "peer ranks" not in line]
    assert (own, other.stderr) == ([], "")
    assert len(list(workdir.glob("events.out.tfevents.*"))) == 1
    steps = [line["step"] for line in read_metrics(workdir / "metrics.jsonl") if "loss" in line]
    assert steps == list(range(1, 7))


def test_signal_to_one_process_stops_both_at_one_step_with_a_checkpoint(folder, double):
    workdir = folder / "stopped"
    changed = CHANGED | {"num_steps": 100_000, "evaluate_every": 0, "checkpoint_every": 100_000}
    processes = start_both(workdir, folder / "data", **changed)
    while not (workdir / "metrics.jsonl").exists() or not read_metrics(workdir / "metrics.jsonl"):
        assert all(process.poll() is None for process in processes)
        time.sleep(0.05)
    processes[1].send_signal(signal.SIGTERM)
    done = [tiny_command.finish(process) for process in processes]
    assert [d.code for d in done] == [143, 143], [d.stderr for d in done]
    step, _, _ = tiny_command.last_checkpoint(workdir)
    assert f"stopped at step {step} of" in done[0].stderr
    assert read_metrics(workdir / "metrics.jsonl")[-1]["step"] == step
