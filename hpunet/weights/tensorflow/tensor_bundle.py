"""TensorFlow's checkpoints, read without TensorFlow.

A checkpoint is an index of the variables, `PREFIX.index`, and their raw values in
`PREFIX.data-00000-of-00001` or several such files.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hpunet.io.errors import UserError
from hpunet.weights.tensorflow.checkpoint_prefix import find_prefix, index_of
from hpunet.weights.tensorflow.crc32c import masked_crc32c
from hpunet.weights.tensorflow.index_table import BrokenTableError, read_table, read_varint

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
# Kinds of fields in Protocol Buffers' wire format.
VARINT, TEXT, FIXED_BYTES = 0, 2, {1: 8, 5: 4}
NEWEST_FORMAT = 1


class Entry(NamedTuple):
    """What the index says of a variable.

    Attributes:
        dtype: Its type, or None where it is none of NumPy's, such as text.
        shape: Its shape.
        shard: Number of the data file.
        offset: Where in that file its values begin, in bytes.
        size: How many bytes they are.
        checksum: Their masked CRC-32C.
        partitioned: Whether the values lie in slices elsewhere.
    """

    dtype: np.dtype | None
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    checksum: int
    partitioned: bool


class Bundle(Mapping[str, np.ndarray]):
    """The variables of a checkpoint by name; a value is read and verified when it is asked for.

    Attributes:
        prefix: What the names of the checkpoint's files begin with.
        entries: What the index says of each variable.
    """

    def __init__(self, prefix: Path, entries: Mapping[str, Entry], num_shards: int) -> None:
        """Takes what the index says; `read_bundle` reads it."""
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
            UserError: Naming file and variable, if the data file is missing, too short or damaged,
                or the variable is in slices or of a type that NumPy lacks.
        """
        entry = self.entries[name]
        path = self._data_file(entry.shard)
        if entry.partitioned:
            raise UserError(f"{path}: {name} is cut into slices; allowed are whole variables")
        if entry.dtype is None:
            raise UserError(f"{path}: {name} holds no numbers; allowed are arrays of numbers")
        # Python's whole numbers, which no shape makes overflow.
        if entry.size != math.prod(entry.shape) * entry.dtype.itemsize:
            raise UserError(
                f"{path}: {name} has {entry.size} bytes, which do not fit its shape {entry.shape}"
            )
        data = _read(path, name, entry)
        return np.frombuffer(data, entry.dtype).reshape(entry.shape)

    def _data_file(self, shard: int) -> Path:
        suffix = f".data-{shard:05d}-of-{self._num_shards:05d}"
        return self.prefix.with_name(self.prefix.name + suffix)


def _read(path: Path, name: str, entry: Entry) -> bytes:
    try:
        with path.open("rb") as file:
            if entry.offset + entry.size > file.seek(0, 2):
                raise UserError(f"{path}: it ends before {name}: the file is truncated")
            file.seek(entry.offset)
            data = file.read(entry.size)
    except OSError as error:
        raise UserError(f"{path}: {name} cannot be read: {error.strerror or error}") from error
    if masked_crc32c(data) != entry.checksum:
        raise UserError(f"{path}: the checksum of {name} is wrong: the file is damaged")
    return data


def read_bundle(path: str | Path) -> Bundle:
    """The variables of a TensorFlow checkpoint (format V2).

    Args:
        path: Its prefix, one of its files, or its folder; see `find_prefix`.

    Raises:
        UserError: Naming the file, if there is no checkpoint, or its index is truncated, damaged,
            compressed, or of a machine that writes the highest byte first.

    Reference: `tensor_bundle.h` in TensorFlow.
    """
    prefix = find_prefix(path)
    index = index_of(prefix)
    try:
        table = read_table(index.read_bytes())
        num_shards = _read_header(table.pop(b"", b""))
        # What begins with a zero is a slice of a partitioned variable, not a variable.
        entries = {
            _name(key): _read_entry(value) for key, value in table.items() if key[:1] != b"\0"
        }
    except OSError as error:
        raise UserError(f"{index}: cannot be read: {error.strerror or error}") from error
    except BrokenTableError as error:
        raise UserError(f"{index}: no index of a checkpoint: {error}") from error
    return Bundle(prefix, entries, num_shards)


def _name(key: bytes) -> str:
    name = key.decode(errors="backslashreplace")
    # Messages show names, in one line.
    return name if name.isprintable() else name.encode("unicode_escape").decode()


def _read_header(message: bytes) -> int:
    """The number of data files, if the format is one that is known."""
    fields = dict(_fields(message))
    if fields.get(2):
        raise BrokenTableError("highest byte first; allowed are checkpoints with the lowest first")
    needs = _number(dict(_fields(_bytes(fields.get(3, b"")))).get(2, 0))
    if needs > NEWEST_FORMAT:
        raise BrokenTableError(f"it needs format {needs}; known is {NEWEST_FORMAT}")
    return _number(fields.get(1, 0))


def _read_entry(message: bytes) -> Entry:
    fields = dict(_fields(message))
    dtype = DTYPES.get(_number(fields.get(1, 0)))
    return Entry(
        dtype=None if dtype is None else np.dtype(dtype),
        shape=_read_shape(_bytes(fields.get(2, b""))),
        shard=_number(fields.get(3, 0)),
        offset=_number(fields.get(4, 0)),
        size=_number(fields.get(5, 0)),
        checksum=_number(fields.get(6, 0)),
        partitioned=7 in fields,
    )


def _read_shape(message: bytes) -> tuple[int, ...]:
    axes = [_bytes(value) for number, value in _fields(message) if number == 2]
    if len(axes) > MOST_AXES:
        raise BrokenTableError(f"a variable has {len(axes)} axes; allowed are {MOST_AXES}")
    return tuple(_number(dict(_fields(axis)).get(1, 0)) for axis in axes)


def _number(value: int | bytes) -> int:
    if not isinstance(value, int) or value >= 2**63:
        raise BrokenTableError("an entry has text, or a number below 0, where it may not")
    return value


def _bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise BrokenTableError("an entry has a number where it may not")
    return value


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and values of a message's fields, in Protocol Buffers' wire format."""
    place = 0
    while place < len(message):
        tag, place = read_varint(message, place)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, place = read_varint(message, place)
            yield number, value
            continue
        if kind == TEXT:
            size, place = read_varint(message, place)
        else:
            size = FIXED_BYTES.get(kind, len(message))
        if place + size > len(message):
            raise BrokenTableError("an entry is cut off, or none")
        data = message[place : place + size]
        yield number, data if kind == TEXT else int.from_bytes(data, "little")
        place += size
