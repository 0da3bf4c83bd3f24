"""LIDC crops: found in every form they come in, read back exactly, refused when bad."""

import functools
import gzip
import http.server
import io
import pathlib
import pickle
import struct
import tarfile
import threading
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from hpunet.data.lidc import builder as lidc
from hpunet.data.lidc import source as lidc_source
from hpunet.io import checksums
from hpunet.io.errors import UserError

SIZE = 8  # Pixels; `open_small` allows it.
Files = dict[str, bytes]


def png(pixels: np.ndarray, mode: str | None = None) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(file, "png")
    return file.getvalue()


def draw_image(seed: int, size: int = SIZE) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size, size), np.uint8)


def draw_mask(seed: int, size: int = SIZE) -> np.ndarray:
    return np.random.default_rng(1000 + seed).integers(0, 2, (size, size), np.uint8) * 255


def make_files(
    patients: tuple[str, ...], annotators: tuple[int, ...] = (0, 1), **size: int
) -> Files:
    """Two crops a patient, drawn from the patient's number, the masks also from the annotator's."""
    files = {}
    for patient in patients:
        for z in ("0.5", "-10.0"):
            seed = int(patient)
            files[f"images/{patient}/z-{z}_c0.png"] = png(draw_image(seed, **size))
            for annotator in annotators:
                name = f"gt/{patient}/z-{z}_c0_l{annotator}.png"
                files[name] = png(draw_mask(10 * seed + annotator, **size))
    return files


def tar(members: Files, *extra: tarfile.TarInfo) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for member in extra:
            archive.addfile(member)
    return file.getvalue()


def write_archive(folder: pathlib.Path, split: str, files: Files, lead: str | None = None) -> None:
    folder.mkdir(exist_ok=True)
    lead = f"{split}/" if lead is None else lead
    data = gzip.compress(tar({lead + name: data for name, data in files.items()}))
    (folder / f"{split}.tar.gz").write_bytes(data)


def write_folder(folder: pathlib.Path, files: Files) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


open_small = functools.partial(lidc.open_dataset, crop=(SIZE, SIZE))


@pytest.fixture
def source(tmp_path):
    return tmp_path / "source"


@pytest.fixture
def prepared(tmp_path):
    return tmp_path / "prepared"


def refusal(source: pathlib.Path, prepared: pathlib.Path) -> str:
    """The one line that preparing ends in, with nothing left that a later run takes for whole."""
    with pytest.raises(UserError) as caught:
        open_small(str(source), str(prepared))
    assert not list(prepared.rglob("dataset_info.json"))
    assert not list(prepared.rglob("*incomplete*"))
    message = str(caught.value)
    assert "\n" not in message
    return message


# What is taken.


@pytest.mark.parametrize("lead", ["train/", "./train/", "lidc_crops/train/", ""])
def test_an_archive_may_carry_a_leading_folder(source, prepared, lead):
    write_archive(source, "train", make_files(("1", "2")), lead)
    dataset = open_small(str(source), str(prepared))
    assert {split: len(items) for split, items in dataset.splits.items()} == {"train": 4}


def test_the_three_archives_are_the_three_splits(source, prepared):
    for split, patients in {"train": ("1", "2"), "val": ("3",), "test": ("4", "5", "6")}.items():
        write_archive(source, split, make_files(patients))
    dataset = open_small(str(source), str(prepared))
    assert dataset.name == "lidc"
    assert {split: len(items) for split, items in dataset.splits.items()} == {
        "train": 4,
        "val": 2,
        "test": 6,
    }
    assert {item["patient"] for item in dataset.splits["test"]} == {"4", "5", "6"}


@pytest.mark.parametrize("inside", ["", "lidc_crops"])
def test_unpacked_splits_are_taken(source, prepared, inside):
    write_folder(source / inside / "train", make_files(("1",)))
    write_folder(source / inside / "test", make_files(("2",)))
    dataset = open_small(str(source), str(prepared))
    assert set(dataset.splits) == {"train", "test"}


def test_a_folder_without_splits_is_train(source, prepared):
    write_folder(source, make_files(("1",)))
    assert set(open_small(str(source), str(prepared)).splits) == {"train"}


@pytest.mark.parametrize("annotators", [(0, 1, 2, 3), (1, 2, 3, 4), (0,), (1,)])
def test_annotators_counted_from_0_or_1_are_read_back_in_their_order(source, prepared, annotators):
    write_archive(source, "train", make_files(("7",), annotators))
    train = open_small(str(source), str(prepared)).splits["train"]
    for item in train:
        assert item["patient"] == "7"
        np.testing.assert_array_equal(item["image"], draw_image(7)[..., None])
        masks = np.stack([draw_mask(70 + annotator) for annotator in annotators]) // 255
        np.testing.assert_array_equal(item["annotations"], masks)
        assert item["image"].dtype == item["annotations"].dtype == np.uint8
    assert {item["name"] for item in train} == {"z-0.5_c0", "z--10.0_c0"}


def test_crops_of_different_sizes_are_cut_to_the_centre_that_all_have(source, prepared):
    files = make_files(("1",))
    wide = np.tile(np.arange(SIZE + 5, dtype=np.uint8), (SIZE, 1))
    files["images/2/z-1_c0.png"] = png(wide)
    for annotator in (0, 1):
        files[f"gt/2/z-1_c0_l{annotator}.png"] = png(255 * (wide % 2))
    write_folder(source, files)
    train = open_small(str(source), str(prepared)).splits["train"]
    assert {item["image"].shape for item in train} == {(SIZE, SIZE, 1)}
    cut = next(item for item in train if item["patient"] == "2")
    np.testing.assert_array_equal(cut["image"][0, :, 0], np.arange(2, SIZE + 2))
    np.testing.assert_array_equal(
        cut["annotations"][:, 0], np.tile(np.arange(2, SIZE + 2) % 2, (2, 1))
    )


@pytest.mark.parametrize(
    "name", ["z-105.0_c0", "z12.5_c0", "z--10.0_c1", "z_12_c0", "z+3_c2", "z012_c10", "z1e-3_c0"]
)
def test_any_text_may_be_behind_the_z(source, prepared, name):
    files = make_files(("1",))
    files[f"images/1/{name}.png"] = png(draw_image(5))
    for annotator in (0, 1):
        files[f"gt/1/{name}_l{annotator}.png"] = png(draw_mask(5))
    write_folder(source, files)
    train = open_small(str(source), str(prepared)).splits["train"]
    assert len(train) == 3
    assert name in {item["name"] for item in train}


@pytest.mark.parametrize("archived", [True, False])
def test_stray_files_are_ignored(source, prepared, archived):
    files = make_files(("1",))
    for name in ("images/1/.DS_Store", "gt/1/._z-0.5_c0_l0.png", "gt/Thumbs.db", "ATTRIBUTION.txt"):
        files[name] = b"stray"
    if archived:
        write_archive(source, "train", {**files, "__MACOSX/images/1/z-0.5_c0.png": b"stray"})
    else:
        write_folder(source, files)
    assert len(open_small(str(source), str(prepared)).splits["train"]) == 2


def test_a_source_goes_to_another_process(source, prepared):
    write_folder(source, make_files(("1",)))
    train = open_small(str(source), str(prepared)).splits["train"]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(train))[0]["image"], train[0]["image"])


# Which copy is taken.


def test_another_data_dir_gets_a_copy_of_its_own(tmp_path, prepared):
    write_folder(tmp_path / "one", make_files(("1",)))
    write_folder(tmp_path / "two", make_files(("2",)))
    one = open_small(str(tmp_path / "one"), str(prepared))
    two = open_small(str(tmp_path / "two"), str(prepared))
    assert one.checksum != two.checksum
    assert one.splits["train"][0]["patient"] == "1"
    assert two.splits["train"][0]["patient"] == "2"


def test_the_same_data_elsewhere_are_not_prepared_again(tmp_path, prepared, monkeypatch):
    for place in ("one", "two"):
        write_folder(tmp_path / place, make_files(("1",)))
    one = open_small(str(tmp_path / "one"), str(prepared))
    monkeypatch.setattr(lidc, "load_split", None)  # Preparing would call it.
    assert open_small(str(tmp_path / "two"), str(prepared)).checksum == one.checksum


@pytest.mark.parametrize("archived", [True, False])
def test_changed_data_are_prepared_again(source, prepared, archived):
    files = make_files(("1",))
    write = functools.partial(write_archive, source, "train") if archived else write_folder
    write(files) if archived else write(source / "train", files)
    open_small(str(source), str(prepared))
    changed = np.full((SIZE, SIZE), 9, np.uint8)
    files["images/1/z-0.5_c0.png"] = png(changed)
    write(files) if archived else write(source / "train", files)
    train = open_small(str(source), str(prepared)).splits["train"]
    assert any((item["image"][..., 0] == changed).all() for item in train)


def test_another_version_of_the_builder_takes_no_older_copy(source, prepared, monkeypatch):
    write_folder(source, make_files(("1",)))
    open_small(str(source), str(prepared))
    newer = lidc.tfds.core.Version("99.0.0")
    monkeypatch.setattr(lidc.Lidc, "VERSION", newer)
    assert open_small(str(source), str(prepared)).version == "99.0.0"
    assert len(list(prepared.rglob("dataset_info.json"))) == 2


def test_settled_files_are_not_read_again_for_their_checksum(source, prepared, monkeypatch):
    write_folder(source, make_files(("1",)))
    splits = {"train": source}
    later = time.time() + 60
    monkeypatch.setattr(checksums.time, "time", lambda: later)
    checksum = lidc_source.source_checksum(splits, prepared)
    monkeypatch.setattr(checksums, "_checksum", None)
    assert lidc_source.source_checksum(splits, prepared) == checksum


def test_files_changed_just_now_are_read_again_for_their_checksum(source, prepared):
    write_folder(source, make_files(("1",)))
    before = lidc_source.source_checksum({"train": source}, prepared)
    assert not prepared.exists()
    write_folder(source, make_files(("1",), (0, 1)) | {"gt/1/z-0.5_c0_l0.png": b"?"})
    assert lidc_source.source_checksum({"train": source}, prepared) != before


# What is refused.


def test_a_data_dir_that_does_not_exist_is_named(source, prepared):
    assert refusal(source, prepared) == f"data.dir={source}: no such folder"


def test_an_archive_given_as_data_dir_is_named(source, prepared):
    write_archive(source, "train", make_files(("1",)))
    assert "is a file, not a folder" in refusal(source / "train.tar.gz", prepared)


def test_a_data_dir_with_nothing_known_says_what_it_may_hold(source, prepared):
    write_folder(source, {"other/file.png": b""})
    assert "train.tar.gz" in refusal(source, prepared)


def test_a_prepared_dir_that_cannot_be_written_is_named(source, prepared):
    write_folder(source, make_files(("1",)))
    prepared.touch()
    assert f"{prepared}" in refusal(source, prepared)


BOTH = pytest.mark.parametrize("archived", [True, False], ids=["archive", "folder"])
IMAGE, MASK = "images/1/z-0.5_c0.png", "gt/1/z-0.5_c0_l1.png"


def short_png() -> bytes:
    """Sound chunks, but the pixels end too early."""
    whole = png(draw_image(0))
    rows = zlib.compress(b"\0" * (SIZE + 1) * (SIZE // 2))
    chunk = b"IDAT" + rows
    idat = struct.pack(">I", len(rows)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return whole[:33] + idat + whole[-12:]


def flipped_png() -> bytes:
    data = bytearray(png(draw_image(0)))
    data[len(data) // 2] ^= 1
    return bytes(data)


GRAY = draw_image(0)
BAD = {
    "an empty image": (IMAGE, b"", "is empty"),
    "a truncated image": (IMAGE, png(GRAY)[:-20], "is a truncated PNG"),
    "an image without its last chunk": (IMAGE, png(GRAY)[:-12], "is a truncated PNG"),
    "an image with a flipped bit": (IMAGE, flipped_png(), "is a corrupt PNG"),
    "an image with too few rows": (IMAGE, short_png(), "is a corrupt PNG"),
    "a truncated mask": (MASK, png(draw_mask(0))[:-20], "is a truncated PNG"),
    "another format": (IMAGE, b"GIF89a", "is no PNG"),
    "16 bits": (IMAGE, png(GRAY.astype(np.uint16)), "is 16-bit gray; allowed are 8-bit gray"),
    "1 bit": (MASK, png(GRAY, "1"), "is 1-bit gray; allowed are 8-bit gray"),
    "colour": (IMAGE, png(GRAY, "RGB"), "8-bit RGB; allowed are 8-bit gray"),
    "alpha": (IMAGE, png(GRAY, "LA"), "is 8-bit gray with alpha; allowed are 8-bit gray"),
    "a palette": (MASK, png(GRAY, "P"), "palette; allowed are 8-bit gray"),
    "a small mask": (
        MASK,
        png(draw_mask(0, 4)),
        "has 4 x 4 pixels (height x width), but its image has 8 x 8",
    ),
    "mask of 0 and 1": (MASK, png(np.eye(SIZE, dtype=np.uint8)), "0 and 255 only, not 1"),
    "gray mask": (MASK, png(np.arange(64, dtype=np.uint8).reshape(8, 8)), "1, 2, 3, 4, 5, ..."),
    "an unknown name": ("images/1/slice.png", png(GRAY), "name fits neither"),
    "another file": ("images/1/z-0.5_c1.jpg", b"", "name fits neither"),
    "a file too deep": ("images/1/1/z-0.5_c0.png", png(GRAY), "name fits neither"),
    "a mask alone": ("gt/1/z-3_c0_l0.png", png(GRAY), "mask without its image images/1/z-3_c0.png"),
    "an image alone": ("images/1/z-3_c0.png", png(GRAY), "without the mask of annotator l0, l1"),
    "a mask too many": ("gt/1/z-0.5_c0_l2.png", png(GRAY), "has a mask of annotator l2"),
}


@BOTH
@pytest.mark.parametrize("bad", BAD)
def test_a_bad_file_is_named_with_what_is_wrong(source, prepared, bad, archived):
    name, data, problem = BAD[bad]
    files = make_files(("1", "2")) | {name: data}
    write_archive(source, "train", files) if archived else write_folder(source / "train", files)
    message = refusal(source, prepared)
    place = f"{source}/train.tar.gz: " if archived else f"{source}/train/"
    culprit = name.replace("gt/", "images/").replace("_l2", "") if "many" in bad else name
    assert message.startswith(f"{place}{culprit}: ")
    assert problem in message


@pytest.mark.parametrize(("first", "lost"), [(0, 0), (0, 1), (1, 1), (1, 3)])
def test_an_image_without_one_of_its_masks_is_named_with_the_annotator(
    source, prepared, first, lost
):
    files = make_files(("1", "2"), tuple(range(first, first + 4)))
    del files[f"gt/1/z-0.5_c0_l{lost}.png"]
    write_folder(source, files)
    expected = f"{source}/images/1/z-0.5_c0.png: image without the mask of annotator l{lost}"
    assert refusal(source, prepared) == expected


def test_all_splits_have_the_same_number_of_annotators(source, prepared):
    write_archive(source, "train", make_files(("1", "2"), (0, 1)))
    write_archive(source, "test", make_files(("3",), (0,)))
    assert refusal(source, prepared).endswith(
        "test.tar.gz: images/3/z--10.0_c0.png: image without the mask of annotator l1"
    )


def test_a_annotator_whom_all_skip_is_missed(source, prepared):
    write_folder(source, make_files(("1",), (0, 2)))
    assert "without the mask of annotator l1" in refusal(source, prepared)


def test_annotators_counted_from_2_are_refused(source, prepared):
    write_folder(source, make_files(("1",), (2, 3)))
    assert "counted from l0 or l1, but here from l2" in refusal(source, prepared)


def test_images_without_any_masks_are_refused(source, prepared):
    write_folder(source, {IMAGE: png(GRAY)})
    assert f"{IMAGE}: image without the mask of annotator l0" in refusal(source, prepared)


def test_a_patient_in_two_splits_is_refused(source, prepared):
    write_archive(source, "train", make_files(("1", "2")))
    write_archive(source, "test", make_files(("2", "3")))
    assert "patient '2' is in two splits, train and test" in refusal(source, prepared)


def test_crops_that_are_too_small_are_refused_also_when_prepared_before(source, prepared):
    write_folder(source, make_files(("1",), size=40) | make_files(("2",), size=30))
    open_small(str(source), str(prepared))
    with pytest.raises(UserError, match=r"images/2/\S*: has 30 x 30 pixels \(height x width\)"):
        lidc.open_dataset(str(source), str(prepared), crop=(32, 32))
    with pytest.raises(UserError, match=r"smaller than data.crop=\(128, 128\)"):
        lidc.open_dataset(str(source), str(prepared))


def test_height_and_width_are_compared_with_those_of_the_crop(source, prepared):
    files = make_files(("1",), size=40)
    for name in files:
        files[name] = png(np.zeros((40, 30), np.uint8))
    write_folder(source, files)
    lidc.open_dataset(str(source), str(prepared), crop=(40, 30))
    for crop in ((30, 40), (41, 8)):
        with pytest.raises(UserError, match=r"has 40 x 30 pixels \(height x width\), smaller than"):
            lidc.open_dataset(str(source), str(prepared), crop=crop)


def test_crop_must_fit_into_the_part_that_all_images_have(source, prepared):
    files = make_files(("1", "2"))
    for name in files:
        shape = (40, 30) if name.split("/")[1] == "1" else (20, 50)
        files[name] = png(np.zeros(shape, np.uint8))
    write_folder(source, files)
    lidc.open_dataset(str(source), str(prepared), crop=(20, 30))
    with pytest.raises(UserError, match=r"all images of lidc have: has 20 x 30 pixels"):
        lidc.open_dataset(str(source), str(prepared), crop=(8, 32))


@BOTH
def test_an_empty_split_is_refused(source, prepared, archived):
    write_archive(source, "train", make_files(("1",)))
    if archived:
        write_archive(source, "val", {"README": b"nothing here"})
    else:
        (source / "val" / "images").mkdir(parents=True)
    place = source / ("val.tar.gz" if archived else "val")
    assert refusal(source, prepared).startswith(f"{place}: holds no images")


def test_an_archive_cut_short_is_refused_wherever_the_cut_falls(source, prepared):
    write_archive(source, "train", make_files(("1",)))
    archive = source / "train.tar.gz"
    whole = archive.read_bytes()
    for length in (len(whole) // 2, len(whole) - 1, len(whole) - 8):
        archive.write_bytes(whole[:length])
        assert refusal(source, prepared) == f"{archive}: archive is cut short; download it again"
    # Packed again after a cut in a file, behind one, and between two.
    data = tar({"images/1/z-1_c0.png": png(GRAY), "gt/1/z-1_c0_l0.png": png(draw_mask(0))})
    used = len(data.rstrip(b"\0"))
    for length in (used - 5, used + 5, used + -used % tarfile.BLOCKSIZE):
        archive.write_bytes(gzip.compress(data[:length]))
        assert refusal(source, prepared) == f"{archive}: archive is cut short; download it again"


def test_an_archive_damaged_or_of_another_kind_is_refused(source, prepared):
    source.mkdir()
    archive = source / "train.tar.gz"
    data = tar({"a": b"1" * 512, "b": b"2" * 512})
    broken_header = data[:1024] + b"?" * 512 + data[1536:]
    for contents in (b"", b"no archive", gzip.compress(b"no tar" * 200), data):
        archive.write_bytes(contents)
        assert "archive is c" in refusal(source, prepared)
    archive.write_bytes(gzip.compress(broken_header))
    assert "archive is corrupt" in refusal(source, prepared)


@pytest.mark.parametrize("name", ["../evil.png", "/etc/evil.png", "train/images/../../../evil"])
def test_an_archive_with_paths_that_lead_outside_is_refused(source, prepared, name):
    write_archive(source, "train", make_files(("1",)) | {name: b"evil"}, lead="")
    assert refusal(source, prepared) == (
        f"{source}/train.tar.gz: member {name!r} leads outside the archive"
    )


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_an_archive_with_links_or_devices_is_refused(source, prepared, kind):
    member = tarfile.TarInfo("images/1/z-9_c0.png")
    member.type, member.linkname = kind, "/etc/passwd"
    source.mkdir()
    (source / "train.tar.gz").write_bytes(gzip.compress(tar(make_files(("1",)), member)))
    assert "'images/1/z-9_c0.png' is neither a file nor a folder" in refusal(source, prepared)


def test_an_archive_of_another_split_is_refused(source, prepared):
    write_archive(source, "train", make_files(("1",)), lead="lidc_crops/test/")
    assert "holds the split 'test', not 'train'" in refusal(source, prepared)


def test_an_archive_with_two_data_sets_is_refused(source, prepared):
    files = make_files(("1",))
    both = {f"{lead}/{name}": data for lead in ("a", "b") for name, data in files.items()}
    write_archive(source, "train", both, lead="")
    assert "in more than one folder: 'a', 'b'" in refusal(source, prepared)


# What is downloaded.


class Server(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; promises more of `val` than it sends where `breaks_off`."""

    breaks_off = False
    requests: list[str] = []  # noqa: RUF012

    def do_GET(self):
        self.requests.append(self.path)
        super().do_GET()

    def send_header(self, keyword, value):
        if self.breaks_off and keyword == "Content-Length" and "val" in self.path:
            value = str(int(value) + 100)
        super().send_header(keyword, value)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(source, monkeypatch):
    for split, patient in {"train": "1", "val": "2", "test": "3"}.items():
        write_archive(source, split, make_files((patient,)))
    handler = type("Handler", (Server,), {"requests": []})
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=str(source))
    ) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("no_proxy", "*")
        monkeypatch.setattr(lidc_source, "URL", f"http://127.0.0.1:{listening.server_port}")
        yield handler
        listening.shutdown()
        thread.join()


def test_without_data_dir_the_archives_are_downloaded_once(server, prepared):
    dataset = open_small(None, str(prepared))
    assert set(dataset.splits) == {"train", "val", "test"}
    assert open_small(None, str(prepared)).checksum == dataset.checksum
    assert server.requests == ["/train.tar.gz", "/val.tar.gz", "/test.tar.gz"]


def test_a_download_that_breaks_off_is_named_and_goes_on_the_next_time(server, prepared):
    server.breaks_off = True
    with pytest.raises(UserError, match=r"/val\.tar\.gz: the download ended after \d+ of \d+"):
        open_small(None, str(prepared))
    assert not list(prepared.rglob("*val*"))
    server.breaks_off = False
    assert len(open_small(None, str(prepared)).splits["val"]) == 2
    assert server.requests.count("/train.tar.gz") == 1


def test_a_failed_download_names_url_and_data_dir(server, source, prepared):
    (source / "train.tar.gz").unlink()
    with pytest.raises(UserError, match=r"^http\S*/train\.tar\.gz: [^\n]*not found[^\n]*data\.dir"):
        open_small(None, str(prepared))


def test_an_unreachable_network_names_url_and_data_dir(prepared, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(lidc_source, "URL", "http://127.0.0.1:1")
    with pytest.raises(UserError, match=r"^http\S*/train\.tar\.gz: [^\n]*data\.dir"):
        open_small(None, str(prepared))
