"""The folder of a run: which configuration it belongs to, and what it ends with."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hpunet.errors import UserError

CONFIG = "config.json"
WEIGHTS = "weights.safetensors"
SAMPLES = "samples.png"
COURSE = "course.png"
AUGMENTED = "augmented.png"
REPORT = "report.json"


def claim(
    workdir: Path,
    config: Mapping[str, Any],
    changed_keys: Callable[[dict[str, Any], dict[str, Any]], list[str]],
    write: bool,
) -> None:
    """Makes the folder a run's own, or makes sure that it is this run's already.

    Args:
        workdir: The folder; made if missing.
        config: The configuration, by full keys.
        changed_keys: Keys that differ between two configurations although they may not.
        write: Whether this host writes.

    Raises:
        UserError: If the folder belongs to a run of another configuration or cannot be written.
    """
    path = workdir / CONFIG
    new = json.loads(json.dumps(config))
    try:
        if path.exists():
            refuse_changes(path, json.loads(path.read_text(encoding="utf-8")), new, changed_keys)
        if write:
            workdir.mkdir(parents=True, exist_ok=True)
            write_json(path, new)
    except json.JSONDecodeError:
        raise UserError(f"{path}: not readable as JSON; remove it or take another folder") from None
    except OSError as error:
        raise UserError(f"--workdir={workdir}: {error.strerror}") from None


def refuse_changes(
    path: Path,
    old: dict[str, Any],
    new: dict[str, Any],
    changed_keys: Callable[[dict[str, Any], dict[str, Any]], list[str]],
) -> None:
    """Refuses to go on with another configuration.

    Raises:
        UserError: Naming the keys and both values.
    """
    changed = changed_keys(old, new)
    if changed:
        listed = ", ".join(f"{k} (was {old.get(k)!r}, now {new.get(k)!r})" for k in changed)
        raise UserError(
            f"{path} is of a run with another configuration: {listed}; only num_steps and the "
            "*_every keys may change, another --workdir starts anew"
        )


def write_json(path: Path, value: Any) -> None:
    """Writes a JSON file that appears whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    os.replace(part, path)
