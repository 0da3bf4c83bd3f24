"""The parts of a TensorFlow checkpoint's index: a LevelDB table of Protocol Buffers messages.

The table consists of blocks of entries, sorted by name; a name leaves out the characters it shares
with the name before, and each block has a checksum. One more block lists the blocks, and a footer
gives its position.
"""

import struct
from collections.abc import Iterator

import google_crc32c

MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
FOOTER_BYTES = 48
TRAILER_BYTES = 5  # After every block: the kind of compression and a checksum.
COMPRESSIONS = {1: "snappy", 2: "zlib"}
# Kinds of fields in Protocol Buffers' wire format.
VARINT, TEXT, FIXED_BYTES = 0, 2, {1: 8, 5: 4}


class BrokenTableError(ValueError):
    """The bytes are not a complete table; the message says why and names no file."""


def is_table(end: bytes) -> bool:
    """Whether a file with these last bytes is such a table, whatever its contents."""
    return end.endswith(MAGIC)


def read_table(contents: bytes) -> dict[bytes, bytes]:
    """Returns every name with its value.

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
    """Reads a number stored in groups of seven bits, lowest first.

    Args:
        data: The bytes.
        place: Index of the number's first byte.

    Returns:
        The number, and the index of the byte after it.

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


def read_fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and values of a message's fields, in Protocol Buffers' wire format.

    Raises:
        BrokenTableError: If the message is cut off, or no message.
    """
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


def number_of(value: int | bytes) -> int:
    """Returns the value of a field, a number from 0 to 2**63 - 1.

    Raises:
        BrokenTableError: If it is not.
    """
    if not isinstance(value, int) or value >= 2**63:
        raise BrokenTableError("an entry has text, or a number below 0, where it may not")
    return value


def bytes_of(value: int | bytes) -> bytes:
    """Returns the value of a field of bytes.

    Raises:
        BrokenTableError: If it is a number.
    """
    if not isinstance(value, bytes):
        raise BrokenTableError("an entry has a number where it may not")
    return value


def masked_crc32c(data: bytes) -> int:
    """Computes the masked CRC-32C of TensorFlow: rotated, with a constant added.

    A checksum over bytes that hold their own checksum says little; the masked one does not have
    this problem.

    Reference: `crc32c::Mask` in TensorFlow and LevelDB.
    """
    crc = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _handle(data: bytes, place: int) -> tuple[int, int, int]:
    """Reads offset and size of a block; returns them with the index of the byte after them."""
    offset, place = read_varint(data, place)
    size, place = read_varint(data, place)
    return offset, size, place


def _block(contents: bytes, handle: bytes, place: int) -> bytes:
    """Reads the entries of a block and verifies its checksum."""
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
    """Number of entries with full names, whose positions follow the entries."""
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
