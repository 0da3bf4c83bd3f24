"""Trains a model, or resumes training.

python -m hpunet.train --config=configs/synthetic.py --workdir=DIR
"""

import functools

from absl import flags

from hpunet.cli import command
from hpunet.config.settings import settings_of
from hpunet.io.errors import UserError

# Separate from absl's global flags: two commands may be imported in one process.
FLAGS = flags.FlagValues()
text_flag = functools.partial(flags.DEFINE_string, flag_values=FLAGS)
number_flag = functools.partial(flags.DEFINE_integer, flag_values=FLAGS)
GET_CONFIG = command.ConfigFlag(FLAGS)
WORKDIR = text_flag("workdir", None, "Folder of the run; an existing run is resumed.")
INIT_WEIGHTS = text_flag("init_weights", None, "Weights file to start from, or lidc.")
COORDINATOR = text_flag(
    "coordinator", None, "HOST:PORT of process 0, or auto to detect it; not needed on one host."
)
NUM_PROCESSES = number_flag("num_processes", None, "Number of processes.", lower_bound=1)
PROCESS_ID = number_flag("process_id", None, "Index of this process, from 0.", lower_bound=0)


def main() -> int:
    """Trains a model, or resumes training, and writes weights, figures and a report."""
    config = GET_CONFIG()
    settings_of(config)
    if WORKDIR.value is None:
        raise UserError("--workdir is missing: allowed is a folder; a missing folder is created")
    # Imported late: `--help`, mistakes and reading processes must not wait for JAX.
    from hpunet.training import session

    session.connect(COORDINATOR.value, NUM_PROCESSES.value, PROCESS_ID.value)
    return session.train(config, WORKDIR.value, INIT_WEIGHTS.value)


if __name__ == "__main__":
    command.run(main)
