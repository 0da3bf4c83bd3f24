"""An image that cannot be read does not stop the others and is listed as not scored."""

import json

import numpy as np
import pytest

from hpunet.evaluation.scoring import Conventions, NotScored, ScoredImages, score_images
from hpunet.io.errors import UserError
from tests.evaluation.folder_files import MASK, draw, npz, png, write
from tests.evaluation.test_scoring import images

NAMES = ("p/a", "p/b", "q/a")


class Damaged(list):
    """Images of which some cannot be read."""

    names = tuple(f"image {n}" for n in range(6))

    def __getitem__(self, index):
        if index in (1, 4):
            raise UserError(f"file {index}: is damaged")
        return super().__getitem__(index)


def test_others_are_scored_and_the_problems_are_kept():
    made, counts = images(), []
    conventions = Conventions(draws=10)
    scores = score_images(Damaged(made), (4,), conventions, counts.append)
    sound = [made[n] for n in (0, 2, 3, 5)]
    expected = score_images(sound, (4,), conventions, counts.append)
    assert scores.names == expected.names
    assert scores.not_scored == (
        NotScored("image 1", "file 1: is damaged"),
        NotScored("image 4", "file 4: is damaged"),
    )
    np.testing.assert_array_equal(scores.by_num_samples[4].ged, expected.by_num_samples[4].ged)
    assert sum(counts) == 6 + 4
    shown = ScoredImages(Damaged(made), scores)
    assert [shown[n].name for n in range(len(shown))] == expected.names


def test_where_nothing_can_be_scored_the_first_problem_is_raised():
    class AllDamaged(Damaged):
        def __getitem__(self, index):
            raise UserError(f"file {index}: is damaged")

    with pytest.raises(UserError, match="file 0: is damaged"):
        score_images(AllDamaged(images()), (4,), Conventions(), lambda count: None)


def damaged_folder(place, damage):
    files = {f"{name}_s{k}.png": png(draw(k)) for name in NAMES for k in range(2)}
    write(place / "predictions", files)
    write(place / "annotations", {f"anna/{name}.png": MASK for name in NAMES})
    write(place, damage)
    return f"--predictions={place / 'predictions'}", f"--annotations={place / 'annotations'}"


@pytest.mark.parametrize(
    "damage",
    [
        {"predictions/p/b_s1.png": MASK[:40]},
        {"predictions/p/b_s1.png": b""},
        {"annotations/anna/p/b.png": MASK[:40]},
        {"annotations/anna/p/b.png": png(draw(0, size=(5, 5)))},
        {"annotations/anna/p/b.png": png(draw(0, most=9))},
    ],
)
def test_the_command_lists_an_image_that_is_not_scored_and_exits_with_1(
    evaluated, tmp_path, damage
):
    folders = damaged_folder(tmp_path, damage)
    out = tmp_path / "scores.json"
    code, text, _ = evaluated(*folders, f"--out={out}", f"--figures={tmp_path / 'figures'}")
    assert code == 1
    values = json.loads(out.read_text())
    assert [image["name"] for image in values["not_scored"]] == ["p/b"]
    problem = values["not_scored"][0]["reason"]
    assert str(tmp_path / next(iter(damage))) in problem
    assert f"warning: not scored: 1 image\n  p/b: {problem}" in text
    assert values["groups"]["all"]["num_images"] == 2
    rows = out.with_suffix(".csv").read_text()
    assert "p/b" not in rows
    assert (tmp_path / "figures" / "samples.png").is_file()


def test_an_npz_that_cannot_be_opened_is_not_scored_either(evaluated, tmp_path):
    folders = damaged_folder(tmp_path, {})
    (tmp_path / "predictions/p/b_s0.png").unlink()
    (tmp_path / "predictions/p/b_s1.png").unlink()
    write(tmp_path, {"predictions/p/b.npz": npz(samples=draw(0, 2))[:60]})
    code, text, _ = evaluated(*folders)
    assert code == 1
    assert "warning: not scored: 1 image\n  p/b: " in text


def test_without_problems_the_list_is_empty_and_the_exit_code_is_0(evaluated, tmp_path):
    out = tmp_path / "scores.json"
    code, text, _ = evaluated(*damaged_folder(tmp_path, {}), f"--out={out}")
    assert code == 0
    assert json.loads(out.read_text())["not_scored"] == []
    assert "not scored" not in text


def test_a_folder_without_a_sound_image_ends_with_one_line(refused, tmp_path):
    damage = {f"annotations/anna/{name}.png": b"" for name in NAMES}
    line = refused(*damaged_folder(tmp_path, damage))
    assert line.rstrip().endswith("annotations/anna/p/a.png: is empty")


# Configurations.


def annotated_folder(place, values):
    pixels = np.array([values], np.uint8)
    write(place / "own", {"images/a.png": png(pixels), "annotations/anna/a.png": png(pixels)})
    write(place / "predictions", {"a_s0.png": png(np.arange(len(values), dtype=np.uint8)[None])})
    return f"--predictions={place / 'predictions'}", f"--annotations={place / 'own'}"


def ged_of(path):
    return json.loads(path.read_text())["groups"]["all"]["num_samples"]["1"]["ged"]["value"]


def test_keys_of_the_folder_say_what_values_mean(evaluated, tmp_path):
    folders = annotated_folder(tmp_path, (0, 128, 255))
    out = tmp_path / "scores.json"
    key = "--config.data.folder.classes=0,128=edema,255=core"
    code, *_ = evaluated(*folders, key, "--classes=1,2", f"--out={out}")
    assert code == 0
    assert ged_of(out) == 0
    reading = json.loads(out.read_text())["reading"]
    assert reading["classes"] == "0,128=edema,255=core"
    assert reading["num_classes"] == 3


def test_a_configuration_names_folder_classes_and_ignored_pixels(evaluated, tmp_path):
    predictions, annotations = annotated_folder(tmp_path, (0, 128, 255, 7))
    config = tmp_path / "own.py"
    config.write_text(
        "from hpunet.config import default_config\n\n\n"
        "def get_config():\n"
        "    config = default_config()\n"
        '    config.data.name = "folder"\n'
        f"    config.data.dir = {str(tmp_path / 'own')!r}\n"
        "    config.model.num_classes = 3\n"
        '    config.data.folder.classes = "0,128,255"\n'
        '    config.data.folder.ignore = "7"\n'
        "    return config\n"
    )
    write(tmp_path / "predictions", {"a_s0.png": png(np.array([[0, 1, 2, 1]], np.uint8))})
    out = tmp_path / "scores.json"
    for words in ((predictions,), (predictions, annotations)):
        code, *_ = evaluated(*words, f"--config={config}", "--classes=1,2", f"--out={out}")
        assert code == 0
        assert ged_of(out) == 0


def test_a_configuration_of_other_data_is_refused(refused, tmp_path):
    predictions, _ = annotated_folder(tmp_path, (0, 1))
    line = refused(predictions, "--config=synthetic")
    assert "data.name=synthetic: allowed with --predictions is folder" in line
