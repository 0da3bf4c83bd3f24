"""The train command: killed, stopped and started again."""

import json
import os
import random
import signal
import time

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from tests import tiny_command
from tests.commands import TIME_LIMIT

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(scope="module")
def prepared_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("prepared")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, prepared_dir, quick_compilation):
    workdir = tmp_path_factory.mktemp("uninterrupted")
    done = tiny_command.run(workdir, prepared_dir)
    assert done.code == 0, done.stderr
    return workdir


def wait_for_line(process, workdir, number):
    log = workdir / "metrics.jsonl"
    while process.poll() is None:
        if log.exists() and len(log.read_text().splitlines()) >= number:
            return
        time.sleep(0.005)


def assert_same_run(workdir, expected):
    (step, state, progress), (expected_step, expected_state, expected_progress) = (
        tiny_command.last_checkpoint(folder) for folder in (workdir, expected)
    )
    assert step == expected_step
    assert progress == expected_progress
    leaves, expected_leaves = jax.tree.leaves(state), jax.tree.leaves(expected_state)
    for value, expected_value in zip(leaves, expected_leaves, strict=True):
        np.testing.assert_array_equal(value, expected_value)
    assert tiny_command.lines(workdir) == tiny_command.lines(expected)
    weights, expected_weights = (load_file(f / "weights.safetensors") for f in (workdir, expected))
    assert weights.keys() == expected_weights.keys()
    for name, value in weights.items():
        np.testing.assert_array_equal(value, expected_weights[name])
    assert (workdir / "report.json").read_bytes() == (expected / "report.json").read_bytes()


def stop(workdir, prepared_dir, number, line, code):
    process = tiny_command.start(workdir, prepared_dir)
    wait_for_line(process, workdir, line)
    process.send_signal(number)
    done = tiny_command.finish(process)
    assert done.code == code, done.stderr
    step = tiny_command.last_checkpoint(workdir)[0]
    message = f"stopped at step {step} of 12; the same command resumes from there"
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def kill(workdir, prepared_dir, line, delay):
    process = tiny_command.start(workdir, prepared_dir)
    wait_for_line(process, workdir, line)
    time.sleep(delay)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def test_command_stopped_and_killed_again_and_again_ends_as_if_it_never_was(
    uninterrupted, tmp_path, prepared_dir
):
    # A checkpoint is written at every step, so that most moments lie within the writing of one.
    moments = random.Random(0)
    stop(tmp_path, prepared_dir, signal.SIGTERM, 1, 143)
    kill(tmp_path, prepared_dir, 5, moments.uniform(0, 0.1))
    stop(tmp_path, prepared_dir, signal.SIGINT, 6, 130)
    kill(tmp_path, prepared_dir, 9, moments.uniform(0, 0.1))
    assert not (tmp_path / "weights.safetensors").exists()
    done = tiny_command.run(tmp_path, prepared_dir)
    assert done.code == 0, done.stderr
    assert_same_run(tmp_path, uninterrupted)
    settings = json.loads((tmp_path / "config.json").read_text())
    assert settings["num_steps"] == tiny_command.SETTINGS["num_steps"]


def test_signals_to_the_whole_group_keep_the_run(tmp_path, prepared_dir):
    changed = {"data__num_workers": 1, "num_steps": 100_000, "checkpoint_every": 100_000}
    process = tiny_command.start(tmp_path, prepared_dir, evaluate_every=0, **changed)
    wait_for_line(process, tmp_path, 3)
    for _ in range(2):
        os.killpg(process.pid, signal.SIGTERM)
    done = tiny_command.finish(process)
    assert done.code == 143, done.stderr
    assert "Traceback" not in done.stderr
    assert tiny_command.last_checkpoint(tmp_path)[0] >= 3


def test_readers_do_not_outlive_a_killed_run(tmp_path, prepared_dir):
    changed = {"data__num_workers": 1, "num_steps": 100_000, "checkpoint_every": 100_000}
    process = tiny_command.start(tmp_path, prepared_dir, evaluate_every=0, **changed)
    wait_for_line(process, tmp_path, 1)
    process.kill()
    # It ends once no reader holds the pipes any more.
    process.communicate(timeout=TIME_LIMIT)


def test_changed_configuration_is_refused_in_one_line_that_names_the_keys(
    uninterrupted, prepared_dir
):
    before = (uninterrupted / "config.json").read_bytes()
    changed = {"seed": 1, "objective__kappa": 0.1, "num_steps": 20, "checkpoint_every": 7}
    done = tiny_command.run(uninterrupted, prepared_dir, **changed)
    assert done.code == 2
    assert len(done.stderr.splitlines()) == 1
    assert "seed (was 0, now 1)" in done.stderr
    assert "objective.kappa (was 0.05, now 0.1)" in done.stderr
    assert "num_steps (" not in done.stderr
    assert "checkpoint_every (" not in done.stderr
    assert (uninterrupted / "config.json").read_bytes() == before
