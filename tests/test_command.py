"""A user's mistake ends in one line on stderr and exit code 2, and leaves nothing behind."""

import dataclasses
import functools
import re
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from hpunet import convert, train
from hpunet import inspect as inspect_command
from hpunet.cli import command
from hpunet.config.keys import keys_of
from hpunet.models.hierarchical.config import HierarchicalConfig
from hpunet.models.model import build_model
from hpunet.weights.file import save_weights
from tests.commands import TIME_LIMIT

ROOT = Path(__file__).parents[1]
NETWORK = HierarchicalConfig(
    latent_dims=(1,), channels_per_block=(4, 4), convs_per_block=1, blocks_per_level=1
)
# A run of the network above on images that take no time to make.
TINY = {
    "model.latent_dims": "1",
    "model.channels_per_block": "4,4",
    "model.convs_per_block": 1,
    "data.synthetic.num_train": 4,
    "data.synthetic.num_val": 1,
    "data.synthetic.num_test": 1,
    "batch_size": 4,
    "num_steps": 1,
}


@pytest.fixture(scope="module")
def prepared_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("prepared")


@pytest.fixture
def refused(refusal_of):
    """Runs the train command on mistaken words and gives the one line that it prints."""
    return functools.partial(refusal_of, train)


@pytest.fixture
def tiny(prepared_dir, tmp_path):
    """Words of a run that would take a moment, changed as asked."""

    def words(**changed):
        values = {**TINY, **{name.replace("__", "."): v for name, v in changed.items()}}
        return [
            "--config=synthetic",
            f"--workdir={tmp_path / 'run'}",
            f"--config.data.prepared_dir={prepared_dir}",
            *(f"--config.{name}={value}" for name, value in values.items()),
        ]

    yield words
    assert not (tmp_path / "run").exists(), "a refused run left a working directory"


def weights_file(path, network):
    model = build_model(network)
    image, segmentation = jax.numpy.zeros((1, 8, 8, 1)), jax.numpy.zeros((1, 8, 8, 2))
    params = model.init(jax.random.key(0), image, segmentation)
    save_weights(path, params, network, {})
    return path


def process(*words):
    return subprocess.run(
        [sys.executable, "-m", "hpunet.train", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
        check=False,
    )


def test_process_with_a_misspelt_key_prints_one_line_and_exits_with_2(tmp_path):
    workdir = tmp_path / "run"
    done = process(
        "--config=synthetic", f"--workdir={workdir}", "--config.optimiser.learning_rate=1"
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("python -m hpunet.train: config.optimiser.learning_rate: ")
    assert "optimizer.learning_rate" in done.stderr
    assert not workdir.exists()


def test_help_of_the_process_names_flags_configurations_and_every_key():
    done = process("--help")
    assert done.returncode == 0
    assert done.stderr == ""
    for word in ("--workdir", "--init_weights", "--coordinator", "lidc, synthetic", *keys_of()):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("module", "groups"), [(convert, set()), (inspect_command, {"data", "model"})]
)
def test_help_lists_only_the_keys_that_a_command_uses(module, groups):
    listed = re.findall(r"^  ([a-z_]+)(?:\.[a-z_]+)*=.*Allowed: ", command.help_text(module), re.M)
    assert set(listed) == groups


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--frob=1"], ["--frob", "--workdir", "--config.KEY=VALUE"]),
        (["--wrokdir=x"], ["--wrokdir", "--workdir"]),
        (["--config.sede=1"], ["config.sede", "seed"]),
        (["--config.batch_size=many"], ["batch_size='many'", "whole numbers from 1 to 2147483647"]),
        (["--config.batch_size=2.5"], ["batch_size=2.5", "whole numbers from 1 to 2147483647"]),
        (["--config.batch_size"], ["--config.batch_size", "=VALUE"]),
        (["--config.data.augment=maybe"], ["data.augment='maybe'", "True or False"]),
        (
            ["--config.model.latent_dims=(1,"],
            ["latent_dims='(1,'", "list of one or more whole numbers"],
        ),
        (["--config.objective.name=geko"], ["objective.name='geko'", "'geco' or 'elbo'"]),
        (["--config.data.crop=24"], ["24", "32"]),
        (["--config.data.crop=64"], ["data.crop=64", "image_size=32"]),
        (["--process_id=x"], ["--process_id=x", "integer"]),
        (["--process_id=-1"], ["--process_id=-1", "non-negative"]),
        (["--process_id=1"], ["--process_id", "--coordinator"]),
        (["--coordinator=here:1"], ["--coordinator", "--num_processes", "--process_id"]),
        (
            ["--coordinator=here:1", "--num_processes=2", "--process_id=2"],
            ["--process_id=2", "0 to 1"],
        ),
        (["synthetic"], ["'synthetic'", "--config"]),
        (["--workdir"], ["--workdir"]),
    ],
    ids=lambda value: " ".join(value) if value and value[0].startswith("--") else "",
)
def test_mistaken_word_is_named_with_what_is_allowed(refused, tiny, words, parts):
    message = refused("--config=synthetic", tiny()[1], *words)
    for part in parts:
        assert part in message


def test_missing_config_is_refused_with_the_names_of_those_there_are(refused):
    assert "lidc, synthetic" in refused("--workdir=nowhere")


def test_missing_workdir_is_refused(refused):
    assert "--workdir" in refused("--config=synthetic")


@pytest.mark.parametrize("name", ["brats", "elsewhere/synthetic.py", "configs", "."])
def test_configuration_that_is_nowhere_is_refused(refused, name):
    assert f"--config={name}" in refused(f"--config={name}", "--workdir=nowhere")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("def get_config(:", "line 1"),
        ("x = 1\n\nimport no_such_module", "line 3: ModuleNotFoundError"),
        ("x = 1", "get_config"),
        ("def get_config():\n    return {}", "returns a value of type dict"),
        ("def get_config():\n    raise RuntimeError", "line 2: RuntimeError"),
        (
            "from hpunet.config import default_config\n\n\ndef get_config():\n"
            "    config = default_config()\n    config.sede = 1\n    return config\n",
            "line 6: ",
        ),
        (
            "from hpunet.config import default_config\n\n\ndef get_config():\n"
            "    config = default_config()\n    config.batch_size = 0\n    return config\n",
            "batch_size=0: allowed values are whole numbers from 1 to 2147483647",
        ),
        (
            "from ml_collections import ConfigDict\n\n\ndef get_config():\n"
            "    return ConfigDict({'seed': 1})\n",
            "lacks batch_size, precision, remat and ",
        ),
    ],
    ids=[
        "syntax",
        "import",
        "no get_config",
        "dict",
        "raises",
        "unknown key",
        "value",
        "keys lack",
    ],
)
def test_configuration_file_with_a_mistake_is_refused_by_name_and_line(
    refused, tmp_path, text, part
):
    path = tmp_path / "mine.py"
    path.write_text(text)
    message = refused(f"--config={path}", f"--workdir={tmp_path / 'run'}")
    assert str(path) in message
    assert part in message
    assert not (tmp_path / "run").exists()


def test_configuration_that_is_no_python_file_is_refused(refused, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text("{}")
    assert str(path) in refused(f"--config={path}", "--workdir=nowhere")


def test_batch_that_the_devices_do_not_divide_is_refused(refused, tiny):
    assert jax.device_count() == 4
    message = refused(*tiny(batch_size=6))
    assert "batch_size=6" in message
    assert "4 or 8" in message


def test_workdir_that_is_a_file_is_refused_and_kept(refused, tiny, tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    assert str(path) in refused(*tiny(), f"--workdir={path}")
    assert path.read_text() == "mine"


def test_workdir_below_a_file_is_refused(refused, tiny, tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    assert str(path) in refused(*tiny(), f"--workdir={path / 'run'}")


def test_data_dir_that_is_nowhere_is_refused(refused, tiny, tmp_path):
    message = refused(*tiny(data__name="lidc", data__dir=tmp_path / "nowhere"))
    assert f"data.dir={tmp_path / 'nowhere'}" in message


def test_prepared_dir_that_cannot_be_made_is_refused(refused, tiny, tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    assert str(path) in refused(*tiny(data__prepared_dir=path))


def test_missing_weights_are_refused(refused, tiny, tmp_path):
    path = tmp_path / "nowhere.safetensors"
    assert str(path) in refused(*tiny(), f"--init_weights={path}")


def test_corrupt_weights_are_refused(refused, tiny, tmp_path):
    path = tmp_path / "corrupt.safetensors"
    path.write_bytes(b"\0" * 100)
    assert str(path) in refused(*tiny(), f"--init_weights={path}")


def test_weights_of_another_network_are_refused(refused, tiny, tmp_path):
    wider = dataclasses.replace(NETWORK, channels_per_block=(4, 8), down_channels_per_block=None)
    path = weights_file(tmp_path / "wider.safetensors", wider)
    message = refused(*tiny(), f"--init_weights={path}")
    assert str(path) in message
    assert "shape" in message


def test_configuration_is_found_by_name_and_by_path():
    for name in ("synthetic", "synthetic.py", "configs/synthetic.py"):
        assert command.find_config(name).name == "synthetic.py"
