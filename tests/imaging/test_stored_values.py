"""Whatever a writer puts into a file is read as written, or refused; never as something else."""

import itertools
import struct
import zlib

import imagecodecs
import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile
from PIL import Image

from hpunet.imaging.formats import open_file
from hpunet.imaging.labels import labels_of, open_masks
from hpunet.imaging.png import SIGNATURE
from hpunet.imaging.volume import IMAGE, MASK, ReadMode
from hpunet.io.errors import UserError

HEIGHT, WIDTH = 20, 18
TYPES = (
    *("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
    *("float16", "float32", "float64", "complex64"),
)
# What float32 holds exactly; NumPy's largest integers are among the others.
EXACT = 2**24


def values_of(dtype, shape, rng):
    """Values that fill the range of a type, as far as images of float32 can hold them."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.3
    if dtype.kind in "fc":
        return rng.normal(0, 100, shape).astype(np.float16).astype(dtype)
    info = np.iinfo(dtype)
    low, high = max(info.min, -EXACT), min(info.max, EXACT)
    return rng.integers(low, high, shape, dtype=dtype, endpoint=True)


def read(path, mode):
    """The planes of a file `[N, H, W, C]`, or None if it is refused with one line."""
    refusal = ""
    try:
        volume = open_file(path, mode)
        planes = np.stack([picture.values for picture in volume.pictures])
    except UserError as error:
        refusal = str(error)
    if refusal:
        assert len(refusal.splitlines()) == 1
        assert refusal.startswith(str(path))
        return None
    return planes.reshape(*planes.shape[:3], -1)


def assert_read_as_written(path, written, modes=(IMAGE, MASK)):
    """Args: the file, its planes with channels last `[N, H, W, C]`, and how it is read."""
    outcomes = []
    for mode in modes:
        planes = read(path, mode)
        outcomes.append(planes is not None)
        if planes is None:
            continue
        if planes.shape[-1] < written.shape[-1]:
            # Equal channels become one, and opaque alpha is left out, as is that of masks.
            colours = max(planes.shape[-1], written.shape[-1] - 1)
            opaque = 1 if written.dtype.kind in "bf" else np.iinfo(written.dtype).max
            alpha = written[..., colours:]
            assert mode == MASK or (alpha == opaque).all() or (alpha == written[..., :1]).all()
            assert (planes == written[..., :colours]).all()
        else:
            np.testing.assert_array_equal(planes.astype(written.dtype), written)
    return outcomes


LAYOUTS = {
    "gray": ((HEIGHT, WIDTH), {"photometric": "minisblack"}),
    "white is zero": ((HEIGHT, WIDTH), {"photometric": "miniswhite"}),
    "default": ((HEIGHT, WIDTH), {}),
    "pages": ((5, HEIGHT, WIDTH), {"photometric": "minisblack"}),
    "two channels": ((HEIGHT, WIDTH, 2), {"photometric": "minisblack", "planarconfig": "contig"}),
    "RGB": ((HEIGHT, WIDTH, 3), {"photometric": "rgb"}),
    "RGB in planes": ((3, HEIGHT, WIDTH), {"photometric": "rgb", "planarconfig": "separate"}),
    "RGB and more": ((HEIGHT, WIDTH, 4), {"photometric": "rgb", "extrasamples": ["unspecified"]}),
    "five channels": ((HEIGHT, WIDTH, 5), {"photometric": "minisblack", "planarconfig": "contig"}),
    "tiles": ((HEIGHT, WIDTH), {"photometric": "minisblack", "tile": (16, 16)}),
    "strips": ((HEIGHT, WIDTH), {"photometric": "minisblack", "rowsperstrip": 7}),
    "big endian": ((HEIGHT, WIDTH), {"photometric": "minisblack", "byteorder": ">"}),
    "BigTIFF": ((HEIGHT, WIDTH), {"photometric": "minisblack", "bigtiff": True}),
    "series in one page": ((5, HEIGHT, WIDTH), {"photometric": "minisblack", "truncate": True}),
}
COMPRESSIONS = {
    "none": {},
    "LZW": {"compression": "lzw"},
    "LZW, differences": {"compression": "lzw", "predictor": True},
    "deflate": {"compression": "zlib"},
    "zstd": {"compression": "zstd"},
    "LZMA": {"compression": "lzma"},
    "PackBits": {"compression": "packbits"},
    "PNG": {"compression": "png"},
    "JPEG 2000": {"compression": "jpeg2000"},
    "JPEG XL": {"compression": "jpegxl"},
    "CCITT": {"compression": "ccitt_t6"},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_tiff_files_of_tifffile(tmp_path, layout):
    shape, options = LAYOUTS[layout]
    path = tmp_path / "image.tif"
    rng = np.random.default_rng(0)
    outcomes = {}
    for dtype, compression in itertools.product(TYPES, COMPRESSIONS):
        written = values_of(dtype, shape, rng)
        try:
            tifffile.imwrite(path, written, **options, **COMPRESSIONS[compression])
        except (ValueError, TypeError, RuntimeError, NotImplementedError, KeyError):
            continue  # tifffile cannot write it.
        if layout == "RGB in planes":
            # Planes of masks are masks of their own.
            assert_read_as_written(path, written[..., np.newaxis], [MASK])
            image = np.moveaxis(written, 0, -1)[np.newaxis]
            outcomes[dtype, compression] = assert_read_as_written(path, image, [IMAGE])
            continue
        planes = written.reshape(-1, HEIGHT, WIDTH, 1)
        if written.ndim == 3 and written.shape[:2] == (HEIGHT, WIDTH):
            planes = written[np.newaxis]
        outcomes[dtype, compression] = assert_read_as_written(path, planes)
    plain = {dtype for dtype, compression in outcomes if compression == "none"}
    assert plain >= {"uint8", "uint16", "float64"}


PILLOW_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I;16", "I", "F")
PILLOW_FILES = {
    "PNG": ("png", {}),
    "BMP": ("bmp", {}),
    "GIF": ("gif", {}),
    "TIFF": ("tif", {}),
    **{
        f"TIFF, {compression}": ("tif", {"compression": compression})
        for compression in (
            *("tiff_lzw", "tiff_deflate", "packbits", "group3", "group4", "zstd", "lzma"),
            "tiff_ccitt",
        )
    },
}


def pillow_image(mode, rng):
    """An image of a mode, and its values with channels last; of palettes the indices."""
    if mode == "1":
        values = rng.random((HEIGHT, WIDTH, 1)) < 0.3
        return Image.fromarray(values[..., 0]), values
    if mode in ("I;16", "I", "F"):
        dtype = {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]
        values = values_of(dtype, (HEIGHT, WIDTH, 1), rng)
        return Image.fromarray(values[..., 0]), values
    count = {"L": 1, "P": 1, "LA": 2, "PA": 2, "RGBA": 4, "CMYK": 4}.get(mode, 3)
    values = rng.integers(0, 256, (HEIGHT, WIDTH, count), np.uint8)
    image = Image.frombytes(mode, (WIDTH, HEIGHT), values.tobytes())
    if mode in ("P", "PA"):
        image.putpalette(rng.integers(0, 256, 768, np.uint8).tobytes())
    return image, values


@pytest.mark.parametrize("kind", PILLOW_FILES)
def test_files_of_pillow(tmp_path, kind):
    suffix, options = PILLOW_FILES[kind]
    path = tmp_path / f"image.{suffix}"
    rng = np.random.default_rng(0)
    outcomes = {}
    for mode in PILLOW_MODES:
        image, values = pillow_image(mode, rng)
        try:
            image.save(path, **options)
        except (OSError, ValueError, KeyError):
            continue  # Pillow cannot write it.
        if mode == "P":
            outcomes[mode] = assert_palette_read(path, image, values)
        elif mode == "RGBA" and kind == "BMP":
            # Pillow writes opacity without the header that says so.
            outcomes[mode] = assert_read_as_written(path, values[np.newaxis, ..., :3])
        elif not (kind == "GIF" and mode not in ("1", "L")):  # A GIF holds 256 colours.
            outcomes[mode] = assert_read_as_written(path, values[np.newaxis])
    assert all(outcomes[mode] == [True, True] for mode in {"1", "L", "P"} & outcomes.keys())
    assert outcomes


def assert_palette_read(path, image, indices):
    colours = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(read(path, IMAGE)[0], colours)
    masks = read(path, MASK)
    if path.suffix != ".gif":  # Pillow orders a palette anew there.
        np.testing.assert_array_equal(masks[0], indices)
    as_colours = read(path, ReadMode(mask=True, colours=True))
    np.testing.assert_array_equal(as_colours[0], colours)
    return [True, True]


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "gif"])
def test_files_of_imageio(tmp_path, suffix):
    path = tmp_path / f"image.{suffix}"
    rng = np.random.default_rng(0)
    outcomes = {}
    for dtype, channels in itertools.product(TYPES, (0, 1, 2, 3, 4)):
        values = values_of(dtype, (HEIGHT, WIDTH, *[channels][:channels]), rng)
        try:
            imageio.imwrite(path, values)
        except (OSError, ValueError, KeyError, TypeError):
            continue  # imageio cannot write it.
        if suffix == "gif" and (channels > 1 or dtype != "uint8"):
            continue  # A GIF holds 256 colours of 8 bits.
        written = values.reshape(1, HEIGHT, WIDTH, max(channels, 1))
        if suffix == "tif" and channels == 2:  # Pages of two columns.
            written = values.reshape(HEIGHT, WIDTH, 2, 1)
        if suffix != "gif" and not np.array_equal(
            imageio.imread(path).reshape(-1), written.reshape(-1)
        ):
            continue  # imageio writes other values, such as bool as 0 and 255.
        outcomes[dtype, channels] = assert_read_as_written(path, written)
    assert outcomes["uint8", 0] == [True, True]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_png_files_of_any_depth(tmp_path, channels, dtype):
    values = values_of(dtype, (HEIGHT, WIDTH, channels), np.random.default_rng(0))
    path = tmp_path / "image.png"
    path.write_bytes(imagecodecs.png_encode(np.squeeze(values)))
    assert assert_read_as_written(path, values[np.newaxis])[0] == (channels in (1, 3))


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_gray_levels_of_few_bits_are_not_stretched(tmp_path, bits):
    levels = np.random.default_rng(0).integers(0, 2**bits, (HEIGHT, WIDTH), np.uint8)
    path = tmp_path / "image.png"
    write_gray_png(path, levels, bits)
    np.testing.assert_array_equal(read(path, IMAGE)[0, ..., 0], levels)
    np.testing.assert_array_equal(read(path, MASK)[0, ..., 0], levels)
    assert open_file(path).pictures[0].window == (0, 2**bits - 1)


def write_gray_png(path, levels, bits):
    """A PNG file of gray levels with less than 8 bits, by the PNG specification, section 11."""
    place = np.arange(bits)[::-1]
    rows = np.packbits((levels[..., None] >> place & 1).reshape(len(levels), -1), axis=1)
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", levels.shape[1], levels.shape[0], bits, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(data)), (b"IEND", b""))
    path.write_bytes(
        SIGNATURE
        + b"".join(
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
            for name, body in chunks
        )
    )


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(HEIGHT, WIDTH), (5, HEIGHT, WIDTH), (HEIGHT, WIDTH, 3)])
def test_arrays_of_numpy(tmp_path, dtype, shape):
    values = values_of(dtype, shape, np.random.default_rng(0))
    is_colour = shape[-1] == 3
    planes = values[np.newaxis] if is_colour else values.reshape(-1, HEIGHT, WIDTH, 1)
    for name, save in (("a.npy", np.save), ("a.npz", np.savez)):
        save(tmp_path / name, values)
        image = read(tmp_path / name, IMAGE)
        assert (image is None) == (dtype == "complex64")
        if image is not None:
            np.testing.assert_array_equal(image.astype(values.dtype), planes)
        masks = read(tmp_path / name, MASK)
        # Three axes of masks are always [N, H, W].
        np.testing.assert_array_equal(masks[..., 0].reshape(shape), values)


@pytest.mark.parametrize("dtype", TYPES)
def test_nifti_files(tmp_path, dtype):
    nibabel = pytest.importorskip("nibabel")
    values = values_of(dtype, (5, 7, 3), np.random.default_rng(0))
    path = tmp_path / "a.nii.gz"
    try:
        nibabel.save(nibabel.Nifti1Image(values, np.diag([-1, -1, 1, 1])), path)
    except (ValueError, TypeError, nibabel.spatialimages.HeaderDataError):
        pytest.skip("nibabel cannot write it")
    planes = np.moveaxis(values, 2, 0).swapaxes(1, 2)[..., np.newaxis]
    assert assert_read_as_written(path, planes) == [dtype != "complex64"] * 2


@pytest.mark.parametrize("dtype", ["uint32", "int64", "uint64"])
@pytest.mark.parametrize("suffix", ["tif", "npy", "nii"])
def test_integers_that_float32_does_not_hold(tmp_path, dtype, suffix):
    values = np.full((HEIGHT, WIDTH, 1), 2**24 + 1, dtype)
    path = tmp_path / f"image.{suffix}"
    if suffix == "tif":
        tifffile.imwrite(path, values[..., 0])
    elif suffix == "npy":
        np.save(path, values[..., 0])
    else:
        nibabel = pytest.importorskip("nibabel")
        nibabel.save(nibabel.Nifti1Image(values, np.eye(4), dtype=dtype), path)
    with pytest.raises(UserError, match="holds integers up to 16,777,217; allowed are"):
        open_file(path).pictures[0]
    labels = labels_of(open_masks(path))
    assert (labels == 2**24 + 1).all()
