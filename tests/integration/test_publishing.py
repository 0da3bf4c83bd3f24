"""What is published: the wheel, the sdist and the public names."""

import email
import pydoc
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest

import hpunet
from tests.commands import ROOT, run_process

pytest.importorskip("setuptools", minversion="77")

VERSION = hpunet.__version__
# Packages that users ask for by the name of an extra.
EXTRAS = {
    "cuda": {"jax"},
    "medical": {"pydicom", "nibabel", "highdicom"},
    "convert": {"tensorflow"},
    "dev": {"pytest", "hypothesis", "imageio", "beartype", "ruff", "mypy", "nbclient", "ipykernel"}
    # Runs tests side by side; builds what this file looks at.
    | {"pytest-xdist", "setuptools"},
}
TINY = {
    "num_steps": 2,
    "batch_size": 2,
    "data.synthetic.num_train": 4,
    "data.synthetic.num_val": 2,
    "data.synthetic.num_test": 2,
    "model.latent_dims": "1",
    "model.channels_per_block": "4,4",
    "model.convs_per_block": 1,
    "evaluation.num_images": 2,
    "evaluation.num_samples": 2,
}


def names_of_the_repository():
    """The files that git tracks, or those that an unpacked sdist lists, whatever lies beside."""
    if (ROOT / ".git").exists() and shutil.which("git"):
        words = ["git", "-C", str(ROOT), "ls-files", "-z"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return [name for name in done.stdout.split("\0") if (ROOT / name).is_file()]
    listed = (ROOT / "hpunet.egg-info" / "SOURCES.txt").read_text(encoding="utf-8").splitlines()
    return [name for name in listed if ".egg-info/" not in name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the repository; building leaves files behind."""
    copy = tmp_path_factory.mktemp("source") / "hpunet"
    for name in names_of_the_repository():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def sdist(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sdist")
    return folder / build("build_sdist", source, folder)


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """The wheel, built of the unpacked sdist as pip does."""
    folder = tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist) as archive:
        # Pythons before 3.11.4 know no filters.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)
    return folder / build("build_wheel", folder / f"hpunet-{VERSION}", folder)


@pytest.fixture(scope="module")
def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return email.message_from_bytes(archive.read(f"hpunet-{VERSION}.dist-info/METADATA"))


def build(hook, source, folder):
    """The name of what a hook of the build backend writes into a folder."""
    program = f"from setuptools import build_meta as b; print(b.{hook}({str(folder)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def files_below(folder):
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and "egg-info" not in str(path)
    }


def test_wheel_holds_the_package_and_configurations_and_nothing_else(wheel, source):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    package = {f"hpunet/{name}" for name in files_below(source / "hpunet")}
    configs = {f"hpunet/configs/{name}" for name in files_below(source / "configs")}
    assert configs >= {"hpunet/configs/lidc.py", "hpunet/configs/synthetic.py"}
    about = {name for name in names if name.startswith(f"hpunet-{VERSION}.dist-info/")}
    assert names - about == package | configs


def test_sdist_holds_all_of_the_repository_but_what_serves_git(sdist, source):
    assert sdist.name == f"hpunet-{VERSION}.tar.gz"
    with tarfile.open(sdist) as archive:
        names = {m.name.split("/", 1)[1] for m in archive.getmembers() if m.isfile()}
    added = {name for name in names if name in ("PKG-INFO", "setup.cfg") or ".egg-info/" in name}
    assert names - added == files_below(source) - {".gitignore"}


def test_metadata_state_version_python_licence_and_readme(metadata, wheel):
    assert metadata["Name"] == "hpunet"
    assert metadata["Version"] == VERSION
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_payload().startswith("# hpunet")
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(f"hpunet-{VERSION}.dist-info/licenses/LICENSE").decode()
    assert text == (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_extras_hold_what_they_are_for(metadata):
    found = {extra: set() for extra in metadata.get_all("Provides-Extra")}
    for requirement in metadata.get_all("Requires-Dist"):
        package, extra = re.match(r"([\w-]+).*?(?:extra == \"(\w+)\")?$", requirement).groups()
        if extra:
            found[extra].add(package)
    assert found == EXTRAS


def test_tensorflow_is_needed_by_no_installation_without_an_extra(metadata):
    needed = [r for r in metadata.get_all("Requires-Dist") if "extra ==" not in r]
    assert not [r for r in needed if re.match(r"(tensorflow|torch|highdicom)\b(?!-)", r)]


def test_installed_elsewhere_the_wheel_trains_a_configuration_by_name(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    words = [f"--config.{name}={value}" for name, value in TINY.items()]
    words.append("--config.data.prepared_dir=prepared")
    command = "import hpunet.train as t; from hpunet.cli import command; print(t.__file__); "
    command += "command.run(t.main)"
    done = run_process(
        ["-c", command, "--config=synthetic", "--workdir=run", *words],
        tmp_path,
        PYTHONPATH=str(tmp_path / "site"),
        JAX_DISABLE_MOST_OPTIMIZATIONS="true",
    )
    assert done.code == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path / "site"))
    assert (tmp_path / "run" / "weights.safetensors").is_file()


def test_dir_lists_public_and_special_names_alone():
    names = [name for name in dir(hpunet) if not name.startswith("__")]
    assert names == sorted(hpunet.__all__)
    assert "__version__" in dir(hpunet)


@pytest.mark.parametrize("name", hpunet.__all__)
def test_help_explains_every_public_name(name):
    thing = getattr(hpunet, name)
    assert name in dir(hpunet)
    assert re.search(rf"^ +{name}: \S", hpunet.__doc__, re.MULTILINE)
    if name not in ("figures", "metrics"):
        text = pydoc.plain(pydoc.render_doc(hpunet))
        assert thing.__doc__.splitlines()[0] in text


@pytest.mark.parametrize("package", [hpunet.figures, hpunet.metrics])
def test_help_explains_every_function_of_a_public_package(package):
    text = pydoc.plain(pydoc.render_doc(package))
    for name in package.__all__:
        assert name in text
        if callable(getattr(package, name)):
            assert getattr(package, name).__doc__.splitlines()[0] in text
