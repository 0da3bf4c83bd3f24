import numpy as np
import pytest
from PIL import Image

from hpunet.imaging.volume import Volume
from hpunet.imaging.write_png import write_png
from tests.imaging.drawn import draw_maps, std_over

# Half a step of 16 bits, and of float32 in between.
STEP = 0.51 / 65535


def scan_of(tmp_path, numbers=None):
    return Volume("image", tmp_path / "image.png", "picture", [None] * len(numbers or [0]), numbers)


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_two_classes_are_black_and_white(tmp_path):
    maps = draw_maps()
    written = write_png(tmp_path, scan_of(tmp_path), maps, "told")
    assert [path.name for path in written] == [
        "sample_001.png",
        "sample_002.png",
        "sample_003.png",
        "mean.png",
        "std.png",
        "entropy.png",
    ]
    for path, sample in zip(written, maps.samples, strict=False):
        assert pixels(path).dtype == np.uint8
        np.testing.assert_array_equal(pixels(path), 255 * sample[0])


def test_maps_are_fractions_of_their_greatest_value(tmp_path):
    maps = draw_maps()
    write_png(tmp_path, scan_of(tmp_path), maps, "told")
    for name, values, most in [
        ("mean", maps.mean[0, 0], 1),
        ("std", std_over(maps)[0, 0], 0.5),
        ("entropy", maps.entropy[0], np.log(2)),
    ]:
        found = pixels(tmp_path / f"{name}.png")
        assert found.dtype == np.uint16
        np.testing.assert_allclose(found / 65535, values / most, rtol=0, atol=STEP)


def test_several_classes_are_labels_in_colours_of_their_own(tmp_path):
    maps = draw_maps(num_classes=4)
    write_png(tmp_path, scan_of(tmp_path), maps, "told")
    with Image.open(tmp_path / "sample_002.png") as image:
        np.testing.assert_array_equal(np.asarray(image), maps.samples[1, 0])
        shown = np.asarray(image.convert("RGB"))
    colours = [{tuple(pixel) for pixel in shown[maps.samples[1, 0] == k]} for k in range(4)]
    assert colours[0] == {(0, 0, 0)}
    assert all(len(colour) == 1 for colour in colours)
    assert len(set.union(*colours)) == 4
    found = pixels(tmp_path / "mean_class_3.png") / 65535
    np.testing.assert_allclose(found, maps.mean[2, 0], rtol=0, atol=STEP)
    found = pixels(tmp_path / "std_class_3.png") / 65535 * 0.5
    np.testing.assert_allclose(found, std_over(maps)[2, 0], rtol=0, atol=STEP)
    assert not (tmp_path / "mean.png").exists()


def test_every_slice_has_a_folder_with_its_number(tmp_path):
    maps = draw_maps(num_slices=2)
    write_png(tmp_path, scan_of(tmp_path, numbers=(12, 1034)), maps, "told")
    for index, name in enumerate(["slice_0012", "slice_1034"]):
        np.testing.assert_array_equal(
            pixels(tmp_path / name / "sample_003.png"), 255 * maps.samples[2, index]
        )


@pytest.mark.parametrize(("num_samples", "last"), [(999, "sample_999"), (1000, "sample_1000")])
def test_numbers_of_samples_have_as_many_digits_as_the_last(tmp_path, num_samples, last):
    maps = draw_maps(num_samples=num_samples, size=(1, 1))
    names = [path.stem for path in write_png(tmp_path, scan_of(tmp_path), maps, "told")]
    assert names[num_samples - 1] == last
    assert {len(name) for name in names[:num_samples]} == {len(last)}


def test_files_say_how_they_came_about(tmp_path):
    write_png(tmp_path, scan_of(tmp_path), draw_maps(), "hpunet, seed=3")
    with Image.open(tmp_path / "entropy.png") as image:
        assert image.text["Description"] == "hpunet, seed=3"
