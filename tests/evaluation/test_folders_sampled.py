"""What `hpunet.sample` writes is scored as the samples that were drawn, in every format."""

import json

import numpy as np
import pytest
from PIL import Image

from hpunet.config.data import FolderConfig
from hpunet.evaluation.folders import open_folders
from hpunet.imaging.maps import Maps
from hpunet.imaging.read import find_volumes
from hpunet.imaging.write import write_maps
from hpunet.io.errors import UserError
from tests.evaluation.folder_files import png, write

HEIGHT, WIDTH, NUM_SLICES, NUM_SAMPLES = 6, 5, 4, 3
DESCRIBE = {"version": "0.1.0", "weights": "w", "seed": "0"}
AFFINES = {
    "as shown": np.diag([-0.7, -0.7, 2.0, 1.0]),
    "flipped": np.diag([0.7, 0.7, -2.0, 1.0]),
    "stored along another axis": np.array(
        [[0, -0.7, 0, 5], [0, 0, 0.7, 6], [2.0, 0, 0, 7], [0, 0, 0, 1]]
    )[[1, 0, 2, 3]],
}


def labels(*lead, seed=0, num_classes=2):
    rng = np.random.default_rng(seed)
    return rng.integers(0, num_classes, (*lead, HEIGHT, WIDTH), np.uint8)


def maps_of(samples, num_classes):
    shares = np.stack([(samples == k).mean(axis=0) for k in range(num_classes)])
    mean = shares[1:].astype(np.float32)
    return Maps(samples, mean, np.zeros(samples.shape[1:], np.float32), num_classes)


def write_results(
    place, image, samples, formats, num_classes=2, slices=None, record=True, plane="auto"
):
    """Writes samples `[S, N, H, W]` of an image or volume as the command does."""
    (volume,) = find_volumes([image], slices, plane=plane).volumes
    folder = place / volume.name
    folder.mkdir(parents=True)
    files = write_maps(folder, volume, maps_of(samples, num_classes), formats, DESCRIBE)
    numbers = [None] if volume.numbers is None else volume.numbers
    entry = {
        "name": volume.name,
        "files": [file.relative_to(place).as_posix() for file in files],
        "pictures": [{"slice": number} for number in numbers],
        "plane": getattr(volume.geometry, "plane", None),
    }
    (place / "index.html").write_text("")
    if record:
        content = {"format": "hpunet-samples-1", "images": [entry]}
        (place / "results.json").write_text(json.dumps(content))


def nifti(path, stored, affine):
    nibabel = pytest.importorskip("nibabel")
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.Nifti1Image(stored, affine).to_filename(path)


def scored(place, annotations, **options):
    return list(open_folders(place / "out", annotations, **options))


@pytest.mark.parametrize("record", [True, False])
@pytest.mark.parametrize("num_classes", [2, 4])
@pytest.mark.parametrize("formats", [("png",), ("npy",)])
def test_samples_of_a_picture(tmp_path, formats, num_classes, record):
    samples = labels(NUM_SAMPLES, 1, seed=1, num_classes=num_classes)
    write(tmp_path / "in", {"a.png": png(labels() * np.uint8(50))})
    write_results(
        tmp_path / "out", tmp_path / "in/a.png", samples, formats, num_classes, record=record
    )
    write(tmp_path / "gt", {"a_a0.png": png(labels())})
    (case,) = scored(tmp_path, tmp_path / "gt", num_classes=num_classes)
    assert case.name == "a"
    np.testing.assert_array_equal(case.samples, samples[:, 0])


def test_samples_in_several_formats_count_once(tmp_path):
    samples = labels(NUM_SAMPLES, 1, seed=1)
    write(tmp_path / "in", {"a.png": png(labels() * np.uint8(50))})
    write_results(tmp_path / "out", tmp_path / "in/a.png", samples, ("png", "npy"))
    write(tmp_path / "gt", {"a_a0.png": png(labels())})
    (case,) = scored(tmp_path, tmp_path / "gt")
    np.testing.assert_array_equal(case.samples, samples[:, 0])


def test_samples_of_one_image_whose_folder_is_named(tmp_path):
    samples = labels(NUM_SAMPLES, 1, seed=1)
    write(tmp_path / "in", {"a.png": png(labels() * np.uint8(50))})
    write_results(tmp_path / "out", tmp_path / "in/a.png", samples, ("png",))
    write(tmp_path / "gt", {"a_a0.png": png(labels())})
    (case,) = open_folders(tmp_path / "out" / "a", tmp_path / "gt")
    np.testing.assert_array_equal(case.samples, samples[:, 0])


def pages(path, planes):
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *rest = map(Image.fromarray, planes)
    first.save(path, save_all=True, append_images=rest)


@pytest.mark.parametrize("record", [True, False])
@pytest.mark.parametrize("formats", [("png",), ("npy",)])
def test_slices_of_a_volume_of_pages(tmp_path, formats, record):
    samples, masks = labels(NUM_SAMPLES, NUM_SLICES, seed=1), labels(2, NUM_SLICES, seed=2)
    pages(tmp_path / "own/images/v.tif", labels(NUM_SLICES) * np.uint8(50))
    for who, mask in zip(("anna", "ben"), masks, strict=True):
        pages(tmp_path / "own/annotations" / who / "v.tif", mask)
    write_results(
        tmp_path / "out",
        tmp_path / "own/images/v.tif",
        samples,
        formats,
        slices="all",
        record=record,
    )
    for annotations in (tmp_path / "own", tmp_path / "own/annotations"):
        cases = scored(tmp_path, annotations)
        assert [case.name for case in cases] == [f"v/slice_{k}" for k in range(NUM_SLICES)]
        # The slices of one volume are not independent.
        assert {case.patient for case in cases} == {"v"}
        for k, case in enumerate(cases):
            np.testing.assert_array_equal(case.samples, samples[:, k])
            np.testing.assert_array_equal(case.annotations, masks[:, k])


@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES.keys())
@pytest.mark.parametrize("formats", [("nifti",), ("png",), ("npy",), ("png", "nifti")])
def test_slices_of_nifti_volumes_lie_on_their_annotations(tmp_path, formats, affine):
    shape = (WIDTH, HEIGHT, NUM_SLICES)
    rng = np.random.default_rng(3)
    image = tmp_path / "own/images/v.nii.gz"
    nifti(image, rng.integers(0, 255, shape, np.uint8), affine)
    for who in ("anna", "ben"):
        mask = rng.integers(0, 2, shape, np.uint8)
        nifti(tmp_path / "own/annotations" / who / "v.nii.gz", mask, affine)
    (volume,) = find_volumes([tmp_path / "own/annotations/ben/v.nii.gz"], "all").volumes
    # The samples are Ben's mask.
    drawn = np.stack([picture.values[..., 0] for picture in volume.pictures]).astype(np.uint8)
    write_results(tmp_path / "out", image, np.stack([drawn] * NUM_SAMPLES), formats, slices="all")
    for annotations in (tmp_path / "own", tmp_path / "own/annotations"):
        cases = scored(tmp_path, annotations)
        assert len(cases) == len(drawn)
        for case in cases:
            assert (case.samples == case.annotations[1]).all()
            assert (case.samples != case.annotations[0]).any()


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
@pytest.mark.parametrize("formats", [("nifti",), ("png",), ("npy",)])
def test_annotations_are_cut_in_the_plane_of_the_samples(tmp_path, formats, plane):
    # A cube has the same size in every plane.
    image, rng = tmp_path / "own/images/v.nii.gz", np.random.default_rng(3)
    nifti(image, rng.integers(0, 255, (5, 5, 5), np.uint8), AFFINES["as shown"])
    mask = tmp_path / "own/annotations/ben/v.nii.gz"
    nifti(mask, rng.integers(0, 2, (5, 5, 5), np.uint8), AFFINES["as shown"])
    (volume,) = find_volumes([mask], "all", plane=plane).volumes
    drawn = np.stack([picture.values[..., 0] for picture in volume.pictures]).astype(np.uint8)
    samples = np.stack([drawn] * NUM_SAMPLES)
    write_results(tmp_path / "out", image, samples, formats, slices="all", plane=plane)
    for annotations in (tmp_path / "own", tmp_path / "own/annotations"):
        cases = scored(tmp_path, annotations)
        assert len(cases) == 5
        assert all((case.samples == case.annotations[0]).all() for case in cases)


def test_without_a_record_the_plane_is_that_of_the_configuration(tmp_path):
    image, mask = tmp_path / "in/v.nii.gz", tmp_path / "gt/ben/v.nii.gz"
    values = np.random.default_rng(3).integers(0, 2, (5, 6, 4), np.uint8)
    for path in (image, mask):
        nifti(path, values, AFFINES["as shown"])
    (volume,) = find_volumes([mask], "all", plane="coronal").volumes
    drawn = np.stack([picture.values[..., 0] for picture in volume.pictures]).astype(np.uint8)
    options = {"slices": "all", "plane": "coronal", "record": False}
    write_results(tmp_path / "out", image, drawn[None].repeat(2, 0), ("png",), **options)
    cases = scored(tmp_path, tmp_path / "gt", config=FolderConfig(plane="coronal"))
    assert len(cases) == 6
    assert all((case.samples == case.annotations[0]).all() for case in cases)
    with pytest.raises(UserError, match="predictions of 6 slices, but annotations of 4"):
        scored(tmp_path, tmp_path / "gt")


@pytest.mark.parametrize("formats", [("nifti",), ("png",), ("npy",)])
def test_only_slices_that_were_drawn_are_scored(tmp_path, formats):
    affine, shape = AFFINES["as shown"], (WIDTH, HEIGHT, NUM_SLICES)
    nifti(tmp_path / "in/v.nii.gz", np.ones(shape, np.uint8), affine)
    nifti(tmp_path / "gt/anna/v.nii.gz", np.ones(shape, np.uint8), affine)
    samples = labels(NUM_SAMPLES, 2, seed=1)
    write_results(tmp_path / "out", tmp_path / "in/v.nii.gz", samples, formats, slices="1,3")
    cases = scored(tmp_path, tmp_path / "gt")
    assert [case.name for case in cases] == ["v/slice_1", "v/slice_3"]
    for k, case in enumerate(cases):
        np.testing.assert_array_equal(case.samples, samples[:, k])


def test_without_a_record_slices_must_fit_or_are_noted(tmp_path):
    affine, shape = AFFINES["as shown"], (WIDTH, HEIGHT, NUM_SLICES)
    nifti(tmp_path / "in/v.nii.gz", np.ones(shape, np.uint8), affine)
    nifti(tmp_path / "gt/anna/v.nii.gz", np.ones(shape, np.uint8), affine)
    samples = labels(NUM_SAMPLES, 2, seed=1)
    for name in ("nifti", "npy"):
        out = tmp_path / name
        write_results(out, tmp_path / "in/v.nii.gz", samples, (name,), slices="1,3", record=False)
    (note,) = open_folders(tmp_path / "nifti", tmp_path / "gt").notes
    assert "results.json of hpunet.sample is missing" in note
    with pytest.raises(UserError, match="v has predictions of 2 slices, but annotations of 4"):
        open_folders(tmp_path / "npy", tmp_path / "gt")


def test_volumes_of_another_position_are_refused(tmp_path):
    shape = (WIDTH, HEIGHT, NUM_SLICES)
    nifti(tmp_path / "in/v.nii.gz", np.ones(shape, np.uint8), AFFINES["as shown"])
    nifti(tmp_path / "gt/anna/v.nii.gz", np.ones(shape, np.uint8), AFFINES["flipped"])
    samples = labels(NUM_SAMPLES, NUM_SLICES, seed=1)
    write_results(tmp_path / "out", tmp_path / "in/v.nii.gz", samples, ("nifti",), slices="all")
    with pytest.raises(UserError, match=r"sample_001\.nii\.gz: has another affine than .*v\.nii"):
        scored(tmp_path, tmp_path / "gt")


def test_volumes_of_another_tool_are_scored_slice_by_slice(tmp_path):
    masks = labels(2, NUM_SLICES, seed=2)
    for k, mask in enumerate(masks):
        pages(tmp_path / f"out/v_s{k}.tif", mask)
        pages(tmp_path / f"gt/v_a{k}.tif", mask)
    cases = scored(tmp_path, tmp_path / "gt")
    assert [case.name for case in cases] == [f"v/slice_{k}" for k in range(NUM_SLICES)]
    for k, case in enumerate(cases):
        np.testing.assert_array_equal(case.samples, masks[:, k])
        np.testing.assert_array_equal(case.annotations, masks[:, k])


def test_a_record_that_names_files_elsewhere_is_not_followed(tmp_path):
    write(tmp_path / "elsewhere", {"sample_001.png": png(labels())})
    write(tmp_path / "out", {"a/sample_001.png": png(labels(seed=1))})
    entry = {
        "name": "a",
        "files": ["../elsewhere/sample_001.png", "a/sample_001.png"],
        "pictures": [{"slice": None}],
    }
    content = {"format": "hpunet-samples-1", "images": [entry]}
    (tmp_path / "out/results.json").write_text(json.dumps(content))
    write(tmp_path / "gt", {"a_a0.png": png(labels())})
    (case,) = scored(tmp_path, tmp_path / "gt")
    np.testing.assert_array_equal(case.samples, [labels(seed=1)])
