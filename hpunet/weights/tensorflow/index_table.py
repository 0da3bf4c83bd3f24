"""The table that a TensorFlow checkpoint's index is: sorted names with values.

It is LevelDB's: blocks of entries whose names leave out what they share with the name before, each
with its checksum; a block that lists the blocks; a footer that says where that one lies.
"""

import struct
from collections.abc import Iterator

from hpunet.weights.tensorflow.crc32c import masked_crc32c

MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
FOOTER_BYTES = 48
TRAILER_BYTES = 5  # Kind of compression and checksum behind every block.
COMPRESSIONS = {1: "snappy", 2: "zlib"}


class BrokenTableError(ValueError):
    """The bytes are no whole table; the message says why and names no file."""


def is_table(end: bytes) -> bool:
    """Whether a file with these last bytes is such a table, whatever it holds."""
    return end.endswith(MAGIC)


def read_table(contents: bytes) -> dict[bytes, bytes]:
    """Every name with its value.

    Args:
        contents: The whole file.

    Raises:
        BrokenTableError: If it is no table, truncated, damaged or compressed.
    """
    if len(contents) < FOOTER_BYTES or not is_table(contents):
        raise BrokenTableError("it does not end like an index, so it is truncated or none")
    footer = contents[-FOOTER_BYTES:]
    _, _, place = _handle(footer, 0)
    blocks = _block(contents, footer, place)
    return {
        name: value
        for _, handle in _entries(blocks)
        for name, value in _entries(_block(contents, handle, 0))
    }


def read_varint(data: bytes, place: int) -> tuple[int, int]:
    """A number in groups of seven bits, lowest first, and the place behind it.

    Raises:
        BrokenTableError: If the data end within it, or it has more than 64 bits.
    """
    value = 0
    for shift, byte in zip(range(0, 70, 7), data[place : place + 10], strict=False):
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80 and value < 2**64:
            return value, place
    raise BrokenTableError("a number has no end, or more than 64 bits")


def _handle(data: bytes, place: int) -> tuple[int, int, int]:
    """Offset and size of a block, and the place behind them."""
    offset, place = read_varint(data, place)
    size, place = read_varint(data, place)
    return offset, size, place


def _block(contents: bytes, handle: bytes, place: int) -> bytes:
    """The entries of a block, its checksum verified."""
    offset, size, _ = _handle(handle, place)
    end = offset + size
    if end + TRAILER_BYTES > len(contents) - FOOTER_BYTES:
        raise BrokenTableError(f"a block of {size} bytes at {offset} runs over the end")
    compression = contents[end]
    (stored,) = struct.unpack_from("<I", contents, end + 1)
    if masked_crc32c(contents[offset : end + 1]) != stored:
        raise BrokenTableError(f"the checksum of the block at {offset} is wrong")
    if compression:
        kind = COMPRESSIONS.get(compression, f"kind {compression}")
        raise BrokenTableError(
            f"it is compressed ({kind}); allowed are checkpoints as TensorFlow has written them "
            "since 1.2, without compression"
        )
    block = contents[offset:end]
    return block[: -4 * (_num_restarts(block) + 1)]


def _num_restarts(block: bytes) -> int:
    """Entries that spell out their names, whose places stand behind the entries."""
    number = struct.unpack("<I", block[-4:])[0] if len(block) >= 4 else -1
    if not 0 <= 4 * (number + 1) <= len(block):
        raise BrokenTableError("a block is too short for what it lists")
    return number


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    name, place = b"", 0
    while place < len(block):
        shared, place = read_varint(block, place)
        own, place = read_varint(block, place)
        size, place = read_varint(block, place)
        if shared > len(name) or place + own + size > len(block):
            raise BrokenTableError("an entry runs over the end of its block")
        name = name[:shared] + block[place : place + own]
        yield name, block[place + own : place + own + size]
        place += own + size
