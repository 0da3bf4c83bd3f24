"""Whether a run may go on, or begin, in a folder."""

import json
import os

import pytest

from hpunet.config.settings import changed_keys
from hpunet.io.errors import UserError
from hpunet.training import workdir as folder

CONFIG = {"seed": 0, "num_steps": 5, "model.latent_dims": (1, 1)}


def refusal(path, match):
    with pytest.raises(UserError, match=match) as error:
        folder.check(path, CONFIG, changed_keys)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "a\0b", "a" * 300, "b/" * 3000])
def test_name_that_no_folder_can_have_is_refused(text):
    with pytest.raises(UserError, match=r"^--workdir=") as error:
        folder.of(text)
    assert "\n" not in str(error.value)


def test_name_of_a_folder_is_taken_whether_it_exists_or_not(tmp_path):
    assert folder.of(str(tmp_path)) == tmp_path
    assert folder.of(f"{tmp_path}/a/b") == tmp_path / "a" / "b"


def test_run_goes_on_in_the_folder_that_it_claimed(tmp_path):
    folder.check(tmp_path / "run", CONFIG, changed_keys)
    folder.claim(tmp_path / "run", CONFIG, "checksum")
    (tmp_path / "run" / "checkpoints" / "last" / "3").mkdir(parents=True)
    folder.check(tmp_path / "run", {**CONFIG, "num_steps": 9}, changed_keys)


@pytest.mark.parametrize("place", ["checkpoints", "checkpoints/last", "checkpoints/best"])
def test_file_in_place_of_the_checkpoints_is_refused(tmp_path, place):
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).touch()
    refusal(tmp_path, rf"{place}: is not a folder; use another --workdir")


@pytest.mark.parametrize("contents", ["[]", "3", "null", "{", ""])
def test_config_that_is_no_json_object_is_refused(tmp_path, contents):
    (tmp_path / "config.json").write_text(contents)
    refusal(tmp_path, r"config\.json: .*use another --workdir to start a new run")


def test_folder_in_place_of_the_config_is_refused(tmp_path):
    (tmp_path / "config.json").mkdir()
    refusal(tmp_path, r"config\.json: cannot be read \(Is a directory\)")


def test_checkpoints_of_an_unknown_configuration_are_refused(tmp_path):
    (tmp_path / "checkpoints" / "last").mkdir(parents=True)
    folder.check(tmp_path, CONFIG, changed_keys)
    (tmp_path / "checkpoints" / "last" / "12").mkdir()
    refusal(tmp_path, r"config\.json is missing, .*step 12: .*unknown; use another --workdir")


def test_changed_configuration_is_refused_by_key(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({**CONFIG, "seed": 1}))
    refusal(tmp_path, r"seed \(was 1, now 0\)")


def test_levels_may_be_recomputed_when_a_run_resumes_but_not_in_another_precision(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({**CONFIG, "precision": "bfloat16"}))
    folder.check(tmp_path, {**CONFIG, "precision": "bfloat16", "remat": True}, changed_keys)
    refusal(tmp_path, r"precision \(was 'bfloat16', now .*only num_steps, .*remat, .* may change")


def test_run_that_is_older_than_a_key_resumes_at_its_default(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    folder.check(tmp_path, {**CONFIG, "precision": "float32"}, changed_keys)
    newer = {**CONFIG, "precision": "bfloat16"}
    with pytest.raises(UserError, match=r"precision .*now 'bfloat16'"):
        folder.check(tmp_path, newer, changed_keys)


def test_place_that_is_no_folder_is_refused(tmp_path):
    (tmp_path / "file").touch()
    os.symlink(tmp_path / "nowhere", tmp_path / "link")
    for name in ("file", "file/below", "link", "link/below"):
        refusal(tmp_path / name, r"is not a writable folder")
