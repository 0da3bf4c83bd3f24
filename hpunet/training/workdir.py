"""The folder of a run: its files, and the configuration and data that it belongs to."""

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
COURSE = "course.png"
AUGMENTED = "augmented.png"
REPORT = "report.json"
CHECKPOINTS, LAST, BEST = "checkpoints", "last", "best"


def of(text: str) -> Path:
    """The folder that `--workdir` names.

    Raises:
        UserError: If no folder can have that name.
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
    """The folder that `--workdir` names, where a run has to be.

    Raises:
        UserError: If no folder can have that name, or it holds no run's configuration.
    """
    workdir = of(text)
    if not (workdir / CONFIG).is_file():
        raise UserError(f"--workdir={workdir}: it is no run's folder, {CONFIG} is missing")
    return workdir


def check_which(which: str) -> None:
    """Makes sure that a value of `--checkpoint` can name weights of a run.

    Raises:
        UserError: If it is none of `best`, `last` and a step.
    """
    if not (which in (BEST, LAST) or which.isdecimal()):
        raise UserError(f"--checkpoint={which}: allowed are best, last and a step")


def check(
    workdir: Path,
    config: Mapping[str, Any],
    changed_keys: Callable[[dict[str, Any], dict[str, Any]], list[str]],
) -> None:
    """Makes sure that a run may start, or resume, in a folder; writes nothing.

    Args:
        workdir: The folder.
        config: The configuration, by full keys.
        changed_keys: Keys that differ between two configurations although they may not.

    Raises:
        UserError: If the folder belongs to a run of another configuration, or of one that is not
            known, or cannot be written.
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
            f"{workdir / CONFIG} is of a run with another configuration: {listed}; only "
            f"{', '.join(FREE_KEYS)} may change, another --workdir starts anew"
        )


def _check_checkpoints(workdir: Path) -> None:
    top = workdir / CHECKPOINTS
    for folder in (top, top / LAST, top / BEST):
        if os.path.lexists(folder) and not folder.is_dir():
            raise UserError(f"{folder}: it is no folder; another --workdir starts anew")
    steps = saved_steps(top / LAST)
    if steps and not os.path.lexists(workdir / CONFIG):
        raise UserError(
            f"{workdir / CONFIG} is missing beside checkpoints up to step {steps[-1]}: which "
            "configuration the run had is unknown; another --workdir starts anew"
        )


def saved_steps(folder: Path) -> list[int]:
    """Steps of the checkpoints in a folder of them, ascending; empty if there is no folder."""
    if not folder.is_dir():
        return []
    # Orbax writes under another name and renames what is whole.
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())


def claim(
    workdir: Path, config: Mapping[str, Any], data_checksum: str, intensities: Intensities = BYTES
) -> None:
    """Records in a folder that was checked which configuration and data it belongs to.

    Args:
        workdir: The folder; made if missing.
        config: The configuration, by full keys.
        data_checksum: Of the prepared data set.
        intensities: Which intensities the network sees for stored values.

    Raises:
        UserError: If the run started with other data, or the folder cannot be written.
    """
    old = _read_config(workdir / CONFIG) or {}
    if old.get(CHECKSUM, data_checksum) != data_checksum:
        raise UserError(
            f"{workdir / CONFIG} is of a run on other data: their checksum was {old[CHECKSUM]}, "
            f"now it is {data_checksum}; another --workdir starts anew"
        )
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        facts = {CHECKSUM: data_checksum, INTENSITIES: intensities}
        write_json(workdir / CONFIG, {**config, **facts})
    except OSError as error:
        raise UserError(f"--workdir={workdir}: {reason(error)}") from None


def data_checksum(workdir: Path) -> str | None:
    """Checksum of the data that a run started with, if it is recorded.

    Raises:
        UserError: If the run's configuration cannot be read.
    """
    return (_read_config(workdir / CONFIG) or {}).get(CHECKSUM)


def data_intensities(workdir: Path) -> Intensities:
    """Which intensities the network of a run sees for stored values.

    Raises:
        UserError: If the run's configuration cannot be read.
    """
    found = (_read_config(workdir / CONFIG) or {}).get(INTENSITIES, BYTES)
    try:
        return Intensities.from_json(found)
    except ValueError:
        raise UserError(f"{workdir / CONFIG}: it has {INTENSITIES}={found!r}") from None


def _read_config(path: Path) -> dict[str, Any] | None:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{path}: cannot be read ({reason(error)}); another --workdir starts anew"
        ) from None
    if not isinstance(config, dict):
        raise UserError(f"{path}: it holds no JSON object; another --workdir starts anew")
    return with_current_names(config)
