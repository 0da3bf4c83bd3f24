"""Training on a device without memory ends with one line that names what needs less."""

import jax
import jax.numpy as jnp
import pytest

from hpunet import train
from hpunet.io.errors import UserError
from hpunet.training import session
from hpunet.training.failures import explain_exhaustion
from tests import tiny_command

# Elements, of four bytes each: more than any machine has.
TOO_MANY = 2**46


def exhaust():
    jax.jit(lambda: jnp.zeros(TOO_MANY) + 1)().block_until_ready()


def message_of(precision, remat):
    with pytest.raises(UserError) as error, explain_exhaustion(32, precision, remat):
        exhaust()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_settings_of_the_step_and_all_that_need_less_are_named():
    message = message_of("float32", False)
    assert "config.batch_size=32, config.precision=float32, config.remat=False" in message
    for remedy in ("config.remat=True", "config.precision=bfloat16", "config.batch_size below 32"):
        assert remedy in message


def test_what_is_in_use_already_is_no_remedy():
    message = message_of("bfloat16", True)
    assert message.endswith("these need less: --config.batch_size below 32, in another --workdir")


def test_other_errors_of_a_device_pass():
    with (
        pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"),
        explain_exhaustion(32, "float32", False),
    ):
        raise jax.errors.JaxRuntimeError("INTERNAL: something else")


def test_train_command_ends_in_the_line(run_command, tmp_path, monkeypatch):
    monkeypatch.setattr(session, "training_batches", lambda *_: (exhaust() for _ in range(1)))
    settings = tiny_command.SETTINGS | {"data.prepared_dir": tmp_path / "data"}
    changes = [f"--config.{name}={value}" for name, value in settings.items()]
    run = f"--workdir={tmp_path / 'run'}"
    code, _, err = run_command(train, "--config=synthetic", run, *changes)
    assert code == 2
    assert "config.batch_size=4, config.precision=float32" in err.splitlines()[-1]
    assert "Traceback" not in err
