"""Read npz files without trusting them: what they hold is known before any array is read."""

import math
import pathlib
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from hpunet.io.errors import UserError

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_DTYPES = {"b": "bool", "iu": "integer", "f": "float", "U": "text"}


class Rule(NamedTuple):
    """What an array must be: kinds of dtype as NumPy's letters, and a letter for each axis."""

    kinds: tuple[str, ...]
    axes: str


_LABELS = ("iu", "b")
PREDICTION = {
    "samples": Rule(_LABELS, "SHW"),
    "logits": Rule(("f",), "SHWK"),
    "probabilities": Rule(("f",), "SHWK"),
    "reconstructions": Rule(_LABELS, "GHW"),
}
ANNOTATION = {
    "annotations": Rule(_LABELS, "GHW"),
    "weights": Rule(("f", "iu"), "G"),
    "ignored": Rule(("b",), "HW"),
    "patient": Rule(("U",), ""),
    "image": Rule(("f", "iu"), "HW"),
}


class Contents(NamedTuple):
    """What an npz holds: the names of its arrays, and the length of each axis by its letter."""

    keys: frozenset[str]
    axes: dict[str, int]


def check_npz(
    path: pathlib.Path, rules: Mapping[str, Rule], one_of: tuple[str, ...], num_classes: int
) -> Contents:
    """Checks keys, dtypes and shapes of an npz; the arrays themselves are not read.

    Args:
        path: The file.
        rules: What each array must be; axes of the same letter have the same length.
        one_of: The arrays of which there must be exactly one.
        num_classes: Length of the axis K.

    Raises:
        UserError: If the file is damaged or something of that is not so.
    """
    with _opened(path) as archive:
        headers = dict(_read_headers(archive))
    _check_keys(path, headers.keys(), rules.keys(), one_of)
    axes = {"K": num_classes}
    # The masks come first: it is the others that must fit them.
    for key in sorted(headers, key=lambda key: (key not in one_of, key)):
        _check_array(f"{path}: {key}", headers[key], rules[key], axes)
    return Contents(frozenset(headers), axes)


def _check_keys(
    path: pathlib.Path, held: Set[str], known: Set[str], one_of: tuple[str, ...]
) -> None:
    if len(held & set(one_of)) == 1 and held <= known:
        return
    either = f"one of {', '.join(one_of)}" if len(one_of) > 1 else one_of[0]
    others = ", ".join(sorted(known - set(one_of)))
    listed = ", ".join(sorted(held)) or "nothing"
    raise UserError(f"{path}: holds {listed}; allowed are {either}, and perhaps {others}")


def read_npz(path: pathlib.Path, key: str) -> np.ndarray:
    """One array of an npz, its checksum compared.

    Raises:
        UserError: If the file cannot be read, is damaged or has no such array.
    """
    # zipfile compares the checksum where a member ends, which is where its array ends.
    with _opened(path) as archive, archive.open(f"{key}.npy") as member:
        return np.lib.format.read_array(member, allow_pickle=False)


@contextmanager
def _opened(path: pathlib.Path) -> Iterator[zipfile.ZipFile]:
    """An npz to read; what goes wrong while it is read ends in one line."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, KeyError, RuntimeError) as error:
        raise UserError(f"{path}: is no npz, or a truncated or corrupt one") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error


def _read_headers(archive: zipfile.ZipFile) -> Iterator[tuple[str, tuple[tuple, np.dtype]]]:
    """Name, shape and dtype of each array."""
    for info in archive.infolist():
        with archive.open(info) as member:
            version = np.lib.format.read_magic(member)
            if version not in _HEADERS:
                raise ValueError(f"{info.filename} has the unknown version {version}")
            shape, _, dtype = _HEADERS[version](member)
            size = math.prod(shape) * dtype.itemsize
            if not dtype.hasobject and info.file_size != member.tell() + size:
                raise ValueError(f"{info.filename} has another size than its header says")
        yield info.filename.removesuffix(".npy"), (shape, dtype)


def _check_array(
    label: str, header: tuple[tuple, np.dtype], rule: Rule, axes: dict[str, int]
) -> None:
    """Raises unless dtype and shape are as they must be; notes the lengths of new axes."""
    shape, dtype = header
    if not any(dtype.kind in kinds for kinds in rule.kinds):
        allowed = " or ".join(_DTYPES[kinds] for kinds in rule.kinds)
        raise UserError(f"{label} has dtype {dtype}; allowed is {allowed}")
    known = {axis: axes[axis] for axis in rule.axes if axis in axes}
    lengths = dict(zip(rule.axes, shape, strict=False))
    if len(shape) != len(rule.axes) or 0 in shape or {**lengths, **known} != lengths:
        given = ", ".join(f"{axis} = {size}" for axis, size in known.items())
        wanted = f"[{', '.join(rule.axes)}]" if rule.axes else "one text"
        wanted += f" with {given}" if given else ""
        wanted += ", each at least 1" if 0 in shape else ""
        raise UserError(f"{label} has shape {shape}; it must be {wanted}")
    axes |= lengths
