"""The header of a weights file: written, read and checked."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from hpunet.io.errors import UserError
from hpunet.models.base import MODELS, ModelConfig

FORMAT = "hpunet-1"
# Files of earlier versions do not name their model.
DEFAULT_NAME = "hierarchical"
# Coarser than this no picture has a pixel left.
MOST_LEVELS = 16
_MOST_CHARACTERS = 1 << 24
_LONGEST_SHOWN = 200
_LARGEST = 1 << 20  # Pixels of a side, classes.


class Header(NamedTuple):
    """The header of a weights file.

    Attributes:
        network: The settings of the model.
        preprocessing: How images become the network's input.
        source: Where converted weights come from, or None.
        checksum: Of the header's other entries and the weights; None in files of older versions.
        text: The header's other entries as they stand in the file.
    """

    network: ModelConfig
    preprocessing: dict[str, Any]
    source: dict[str, Any] | None
    checksum: str | None
    text: str


def encode(
    network: ModelConfig,
    preprocessing: Mapping[str, Any],
    source: Mapping[str, Any] | None,
    weights_checksum: str,
) -> str:
    """The header as text, with a checksum over itself and the weights."""
    entries: dict[str, Any] = {
        "format": FORMAT,
        "network": {"name": network.name, **dataclasses.asdict(network)},  # type: ignore[call-overload]
        "preprocessing": dict(preprocessing),
    }
    if source is not None:
        entries["source"] = dict(source)
    return json.dumps(entries | {"checksum": combine(json.dumps(entries), weights_checksum)})


def combine(text: str, weights_checksum: str) -> str:
    """The checksum over a header's text and its weights' checksum."""
    return hashlib.sha256(f"{text}\n{weights_checksum}".encode()).hexdigest()


def decode(text: str, path: str) -> Header:
    """Reads a header, which may hold anything.

    Args:
        text: JSON.
        path: The file, for messages.

    Raises:
        UserError: In one line, naming the entry.
    """
    entries = _read(text, path)
    found = entries.pop("checksum", None)
    unknown = set(entries) - {"format", "network", "preprocessing", "source"}
    if unknown:
        raise UserError(
            f"{path}: its header has an entry {shown(min(unknown))}, which is not known"
        )
    if not (found is None or isinstance(found, str)):
        raise _wrong(path, "checksum", found, "a text")
    network = _network(_object(entries, "network", path), path)
    preprocessing = _object(entries, "preprocessing", path)
    _check_preprocessing(preprocessing, path)
    source = _object(entries, "source", path) if "source" in entries else None
    return Header(network, preprocessing, source, found, json.dumps(entries))


def _object(entries: dict[str, Any], name: str, path: str) -> dict[str, Any]:
    value = entries.get(name)
    if not isinstance(value, dict):
        raise _wrong(path, name, value, "a JSON object")
    return value


def _read(text: str, path: str) -> dict[str, Any]:
    if len(text) > _MOST_CHARACTERS:
        raise UserError(
            f"{path}: its header has {len(text)} characters; allowed are {_MOST_CHARACTERS}"
        )
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: its header is no JSON ({shown(error)})") from None
    if not isinstance(entries, dict) or entries.get("format") != FORMAT:
        raise UserError(f"{path}: no weights of hpunet, expected format {FORMAT!r} in its header")
    return entries


def _network(settings: dict[str, Any], path: str) -> ModelConfig:
    settings = dict(settings)
    name = settings.pop("name", DEFAULT_NAME)
    if not isinstance(name, str) or name not in MODELS:
        allowed = " or ".join(map(repr, MODELS))
        raise _wrong(path, "network.name", name, allowed)
    kind = MODELS[name]
    known = {field.name for field in dataclasses.fields(kind)}
    if settings.keys() != known:
        wrong = min(settings.keys() ^ known)
        problem = "missing" if wrong in known else "not known"
        raise UserError(f"{path}: its header's network.{shown(wrong)} is {problem}")
    try:
        network: ModelConfig = kind(**settings)
    except ValueError as error:
        raise UserError(f"{path}: its header's network: {shown(error)}") from None
    if network.num_levels > MOST_LEVELS:
        raise UserError(
            f"{path}: its header's network has {network.num_levels} levels; allowed are "
            f"{MOST_LEVELS} at most"
        )
    return network


def _is_number(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and -math.inf < value < math.inf


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _LARGEST


def _is_crop(value: Any) -> bool:
    both = isinstance(value, list) and len(value) == 2 and all(map(_is_count, value))
    return both or _is_count(value)


def _is_range(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(map(_is_number, value))
        and value[0] < value[1]
    )


def _is_ranges(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(map(_is_range, value))


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


_PREPROCESSING: dict[str, tuple[Callable[[Any], bool], str]] = {
    "intensity_range": (
        lambda v: _is_range(v) or _is_ranges(v),
        "two numbers, the lower one first, or such a pair for each channel",
    ),
    "intensity_clip": (_is_flag, "true or false"),
    "resized": (_is_flag, "true or false"),
    "pixel_spacing_mm": (lambda v: _is_number(v) and v > 0, "a number above 0"),
    "crop": (_is_crop, "a number of pixels, or height and width"),
    "image_channels": (_is_count, "a number of channels"),
    "classes": (_is_count, "a number of classes"),
    "data_checksum": (lambda v: isinstance(v, str), "a text"),
}


def _check_preprocessing(preprocessing: dict[str, Any], path: str) -> None:
    """Refuses what later commands could not work with; None says that something is not known."""
    for name, (is_allowed, allowed) in _PREPROCESSING.items():
        value = preprocessing.get(name)
        if value is not None and not is_allowed(value):
            raise _wrong(path, name, value, allowed)


def _wrong(path: str, name: str, value: Any, allowed: str) -> UserError:
    return UserError(f"{path}: its header has {name}={shown(repr(value))}; allowed is {allowed}")


def shown(value: object) -> str:
    """A value from a file as a message shows it: one line, not too long, printable."""
    text = " ".join(str(value).split())
    if not text.isprintable():
        text = ascii(text)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
