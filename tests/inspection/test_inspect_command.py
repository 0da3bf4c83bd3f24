"""The inspect command on valid and faulty annotated folders."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from hpunet import inspect
from tests.inspection.annotated_folder import configuration, picture, sound, square, write


@pytest.fixture
def root(tmp_path):
    sound(tmp_path / "own")
    return tmp_path / "own"


@pytest.fixture
def inspected(run_command, tmp_path, root):
    """Inspects the folder and gives exit code, stdout, stderr and the JSON."""

    def run(*words):
        out = tmp_path / "out"
        given = configuration(tmp_path, root)
        code, printed, err = run_command(inspect, f"--config={given}", f"--out={out}", *words)
        return code, printed, err, json.loads((out / "inspection.json").read_text())

    return run


def listing(folder):
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_sound_folder_is_counted_drawn_and_left_as_it_is(inspected, root, tmp_path):
    before = listing(root)
    code, printed, err, result = inspected()
    assert (code, err) == (0, "")
    assert printed.startswith(f"folder {root}: 12 images of 6 patients, annotated by 2 annotators")
    assert sum(split["images"] for split in result["splits"].values()) == 12
    assert result["annotators"]["anna"]["annotated"] == 12
    ben = result["annotators"]["ben"]
    assert (ben["annotated"], ben["empty"], ben["absent"]) == (10, 5, 2)
    assert result["sizes"]["images"] == [{"height": 40, "width": 48, "images": 12}]
    # Where both drew, squares of 10 px shifted by 2 either way; else a miss.
    (pair,) = result["agreement"]["iou"]
    assert pair["mean"] == pytest.approx(64 / 136 / 2)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "contact_sheet.png",
        "inspection.json",
    ]
    assert listing(root) == before
    assert not list((tmp_path / "prepared").rglob("*.array_record*"))


def test_what_is_printed_is_what_is_written(inspected):
    _, printed, _, result = inspected()
    lines = [line.split() for line in printed.splitlines()]
    for name, counted in result["annotators"].items():
        counts = [counted[key] for key in ("annotated", "empty", "absent")]
        assert [name, *map(str, counts)] in [line[:4] for line in lines]
    assert result["proposal"]["flags"] in printed
    for note in result["notes"]:
        assert f"note: {note}" in " ".join(printed.split())
    low, high = (result["intensities"]["become_0_and_1"][key][0] for key in ("low", "high"))
    assert f"intensity window: {low:g} to {high:g} becomes 0 to 1" in printed


def test_proposal_that_is_pasted_is_what_is_proposed_then(inspected):
    *_, result = inspected()
    assert "model.channels_per_block" in result["proposal"]["differing"]
    code, printed, _, again = inspected(*result["proposal"]["flags"].split())
    assert code == 0
    assert again["proposal"]["differing"] == []
    assert "the configuration already matches the proposal" in printed


def test_crop_that_the_network_cannot_take_is_no_reason_not_to_look(inspected):
    code, printed, _, result = inspected("--config.data.crop=30")
    assert code == 0
    assert "training is not possible as configured: config.data.crop=30" in printed
    assert "multiples of 4" in result["proposal"]["configured_is_refused"]
    assert result["proposal"]["configured"]["data.crop"] == 30


def break_everything(root):
    """Adds a fault of each kind and returns a part of each message by file."""
    write(root / "annotations/anna/p1/scan0.png", picture())
    write(root / "annotations/ben/p1/scan1.png", square(height=30))
    write(root / "annotations/ben/p1/orphan.png", square())
    write(root / "annotations/ben/p2/SCAN9.png", square())
    write(root / "images/p2/scan9.png", picture())
    (root / "images/p3/scan0.png").write_bytes(b"no picture")
    np.save(root / "images/p4/four.npy", np.zeros((40, 48, 3), np.uint8))
    (root / "images/p5/link.png").symlink_to(root.parent / "elsewhere.png")
    return {
        "annotations/anna/p1/scan0.png": "as photographs do",
        "annotations/ben/p1/scan1.png": "has 30 x 48 pixels (height x width)",
        "annotations/ben/p1/orphan.png": "belongs to no image",
        "annotations/ben/p2/SCAN9.png": "in case only",
        "images/p3/scan0.png": "not a readable",
        "images/p5/link.png": "is a broken link",
    }


def test_every_fault_stands_in_one_table_and_nothing_is_hidden_by_another(
    inspected, root, tmp_path
):
    expected = break_everything(root)
    code, printed, err, result = inspected()
    assert code == 2
    table = printed.split("\nFaults, one line for each kind\n\n")[1].split("\n\n")[0].splitlines()
    assert table[0].split() == ["count", "file", "problem"]
    assert len(table) == 1 + len(expected)
    for file, problem in expected.items():
        assert [problem in line for line in table if f" 1  {root / file} " in line] == [True]
    (last,) = err.splitlines()
    assert last.endswith(f": {len(expected)} faults, see above; nothing was written to the data")
    # The rest is counted all the same.
    assert result["images"] == 9
    assert "valid images" in printed.splitlines()[0]
    with (tmp_path / "out" / "faults.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows == result["faults"]


def test_faults_of_a_kind_are_one_line_with_three_files_and_all_are_written(
    inspected, root, tmp_path
):
    for n in range(40):
        write(root / f"annotations/anna/p1/stray{n:02}.png", square())
    write(root / "annotations/ben/p1/scan1.png", square(height=30))
    code, printed, err, result = inspected()
    assert code == 2
    assert err.splitlines()[-1].endswith(": 41 faults, see above; nothing was written to the data")
    lines = printed.split("one line for each kind\n\n")[1].split("\n\n")[0].splitlines()[1:]
    assert [line.split()[0] for line in lines] == ["40", "1"]
    folder = root / "annotations/anna/p1"
    assert "a table annotations.csv (image,annotator,mask)" in lines[0]
    assert lines[0].endswith(f"; also {folder}/stray01.png, {folder}/stray02.png, ...")
    assert len(result["faults"]) == 41
    assert [kind["count"] for kind in result["fault_kinds"]] == [40, 1]
    assert len(result["fault_kinds"][0]["files"]) == 3
    with (tmp_path / "out" / "faults.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 41


def test_implausible_masks_are_noted_with_the_flag_that_mends_them(inspected, root):
    for path in (root / "annotations").rglob("*.png"):
        with Image.open(path) as opened:
            labels = np.asarray(opened)
        write(path, (1 - labels) * np.uint8(255))
    code, printed, _, result = inspected()
    assert code == 0
    notes = [note for note in result["notes"] if "covers most pixels" in note]
    assert len(notes) == 1
    flag = notes[0].rpartition(" ")[2]
    assert flag == "--config.data.folder.classes=255,0"
    assert flag in printed
    code, _, _, mended = inspected(flag)
    assert code == 0
    assert mended["annotators"]["anna"]["marked_share"] == pytest.approx(100 / (40 * 48))
    assert not any("covers most pixels" in note for note in mended["notes"])


def test_folders_of_splits_are_the_splits(inspected, root):
    for top in ("images", "annotations/anna", "annotations/ben"):
        (root / top / "Train").mkdir()
        for n in range(6):
            if (root / top / f"p{n}").exists():
                folder = "Test" if n > 3 else "Train"
                (root / top / folder).mkdir(exist_ok=True)
                (root / top / f"p{n}").rename(root / top / folder / f"p{n}")
    code, printed, _, result = inspected()
    assert code == 0
    assert {name: split["images"] for name, split in result["splits"].items()} == {
        "train": 8,
        "test": 4,
    }
    assert result["patients_known"] is False
    assert "not known" in printed
    assert any("the split val is empty" in note for note in result["notes"])
    assert inspected("--config.data.folder.patient=2")[3]["patients_known"] is True


def test_nan_is_a_fault_that_the_key_mends(inspected, root):
    for path in (root / "images").rglob("*.png"):
        with Image.open(path) as opened:
            values = np.asarray(opened, np.float32).copy()
        values[:4] = np.nan
        path.unlink()
        np.save(path.with_suffix(".npy"), values)
    code, printed, _, result = inspected()
    assert code == 2
    (kind,) = result["fault_kinds"]
    assert kind["count"] == 12
    assert "data.folder.nan" in printed
    for value in ("0", "min", "ignore", "-1000.5"):
        code, _, _, result = inspected(f"--config.data.folder.nan={value}")
        assert code == 0
        assert result["images"] == 12
        assert sum("data.folder.nan" in note for note in result["notes"]) == 1


def test_masks_of_different_sizes_are_a_fault_of_the_one_that_does_not_fit(inspected, root):
    write(root / "annotations/ben/p1/scan0.png", square(height=39))
    code, _, _, result = inspected()
    assert code == 2
    (fault,) = result["faults"]
    assert fault["file"] == str(root / "annotations/ben/p1/scan0.png")


def test_numbers_of_channels_that_differ_are_a_fault_but_gray_among_colours_is_none(
    inspected, root
):
    rgb = np.stack([picture(seed=n) for n in range(3)], axis=-1)
    write(root / "images/p1/scan0.png", rgb)
    assert inspected()[0] == 0
    rgba = np.concatenate([rgb, picture(seed=9)[..., None]], axis=-1)
    (root / "images/p2/scan0.png").unlink()
    np.save(root / "images/p2/scan0.npy", rgba)
    code, _, _, result = inspected()
    assert code == 2
    assert result["faults"] == [
        {
            "file": str(root / "images/p2/scan0.npy"),
            "problem": "has 4 channels, images before it 3",
        }
    ]
    assert result["images"] == 11


def test_faults_alone_are_printed_where_nothing_is_sound(inspected, root):
    for path in (root / "images").rglob("*.png"):
        path.write_bytes(b"no picture")
    code, printed, _, result = inspected()
    assert code == 2
    assert len(result["faults"]) == 12
    assert result["proposal"] is None
    assert printed.splitlines()[0] == f"folder {root}: no valid image"
    assert "Proposal" not in printed


def test_images_that_are_the_same_everywhere_are_a_fault_of_the_setting(inspected, root):
    for path in (root / "images").rglob("*.png"):
        write(path, np.full((40, 48), 7, np.uint8))
    code, printed, _, result = inspected()
    assert code == 2
    (fault,) = result["faults"]
    assert fault["file"] == "data.folder.intensities=percentiles"
    assert "intensity window: unknown" in printed


def test_files_of_an_earlier_look_do_not_stay(inspected, root, tmp_path):
    write(root / "annotations/ben/p1/orphan.png", square())
    assert inspected()[0] == 2
    assert (tmp_path / "out" / "faults.csv").exists()
    (root / "annotations/ben/p1/orphan.png").unlink()
    assert inspected()[0] == 0
    assert not (tmp_path / "out" / "faults.csv").exists()


def test_nothing_to_list_is_one_line(refusal_of, tmp_path):
    given = configuration(tmp_path, tmp_path / "missing")
    assert "no such folder" in refusal_of(inspect, f"--config={given}")


def test_results_do_not_go_among_the_images(refusal_of, tmp_path, root):
    given = configuration(tmp_path, root)
    message = refusal_of(inspect, f"--config={given}", f"--out={root / 'images' / 'p0'}")
    assert "is inside the data" in message


def test_other_mistakes_of_a_configuration_are_still_refused(refusal_of, tmp_path, root):
    given = configuration(tmp_path, root)
    message = refusal_of(inspect, f"--config={given}", "--config.model.latent_dims=1,1,1")
    assert "latent_dims" in message


def test_slices_of_volumes_are_images_and_the_fullest_is_shown(inspected, root, tmp_path):
    masks = np.stack([square() * 0, square(), square(side=20), square() * 0])
    for n in range(4):
        volume = np.stack([picture(seed=10 * n + k) for k in range(4)]).astype(np.float32)
        (root / f"images/v{n}").mkdir(parents=True)
        (root / f"annotations/anna/v{n}").mkdir(parents=True)
        np.save(root / f"images/v{n}/scan.npy", volume)
        np.save(root / f"annotations/anna/v{n}/scan.npy", masks)
    code, printed, _, result = inspected()
    assert code == 0
    assert result["images"] == 12 + 4 * 4
    assert "images are slices of 16 files" in printed
    with Image.open(tmp_path / "out" / "contact_sheet.png") as sheet:
        assert np.asarray(sheet.convert("L")).std() > 10
