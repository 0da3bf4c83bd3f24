"""Training, broken off and taken up again, in one process."""

import functools
import itertools
import os
import shutil
import signal

import jax
import numpy as np
import optax
import pytest

from hpunet.config.training import ElboConfig, LoopConfig
from hpunet.data.pipeline import training_batches
from hpunet.io.errors import UserError
from hpunet.training import failures, loop
from hpunet.training.checkpoint import Checkpoints
from hpunet.training.devices import Devices
from hpunet.training.failures import TrainingDivergedError
from hpunet.training.loop import Run
from hpunet.training.metrics_log import read_metrics
from hpunet.training.state import build_step, init_state
from hpunet.training.validation import Scorer
from tests import tiny

pytestmark = pytest.mark.usefixtures("quick_compilation")

CONFIG = LoopConfig(num_steps=8, log_every=1, checkpoint_every=2, evaluate_every=3)
NUM_SAMPLES = 2
RATE = optax.constant_schedule(1e-2)
SEED = 3


@functools.cache
def parts(objective=None):
    task = tiny.task(objective)
    devices = Devices(jax.local_devices()[:1])
    return task, devices, Scorer(task, NUM_SAMPLES, SEED, devices)


def start(workdir, config=CONFIG, objective=None, validate=True, optimizer=None):
    task, devices, scorer = parts(objective)
    images = tiny.validation_images() if validate else None
    optimizer = optimizer or optax.adam(RATE)
    run = Run(task, optimizer, config, workdir, devices, SEED, scorer, images, RATE)
    return run, training_batches(tiny.Source(), 4, SEED, run.step)


def train(workdir, config=CONFIG, change_batches=lambda b: b, **settings):
    run, batches = start(workdir, config, **settings)
    return run, run.train(change_batches(batches))


def lines(workdir):
    return [{**line, "images_per_second": None} for line in read_metrics(workdir / "metrics.jsonl")]


def assert_identical(outcome, expected):
    assert outcome.progress == expected.progress
    values, expected_values = (jax.tree.leaves(o.state) for o in (outcome, expected))
    for value, expected_value in zip(values, expected_values, strict=True):
        np.testing.assert_array_equal(value, expected_value)


class Killed(BaseException):
    """Stands for a `kill -9`: the loop gets no chance to save anything."""


def killed_before(batch_number):
    def change(batches):
        yield from itertools.islice(batches, batch_number)
        raise Killed

    return change


def signalled_before(batch_number, number):
    def change(batches):
        for i, batch in enumerate(batches):
            if i == batch_number:
                os.kill(os.getpid(), number)
            yield batch

    return change


def failing_after_a_signal(error):
    def change(batches):
        yield from itertools.islice(batches, 2)
        os.kill(os.getpid(), signal.SIGTERM)
        raise error

    return change


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, quick_compilation):
    workdir = tmp_path_factory.mktemp("uninterrupted")
    run, outcome = train(workdir)
    return workdir, run, outcome


def test_training_leaves_the_lines_that_were_asked_for(uninterrupted):
    workdir, _, _ = uninterrupted
    logged = read_metrics(workdir / "metrics.jsonl")
    training = [line for line in logged if "loss" in line]
    assert [line["step"] for line in training] == list(range(1, 9))
    assert training[1].keys() == {
        "step", "loss", "rec_loss_mean", "rec_loss_sum", "rec_loss_ema", "kl_sum", "kl_0", "kl_1",
        "lagrange_multiplier", "regularisation", "learning_rate", "images_per_second",
    }  # fmt: skip
    # The first step compiles and says nothing of the speed.
    assert training[1].keys() - training[0].keys() == {"images_per_second"}
    evaluations = [line for line in logged if "val/ged" in line]
    assert [line["step"] for line in evaluations] == [3, 6, 8]
    scores = {"val/ged", "val/hungarian_iou", "val/reconstruction_iou"}
    assert evaluations[0].keys() == {"step", *scores}


def test_logged_loss_is_the_objective_and_the_regularisation(uninterrupted):
    for line in read_metrics(uninterrupted[0] / "metrics.jsonl"):
        if "loss" in line:
            pixels = line["rec_loss_sum"] / line["rec_loss_mean"]
            constraint = line["rec_loss_ema"] - 0.05 * pixels
            loss = (
                line["lagrange_multiplier"] * constraint + line["kl_sum"] + line["regularisation"]
            )
            np.testing.assert_allclose(line["loss"], loss, rtol=1e-5)
            np.testing.assert_allclose(line["kl_sum"], line["kl_0"] + line["kl_1"], rtol=1e-5)


def test_best_weights_are_those_of_the_lowest_validation_ged(uninterrupted):
    workdir, run, outcome = uninterrupted
    scores = {line["step"]: line["val/ged"] for line in lines(workdir) if "val/ged" in line}
    best = min(scores, key=scores.get)
    assert (outcome.progress.best_step, outcome.progress.best_ged) == (best, scores[best])
    _, devices, scorer = parts()
    best_params = devices.replicate(run.best_params())
    scored = scorer(best_params, tiny.validation_images()).means()
    assert scored["ged"] == scores[best]


@pytest.mark.parametrize("killed_at", [[3], [7, 1, 1]])
def test_run_killed_and_resumed_ends_as_one_that_was_not(uninterrupted, tmp_path, killed_at):
    for batch_number in killed_at:
        with pytest.raises(Killed):
            train(tmp_path, change_batches=killed_before(batch_number))
    _, outcome = train(tmp_path)
    assert_identical(outcome, uninterrupted[2])
    assert lines(tmp_path) == lines(uninterrupted[0])


def test_run_resumed_after_its_end_changes_nothing(uninterrupted, tmp_path):
    workdir = tmp_path / "copy"
    shutil.copytree(uninterrupted[0], workdir)
    _, outcome = train(workdir)
    assert_identical(outcome, uninterrupted[2])
    assert lines(workdir) == lines(uninterrupted[0])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_training_with_a_checkpoint_of_that_step(uninterrupted, tmp_path, number):
    handlers = [signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT)]
    _, outcome = train(tmp_path, change_batches=signalled_before(4, number))
    assert outcome.signal == number
    assert int(outcome.state.step) == 5
    assert Checkpoints(tmp_path / "checkpoints").last_step == 5
    assert [signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT)] == handlers
    _, resumed = train(tmp_path)
    assert resumed.signal is None
    assert_identical(resumed, uninterrupted[2])
    assert lines(tmp_path) == lines(uninterrupted[0])


def test_state_is_saved_if_the_signal_killed_the_reading_processes(tmp_path):
    error = RuntimeError("Worker process was terminated unexpectedly")
    _, outcome = train(tmp_path, change_batches=failing_after_a_signal(error))
    assert outcome.signal == signal.SIGTERM
    assert Checkpoints(tmp_path / "checkpoints").last_step == 2


def test_other_errors_of_the_batches_are_raised_even_after_a_signal(tmp_path):
    with pytest.raises(KeyError):
        train(tmp_path, change_batches=failing_after_a_signal(KeyError("image")))


def test_run_without_variables_of_the_objective_is_resumed_too(tmp_path):
    _, expected = train(tmp_path / "a", objective=ElboConfig(0.5), validate=False)
    with pytest.raises(Killed):
        train(
            tmp_path / "b",
            objective=ElboConfig(0.5),
            validate=False,
            change_batches=killed_before(3),
        )
    _, outcome = train(tmp_path / "b", objective=ElboConfig(0.5), validate=False)
    assert_identical(outcome, expected)
    assert outcome.progress.best_step is None


def test_checkpoints_hold_the_state_of_their_own_step_though_training_goes_on(
    uninterrupted, tmp_path
):
    config = LoopConfig(5, 1, 1, 0)
    train(tmp_path, config, validate=False)
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    like = init_state(tiny.task(), optax.adam(RATE), SEED)
    state, _ = checkpoints.restore(like, 4)
    train(tmp_path / "other", LoopConfig(4, 1, 1, 0), validate=False)
    expected, _ = Checkpoints(tmp_path / "other" / "checkpoints").restore(like)
    for value, expected_value in zip(
        jax.tree.leaves(state._replace(key=None)),
        jax.tree.leaves(expected._replace(key=None)),
        strict=True,
    ):
        np.testing.assert_array_equal(value, expected_value)


def broken_from(step):
    """Plain steps whose updates are infinite from a step on."""

    def update(gradient, count, params=None):
        del params
        factor = jax.numpy.where(count + 1 < step, 0.0, jax.numpy.inf)
        return jax.tree.map(lambda g: (1 + 0 * g) * factor, gradient), count + 1

    return optax.GradientTransformation(lambda params: jax.numpy.zeros((), int), update)


def test_weights_that_are_not_finite_stop_training_before_they_are_scored_or_saved(tmp_path):
    config = LoopConfig(8, log_every=1, checkpoint_every=2, evaluate_every=3)
    message = r"weights are not finite after step 3; last good checkpoint: step 2; a lower"
    with pytest.raises(TrainingDivergedError, match=message):
        train(tmp_path, config, optimizer=broken_from(3))
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    assert checkpoints.last_step == 2
    assert not [line for line in lines(tmp_path) if "val/ged" in line]
    assert not list((tmp_path / "checkpoints" / "best").iterdir())


def test_loss_that_is_not_finite_stops_training_naming_step_terms_and_checkpoint(tmp_path):
    config = LoopConfig(8, log_every=1, checkpoint_every=2, evaluate_every=0)
    message = (
        r"loss is not finite at step 4 \(.*kl_0=.*\); last good checkpoint: step 2; .* may help$"
    )
    with pytest.raises(TrainingDivergedError, match=message) as error:
        train(tmp_path, config, optimizer=broken_from(3), validate=False)
    assert isinstance(error.value, UserError)
    assert "\n" not in str(error.value)
    assert Checkpoints(tmp_path / "checkpoints").last_step == 2


def test_collapse_is_reported_once_and_its_count_outlives_a_restart(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(failures, "COLLAPSED_KL", 1e30)
    monkeypatch.setattr(loop, "COLLAPSED_STEPS", 6)
    train(tmp_path, LoopConfig(4, 1, 4, 0), validate=False)
    assert "collapsed" not in capsys.readouterr().err
    train(tmp_path, LoopConfig(8, 1, 4, 0), validate=False)
    warnings = [line for line in capsys.readouterr().err.splitlines() if "collapsed" in line]
    assert len(warnings) == 1
    assert warnings[0].startswith("warning: step 6: ")


def test_second_step_compiles_nothing(compiled_programs):
    task, devices, _ = parts()
    optimizer = optax.adam(RATE)
    step = devices.pmap(build_step(task, optimizer, devices.collectives()))
    state, _ = step(devices.replicate(init_state(task, optimizer, 0)), devices.split(tiny.batch()))
    before = len(compiled_programs)
    assert before
    step(state, devices.split(tiny.batch(1)))
    assert len(compiled_programs) == before
