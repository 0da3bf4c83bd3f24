"""Every command and snippet of the README works, in shortened form."""

import importlib
import re
import shlex
import shutil
import socket

import jax
import numpy as np
import pytest
from PIL import Image

from hpunet.models.hierarchical.config import HierarchicalConfig
from hpunet.models.model import build_model
from hpunet.weights.file import save_weights
from tests.commands import ROOT, run_here, run_process
from tests.evaluation import tiny_network

pytestmark = pytest.mark.usefixtures("quick_compilation", "coarse_figures")

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
COMMANDS = [line for kind, text in BLOCKS if kind == "bash" for line in text.splitlines()]
SNIPPETS = [text for kind, text in BLOCKS if kind == "python"]
# The example of one's own images: files that the README holds, and commands in one folder.
FILES = {found[1]: text for text in SNIPPETS if (found := re.match(r"# (\w+\.py)\n", text))}
OWN = [line for line in COMMANDS if re.search(r"\bown\b|make_own", line)]
OTHERS = [line for line in COMMANDS if line not in OWN]
TRAINING = [line for line in OTHERS if line.startswith("python -m hpunet.train")]
SCORING = [line for line in OTHERS if line.startswith("python -m hpunet.evaluate")]
SAMPLING = [line for line in OTHERS if line.startswith("python -m hpunet.sample")]
CONVERSION = [line for line in COMMANDS if line.startswith("python -m hpunet.convert")]
SET_UP = ["python3 -m venv .venv", ". .venv/bin/activate", "pip install -e '.[dev,medical]'"]
TESTS = "python -m pytest -q -n 2"

SIZE = 32
TINY = {
    "num_steps": 2,
    "batch_size": 4,
    "log_every": 1,
    "evaluate_every": 2,
    "data.crop": SIZE,
    "data.num_workers": 0,
    "data.synthetic.num_train": 4,
    "data.synthetic.num_val": 2,
    "data.synthetic.num_test": 2,
    "model.latent_dims": "1",
    "model.channels_per_block": "4,4",
    "model.convs_per_block": 1,
    "model.blocks_per_level": 1,
    "evaluation.num_images": 2,
    "evaluation.num_samples": 2,
}

SMALLER = {
    "(8, 16, 32, 64, 64, 64, 64)": "(4, 4, 4)",
    "(1, 1, 1)": "(1, 1)",
    "range(120)": "range(24)",
}


@pytest.fixture(scope="module")
def lidc_dir(tmp_path_factory):
    """Two patients of LIDC crops in the layout that the README describes."""
    folder = tmp_path_factory.mktemp("lidc")
    rng = np.random.default_rng(0)
    for split, patient in (("train", "a"), ("val", "b")):
        for number in range(2):
            image = folder / split / "images" / patient / f"z-{number}_c0.png"
            write_png(image, rng.integers(0, 256, (SIZE, SIZE), dtype=np.uint8))
            for annotator in range(4):
                mask = folder / split / "gt" / patient / f"z-{number}_c0_l{annotator}.png"
                write_png(mask, 255 * rng.integers(0, 2, (SIZE, SIZE), dtype=np.uint8))
    return folder


def write_png(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def free_port():
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


def shortened(command, workdir, prepared_dir, lidc_dir):
    """The command's own words, in its order, with less to do and places of this test's."""
    places = {"--workdir": workdir, "--config.data.dir": lidc_dir, "--num_processes": 1}
    places["--coordinator"] = f"localhost:{free_port()}"
    words = []
    for word in shlex.split(command):
        name = word.split("=")[0]
        words.append(f"{name}={places[name]}" if name in places else word)
    if "configs/lidc.py" in command:
        # What the README's command downloads.
        words.append(f"--config.data.dir={lidc_dir}")
    words += [f"--config.{name}={value}" for name, value in TINY.items()]
    return [*words[1:], f"--config.data.prepared_dir={prepared_dir}"]


def run(words, folder, in_a_process=False):
    """Runs what stands behind `python`; one example of each command in a process of its own."""
    if in_a_process:
        done = run_process(words, folder)
    else:
        dash_m, name, *rest = words
        assert dash_m == "-m"
        done = run_here(importlib.import_module(name), *rest, folder=folder)
    assert done.code == 0, done.stderr
    return done


def test_readme_has_set_up_tests_and_commands_and_none_that_no_test_knows():
    assert TRAINING
    assert SCORING
    assert SAMPLING
    assert CONVERSION
    known = [*SET_UP, TESTS, *TRAINING, *SCORING, *SAMPLING, *CONVERSION, *OWN]
    assert [c for c in COMMANDS if c not in known] == []
    assert [c for c in COMMANDS if c in SET_UP] == SET_UP


def test_ci_runs_the_readmes_tests_and_quick_start():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").replace("\\\n ", "")
    lines = script.splitlines()
    assert TESTS in lines
    assert any(SET_UP[-1].removeprefix("pip install ") in line for line in lines)
    quick_start = TRAINING[0].split(" --workdir=")[0]
    assert any(line.startswith(quick_start) for line in lines)


def test_ci_runs_the_four_commands_of_contributing():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    four = re.findall(r"^```bash\n(.*?)^```$", contributing, re.MULTILINE | re.DOTALL)[1]
    assert len(four.splitlines()) == 4
    positions = [script.index(command) for command in four.splitlines()]
    assert positions == sorted(positions)


def test_command_of_the_tests_collects_this_one(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    dash_m, name, *words = shlex.split(TESTS)[1:]
    assert (dash_m, name) == ("-m", "pytest")
    words += ["--collect-only", "-p", "no:faulthandler", "tests/integration/test_readme.py"]
    assert pytest.main(words) == 0
    assert "test_command_of_the_tests_collects_this_one" in capsys.readouterr().out


@pytest.mark.parametrize("command", TRAINING, ids=range(len(TRAINING)))
def test_training_command_leaves_what_the_readme_says(command, lidc_dir, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "run"
    prepared = lidc_dir.parent / "prepared"
    words = shortened(command, workdir, prepared, lidc_dir)
    # A process joins others before it computes anything.
    done = run(words, ROOT, command == TRAINING[0] or "--coordinator" in command)
    names = {path.name.split(".out.")[0] for path in workdir.iterdir()}
    expected = {"config.json", "metrics.jsonl", "events", "checkpoints", "weights.safetensors"}
    assert expected | {"samples.png", "course.png"} <= names
    if "configs/synthetic.py" in command:
        assert "report.json" in names
        for text in ("GED^2 at 2 samples", "a perfect model", "thresholded mean", "truth"):
            assert text in done.stdout
    else:
        assert "augmented.png" in names


@pytest.fixture(scope="module")
def scored_dir(lidc_dir):
    """What the README's commands of scoring read: runs and another tool's folders."""
    folder = lidc_dir.parent / "scored"
    for name in ("synthetic", "lidc"):
        tiny_network.write_workdir(folder / "runs" / name, folder / "prepared", num_test=2)
    shutil.copytree(lidc_dir, folder / "DATA")
    shutil.copytree(lidc_dir / "val" / "gt", folder / "ANNOTATIONS")
    shutil.copytree(lidc_dir / "val" / "gt", folder / "PREDICTIONS")
    for mask in (folder / "PREDICTIONS").rglob("*_l*.png"):
        mask.rename(mask.with_name(mask.name.replace("_l", "_s")))
    return folder


@pytest.mark.parametrize("command", SCORING, ids=range(len(SCORING)))
def test_scoring_command_leaves_what_the_readme_says(command, scored_dir):
    words = shlex.split(command)[1:]
    if "--predictions" not in command:
        words += ["--num_samples=2", f"--config.data.prepared_dir={scored_dir / 'prepared'}"]
    if "configs/lidc.py" in command:
        # What is made above has no other split, and is smaller.
        words += ["--split=val", f"--config.data.crop={SIZE}"]
    out = scored_dir / "runs/synthetic/scores_test_num_samples_2.json"
    if "--out=scores.json" in words:
        out = scored_dir / "scores.json"
    out.unlink(missing_ok=True)
    done = run(words, scored_dir, "--predictions" in command)
    assert "GED²" in done.stdout
    assert out.is_file()
    assert out.with_suffix(".csv").is_file()
    if "--figures" in command:
        assert (scored_dir / "figures" / "scales.gif").is_file()


@pytest.mark.parametrize("command", SAMPLING, ids=range(len(SAMPLING)))
def test_sampling_command_leaves_what_the_readme_says(command, tmp_path):
    tiny_network.write_workdir(tmp_path / "runs" / "synthetic", tmp_path / "prepared", num_test=2)
    write_png(tmp_path / "nodule.png", np.arange(21 * 34, dtype=np.uint8).reshape(21, 34))
    own = tmp_path / "runs" / "synthetic" / "weights.safetensors"
    # The published weights have a test of their own.
    words = [word.replace("=lidc", f"={own}") for word in shlex.split(command)[1:]]
    done = run([*words, "--num_samples=2"], tmp_path, command == SAMPLING[0])
    assert "hypothes" in done.stdout
    found = {
        path.relative_to(tmp_path / "samples").as_posix()
        for path in tmp_path.rglob("*.png")
        if path.is_relative_to(tmp_path / "samples")
    }
    maps = {f"nodule/{name}.png" for name in ("mean", "std", "entropy")}
    assert found == maps | {"nodule/sample_001.png", "nodule/sample_002.png"}
    for name in ("index.html", "results.json"):
        assert (tmp_path / "samples" / name).is_file()


def test_commands_on_ones_own_images_leave_what_the_readme_says(tmp_path):
    commands = [name for line in OWN for name in re.findall(r"^python (?:-m )?(\S+)", line)]
    names = ("inspect", "train", "evaluate", "sample", "sample", "evaluate")
    assert commands == ["make_own.py", *(f"hpunet.{name}" for name in names)]
    assert all(any(large in text for text in FILES.values()) for large in SMALLER)
    for name, text in FILES.items():
        for large, small in SMALLER.items():
            text = text.replace(large, small)
        (tmp_path / name).write_text(text)
    few = {"num_steps": 2, "log_every": 1, "evaluate_every": 2, "data.num_workers": 0}
    few |= {"evaluation.num_images": 2, "evaluation.num_samples": 2}
    few |= {"model.convs_per_block": 1, "model.blocks_per_level": 1}
    for line in OWN:
        words = shlex.split(line)[1:]
        if "--config=own.py" in words:
            words.append(f"--config.data.prepared_dir={tmp_path / 'prepared'}")
        if "hpunet.train" in words:
            words += [f"--config.{name}={value}" for name, value in few.items()]
        if "hpunet.evaluate" in words or "hpunet.sample" in words:
            words.append("--num_samples=2")
        run(words, tmp_path, "make_own.py" in words or "hpunet.inspect" in words)
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    assert {
        "inspection/contact_sheet.png",
        "runs/own/splits.csv",
        "runs/own/weights.safetensors",
        "runs/own/scores_test_num_samples_2_classes_1-2.json",
        "figures_own/samples.png",
        "samples_own/index.html",
        "scores_own.json",
    } <= found


@pytest.mark.parametrize("command", CONVERSION, ids=range(len(CONVERSION)))
def test_conversion_command_leaves_what_the_readme_says(command, tmp_path):
    if "--to_reference" in command:
        pytest.importorskip("tensorflow")
    for file in (ROOT / "tests" / "golden" / "tf_checkpoint_small").iterdir():
        shutil.copyfile(file, tmp_path / file.name)
    # The checkpoint here is of a small network, whose settings are found.
    commands = [c.replace(" --config=lidc", "") for c in (CONVERSION[0], command)]
    words = [shlex.split(c)[1:] for c in commands]
    for one in words[command == CONVERSION[0] :]:
        run(one, tmp_path, in_a_process=True)
    out = tmp_path / words[-1][-1].removeprefix("--out=")
    assert len(list(out.parent.glob(f"{out.name}*"))) == (2 if "reference" in command else 1)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=range(len(SNIPPETS)))
def test_snippet_runs(snippet, tmp_path, monkeypatch):
    network = HierarchicalConfig(
        latent_dims=(1, 1), channels_per_block=(4, 4, 4), convs_per_block=1, blocks_per_level=1
    )
    model = build_model(network)
    image, segmentation = np.zeros((1, 8, 8, 1), np.float32), np.zeros((1, 8, 8, 2), np.float32)
    params = model.init(jax.random.key(0), image, segmentation)
    path = tmp_path / "runs" / "synthetic" / "weights.safetensors"
    path.parent.mkdir(parents=True)
    save_weights(path, params, network, {})
    monkeypatch.chdir(tmp_path)
    exec(compile(snippet, "README.md", "exec"), {})


def test_links_of_the_documents_lead_somewhere():
    for document in ("README.md", "MODEL_CARD.md", "CONTRIBUTING.md", "experiments/README.md"):
        text = (ROOT / document).read_text(encoding="utf-8")
        links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
        missing = [link for link in links if not (ROOT / document).parent.joinpath(link).exists()]
        assert missing == [], document


def test_files_that_the_readme_names_are_there():
    listed = re.search(r"^hpunet/\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)[1]
    parents = ["hpunet"]
    for line in listed.splitlines():
        indent, name = re.match(r"( *)(\S+)", line).groups()
        parents[len(indent) // 2 :] = [name]
        assert ROOT.joinpath(*parents).exists(), line
