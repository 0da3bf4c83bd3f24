"""Configuration files, and changes to configurations on the command line."""

import ast
import contextlib
import dataclasses
import importlib.util
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from ml_collections import ConfigDict

from hpunet.config.keys import MODEL_NAME
from hpunet.config.old_names import with_current_names
from hpunet.config.settings import check, default_config, flatten, keys_for
from hpunet.io.errors import UserError
from hpunet.models.base import ModelConfig
from hpunet.models.fields import Setting

PACKAGE = Path(__file__).parents[1]
# Missing keys that a message names.
MOST_NAMES = 3
WORDS = {"none": None, "true": True, "false": False}


def find_config(name: str) -> Path:
    """Finds the file of a configuration by path or by name.

    Raises:
        UserError: If there is no such file.
    """
    if Path(name).is_file():
        return Path(name)
    own = config_files()
    stem = Path(name).stem
    if stem in own and os.path.dirname(name) in ("", "configs"):
        return own[stem]
    raise UserError(f"--config={name}: no such file; known names are {', '.join(sorted(own))}")


def config_files() -> dict[str, Path]:
    """Returns the project's own configurations by name, from the wheel or the checkout."""
    packaged, checkout = PACKAGE / "configs", PACKAGE.parent / "configs"
    folder = packaged if packaged.is_dir() else checkout
    return {p.stem: p for p in folder.glob("*.py") if p.stem != "__init__"}


def load_config(path: Path) -> ConfigDict:
    """Runs `get_config` of a file and checks the result.

    Raises:
        UserError: If the file cannot be run, or its configuration is not valid. The message names
            the file.
    """
    config = _run_get_config(path)
    if not isinstance(config, ConfigDict):
        kind = type(config).__name__
        raise UserError(
            f"{path}: get_config returns a value of type {kind}; allowed is a ConfigDict"
        )
    flat = flatten(config)
    try:
        missing = [name for name in keys_for(flat) if name not in flat]
        if missing:
            model = flat.get(MODEL_NAME)
            start = "default_config()" if model is None else f"default_config(model={model!r})"
            raise UserError(
                f"the configuration lacks {_some(missing)}; start from hpunet.config.{start}"
            )
        check(flat)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return config


def config_of_run(path: Path) -> ConfigDict:
    """Reads and checks the configuration of a run.

    Args:
        path: The run's `config.json`. Keys that are missing have their defaults. Keys of earlier
            versions are renamed.

    Raises:
        UserError: If the file cannot be read, or its configuration is not valid. The message names
            the file.
    """
    try:
        values = with_current_names(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: not the configuration of a run ({error})") from None
    try:
        known = {name: values[name] for name in keys_for(values) if name in values}
        check(known)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    start = default_config(known[MODEL_NAME]) if MODEL_NAME in known else default_config()
    return _changed(start, known)


def _some(names: list[str]) -> str:
    rest = len(names) - MOST_NAMES
    listed = ", ".join(names[:MOST_NAMES])
    return f"{listed} and {rest} other keys" if rest > 1 else ", ".join(names)


def _run_get_config(path: Path) -> Any:
    try:
        module = _execute(path)
        if not hasattr(module, "get_config"):
            raise UserError(f"{path}: the file has no function get_config")
        return module.get_config()
    except UserError:
        raise
    except SyntaxError as error:
        raise UserError(f"{path}, line {error.lineno}: {error.msg}") from None
    # A configuration is the user's own program and may raise any exception.
    except Exception as error:
        raise UserError(f"{path}{_line_in(path, error)}: {_described(error)}") from None


def _execute(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"config_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UserError(f"--config={path}: allowed are files that end in .py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _line_in(path: Path, error: Exception) -> str:
    place, line = error.__traceback__, None
    while place is not None:
        if place.tb_frame.f_code.co_filename == str(path):
            line = place.tb_lineno
        place = place.tb_next
    return "" if line is None else f", line {line}"


def _described(error: Exception) -> str:
    text = str(error.args[0]) if error.args else str(error)
    return f"{type(error).__name__}: {text}".rstrip(": ")


def override(config: ConfigDict, changes: Mapping[str, str]) -> ConfigDict:
    """Applies the changes of `--config.key=value` arguments to a configuration.

    A change of `model.name` is applied before all others: the keys of model and objective then
    start from the defaults of the new model.

    Args:
        config: A complete configuration.
        changes: Values as text, by the full names of their keys.

    Raises:
        UserError: If a key or value is not allowed. The message names key, value and the allowed
            values.
    """
    model = changes.get(MODEL_NAME, config.model.name)
    if model != config.model.name:
        config = _switched(config, model)
    keys = keys_for({MODEL_NAME: model})
    values = {name: _parse(keys.get(name), text) for name, text in changes.items()}
    for name, value in values.items():
        check({MODEL_NAME: model, name: value})
    return _changed(config, values)


def with_model(config: ConfigDict, model: ModelConfig) -> ConfigDict:
    """Returns the configuration with the settings of another model."""
    if model.name != config.model.name:
        config = _switched(config, model.name)
    settings = {field.name: getattr(model, field.name) for field in dataclasses.fields(model)}  # type: ignore[arg-type]
    return _changed(config, {f"model.{name}": value for name, value in settings.items()})


def _switched(config: ConfigDict, model: str) -> ConfigDict:
    """Returns the configuration with model and objective at the defaults of another model."""
    kept = {
        name: value
        for name, value in flatten(config).items()
        if not name.startswith(("model.", "objective."))
    }
    return _changed(default_config(model), kept)


def _changed(config: ConfigDict, values: Mapping[str, Any]) -> ConfigDict:
    changed = ConfigDict(config.copy_and_resolve_references())
    for name, value in values.items():
        *groups, last = name.split(".")
        place: Any = changed
        for group in groups:
            place = place[group]
        with place.ignore_type():
            place[last] = value
    return changed


def _parse(key: Setting | None, text: str) -> Any:
    """Parses the text of an override as a value that the key allows.

    The text may be a Python literal, a string without quotes, a single value for a list of one,
    or none, true or false in any case. If the key allows none of these readings, the first is
    returned, and the check of values fails.
    """
    fits: Callable[[Any], bool] = key.allowed.test if key is not None else lambda value: True
    value = _literal(text)
    if key is not None and isinstance(key.default, float) and type(value) is int:
        with contextlib.suppress(OverflowError):  # Values that are too large fail below.
            value = float(value)
    return next((v for v in (value, text, (value,)) if fits(v)), value)


def _literal(text: str) -> Any:
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
