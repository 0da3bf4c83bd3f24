"""A folder of results replaces nothing but earlier results."""

import json

import pytest

from hpunet.imaging.naming import PAGE, RESULTS, RESULTS_FORMAT
from hpunet.io.atomic import whole_folder
from hpunet.io.errors import UserError
from hpunet.report.results import check_replaceable


def write_results(folder, text=""):
    """What a command leaves: results of one image."""
    (folder / "a").mkdir(parents=True, exist_ok=True)
    (folder / "a" / "mean.png").write_text(text)
    (folder / PAGE).write_text(text)
    content = {"format": RESULTS_FORMAT, "images": [{"files": ["a/mean.png"]}]}
    (folder / RESULTS).write_text(json.dumps(content))


@pytest.mark.parametrize("overwrite", [False, True])
def test_files_that_appear_meanwhile_are_kept_and_so_are_the_new_results(tmp_path, overwrite):
    out = tmp_path / "out"

    def draw():
        with whole_folder(out, lambda: check_replaceable(out, overwrite)) as part:
            write_results(part, "drawn")
            out.mkdir()
            (out / "thesis.tex").write_text("")

    with pytest.raises(
        UserError, match=r"other files, such as thesis\.tex.*are kept in (.*)"
    ) as error:
        draw()
    kept = tmp_path / str(error.value).rpartition("/")[2]
    assert (kept / PAGE).read_text() == "drawn"
    assert sorted(path.name for path in out.iterdir()) == ["thesis.tex"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["out", kept.name])


def test_new_and_empty_folders_are_allowed(tmp_path):
    check_replaceable(tmp_path / "new", overwrite=False)
    check_replaceable(tmp_path, overwrite=False)


def test_results_are_replaced_only_on_request(tmp_path):
    write_results(tmp_path)
    with pytest.raises(UserError, match="holds results already; --overwrite replaces them"):
        check_replaceable(tmp_path, overwrite=False)
    check_replaceable(tmp_path, overwrite=True)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("results", [None, "{}", "[]", "no JSON", '{"format": "other"}', "own"])
def test_other_files_are_never_replaced(tmp_path, overwrite, results):
    if results == "own":
        write_results(tmp_path)
        (tmp_path / "a" / "thesis.tex").write_text("")
    elif results is not None:
        (tmp_path / RESULTS).write_text(results)
    (tmp_path / "z.tex").write_text("")
    with pytest.raises(
        UserError, match=r"holds other files, such as .*; allowed is a new or an em"
    ):
        check_replaceable(tmp_path, overwrite)


def test_file_in_place_of_a_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="not a folder; allowed is"):
        check_replaceable(tmp_path / "file", overwrite=True)
