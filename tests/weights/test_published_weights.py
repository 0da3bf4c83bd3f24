"""Published weights: fetched once, checked, converted, kept; or refused and nothing kept."""

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest

import hpunet
from hpunet import evaluate, train
from hpunet.inference.trained import from_weights
from hpunet.io import locks
from hpunet.io.errors import UserError
from hpunet.weights import published
from hpunet.weights.deepmind.names import params_from_reference
from hpunet.weights.file import read
from tests import tiny_command
from tests.weights import serving
from tests.weights.bundle_writer import write_bundle
from tests.weights.serving import FILES, GOLDEN, NAME, tar_gz

# Of the reference's small checkpoint, which stands in for the published one.
NETWORK = hpunet.HierarchicalConfig(
    latent_dims=(3, 2, 1),
    channels_per_block=(4, 8, 8, 16, 16),
    down_channels_per_block=(2, 4, 4, 8, 8),
    convs_per_block=3,
    blocks_per_level=2,
)
ARCHIVE = "/checkpoint.tar.gz"
VARIABLE = "HPUNET_LIDC_CHECKPOINT"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def server():
    with serving.serve() as server:
        server.contents[ARCHIVE] = tar_gz()
        yield server


@pytest.fixture
def cache(tmp_path, monkeypatch, server):
    """The folder of the cache, and the small network in the place of the published one."""
    monkeypatch.setenv("HPUNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(VARIABLE, raising=False)
    stand_in(monkeypatch, url=server.url + ARCHIVE, network=NETWORK)
    return tmp_path / "cache" / "weights"


def stand_in(monkeypatch, **changed):
    real = published.PUBLISHED["lidc"]
    monkeypatch.setitem(published.PUBLISHED, "lidc", real._replace(**changed))


def names_in(cache):
    return sorted(p.name for p in cache.iterdir() if p.name != ".lock") if cache.exists() else []


def refusal(cache):
    kept = names_in(cache)
    with pytest.raises(UserError) as caught:
        hpunet.load("lidc")
    assert names_in(cache) == kept
    assert "\n" not in str(caught.value)
    return str(caught.value)


def golden_variables():
    with np.load(GOLDEN.parent / "small.npz") as golden:
        return {name[4:]: golden[name] for name in golden if name.startswith("var:")}


# What is kept.


def test_published_weights_are_fetched_once_and_equal_the_checkpoint(cache, server):
    for _ in range(2):
        model, params = hpunet.load("lidc")
        assert model.config == NETWORK
        assert server.requests == [ARCHIVE]
        assert names_in(cache) == ["lidc.safetensors"]
    for module, weights in params_from_reference(golden_variables(), NETWORK).items():
        for name, value in weights.items():
            np.testing.assert_array_equal(params[module][name], value)


def test_header_says_where_they_come_from_and_what_they_learned_from(cache, server):
    header = read(published.path_of("lidc")).header
    assert header.source["checkpoint"] == server.url + ARCHIVE
    assert header.source["sha256"] == hashlib.sha256(tar_gz()).hexdigest()
    assert header.source["scope"] == "model/HPUNet"
    assert header.preprocessing == {
        "intensity_range": [0, 255],
        "intensity_clip": False,
        "resized": False,
        "pixel_spacing_mm": 0.5,
        "crop": [128, 128],
        "image_channels": 1,
        "classes": 2,
        "data_checksum": None,
    }


@pytest.mark.parametrize("place", ["archive", "prefix", "folder", "url"])
def test_variable_names_another_place(cache, server, tmp_path, monkeypatch, place):
    (tmp_path / "got.tar.gz").write_bytes(tar_gz())
    server.contents["/mirror/got.tar.gz"] = tar_gz()
    places = {
        "archive": tmp_path / "got.tar.gz",
        "prefix": GOLDEN / NAME,
        "folder": GOLDEN,
        "url": f"{server.url}/mirror/got.tar.gz",
    }
    monkeypatch.setenv(VARIABLE, str(places[place]))
    assert published.path_of("lidc").is_file()
    assert server.requests == (["/mirror/got.tar.gz"] if place == "url" else [])


def test_name_brings_what_later_commands_need(cache):
    network = from_weights("lidc")
    assert network.model.config == NETWORK
    learned = network.preprocessing
    assert (learned.crop, learned.pixel_spacing, learned.data_checksum) == ((128, 128), 0.5, None)
    assert network.place == str(cache / "lidc.safetensors")
    assert network.origin == {"weights": "lidc.safetensors"}


@pytest.mark.parametrize(
    ("variable", "place"),
    [("HPUNET_CACHE", ""), ("XDG_CACHE_HOME", "hpunet"), ("HOME", ".cache/hpunet")],
)
def test_kept_file_is_found_in_the_folder_of_caches(monkeypatch, tmp_path, variable, place):
    for name in ("HPUNET_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    path = tmp_path / place / "weights" / "lidc.safetensors"
    path.parent.mkdir(parents=True)
    path.touch()
    assert published.path_of("lidc") == path


def test_only_the_name_itself_is_published(cache):
    for path in ("./lidc", Path("lidc"), "LIDC", "weights.safetensors"):
        assert published.path_of(path) == Path(path)
    with pytest.raises(UserError, match=r"LIDC: there is no such file"):
        hpunet.load("LIDC")
    assert names_in(cache) == []


def test_several_at_once_fetch_once_and_all_get_the_file(cache, server):
    found = at_once(lambda: published.path_of("lidc"))
    assert found == [cache / "lidc.safetensors"] * 3
    assert server.requests == [ARCHIVE]


def test_several_at_once_do_no_harm_where_there_are_no_locks(cache, monkeypatch):
    def refuse(*_):
        raise NotImplementedError

    monkeypatch.setattr(locks.FileLock, "acquire", refuse)
    assert at_once(lambda: published.path_of("lidc")) == [cache / "lidc.safetensors"] * 3
    assert names_in(cache) == ["lidc.safetensors"]
    hpunet.load("lidc")


def at_once(action):
    found = []
    threads = [threading.Thread(target=lambda: found.append(action())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


# What is refused.


def test_network_that_cannot_be_had_is_refused_with_what_to_do(cache, server):
    server.contents.clear()
    message = refusal(cache)
    assert message.startswith(f"{server.url}{ARCHIVE}: cannot be downloaded (404 Not Found)")
    assert message.endswith(f"get the archive by other means and set {VARIABLE} to its path")


def test_commands_know_the_name(cache, server, tmp_path, refusal_of):
    server.contents.clear()
    scores = f"--out={tmp_path / 'scores.json'}"
    settings = tiny_command.SETTINGS | {"data.prepared_dir": tmp_path / "prepared"}
    training = [f"--workdir={tmp_path / 'run'}", "--config=synthetic"]
    training += [f"--config.{name}={value}" for name, value in settings.items()]
    for message in (
        refusal_of(evaluate, "--weights=lidc", "--config=lidc", scores),
        refusal_of(train, "--init_weights=lidc", *training),
    ):
        assert f"{server.url}{ARCHIVE}: cannot be downloaded" in message
    assert not (tmp_path / "run").exists()


def test_download_that_breaks_off_is_refused(cache, server):
    server.promised = 1
    assert "the download ended" in refusal(cache)
    server.promised = 0
    hpunet.load("lidc")


@pytest.mark.parametrize(
    ("contents", "problem"),
    [
        (tar_gz()[:-100], "the archive is cut short"),
        (tar_gz()[:-8] + b"\0" * 8, "the archive is corrupt"),
        (b"<html>Sign in to the network.</html>", "the archive is corrupt"),
        (tar_gz({"README": b"nothing"}), "found: none"),
        (
            tar_gz({name: data[:-8] for name, data in FILES.items()}),
            f"{ARCHIVE}: checkpoint/{NAME}.index: ",
        ),
        (
            tar_gz({name: data for name, data in FILES.items() if ".data-" not in name}),
            f"{ARCHIVE}: checkpoint/{NAME}.data-00000-of-00001: ",
        ),
    ],
    ids=["cut short", "corrupt", "no archive", "no checkpoint", "damaged index", "no data"],
)
def test_broken_archive_is_refused_and_named(cache, server, contents, problem):
    server.contents[ARCHIVE] = contents
    message = refusal(cache)
    assert message.startswith(server.url + ARCHIVE)
    assert problem in message
    assert "incomplete" not in message


@pytest.mark.parametrize(
    "network",
    [
        {"convs_per_block": 2},
        {"latent_dims": (3, 2)},
        {"channels_per_block": (4, 8, 8, 16, 32), "down_channels_per_block": (2, 4, 4, 8, 8)},
    ],
)
def test_another_network_is_refused_with_the_variable(cache, monkeypatch, network):
    settings = {"latent_dims": NETWORK.latent_dims, "convs_per_block": 3, "blocks_per_level": 2}
    widths = {
        "channels_per_block": NETWORK.channels_per_block,
        "down_channels_per_block": NETWORK.down_channels_per_block,
    }
    stand_in(monkeypatch, network=hpunet.HierarchicalConfig(**settings | widths | network))
    assert f"checkpoint/{NAME}: variable model/HPUNet/" in refusal(cache)


def test_network_for_other_images_is_refused(cache, monkeypatch):
    stand_in(monkeypatch, channels=3)
    assert "takes images of 1 channels; those of 'lidc' have 3" in refusal(cache)


def test_weights_that_are_not_finite_are_refused_by_name(cache, server, tmp_path):
    name = "model/HPUNet/f_comb/conv_2d_1/b"
    variables = golden_variables()
    variables[name][0] = np.nan
    folder = tmp_path / "written"
    folder.mkdir()
    write_bundle(folder / NAME, variables)
    server.contents[ARCHIVE] = tar_gz({p.name: p.read_bytes() for p in folder.iterdir()})
    assert f"variable {name} is not finite" in refusal(cache)


def test_kept_file_that_is_damaged_is_refused_until_it_is_removed(cache, server):
    path = published.path_of("lidc")
    contents = bytearray(path.read_bytes())
    contents[-100] ^= 1
    path.write_bytes(contents)
    message = refusal(cache)
    assert message.startswith(f"{path}: damaged")
    assert message.endswith("remove it, and it is fetched again")
    path.unlink()
    hpunet.load("lidc")
    assert server.requests == [ARCHIVE, ARCHIVE]


def test_cache_that_cannot_be_written_is_refused(cache, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HPUNET_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"file.*cannot be written .*HPUNET_CACHE names another"):
        hpunet.load("lidc")


def test_kept_file_is_found_where_nothing_may_be_written(cache, server):
    path = published.path_of("lidc")
    (cache / ".lock").unlink()
    cache.chmod(0o555)
    assert published.path_of("lidc") == path
    cache.chmod(0o755)
    assert names_in(cache) == ["lidc.safetensors"]
    assert not (cache / ".lock").exists()


KILLED = """
    import os, signal
    import hpunet
    from hpunet.io.atomic import written_whole
    from hpunet.weights import file, published

    def save(path, contents):
        with written_whole(path) as half:
            half.write(contents[: len(contents) // 2])
            half.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    file.write_whole = save
    network = hpunet.{network}
    published.PUBLISHED["lidc"] = published.PUBLISHED["lidc"]._replace(network=network)
    hpunet.load("lidc")
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no such signal here")
def test_conversion_that_was_killed_leaves_nothing_that_counts(cache, server):
    script = textwrap.dedent(KILLED).format(network=NETWORK)
    environment = os.environ | {VARIABLE: server.url + ARCHIVE, "PYTHONPATH": str(ROOT)}
    killed = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    unpacked, part = names_in(cache)
    assert unpacked.startswith("incomplete.")
    assert part.startswith("lidc.safetensors.")
    hpunet.load("lidc")
    assert names_in(cache) == ["lidc.safetensors"]
    assert server.requests == [ARCHIVE, ARCHIVE]


def test_place_that_a_variable_names_is_told_with_it(cache, monkeypatch):
    monkeypatch.setenv("HPUNET_LIDC_CHECKPOINT", "nowhere")
    with pytest.raises(UserError, match=r"^HPUNET_LIDC_CHECKPOINT=nowhere: nowhere: "):
        hpunet.load("lidc")
    assert [name for name in names_in(cache) if name != ".lock"] == []
