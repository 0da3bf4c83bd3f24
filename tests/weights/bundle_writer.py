"""TensorFlow checkpoints written without TensorFlow, whole ones and broken ones."""

import struct

import numpy as np

from hpunet.weights.tensorflow.index_table import MAGIC, masked_crc32c
from hpunet.weights.tensorflow.tensor_bundle import DTYPES

NUMBER_OF = {np.dtype(dtype): number for number, dtype in DTYPES.items()}


def write_bundle(prefix, variables, num_shards=1, header=b"", entries=None, compression=0):
    """Writes arrays by name, dealt out to data files one after the other.

    Args:
        prefix: What the names of the files begin with.
        variables: Arrays by name.
        num_shards: Number of data files.
        header: Fields that the index's header has besides, as bytes.
        entries: Raw entries by name that stand in for the right ones.
        compression: What the index's blocks claim to be compressed with.
    """
    data = [b""] * num_shards
    table = {b"": field(1, num_shards) + field(3, field(1, 1)) + header}
    for i, (name, value) in enumerate(sorted(variables.items())):
        value = np.asarray(value)
        shard = i % num_shards
        table[name.encode()] = entry(value, shard, len(data[shard]))
        data[shard] += value.tobytes()
    table |= {name.encode(): raw for name, raw in (entries or {}).items()}
    for shard, contents in enumerate(data):
        suffix = f".data-{shard:05d}-of-{num_shards:05d}"
        prefix.with_name(prefix.name + suffix).write_bytes(contents)
    prefix.with_name(f"{prefix.name}.index").write_bytes(table_bytes(table, compression))
    return prefix


def entry(value, shard=0, offset=0, **changed):
    """An index's entry of an array; a part of it can be changed by name."""
    right = {
        "dtype": NUMBER_OF[value.dtype],
        "shape": b"".join(field(2, field(1, size)) for size in value.shape),
        "shard": shard,
        "offset": offset,
        "size": value.nbytes,
        "checksum": struct.pack("<I", masked_crc32c(value.tobytes())),
    }
    fields = list((right | changed).values())
    fixed = varint(6 << 3 | 5) + fields.pop()
    return b"".join(field(i + 1, value) for i, value in enumerate(fields)) + fixed


def field(number, value):
    """A number, or bytes, as a field of a message."""
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


def varint(value):
    low, high = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(high) if high else bytes([low])


def table_bytes(table, compression=0, num_blocks=2):
    """A table of several blocks; names are spelled out."""
    rows = sorted(table.items())
    size = -(-len(rows) // num_blocks)
    contents, handles = b"", {}
    for start in range(0, len(rows), size):
        part = dict(rows[start : start + size])
        contents, handles[max(part)] = appended(contents, part, compression)
    contents, meta = appended(contents, {}, 0)
    contents, index = appended(contents, handles, 0)
    return contents + (meta + index).ljust(40, b"\0") + MAGIC


def appended(contents, rows, compression):
    """The file with one more block, and where that one lies."""
    block = b"".join(
        varint(0) + varint(len(name)) + varint(len(value)) + name + value
        for name, value in sorted(rows.items())
    )
    block += struct.pack("<II", 0, 1)
    handle = varint(len(contents)) + varint(len(block))
    block += bytes([compression])
    return contents + block + struct.pack("<I", masked_crc32c(block)), handle
