import shutil
from pathlib import Path

import numpy as np
import pytest

from hpunet.io.errors import UserError
from hpunet.weights.tensorflow.checkpoint_files import find_prefix
from hpunet.weights.tensorflow.index_table import masked_crc32c
from hpunet.weights.tensorflow.tensor_bundle import read_bundle
from tests import golden_reference
from tests.weights.bundle_writer import entry, field, write_bundle

CHECKPOINT = golden_reference.FOLDER / "tf_checkpoint_small" / "tf_graph_data.ckpt"
INDEX, DATA = ".index", ".data-00000-of-00001"
ARRAY = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture
def copied(tmp_path):
    folder = shutil.copytree(CHECKPOINT.parent, tmp_path / "copied")
    return folder / CHECKPOINT.name


def beside(prefix, suffix):
    return prefix.with_name(prefix.name + suffix)


def refusal(path, name="a"):
    with pytest.raises(UserError) as caught:
        read_bundle(path)[name]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def slow_crc32c(data):
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


def masked(crc):
    bits = f"{crc:032b}"
    return (int(bits[-15:] + bits[:-15], 2) + 0xA282EAD8) % 2**32


def test_checksum_is_that_of_the_standard():
    # RFC 3720, appendix B.4.
    assert masked_crc32c(bytes(32)) == masked(0x8A9136AA)
    assert masked_crc32c(b"\xff" * 32) == masked(0x62A8AB43)
    assert masked_crc32c(bytes(range(32))) == masked(0x46DD794E)
    assert masked_crc32c(b"") == masked(0)


@pytest.mark.parametrize("size", [1, 3, 4, 5, 507, 508, 509, 512, 1020, 1021, 1540, 5000])
def test_checksum_is_that_of_one_bit_after_the_other(size):
    data = np.random.default_rng(size).bytes(size)
    assert masked_crc32c(data) == masked(slow_crc32c(data))


def test_every_variable_of_tensorflows_checkpoint_is_equal_to_the_bit():
    values = np.load(golden_reference.FOLDER / "small.npz")
    expected = {n.removeprefix("var:"): values[n] for n in values if n.startswith("var:")}
    bundle = read_bundle(CHECKPOINT)
    assert bundle.keys() == expected.keys()
    for name, value in expected.items():
        assert (bundle[name].shape, bundle[name].dtype) == (value.shape, value.dtype)
        assert bundle[name].tobytes() == value.tobytes()


@pytest.mark.parametrize("given", ["", INDEX, DATA, "/..", "/../checkpoint"])
def test_prefix_files_and_folder_mean_the_same_checkpoint(given):
    path = Path(f"{CHECKPOINT}{given}") if ".." not in given else CHECKPOINT.parent
    path = path / "checkpoint" if given.endswith("checkpoint") else path
    assert find_prefix(path) == CHECKPOINT


def test_folder_that_was_moved_with_its_state_file_is_found(copied):
    state = copied.parent / "checkpoint"
    state.write_text('model_checkpoint_path: "/elsewhere/run/tf_graph_data.ckpt"\n')
    write_bundle(copied.with_name("older"), {"a": ARRAY})
    assert find_prefix(copied.parent) == copied
    state.unlink()
    with pytest.raises(UserError, match=r"it holds 2 checkpoints; allowed is one of older, tf_"):
        find_prefix(copied.parent)


def test_what_is_no_checkpoint_is_refused(tmp_path):
    (tmp_path / "text").write_text("no checkpoint")
    assert "text: no TensorFlow checkpoint" in refusal(tmp_path / "text")
    assert "none: no such checkpoint" in refusal(tmp_path / "none")
    assert "it holds no checkpoint" in refusal(tmp_path)
    assert "cannot be read: File name too long" in refusal(tmp_path / ("a" * 300))


def test_data_without_its_index_is_refused(copied):
    beside(copied, INDEX).unlink()
    message = refusal(beside(copied, DATA))
    assert f"{copied.name}.index: the checkpoint's index is missing" in message


def test_checkpoint_in_one_file_is_refused_as_the_old_format(copied):
    beside(copied, INDEX).rename(copied.with_name("model.ckpt"))
    assert "format V1; allowed is V2" in refusal(copied.with_name("model.ckpt"))


def test_several_data_files_are_read(tmp_path):
    rng = np.random.default_rng(0)
    types = (np.float32, np.float64, np.int32, np.int64, np.float16, np.uint8, np.bool_)
    variables = {f"v{i}": rng.integers(0, 2, (i, 3)).astype(t) for i, t in enumerate(types)}
    variables["scalar"] = np.float32(1.5)
    bundle = read_bundle(write_bundle(tmp_path / "several", variables, num_shards=3))
    assert list(bundle) == sorted(variables)
    for name, value in variables.items():
        np.testing.assert_array_equal(bundle[name], value, strict=True)


def test_missing_data_file_is_named_with_the_variable(tmp_path):
    prefix = write_bundle(tmp_path / "p", {"a": ARRAY, "b": ARRAY}, num_shards=2)
    beside(prefix, ".data-00001-of-00002").unlink()
    np.testing.assert_array_equal(read_bundle(prefix)["a"], ARRAY)
    assert "p.data-00001-of-00002: b cannot be read: No such file" in refusal(prefix, "b")


def test_truncated_data_file_is_named_with_the_variable(tmp_path):
    prefix = write_bundle(tmp_path / "p", {"a": ARRAY, "b": ARRAY})
    path = beside(prefix, DATA)
    path.write_bytes(path.read_bytes()[:-1])
    np.testing.assert_array_equal(read_bundle(prefix)["a"], ARRAY)
    assert f"p{DATA}: it ends before b: the file is truncated" in refusal(prefix, "b")


@pytest.mark.parametrize("size", [0, 1, 47, 48, 100, 5000, 10343])
def test_truncated_index_is_refused(copied, size):
    path = beside(copied, INDEX)
    path.write_bytes(path.read_bytes()[:size])
    assert f"{path}: no index of a checkpoint: it does not end like an index" in refusal(copied)


def test_flipped_bit_of_the_data_is_noticed(tmp_path):
    prefix = write_bundle(tmp_path / "p", {"a": ARRAY})
    path = beside(prefix, DATA)
    right = path.read_bytes()
    for bit in range(0, 8 * len(right), 9):
        path.write_bytes(flipped(right, bit))
        assert f"p{DATA}: the checksum of a is wrong" in refusal(prefix)


def test_flipped_bit_of_the_index_is_refused_or_changes_nothing(tmp_path):
    prefix = write_bundle(tmp_path / "p", {"a": ARRAY, "b/c": ARRAY[0]})
    path = beside(prefix, INDEX)
    right = path.read_bytes()
    num_refused = 0
    bits = range(0, 8 * len(right), 9)
    for bit in bits:
        path.write_bytes(flipped(right, bit))
        try:
            bundle = read_bundle(prefix)
        except UserError:
            num_refused += 1
        else:
            np.testing.assert_array_equal(bundle["a"], ARRAY)
            np.testing.assert_array_equal(bundle["b/c"], ARRAY[0])
    # What lies between the footer's two handles and its end is not read.
    assert num_refused > len(bits) - 70 * 8 / 9


def flipped(data, bit):
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_index_of_a_big_endian_machine_is_refused(tmp_path):
    prefix = write_bundle(tmp_path / "p", {"a": ARRAY}, header=field(2, 1))
    assert "p.index: no index of a checkpoint: highest byte first" in refusal(prefix)


def test_newer_format_is_refused(tmp_path):
    prefix = write_bundle(tmp_path / "p", {"a": ARRAY}, header=field(3, field(2, 2)))
    assert "it needs format 2; known is 1" in refusal(prefix)


def test_compressed_index_is_refused(tmp_path):
    prefix = write_bundle(tmp_path / "p", {"a": ARRAY}, compression=1)
    assert "it is compressed (snappy)" in refusal(prefix)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (entry(ARRAY) + field(7, b""), "a is cut into slices"),
        (entry(ARRAY, dtype=7), "a holds no numbers"),
        (entry(ARRAY, size=20), r"a has 20 bytes, which do not fit its shape (2, 3)"),
        (entry(ARRAY, shape=field(2, field(1, 2**40)) * 20), "a has 24 bytes, which do not fit"),
        (entry(ARRAY, offset=2**60), "it ends before a: the file is truncated"),
        (entry(ARRAY, shard=9), "a cannot be read: No such file"),
        (entry(ARRAY, shape=field(2, field(1, 2**64 - 1))), "a number below 0"),
        (entry(ARRAY, shape=field(2, b"") * 100), "a variable has 100 axes; allowed are 32"),
        (entry(ARRAY, shape=field(2, 7)), "an entry has a number where it may not"),
        (entry(ARRAY, shard=b"text"), "an entry has text"),
        (entry(ARRAY)[:-2], "an entry is cut off"),
        (b"\xff" * 30, "a number has no end, or more than 64 bits"),
        (b"\xff", "a number has no end"),
        (b"\x0b", "an entry is cut off, or none"),
    ],
)
def test_entry_that_lies_is_refused_and_nothing_of_its_size_allocated(tmp_path, raw, message):
    prefix = write_bundle(tmp_path / "p", {"a": ARRAY}, entries={"a": raw})
    assert message in refusal(prefix)


def test_slices_of_partitioned_variables_are_no_variables(tmp_path):
    prefix = write_bundle(tmp_path / "p", {"a": ARRAY}, entries={"\0slice": entry(ARRAY)})
    assert list(read_bundle(prefix)) == ["a"]


def test_name_of_several_lines_is_shown_in_one(tmp_path):
    prefix = write_bundle(tmp_path / "p", {"a\n\x1b[2J": ARRAY})
    assert list(read_bundle(prefix)) == [r"a\n\x1b[2J"]
