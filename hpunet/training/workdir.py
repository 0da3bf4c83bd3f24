"""The folder of a run: names of its files, and checks of its configuration and data."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hpunet.config.keys import FREE_KEYS
from hpunet.config.old_names import with_current_names
from hpunet.data.intensities import BYTES, Intensities
from hpunet.io.atomic import check_writable, write_json
from hpunet.io.errors import UserError, reason

CONFIG = "config.json"
CHECKSUM, INTENSITIES = "data.checksum", "data.intensities"
SPLITS = "splits.csv"
WEIGHTS = "weights.safetensors"
SAMPLES = "samples.png"
TRAINING_CURVES = "course.png"
AUGMENTED = "augmented.png"
REPORT = "report.json"
CHECKPOINTS, LAST, BEST = "checkpoints", "last", "best"
# Advice at the end of messages.
NEW_RUN = "another --workdir to start a new run"


def of(text: str) -> Path:
    """Converts the value of `--workdir` to a path; the folder need not exist.

    Raises:
        UserError: If a folder cannot have this name.
    """
    if not text or "\0" in text:
        raise UserError(f"--workdir={text!r}: allowed is the name of a folder")
    try:
        os.lstat(text)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:
        raise UserError(f"--workdir={text}: {reason(error)}") from None
    return Path(text)


def of_run(text: str) -> Path:
    """Converts the value of `--workdir` to the path of an existing run.

    Raises:
        UserError: If a folder cannot have this name, or does not contain the configuration of a
            run.
    """
    workdir = of(text)
    if not (workdir / CONFIG).is_file():
        raise UserError(f"--workdir={workdir}: not the folder of a run, {CONFIG} is missing")
    return workdir


def check_which(which: str) -> None:
    """Checks a value of `--checkpoint`.

    Raises:
        UserError: If it is not `best`, `last` or a step.
    """
    if not (which in (BEST, LAST) or which.isdecimal()):
        raise UserError(f"--checkpoint={which}: allowed are best, last and a step")


def check(
    workdir: Path,
    config: Mapping[str, Any],
    changed_keys: Callable[[dict[str, Any], dict[str, Any]], list[str]],
) -> None:
    """Checks that a run can start or resume in a folder, without writing.

    Args:
        workdir: The folder.
        config: The configuration, by full names of keys.
        changed_keys: Returns the keys that differ between two configurations and must not change.

    Raises:
        UserError: If the folder belongs to a run with another or an unknown configuration, or is
            not writable.
    """
    check_writable(workdir, "--workdir")
    try:
        _check_checkpoints(workdir)
    except OSError as error:
        raise UserError(f"--workdir={workdir}: {reason(error)}") from None
    old = _read_config(workdir / CONFIG)
    if old is None:
        return
    for fact in (CHECKSUM, INTENSITIES):
        old.pop(fact, None)
    new = json.loads(json.dumps(config))
    changed = changed_keys(old, new)
    if changed:
        listed = ", ".join(f"{k} (was {old.get(k)!r}, now {new.get(k)!r})" for k in changed)
        raise UserError(
            f"{workdir / CONFIG} belongs to a run with another configuration: {listed}; only "
            f"{', '.join(FREE_KEYS)} may change; use {NEW_RUN}"
        )


def _check_checkpoints(workdir: Path) -> None:
    top = workdir / CHECKPOINTS
    for folder in (top, top / LAST, top / BEST):
        if os.path.lexists(folder) and not folder.is_dir():
            raise UserError(f"{folder}: is not a folder; use {NEW_RUN}")
    steps = saved_steps(top / LAST)
    if steps and not os.path.lexists(workdir / CONFIG):
        raise UserError(
            f"{workdir / CONFIG} is missing, but there are checkpoints up to step {steps[-1]}: the "
            f"configuration of the run is unknown; use {NEW_RUN}"
        )


def saved_steps(folder: Path) -> list[int]:
    """Returns the steps of the checkpoints in a folder, ascending; empty if it does not exist."""
    if not folder.is_dir():
        return []
    # Orbax writes under another name and renames complete checkpoints.
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())


def claim(
    workdir: Path, config: Mapping[str, Any], data_checksum: str, intensities: Intensities = BYTES
) -> None:
    """Records the configuration and data of a run in its folder, after `check`.

    Args:
        workdir: The folder; created if it is missing.
        config: The configuration, by full names of keys.
        data_checksum: Checksum of the prepared data set.
        intensities: How stored values become the network's intensities.

    Raises:
        UserError: If the run was started with other data, or the folder is not writable.
    """
    old = _read_config(workdir / CONFIG) or {}
    if old.get(CHECKSUM, data_checksum) != data_checksum:
        raise UserError(
            f"{workdir / CONFIG} belongs to a run with other data: their checksum was "
            f"{old[CHECKSUM]}, now it is {data_checksum}; use {NEW_RUN}"
        )
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        facts = {CHECKSUM: data_checksum, INTENSITIES: intensities}
        write_json(workdir / CONFIG, {**config, **facts})
    except OSError as error:
        raise UserError(f"--workdir={workdir}: {reason(error)}") from None


def data_checksum(workdir: Path) -> str | None:
    """Returns the checksum of a run's data, or None if it is not recorded.

    Raises:
        UserError: If the run's configuration cannot be read.
    """
    return (_read_config(workdir / CONFIG) or {}).get(CHECKSUM)


def data_intensities(workdir: Path) -> Intensities:
    """Returns how stored values become the intensities of a run's network.

    Raises:
        UserError: If the run's configuration cannot be read.
    """
    recorded = (_read_config(workdir / CONFIG) or {}).get(INTENSITIES, BYTES)
    try:
        return Intensities.from_json(recorded)
    except ValueError:
        raise UserError(f"{workdir / CONFIG}: {INTENSITIES}={recorded!r} is not valid") from None


def _read_config(path: Path) -> dict[str, Any] | None:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read ({reason(error)}); use {NEW_RUN}") from None
    if not isinstance(config, dict):
        raise UserError(f"{path}: is not a JSON object; use {NEW_RUN}")
    return with_current_names(config)
