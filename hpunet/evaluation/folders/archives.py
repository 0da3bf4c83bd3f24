"""The layouts of npz files: keys, types and shapes, which are checked before arrays are read."""

import math
import pathlib
import zipfile
from collections.abc import Iterator, Mapping, Set
from typing import NamedTuple

import numpy as np

from hpunet.imaging.arrays import open_archive
from hpunet.io.errors import UserError

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_DTYPES = {"b": "bool", "iu": "integer", "f": "float", "U": "text"}


class ArrayRule(NamedTuple):
    """Allowed kinds of dtype, as NumPy's letters, and a letter for each axis of an array."""

    kinds: tuple[str, ...]
    axes: str


SCORES_OR_SAMPLES = ("samples", "logits", "probabilities")
_LABELS = ("iu", "b")
PREDICTION = {
    "samples": ArrayRule(_LABELS, "SHW"),
    "logits": ArrayRule(("f",), "SHWK"),
    "probabilities": ArrayRule(("f",), "SHWK"),
    "reconstructions": ArrayRule(_LABELS, "GHW"),
}
ANNOTATION = {
    "annotations": ArrayRule(_LABELS, "GHW"),
    "weights": ArrayRule(("f", "iu"), "G"),
    "ignored": ArrayRule(("b",), "HW"),
    "patient": ArrayRule(("U",), ""),
    "image": ArrayRule(("f", "iu"), "HW"),
}


class NpzHeader(NamedTuple):
    """The names of the arrays of an npz, and the length of each axis by its letter."""

    keys: frozenset[str]
    axes: dict[str, int]


def is_bare(path: pathlib.Path) -> bool:
    """Whether an npz holds masks as training reads them: an array alone, or one named `mask`."""
    with open_archive(path) as archive:
        keys = set(archive.files)
    return "annotations" not in keys and (len(keys) == 1 or "mask" in keys)


def check_npz(
    path: pathlib.Path, rules: Mapping[str, ArrayRule], one_of: tuple[str, ...], num_classes: int
) -> NpzHeader:
    """Checks keys, dtypes and shapes of an npz, without reading its arrays.

    Args:
        path: The file.
        rules: The rule of each array; axes of the same letter have the same length.
        one_of: Names of which exactly one must be there.
        num_classes: Length of the axis K.

    Raises:
        UserError: If the file is damaged or breaks a rule.
    """
    with open_archive(path) as archive:
        headers = dict(_read_headers(archive.zip))
    _check_keys(path, headers.keys(), rules.keys(), one_of)
    axes = {"K": num_classes}
    # The masks come first: the others must fit them.
    for key in sorted(headers, key=lambda key: (key not in one_of, key)):
        _check_array(f"{path}: {key}", headers[key], rules[key], axes)
    return NpzHeader(frozenset(headers), axes)


def _check_keys(
    path: pathlib.Path, held: Set[str], known: Set[str], one_of: tuple[str, ...]
) -> None:
    if len(held & set(one_of)) == 1 and held <= known:
        return
    either = f"one of {', '.join(one_of)}" if len(one_of) > 1 else one_of[0]
    others = ", ".join(sorted(known - set(one_of)))
    listed = ", ".join(sorted(held)) or "nothing"
    raise UserError(f"{path}: holds {listed}; allowed are {either}, and perhaps {others}")


def _read_headers(archive: zipfile.ZipFile) -> Iterator[tuple[str, tuple[tuple, np.dtype]]]:
    """Yields name, shape and dtype of each array."""
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
    label: str, header: tuple[tuple, np.dtype], rule: ArrayRule, axes: dict[str, int]
) -> None:
    """Raises unless dtype and shape follow the rule; adds the lengths of new axes."""
    shape, dtype = header
    if not any(dtype.kind in kinds for kinds in rule.kinds):
        allowed = " or ".join(_DTYPES[kinds] for kinds in rule.kinds)
        raise UserError(f"{label} has dtype {dtype}; allowed is {allowed}")
    known = {axis: axes[axis] for axis in rule.axes if axis in axes}
    lengths = dict(zip(rule.axes, shape, strict=False))
    if len(shape) != len(rule.axes) or 0 in shape or {**lengths, **known} != lengths:
        given = ", ".join(f"{axis} = {size}" for axis, size in known.items())
        expected = f"[{', '.join(rule.axes)}]" if rule.axes else "one text"
        expected += f" with {given}" if given else ""
        expected += ", each at least 1" if 0 in shape else ""
        raise UserError(f"{label} has shape {shape}; it must be {expected}")
    axes |= lengths
