import subprocess
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

from hpunet.imaging import reading
from hpunet.imaging.read import find_volumes
from hpunet.io.errors import UserError

GRAY = np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6)
ORIENTATION, PHOTOMETRIC = 274, 262


def save(path, image, **options):
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(path, **options)
    return path


def read_one(path, slices=None):
    (scan,) = find_volumes([path], slices).volumes
    return scan


def picture_of(path):
    (picture,) = read_one(path).pictures
    return picture


def refusal(path, slices=None):
    with pytest.raises(UserError) as refused:
        list(read_one(path, slices).pictures)
    message = str(refused.value)
    assert message.startswith(f"{path}: ")
    assert len(message.splitlines()) == 1
    return message


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.tiff", "a.PNG"])
def test_8_bit_gray_is_kept(tmp_path, name):
    scan = read_one(save(tmp_path / name, GRAY))
    (picture,) = scan.pictures
    np.testing.assert_array_equal(picture.values, GRAY[..., None])
    assert picture.values.dtype == np.float32
    assert (picture.window, picture.quantity, picture.spacing) == ((0, 255), "8-bit", None)
    assert (scan.name, scan.kind, scan.numbers, scan.geometry) == ("a", "picture", None, None)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_16_bit_gray_is_kept(tmp_path, name):
    stored = GRAY.astype(np.uint16) * 256 + 3
    picture = picture_of(save(tmp_path / name, stored))
    np.testing.assert_array_equal(picture.values[..., 0], stored)
    assert (picture.window, picture.quantity) == ((0, 65535), "16-bit")


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_12_bits_kept_in_16_have_no_window(tmp_path, name):
    stored = np.linspace(0, 4095, 24).astype(np.uint16).reshape(4, 6)
    picture = picture_of(save(tmp_path / name, stored))
    np.testing.assert_array_equal(picture.values[..., 0], stored)
    assert (picture.window, picture.quantity) == (None, "16-bit")


def test_big_endian_tiff_is_read(tmp_path):
    stored = GRAY.astype(np.uint16) * 256 + 3
    picture = picture_of(save(tmp_path / "a.tif", stored.astype(">u2")))
    np.testing.assert_array_equal(picture.values[..., 0], stored)
    assert (picture.window, picture.quantity) == ((0, 65535), "16-bit")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_with_white_as_zero_is_read_as_stored_with_a_note(tmp_path, dtype):
    stored = GRAY.astype(dtype)
    path = save(tmp_path / "a.tif", stored)
    raw = path.read_bytes()
    entry = PHOTOMETRIC.to_bytes(2, "little") + b"\x03\x00\x01\x00\x00\x00"
    assert raw.count(entry + b"\x01") == 1
    path.write_bytes(raw.replace(entry + b"\x01", entry + b"\x00"))
    scan = read_one(path)
    (picture,) = scan.pictures
    np.testing.assert_array_equal(picture.values[..., 0], stored)
    (note,) = scan.notes
    assert "stored with 0 as white" in note
    # Of 16 bits these few shades would be nearly black.
    assert picture.window == ((0, 255) if dtype == np.uint8 else None)


def test_1_bit_is_0_and_1(tmp_path):
    picture = picture_of(save(tmp_path / "a.png", GRAY > 100))
    np.testing.assert_array_equal(picture.values[..., 0], GRAY > 100)
    assert (picture.window, picture.quantity) == ((0, 1), "intensity")


@pytest.mark.parametrize(("factor", "window"), [(1, None), (1 / 255, (0, 1)), (-1 / 255, None)])
def test_float_tiff_has_a_window_only_as_fractions(tmp_path, factor, window):
    stored = (GRAY * factor).astype(np.float32)
    picture = picture_of(save(tmp_path / "a.tif", stored))
    np.testing.assert_array_equal(picture.values[..., 0], stored)
    assert (picture.window, picture.quantity) == (window, "intensity")


def test_signed_and_wide_integers_have_no_window(tmp_path):
    stored = GRAY.astype(np.int32) * 1000 - 500
    picture = picture_of(save(tmp_path / "a.tif", stored))
    np.testing.assert_array_equal(picture.values[..., 0], stored)
    assert (picture.window, picture.quantity) == (None, "intensity")


def as_palette():
    image = Image.fromarray(GRAY // 10)
    image.putpalette([level for index in range(24) for level in 3 * [index * 10]])
    return image


def with_alpha(value):
    return Image.fromarray(np.dstack([GRAY] * 3 + [np.full_like(GRAY, value)]))


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(np.dstack([GRAY] * 3)),
        with_alpha(255),
        with_alpha(255).convert("LA"),
        as_palette(),
    ],
    ids=["rgb", "rgba", "gray and alpha", "palette"],
)
def test_colours_that_are_gray_count_as_gray(tmp_path, image):
    picture = picture_of(save(tmp_path / "a.png", image))
    np.testing.assert_array_equal(picture.values, GRAY[..., None])


def test_colours_stay_colours(tmp_path):
    colours = np.dstack([GRAY, GRAY // 2, GRAY])
    picture = picture_of(save(tmp_path / "a.png", colours))
    np.testing.assert_array_equal(picture.values, colours)
    assert picture.window == (0, 255)


def test_jpeg_is_read(tmp_path):
    smooth = np.linspace(50, 200, 32 * 24, dtype=np.uint8).reshape(24, 32)
    picture = picture_of(save(tmp_path / "a.jpg", smooth, quality=95))
    # What JPEG loses of a smooth picture.
    np.testing.assert_allclose(picture.values[..., 0], smooth, atol=5)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg"])
def test_the_orientation_of_exif_is_applied_once(tmp_path, name):
    bright = np.zeros((16, 32), np.uint8)
    bright[:8, :8] = 255
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    shown = picture_of(save(tmp_path / name, bright, exif=exif)).values[..., 0]
    # Turned a quarter clockwise: the upper left comes to the upper right.
    assert shown.shape == (32, 16)
    np.testing.assert_array_equal(shown > 127, np.rot90(bright, -1) > 127)


def test_previews_of_cameras_are_no_pages(tmp_path):
    first, preview = Image.fromarray(GRAY), Image.fromarray(GRAY[:2])
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[preview])
    scan = read_one(tmp_path / "a.jpg")
    assert scan.pictures[0].values.shape == (4, 6, 1)


def test_contents_count_and_not_the_suffix(tmp_path):
    save(tmp_path / "a.png", GRAY)
    path = (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    np.testing.assert_array_equal(picture_of(path).values[..., 0], GRAY)


def save_pages(path, *pages):
    first, *others = [Image.fromarray(page) for page in pages]
    first.save(path, save_all=True, append_images=others)
    return path


def test_pages_of_a_tiff_are_a_volume(tmp_path):
    path = save_pages(tmp_path / "a.tif", GRAY, GRAY + 1, GRAY + 2)
    scan = read_one(path, "1:3")
    assert (scan.kind, scan.numbers) == ("picture", (1, 2))
    np.testing.assert_array_equal(scan.pictures[1].values[..., 0], GRAY + 2)
    with pytest.raises(UserError, match="is a volume of 3 slices: select some"):
        find_volumes([path])


def test_all_pages_share_one_window(tmp_path):
    path = save_pages(tmp_path / "a.tif", np.float32(GRAY / 255), np.float32(GRAY))
    assert {picture.window for picture in read_one(path, "all").pictures} == {None}
    wide = GRAY.astype(np.uint16) * 256
    path = save_pages(tmp_path / "b.tif", GRAY.astype(np.uint16), wide)
    assert {picture.window for picture in read_one(path, "all").pictures} == {(0, 65535)}


def test_pages_of_unlike_sizes_are_refused(tmp_path):
    path = save_pages(tmp_path / "a.tif", GRAY, GRAY[:2])
    assert "its pages differ in size, 4 x 6 and 2 x 6 pixels" in refusal(path, "all")


def test_animations_are_refused(tmp_path):
    path = save_pages(tmp_path / "a.png", GRAY, GRAY + 1)
    assert "is an animation of 2 images" in refusal(path)


def test_what_shines_through_is_refused(tmp_path):
    path = save(tmp_path / "a.png", with_alpha(254))
    assert "24 pixels are transparent" in refusal(path)


def test_transparent_gray_values_are_refused(tmp_path):
    path = save(tmp_path / "a.png", GRAY, transparency=50)
    assert "1 pixels are transparent" in refusal(path)


def test_print_colours_are_refused(tmp_path):
    path = save(tmp_path / "a.jpg", Image.fromarray(np.dstack([GRAY] * 3)).convert("CMYK"))
    assert "colours of kind CMYK; allowed are gray and RGB" in refusal(path)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg"])
def test_truncated_pictures_are_refused(tmp_path, name):
    noise = np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8)
    path = save(tmp_path / name, noise)
    raw = path.read_bytes()
    for length in (20, len(raw) // 2):
        path.write_bytes(raw[:length])
        assert "not a readable" in refusal(path)


def test_truncated_jpeg_in_tiff_is_refused(tmp_path):
    smooth = np.linspace(50, 200, 32 * 24, dtype=np.uint8).reshape(24, 32)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, smooth, compression="jpeg", photometric="minisblack")
    np.testing.assert_allclose(picture_of(path).values[..., 0], smooth, atol=10)
    # Its decoder fills a missing end with gray.
    path.write_bytes(path.read_bytes()[:-20])
    assert "1 of 1 strips or tiles are incomplete" in refusal(path)


def test_only_the_refusal_is_said_of_compressed_tiff(tmp_path, capfd):
    noise = np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8)
    path = save(tmp_path / "a.tif", noise, compression="tiff_lzw")
    raw = path.read_bytes()
    start = raw.index(b"\x80", 8)
    path.write_bytes(raw[:start] + b"\xff" * 300 + raw[start + 300 :])
    assert "not a readable" in refusal(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg"])
def test_pictures_are_read_where_stderr_is_closed(tmp_path, name):
    path = save(tmp_path / name, np.full((8, 8), 7, np.uint8))
    read = (
        "import sys; from hpunet.imaging.read import find_volumes; "
        "print(find_volumes([sys.argv[1]]).volumes[0].pictures[0].values.max())"
    )
    command = ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-c", read, str(path)]
    assert subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout == b"7.0\n"


@pytest.mark.parametrize("closed", [True, False])
def test_tiff_is_read_where_stderr_is_lost_later(tmp_path, monkeypatch, closed):
    path = save(tmp_path / "a.tif", GRAY)
    with (tmp_path / "log").open("w") as log:
        pass
    monkeypatch.setattr(sys, "stderr", log if closed else None)
    np.testing.assert_array_equal(picture_of(path).values[..., 0], GRAY)


def test_text_and_other_formats_are_refused(tmp_path):
    (tmp_path / "a.png").write_text("not a picture")
    assert "not a readable" in refusal(tmp_path / "a.png")
    save(tmp_path / "b.png", GRAY, format="WEBP")
    assert "not a readable" in refusal(tmp_path / "b.png")


def test_pictures_that_would_fill_the_memory_are_refused(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", GRAY)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    assert "exceeds limit of 20 pixels" in refusal(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    monkeypatch.setattr(reading, "MOST_PIXELS", 20)
    assert "has 4 x 6 pixels; allowed are 1 to 20 in all" in refusal(path)


def test_values_that_are_not_finite_are_counted(tmp_path):
    stored = GRAY.astype(np.float32)
    stored[1, :2] = -np.inf, np.inf
    path = save(tmp_path / "a.tif", stored)
    assert "2 values are infinite; allowed are finite numbers" in refusal(path)
    path = save_pages(tmp_path / "b.tif", np.float32(GRAY), stored)
    with pytest.raises(UserError, match=r"b\.tif: slice 1: 2 values are infinite"):
        list(read_one(path, "all").pictures)


@pytest.mark.parametrize("bits", [12, 16])
def test_jpeg_of_more_than_8_bits_is_named(tmp_path, bits):
    path = tmp_path / "x.jpg"
    picture = np.zeros((8, 8), np.uint8)
    Image.fromarray(picture).save(path)
    stream = bytearray(path.read_bytes())
    frame = stream.index(b"\xff\xc0")
    stream[frame + 1], stream[frame + 4] = 0xC1, bits
    path.write_bytes(stream)
    assert f"is a JPEG of {bits} bits, which Pillow cannot read" in refusal(path)
