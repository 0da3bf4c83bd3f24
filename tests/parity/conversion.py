"""Weights that travel between TensorFlow's checkpoints and this project's files."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

import hpunet
from hpunet.objectives.geco import init_geco
from hpunet.weights.tensorflow.tensor_bundle import read_bundle
from tests import golden_reference
from tests.golden_reference import Golden
from tests.parity import network
from tests.parity.comparison import EQUAL, Comparison, compare_with
from tests.parity.training import MULTIPLIER

ROOT = Path(__file__).parents[2]
CHECKPOINT = golden_reference.FOLDER / "tf_checkpoint_small" / "tf_graph_data.ckpt"


def conversion(golden: Golden, checkpoint: Path, weights: Path) -> Iterator[Comparison]:
    """A checkpoint read without TensorFlow, and what its converted weights draw.

    Args:
        golden: What the checkpoint holds.
        checkpoint: Its prefix.
        weights: Where `hpunet.convert` writes, without suffix.
    """
    expected = reference_variables(golden)
    yield compare_variables(golden, "variables read", read_bundle(checkpoint), expected)
    weights = weights.with_suffix(".safetensors")
    convert(f"--checkpoint={checkpoint}", f"--out={weights}")
    model, params = hpunet.load(weights)
    converted = golden._replace(model=model, params=params)
    del expected[f"{golden.meta['name']}/{MULTIPLIER}"]
    found = {name: params[module][kind] for module, kind, name in golden.names()}
    yield compare_variables(golden, "variables converted", found, expected)
    yield from network.samples(converted, "converted")
    yield from network.public_interface(converted, "converted, public interface")


def back_to_tensorflow(golden: Golden, weights: Path) -> Iterator[Comparison]:
    """The file that `conversion` left, written back and read by TensorFlow."""
    import tensorflow as tf

    prefix = weights.with_name(f"{weights.name}_back") / "tf_graph_data.ckpt"
    convert("--to_reference", f"--weights={weights.with_suffix('.safetensors')}", f"--out={prefix}")
    reader = tf.train.load_checkpoint(str(prefix))
    found = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    yield compare_variables(golden, "variables written back", found, reference_variables(golden))


def write_with_tensorflow(golden: Golden, prefix: Path) -> Path:
    """Writes the reference's variables as TensorFlow's own `Saver` does; returns the prefix."""
    import tensorflow as tf

    prefix.parent.mkdir(parents=True)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variables = [
            tf.compat.v1.get_variable(name, initializer=value)
            for name, value in reference_variables(golden).items()
        ]
        session.run(tf.compat.v1.global_variables_initializer())
        return Path(tf.compat.v1.train.Saver(variables).save(session, str(prefix)))


def reference_variables(golden: Golden) -> dict[str, np.ndarray]:
    """The network's variables by the reference's names, and that behind the multiplier."""
    variables = {
        name: np.asarray(golden.params[module][kind]) for module, kind, name in golden.names()
    }
    multiplier = f"{golden.meta['name']}/{MULTIPLIER}"
    stored = golden.values.get(f"var:{multiplier}")
    # The recipe leaves it at its first value.
    first = init_geco()[0] if stored is None else stored
    return variables | {multiplier: np.asarray(first, np.float32)}


def compare_variables(
    golden: Golden, part: str, found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]
) -> Comparison:
    """All variables at once, by their bits."""
    assert set(found) == set(expected), sorted(set(found) ^ set(expected))
    names = sorted(expected)

    def bits(variables: Mapping[str, np.ndarray]) -> np.ndarray:
        arrays = [np.asarray(variables[name]) for name in names]
        assert all(array.dtype == np.float32 for array in arrays)
        assert [a.shape for a in arrays] == [expected[name].shape for name in names]
        return np.concatenate([array.view(np.uint32).ravel() for array in map(np.array, arrays)])

    what = f"all {len(names)} variables"
    return compare_with(golden.name, part, what, bits(found), bits(expected), EQUAL)


def convert(*words: str) -> None:
    """Runs the command in a process of its own."""
    command = [sys.executable, "-m", "hpunet.convert", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
