"""CRC-32C, the checksum in TensorFlow's checkpoints, with NumPy.

The message is cut into lanes of equal length whose checksums are computed side by side and then
joined two by two. Both rest on the checksum being linear over bits: what zeros behind a message do
to its checksum is a matrix.
"""

from functools import cache

import numpy as np

POLYNOMIAL = 0x82F63B78  # Castagnoli's, lowest bit first.
MASK_DELTA = 0xA282EAD8
LANE_BYTES_LOG2 = 9
WORDS = 2 ** (LANE_BYTES_LOG2 - 1)
# Four bytes that take the register from 0 to 0xFFFFFFFF, where a checksum starts.
START = np.frombuffer(bytes.fromhex("54641f64"), np.uint8)


def masked_crc32c(data: bytes) -> int:
    """The checksum as TensorFlow stores it: rotated and shifted, so that none is its own.

    Args:
        data: Any number of bytes.

    Reference: `crc32c::Mask` in TensorFlow and LevelDB.
    """
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + MASK_DELTA) & 0xFFFFFFFF


def crc32c(data: bytes) -> int:
    """The checksum of RFC 3720, appendix B.4: `crc32c(b"123456789") == 0xE3069283`.

    Args:
        data: Any number of bytes.
    """
    lanes = -(-(len(data) + 4) // (2 * WORDS))
    padded = np.zeros(lanes * 2 * WORDS, np.uint8)
    first = len(padded) - len(data)
    padded[first:] = np.frombuffer(data, np.uint8)
    padded[first - 4 : first] = START
    columns = np.ascontiguousarray(padded.view("<u2").reshape(lanes, WORDS).T)
    state = np.zeros(lanes, np.uint32)
    for column in columns:
        state = _two_bytes()[(state ^ column) & 0xFFFF] ^ (state >> 16)
    return _join(state) ^ 0xFFFFFFFF


def _join(lanes: np.ndarray) -> int:
    """The checksum of the whole from those of the lanes."""
    log2 = LANE_BYTES_LOG2
    while len(lanes) > 1:
        if len(lanes) % 2:
            lanes = np.insert(lanes, 0, 0)  # Zeros in front change no checksum.
        lanes = _apply(_zeros_behind(log2), lanes[::2]) ^ lanes[1::2]
        log2 += 1
    return int(lanes[0])


@cache
def _two_bytes() -> np.ndarray:
    """What sixteen steps of the shift register make of each of its lower halves."""
    return _shift(np.arange(2**16, dtype=np.uint32), 16)


@cache
def _zeros_behind(log2: int) -> np.ndarray:
    """Columns `[32]` of the matrix of `2**log2` zero bytes behind a message."""
    if log2 == 0:
        return _shift(np.uint32(1) << np.arange(32, dtype=np.uint32), 8)
    half = _zeros_behind(log2 - 1)
    return _apply(half, half)


def _shift(register: np.ndarray, num_bits: int) -> np.ndarray:
    for _ in range(num_bits):
        register = (register >> 1) ^ (register & 1) * np.uint32(POLYNOMIAL)
    return register


def _apply(columns: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """The product over GF(2) of a matrix of 32 columns and each of the vectors."""
    product = np.zeros_like(vectors)
    for bit in range(32):
        product ^= columns[bit] * ((vectors >> bit) & 1)
    return product
