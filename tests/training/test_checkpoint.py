"""Checkpoints that are damaged, stale or of another network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hpunet.io.errors import UserError
from hpunet.training.checkpoint import Checkpoints, LoopState
from hpunet.training.state import TrainState


def state(step, size=3, **more):
    params = {"conv": {"w": np.full((size, 2), step, np.float32)}, **more}
    return TrainState(
        np.asarray(step, np.int32), params, {}, {}, {"mu": np.zeros(size)}, jax.random.key(step)
    )


@pytest.fixture
def checkpoints(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    yield checkpoints
    checkpoints.close()


def save(checkpoints, *steps):
    for step in steps:
        checkpoints.save(state(step), LoopState(best_step=step))
    checkpoints._last.wait_until_finished()


def refusal(checkpoints, match, like=None):
    with pytest.raises(UserError, match=match) as error:
        checkpoints.restore(like or state(0))
    assert "\n" not in str(error.value)


def test_newest_checkpoint_comes_back(checkpoints):
    save(checkpoints, 3, 5)
    restored, progress = checkpoints.restore(state(0))
    assert int(restored.step) == 5
    np.testing.assert_array_equal(restored.params["conv"]["w"], state(5).params["conv"]["w"])
    assert jnp.array_equal(jax.random.key_data(restored.key), jax.random.key_data(state(5).key))
    assert progress == LoopState(best_step=5)


# Orbax abandons its other reads when one fails, and Python warns when they are collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("part", ["progress/metadata", "state/manifest.ocdbt", "state/_METADATA"])
def test_checkpoint_cut_short_is_named_with_the_one_before_it(checkpoints, tmp_path, part):
    save(checkpoints, 3, 5)
    path = tmp_path / "last" / "5" / part
    path.write_bytes(path.read_bytes()[:-20])
    refusal(
        checkpoints, r"last/5: the checkpoint cannot be read .*remove it to resume from step 3$"
    )


def test_checkpoint_without_its_parts_is_named_and_if_alone_the_run_starts_anew(
    checkpoints, tmp_path
):
    (tmp_path / "last" / "7").mkdir()
    checkpoints.close()
    again = Checkpoints(tmp_path)
    refusal(
        again, r"last/7: the checkpoint cannot be read .*; remove it to start from the beginning$"
    )
    again.close()


@pytest.mark.parametrize(
    "like", [state(0, size=4), state(0, more={"w": np.zeros(2)})], ids=["shape", "tree"]
)
def test_checkpoint_of_another_network_is_refused(checkpoints, like):
    save(checkpoints, 3)
    refusal(checkpoints, r"last/3: the checkpoint cannot be read", like)


@pytest.mark.parametrize("step", [5, 4])
def test_checkpoint_that_orbax_would_silently_leave_out_is_our_mistake(checkpoints, step):
    save(checkpoints, 5)
    with pytest.raises(RuntimeError, match=rf"{step} was not saved: the latest is of step 5"):
        checkpoints.save(state(step), LoopState())


def test_stale_best_checkpoints_give_way(checkpoints, tmp_path):
    for step in (4, 6):
        checkpoints.save_best(state(step), LoopState())
    fresh = state(4)._replace(params={"conv": {"w": np.full((3, 2), 0.5, np.float32)}})
    checkpoints.save_best(fresh, LoopState())
    assert float(checkpoints.restore_best(state(0), 4).params["conv"]["w"][0, 0]) == 0.5
    assert [p.name for p in (tmp_path / "best").iterdir()] == ["4"]


def test_run_that_starts_from_the_beginning_forgets_every_best_checkpoint(checkpoints, tmp_path):
    checkpoints.forget_after(0)
    checkpoints.save_best(state(4), LoopState())
    checkpoints.forget_after(0)
    assert not list((tmp_path / "best").iterdir())
    checkpoints.save_best(state(2), LoopState())
    with pytest.raises(UserError, match=r"best/4: .*; use another --workdir to start a new run$"):
        checkpoints.restore_best(state(0), 4)


def test_file_in_place_of_the_folder_is_refused_by_name(tmp_path):
    (tmp_path / "last").touch()
    with pytest.raises(UserError, match=r"last: cannot be used \(File exists\)$"):
        Checkpoints(tmp_path)
