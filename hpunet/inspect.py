"""Reports what is in a data set before training, and what is wrong with it.

python -m hpunet.inspect --config=configs/folder.py --config.data.dir=DIR [--out=DIR]
"""

from absl import flags

from hpunet.cli import command

# Separate from absl's global flags: two commands may be imported in one process.
FLAGS = flags.FlagValues()
GET_CONFIG = command.ConfigFlag(FLAGS, listed=("data.", "model."))
OUT = flags.DEFINE_string(
    "out",
    None,
    "Folder for inspection.json, contact_sheet.png and, if there are faults, faults.csv; a missing "
    "folder is created.",
    flag_values=FLAGS,
)


def main() -> int:
    """Reads everything once, prints a report and writes it; the exit code is 2 with faults."""
    config = GET_CONFIG()
    # Imported late: `--help` and mistakes must not wait for the readers.
    from hpunet.inspection.run import inspect

    count = inspect(config, OUT.value)
    if not count:
        return 0
    return command.fail(
        f"{count} fault{'' if count == 1 else 's'}, see above; nothing was written to the data"
    )


if __name__ == "__main__":
    command.run(main)
