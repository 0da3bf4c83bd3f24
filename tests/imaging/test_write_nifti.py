import itertools

import numpy as np
import pytest

from hpunet.imaging.nifti import NiftiGeometry
from hpunet.imaging.volume import Orientation, Volume
from hpunet.imaging.write_nifti import write_nifti
from tests.imaging.drawn import STD_ROUNDING, draw_maps, maps_of, std_over

nibabel = pytest.importorskip("nibabel")

ORIENTATIONS = [Orientation(*turns) for turns in itertools.product([False, True], repeat=3)]
# nibabel keeps a qform as a quaternion of float32.
QUATERNION = 1e-5
# Turned a little about the third axis, spacing 0.5, 0.75 and 2 mm.
AFFINE = np.array(
    [[-0.48, 0.21, 0.0, 40.0], [-0.14, -0.72, 0.0, 55.0], [0.0, 0.0, 2.0, -90.0], [0, 0, 0, 1.0]]
)


def geometry_of(shape, axis=2, view=Orientation(), sform_code=4, qform_code=3, qform=AFFINE):  # noqa: B008
    return NiftiGeometry(AFFINE, shape, axis, view, ("mm", "sec"), sform_code, qform_code, qform)


def write(folder, maps, geometry, numbers, text="told"):
    folder.mkdir(exist_ok=True)
    scan = Volume(
        "head", folder / "head.nii", "nifti", [None] * len(numbers or [0]), numbers, geometry
    )
    return write_nifti(folder, scan, maps, text)


def voxels(path):
    return np.asarray(nibabel.load(path).dataobj)


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("view", ORIENTATIONS)
def test_masks_lie_where_they_were_seen(tmp_path, view, axis):
    stored = np.random.default_rng(1).integers(0, 2, (2, 4, 5, 6), dtype=np.uint8)
    numbers = (0, 3)
    chosen = np.moveaxis(stored, axis + 1, 1)[:, list(numbers)]
    shown = np.stack([[view.show(plane) for plane in sample] for sample in chosen])
    write(tmp_path, maps_of(shown, 2), geometry_of((4, 5, 6), axis, view), numbers)
    for number in (1, 2):
        found = voxels(tmp_path / f"sample_{number:03d}.nii.gz")
        expected = np.zeros((4, 5, 6), np.uint8)
        planes = np.moveaxis(expected, axis, 0)
        planes[list(numbers)] = np.moveaxis(stored[number - 1], axis, 0)[list(numbers)]
        np.testing.assert_array_equal(found, expected)


def test_affines_codes_and_units_are_the_sources(tmp_path):
    other = np.diag([0.5, 0.75, 2.0, 1.0])
    write(tmp_path, draw_maps(size=(5, 4)), geometry_of((5, 4, 6), qform=other), (2,))
    for path in tmp_path.glob("*.nii.gz"):
        image = nibabel.load(path)
        np.testing.assert_allclose(image.affine, AFFINE, rtol=0, atol=QUATERNION)
        sform, sform_code = image.get_sform(coded=True)
        qform, qform_code = image.get_qform(coded=True)
        assert (int(sform_code), int(qform_code)) == (4, 3)
        np.testing.assert_allclose(sform, AFFINE, rtol=0, atol=QUATERNION)
        np.testing.assert_allclose(qform, other, rtol=0, atol=QUATERNION)
        assert image.header.get_xyzt_units() == ("mm", "sec")


def test_a_qform_alone_stays_alone(tmp_path):
    rigid = np.diag([-0.5, -0.75, 2.0, 1.0])
    geometry = geometry_of((5, 4, 6), sform_code=0, qform=rigid)._replace(affine=rigid)
    write(tmp_path, draw_maps(size=(5, 4)), geometry, (2,))
    image = nibabel.load(tmp_path / "mean.nii.gz")
    assert image.get_sform(coded=True)[1] == 0
    np.testing.assert_allclose(image.affine, rigid, rtol=0, atol=QUATERNION)


def test_without_any_form_spacing_alone_says_where_voxels_are(tmp_path):
    source = nibabel.Nifti1Image(np.zeros((5, 4, 6)), np.diag([0.5, 0.75, 2.0, 1.0]))
    source.set_sform(None, 0)
    source.set_qform(None, 0)
    affine = source.header.get_best_affine()
    geometry = geometry_of((5, 4, 6), sform_code=0, qform_code=0, qform=None)
    write(tmp_path, draw_maps(size=(5, 4)), geometry._replace(affine=affine), (2,))
    image = nibabel.load(tmp_path / "sample_001.nii.gz")
    np.testing.assert_allclose(image.affine, affine, rtol=0, atol=QUATERNION)
    assert image.get_sform(coded=True)[1] == image.get_qform(coded=True)[1] == 0


def test_a_marked_voxel_has_the_sources_place_in_the_patient(tmp_path):
    samples = np.zeros((1, 1, 5, 4), np.uint8)
    samples[0, 0, 3, 1] = 1
    write(tmp_path, maps_of(samples, 2), geometry_of((5, 4, 6)), (2,))
    image = nibabel.as_closest_canonical(nibabel.load(tmp_path / "sample_001.nii.gz"))
    marked = np.argwhere(np.asarray(image.dataobj))
    assert len(marked) == 1
    np.testing.assert_allclose(
        nibabel.affines.apply_affine(image.affine, marked[0]),
        nibabel.affines.apply_affine(AFFINE, (3, 1, 2)),
        rtol=0,
        atol=QUATERNION,
    )


def test_maps_are_exact(tmp_path):
    maps = draw_maps(num_slices=2, size=(5, 4))
    write(tmp_path, maps, geometry_of((5, 4, 6)), (4, 1))
    for name, values, rounding in [
        ("mean", maps.mean[0], 0),
        ("std", std_over(maps)[0], STD_ROUNDING),
        ("entropy", maps.entropy, 0),
    ]:
        found = voxels(tmp_path / f"{name}.nii.gz")
        assert found.dtype == np.float32
        np.testing.assert_allclose(found[..., 4], values[0], rtol=0, atol=rounding)
        np.testing.assert_allclose(found[..., 1], values[1], rtol=0, atol=rounding)
        assert not found[..., [0, 2, 3, 5]].any()


def test_several_classes_are_labels_with_maps_of_their_own(tmp_path):
    maps = draw_maps(num_classes=4, size=(5, 4))
    write(tmp_path, maps, geometry_of((5, 4, 6)), (0,))
    found = nibabel.load(tmp_path / "sample_001.nii.gz")
    np.testing.assert_array_equal(np.asarray(found.dataobj)[..., 0], maps.samples[0, 0])
    assert found.get_data_dtype() == np.uint8
    assert found.header["cal_max"] == 3
    for label in (1, 2, 3):
        of_class = voxels(tmp_path / f"std_class_{label}.nii.gz")[..., 0]
        expected = std_over(maps)[label - 1, 0]
        np.testing.assert_allclose(of_class, expected, rtol=0, atol=STD_ROUNDING)


def test_an_image_in_the_plane_gives_one(tmp_path):
    maps = draw_maps(size=(5, 4))
    write(tmp_path, maps, geometry_of((5, 4)), None)
    np.testing.assert_array_equal(voxels(tmp_path / "sample_001.nii.gz"), maps.samples[0, 0])


def test_same_maps_give_the_same_bytes_anywhere(tmp_path):
    maps = draw_maps(size=(5, 4))
    for folder in ("a", "b"):
        write(tmp_path / folder, maps, geometry_of((5, 4, 6)), (2,))
    for path in (tmp_path / "a").iterdir():
        # Neither a time of writing nor a name lies in the compressed file's header.
        assert path.read_bytes()[3:8] == bytes(5)
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_header_says_how_files_came_about(tmp_path):
    write(tmp_path, draw_maps(size=(5, 4)), geometry_of((5, 4, 6)), (2,), text="seed=3 " * 20)
    header = nibabel.load(tmp_path / "entropy.nii.gz").header
    assert header["descrip"].item().decode() == ("seed=3 " * 20)[:79]
    assert header["cal_max"] == np.float32(np.log(2))
