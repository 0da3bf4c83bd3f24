"""Encodes, decodes and checks the header of a weights file."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from hpunet.io.errors import UserError
from hpunet.models.base import MODELS, ModelConfig
from hpunet.models.fields import BOOLEAN, FINITE, number, whole

FORMAT = "hpunet-1"
# Files of earlier versions do not name their model.
DEFAULT_NAME = "hierarchical"
# With more levels, no image has a pixel left at the coarsest one.
MOST_LEVELS = 16
_MOST_CHARACTERS = 1 << 24
_LONGEST_VALUE = 200
_LARGEST = 1 << 20  # Upper bound of height and width in pixels, channels and classes.


class Header(NamedTuple):
    """The header of a weights file.

    Attributes:
        network: The settings of the model.
        preprocessing: How images become the network's input.
        source: Origin of converted weights, or None.
        prior_range: Least and largest values of the prior on the validation split: `location` and
            `log_scale`, each with a pair of numbers per scale, coarsest first, and the number of
            images, `num_images`; None if unknown.
        checksum: Checksum of the other entries and the weights; None in files of older versions.
        text: The other entries as JSON, which the checksum covers.
    """

    network: ModelConfig
    preprocessing: dict[str, Any]
    source: dict[str, Any] | None
    prior_range: dict[str, Any] | None
    checksum: str | None
    text: str


def encode(
    network: ModelConfig,
    preprocessing: Mapping[str, Any],
    source: Mapping[str, Any] | None,
    weights_checksum: str,
    prior_range: Mapping[str, Any] | None = None,
) -> str:
    """Encodes the header as JSON, with a checksum of its entries and the weights."""
    entries: dict[str, Any] = {
        "format": FORMAT,
        "network": {"name": network.name, **dataclasses.asdict(network)},  # type: ignore[call-overload]
        "preprocessing": dict(preprocessing),
    }
    if source is not None:
        entries["source"] = dict(source)
    if prior_range is not None:
        entries["prior_range"] = dict(prior_range)
    return json.dumps(entries | {"checksum": combine(json.dumps(entries), weights_checksum)})


def combine(text: str, weights_checksum: str) -> str:
    """Computes the checksum of a header's text and its weights' checksum."""
    return hashlib.sha256(f"{text}\n{weights_checksum}".encode()).hexdigest()


def decode(text: str, path: str) -> Header:
    """Decodes and checks a header, which may come from an untrusted file.

    Args:
        text: The header as JSON.
        path: Path of the file, for messages.

    Raises:
        UserError: If the header is not valid. The message has one line and names the entry.
    """
    entries = _read(text, path)
    checksum = entries.pop("checksum", None)
    unknown = set(entries) - {"format", "network", "preprocessing", "source", "prior_range"}
    if unknown:
        raise UserError(f"{path}: its header has an unknown entry {printable(min(unknown))}")
    if not (checksum is None or isinstance(checksum, str)):
        raise _wrong(path, "checksum", checksum, "a text")
    network = _network(_object(entries, "network", path), path)
    preprocessing = _object(entries, "preprocessing", path)
    _check_preprocessing(preprocessing, path)
    source = _object(entries, "source", path) if "source" in entries else None
    prior_range = entries.get("prior_range")
    _check_prior_range(prior_range, network, path)
    return Header(network, preprocessing, source, prior_range, checksum, json.dumps(entries))


def _object(entries: dict[str, Any], name: str, path: str) -> dict[str, Any]:
    value = entries.get(name)
    if not isinstance(value, dict):
        raise _wrong(path, name, value, "a JSON object")
    return value


def _read(text: str, path: str) -> dict[str, Any]:
    if len(text) > _MOST_CHARACTERS:
        raise UserError(
            f"{path}: its header has {len(text)} characters; allowed are at most {_MOST_CHARACTERS}"
        )
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: its header is not JSON ({printable(error)})") from None
    if not isinstance(entries, dict) or entries.get("format") != FORMAT:
        raise UserError(f"{path}: not a weights file of hpunet with header format {FORMAT!r}")
    return entries


def _network(settings: dict[str, Any], path: str) -> ModelConfig:
    settings = dict(settings)
    name = settings.pop("name", DEFAULT_NAME)
    if not isinstance(name, str) or name not in MODELS:
        allowed = " or ".join(map(repr, MODELS))
        raise _wrong(path, "network.name", name, allowed)
    kind = MODELS[name].config
    known = {field.name for field in dataclasses.fields(kind)}
    if settings.keys() != known:
        wrong = min(settings.keys() ^ known)
        problem = "missing" if wrong in known else "unknown"
        raise UserError(f"{path}: its header's network.{printable(wrong)} is {problem}")
    try:
        network: ModelConfig = kind(**settings)
    except ValueError as error:
        raise UserError(f"{path}: its header's network: {printable(error)}") from None
    if network.num_levels > MOST_LEVELS:
        raise UserError(
            f"{path}: its header's network has {network.num_levels} levels; allowed are "
            f"at most {MOST_LEVELS}"
        )
    return network


def _is_count(value: Any) -> bool:
    return whole(1).test(value) and value <= _LARGEST


def _is_crop(value: Any) -> bool:
    both = isinstance(value, list) and len(value) == 2 and all(map(_is_count, value))
    return both or _is_count(value)


def _is_extent(value: Any) -> bool:
    pair = isinstance(value, list) and len(value) == 2 and all(map(FINITE.test, value))
    return pair and value[0] <= value[1]


def _is_range(value: Any) -> bool:
    return _is_extent(value) and value[0] < value[1]


def _is_ranges(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(map(_is_range, value))


_PREPROCESSING: dict[str, tuple[Callable[[Any], bool], str]] = {
    "intensity_range": (
        lambda v: _is_range(v) or _is_ranges(v),
        "two numbers, the lower one first, or such a pair for each channel",
    ),
    "intensity_clip": (BOOLEAN.test, "true or false"),
    "resized": (BOOLEAN.test, "true or false"),
    "pixel_spacing_mm": (number(0, above=True).test, "a number above 0"),
    "crop": (_is_crop, "a number of pixels, or height and width"),
    "image_channels": (_is_count, "a number of channels"),
    "classes": (_is_count, "a number of classes"),
    "data_checksum": (lambda v: isinstance(v, str), "a text"),
    "nan": (lambda v: v == "min" or FINITE.test(v), "a number or min"),
}


def _check_preprocessing(preprocessing: dict[str, Any], path: str) -> None:
    """Checks the entries that later commands use; None stands for an unknown value."""
    for name, (is_allowed, allowed) in _PREPROCESSING.items():
        value = preprocessing.get(name)
        if value is not None and not is_allowed(value):
            raise _wrong(path, name, value, allowed)


def _check_prior_range(value: Any, network: ModelConfig, path: str) -> None:
    if value is None:
        return
    names = ("location", "log_scale")
    if not isinstance(value, dict) or value.keys() != {*names, "num_images"}:
        allowed = f"an object with {', '.join(names)} and num_images"
        raise _wrong(path, "prior_range", value, allowed)
    if not _is_count(value["num_images"]):
        raise _wrong(path, "prior_range.num_images", value["num_images"], "a number of images")
    for name in names:
        pairs = value[name]
        if not isinstance(pairs, list) or not (
            len(pairs) == network.num_scales and all(map(_is_extent, pairs))
        ):
            allowed = "two numbers for each scale of the network, the lower one first"
            raise _wrong(path, f"prior_range.{name}", pairs, allowed)


def _wrong(path: str, name: str, value: Any, allowed: str) -> UserError:
    return UserError(
        f"{path}: its header has {name}={printable(repr(value))}; allowed is {allowed}"
    )


def printable(value: object) -> str:
    """Formats a value from a file for a message: one printable line of limited length."""
    text = " ".join(str(value).split())
    if not text.isprintable():
        text = ascii(text)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."
