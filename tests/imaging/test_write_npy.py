import numpy as np
import pytest

from hpunet.imaging.volume import Volume
from hpunet.imaging.write import write_npy
from tests.imaging.drawn import STD_ROUNDING, draw_maps, std_over


def arrays_of(tmp_path, maps, numbers=None):
    scan = Volume("image", tmp_path, "picture", [None] * maps.samples.shape[1], numbers)
    return {path.stem: np.load(path) for path in write_npy(tmp_path, scan, maps)}


def test_a_picture_has_no_axis_of_slices(tmp_path):
    maps = draw_maps()
    found = arrays_of(tmp_path, maps)
    assert list(found) == ["samples", "mean", "std", "entropy"]
    np.testing.assert_array_equal(found["samples"], maps.samples[:, 0])
    np.testing.assert_array_equal(found["mean"], maps.mean[0, 0])
    np.testing.assert_allclose(found["std"], std_over(maps)[0, 0], rtol=0, atol=STD_ROUNDING)
    np.testing.assert_array_equal(found["entropy"], maps.entropy[0])
    assert [values.dtype for values in found.values()] == [np.uint8, *[np.float32] * 3]


@pytest.mark.parametrize("numbers", [(4,), (4, 5)])
def test_slices_of_a_volume_have_an_axis_however_few(tmp_path, numbers):
    maps = draw_maps(num_slices=len(numbers))
    found = arrays_of(tmp_path, maps, numbers)
    np.testing.assert_array_equal(found["samples"], maps.samples)
    np.testing.assert_array_equal(found["mean"], maps.mean[0])
    np.testing.assert_array_equal(found["entropy"], maps.entropy)


def test_several_classes_have_an_axis(tmp_path):
    maps = draw_maps(num_classes=4)
    found = arrays_of(tmp_path, maps)
    np.testing.assert_array_equal(found["mean"], maps.mean[:, 0])
    np.testing.assert_allclose(found["std"], std_over(maps)[:, 0], rtol=0, atol=STD_ROUNDING)
    np.testing.assert_array_equal(found["entropy"], maps.entropy[0])


def test_samples_may_lie_in_a_file(tmp_path):
    maps = draw_maps()
    lying = np.lib.format.open_memmap(
        tmp_path / "drawn.npy", mode="w+", dtype=np.uint8, shape=maps.samples.shape
    )
    lying[:] = maps.samples
    found = arrays_of(tmp_path, maps._replace(samples=lying))
    np.testing.assert_array_equal(found["samples"], maps.samples[:, 0])
