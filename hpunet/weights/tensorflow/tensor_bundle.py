"""TensorFlow's checkpoints, read without TensorFlow.

A checkpoint is an index of the variables, `PREFIX.index`, and their raw values in
`PREFIX.data-00000-of-00001` or several such files.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hpunet.io.errors import UserError, reason
from hpunet.weights.tensorflow.checkpoint_files import find_prefix, index_of
from hpunet.weights.tensorflow.index_table import (
    BrokenTableError,
    bytes_of,
    masked_crc32c,
    number_of,
    read_fields,
    read_table,
)

# TensorFlow's numbers for the types that NumPy has.
DTYPES = {
    1: "<f4",
    2: "<f8",
    3: "<i4",
    4: "u1",
    5: "<i2",
    6: "i1",
    9: "<i8",
    10: "?",
    17: "<u2",
    19: "<f2",
    22: "<u4",
    23: "<u8",
}
MOST_AXES = 32
NEWEST_FORMAT = 1


class BundleEntry(NamedTuple):
    """The entry of a variable in the index.

    Attributes:
        dtype: Its type; None if NumPy has no such type, as for text.
        shape: Its shape.
        shard: Number of the data file.
        offset: Position of its values in that file, in bytes.
        size: Number of bytes.
        checksum: Masked CRC-32C of these bytes.
        partitioned: Whether the values are stored in slices under other names.
    """

    dtype: np.dtype | None
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    checksum: int
    partitioned: bool


class Bundle(Mapping[str, np.ndarray]):
    """The variables of a checkpoint by name; a value is read and verified on access.

    Attributes:
        prefix: What the names of the checkpoint's files begin with.
        entries: The index's description of each variable.
    """

    def __init__(self, prefix: Path, entries: Mapping[str, BundleEntry], num_shards: int) -> None:
        """Takes the contents of an index, which `read_bundle` reads."""
        self.prefix = prefix
        self.entries = entries
        self._num_shards = num_shards

    def __len__(self) -> int:
        """Number of variables."""
        return len(self.entries)

    def __iter__(self) -> Iterator[str]:
        """Their names, sorted."""
        return iter(self.entries)

    def __contains__(self, name: object) -> bool:
        """Whether there is a variable of that name; reads no value."""
        return name in self.entries

    def __getitem__(self, name: str) -> np.ndarray:
        """Reads a variable.

        Raises:
            KeyError: If there is none of that name.
            UserError: If the data file is missing, too short or damaged, or the variable is in
                slices or of a type that NumPy lacks. The message names file and variable.
        """
        entry = self.entries[name]
        path = self._data_file(entry.shard)
        if entry.partitioned:
            raise UserError(f"{path}: {name} is cut into slices; allowed are whole variables")
        if entry.dtype is None:
            raise UserError(f"{path}: {name} holds no numbers; allowed are arrays of numbers")
        # In Python's integers, which no shape makes overflow.
        if entry.size != math.prod(entry.shape) * entry.dtype.itemsize:
            raise UserError(
                f"{path}: {name} has {entry.size} bytes, which do not fit its shape {entry.shape}"
            )
        data = _read(path, name, entry)
        return np.frombuffer(data, entry.dtype).reshape(entry.shape)

    def _data_file(self, shard: int) -> Path:
        suffix = f".data-{shard:05d}-of-{self._num_shards:05d}"
        return self.prefix.with_name(self.prefix.name + suffix)


def _read(path: Path, name: str, entry: BundleEntry) -> bytes:
    try:
        with path.open("rb") as file:
            if entry.offset + entry.size > file.seek(0, 2):
                raise UserError(f"{path}: it ends before {name}: the file is truncated")
            file.seek(entry.offset)
            data = file.read(entry.size)
    except OSError as error:
        raise UserError(f"{path}: {name} cannot be read: {reason(error)}") from error
    if masked_crc32c(data) != entry.checksum:
        raise UserError(f"{path}: the checksum of {name} is wrong: the file is damaged")
    return data


def read_bundle(path: str | Path) -> Bundle:
    """Reads the variables of a TensorFlow checkpoint (format V2).

    Args:
        path: Its prefix, one of its files, or its folder; see `find_prefix`.

    Raises:
        UserError: If there is no checkpoint, or its index is truncated, damaged, compressed or
            big-endian. The message names the file.

    Reference: `tensor_bundle.h` in TensorFlow.
    """
    prefix = find_prefix(path)
    index = index_of(prefix)
    try:
        table = read_table(index.read_bytes())
        num_shards = _read_header(table.pop(b"", b""))
        # A name that begins with a zero byte is a slice of a partitioned variable.
        entries = {
            _name(key): _read_entry(value) for key, value in table.items() if key[:1] != b"\0"
        }
    except OSError as error:
        raise UserError(f"{index}: cannot be read: {reason(error)}") from error
    except BrokenTableError as error:
        raise UserError(f"{index}: no index of a checkpoint: {error}") from error
    return Bundle(prefix, entries, num_shards)


def _name(key: bytes) -> str:
    name = key.decode(errors="backslashreplace")
    # Messages of one line show names.
    return name if name.isprintable() else name.encode("unicode_escape").decode()


def _read_header(message: bytes) -> int:
    """Returns the number of data files of a known format."""
    fields = dict(read_fields(message))
    if fields.get(2):
        raise BrokenTableError("highest byte first; allowed are checkpoints with the lowest first")
    needs = number_of(dict(read_fields(bytes_of(fields.get(3, b"")))).get(2, 0))
    if needs > NEWEST_FORMAT:
        raise BrokenTableError(f"it needs format {needs}; known is {NEWEST_FORMAT}")
    return number_of(fields.get(1, 0))


def _read_entry(message: bytes) -> BundleEntry:
    fields = dict(read_fields(message))
    dtype = DTYPES.get(number_of(fields.get(1, 0)))
    return BundleEntry(
        dtype=None if dtype is None else np.dtype(dtype),
        shape=_read_shape(bytes_of(fields.get(2, b""))),
        shard=number_of(fields.get(3, 0)),
        offset=number_of(fields.get(4, 0)),
        size=number_of(fields.get(5, 0)),
        checksum=number_of(fields.get(6, 0)),
        partitioned=7 in fields,
    )


def _read_shape(message: bytes) -> tuple[int, ...]:
    axes = [bytes_of(value) for number, value in read_fields(message) if number == 2]
    if len(axes) > MOST_AXES:
        raise BrokenTableError(f"a variable has {len(axes)} axes; allowed are {MOST_AXES}")
    return tuple(number_of(dict(read_fields(axis)).get(1, 0)) for axis in axes)
