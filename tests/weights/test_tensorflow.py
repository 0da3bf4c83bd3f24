"""Checkpoints that TensorFlow itself reads and writes; where it is missing, left out."""

import warnings

import numpy as np
import pytest

import hpunet
from hpunet import convert
from hpunet.weights.deepmind.conversion import MULTIPLIER
from hpunet.weights.deepmind.conversion import convert as convert_bundle
from hpunet.weights.file import read
from hpunet.weights.tensorflow.tensor_bundle import read_bundle
from tests import golden_reference

with warnings.catch_warnings():
    # What its own imports find outdated is not ours to mend.
    warnings.simplefilter("ignore")
    tf = pytest.importorskip("tensorflow")

CHECKPOINT = golden_reference.FOLDER / "tf_checkpoint_small" / "tf_graph_data.ckpt"
SCOPE = "model/HPUNet"


@pytest.fixture(scope="module")
def variables():
    bundle = read_bundle(CHECKPOINT)
    return {name: bundle[name] for name in bundle}


@pytest.fixture
def weights(tmp_path, run_command):
    path = tmp_path / "small.safetensors"
    code, *_ = run_command(convert, f"--checkpoint={CHECKPOINT}", f"--out={path}")
    assert code == 0
    return path


def save(prefix, variables, sharded=False, train=False):
    """Writes variables as the reference's training did, with Adam's slots and a step counter."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tensors = [tf.compat.v1.get_variable(n, initializer=v) for n, v in variables.items()]
        if train:
            step = tf.compat.v1.train.get_or_create_global_step()
            loss = tf.add_n([tf.reduce_sum(tensor) for tensor in tensors])
            optimizer = tf.compat.v1.train.AdamOptimizer(0.0)
            update = optimizer.minimize(loss, global_step=step)
        session.run(tf.compat.v1.global_variables_initializer())
        if train:
            session.run(update)
        saver = tf.compat.v1.train.Saver(sharded=sharded)
        return saver.save(session, str(prefix))


def restored(prefix, names, shapes):
    """Values that a graph with variables of these names has after `Saver.restore`."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tensors = [tf.compat.v1.get_variable(n, shapes[n]) for n in names]
        tf.compat.v1.train.Saver().restore(session, str(prefix))
        return dict(zip(names, session.run(tensors), strict=True))


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        assert found[name].tobytes() == value.tobytes(), name


@pytest.mark.parametrize("scope", [None, "elsewhere/net"])
def test_weights_go_back_to_tensorflow_equal_to_the_bit(
    tmp_path, run_command, weights, variables, scope
):
    prefix = tmp_path / "back" / "model.ckpt"
    words = ["--to_reference", f"--weights={weights}", f"--out={prefix}"]
    code, out, _ = run_command(convert, *words, *([f"--scope={scope}"] if scope else []))
    assert code == 0
    assert f"{prefix}, 313 variables of {scope or SCOPE}" in out
    expected = {n.replace(SCOPE, scope or SCOPE): v for n, v in variables.items()}
    reader = tf.train.load_checkpoint(str(prefix.parent))
    assert_same({n: np.asarray(reader.get_tensor(n)) for n in expected}, expected)
    assert reader.get_variable_to_shape_map().keys() == expected.keys()
    shapes = {name: value.shape for name, value in expected.items()}
    assert_same(restored(prefix, list(expected), shapes), expected)
    assert tf.train.latest_checkpoint(str(prefix.parent)) == str(prefix)
    names = ["checkpoint", "model.ckpt.data-00000-of-00001", "model.ckpt.index"]
    assert sorted(path.name for path in prefix.parent.iterdir()) == names
    again = convert_bundle(read_bundle(prefix))
    assert again.scope == (scope or SCOPE)


def test_weights_without_a_multiplier_get_its_first_value(tmp_path, run_command, weights):
    model, params = hpunet.load(weights)
    trained = tmp_path / "trained.safetensors"
    hpunet.weights.file.save_weights(trained, params, model.config, {})
    prefix = tmp_path / "back.ckpt"
    words = ["--to_reference", f"--weights={trained}", f"--out={prefix}"]
    code, out, _ = run_command(convert, *words)
    assert code == 0
    assert "multiplier: 1, the initial value: not in the weights file" in out
    value = tf.train.load_checkpoint(str(prefix)).get_tensor(f"{SCOPE}/{MULTIPLIER}")
    np.testing.assert_allclose(tf.nn.softplus(value) ** 2, 1, rtol=1e-6)


def test_training_s_checkpoint_converts_and_its_extras_are_listed(tmp_path, run_command, variables):
    prefix = save(tmp_path / "train.ckpt", variables, train=True)
    bundle = read_bundle(prefix)
    out = tmp_path / "weights.safetensors"
    code, printed, _ = run_command(convert, f"--checkpoint={prefix}", f"--out={out}")
    assert code == 0
    # Two slots a variable, the multiplier's included, two powers and the step.
    assert "skipped: 629 variables, beta1_power, beta2_power, global_step," in printed
    skipped = read(out).header.source["skipped"]
    assert sorted([*skipped, *variables]) == sorted(bundle)
    assert f"{SCOPE}/prior/conv_2d/w/Adam_1" in skipped
    assert bundle["global_step"] == 1
    golden = golden_reference.load("small")
    _, params = hpunet.load(out)
    for module, name, reference in golden.names():
        np.testing.assert_array_equal(params[module][name], variables[reference])


def test_several_data_files_written_by_tensorflow_are_read(tmp_path):
    rng = np.random.default_rng(0)
    values = {f"v{i}": rng.standard_normal((i, 3)).astype(np.float32) for i in range(4)}
    parts = []
    for shard, names in enumerate((("v0", "v1"), ("v2", "v3"))):
        parts.append(str(tmp_path / f"part{shard}"))
        tensors = [values[name] for name in names]
        tf.raw_ops.SaveV2(
            prefix=parts[-1], tensor_names=names, shape_and_slices=[""] * 2, tensors=tensors
        )
    whole = str(tmp_path / "whole")
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=parts, destination_prefix=whole)
    assert len(list(tmp_path.glob("whole.data-*-of-00002"))) == 2
    bundle = read_bundle(whole)
    assert_same({name: bundle[name] for name in bundle}, values)


def test_old_checkpoint_of_one_file_is_refused(tmp_path):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.compat.v1.get_variable("v", initializer=1.0)
        session.run(tf.compat.v1.global_variables_initializer())
        saver = tf.compat.v1.train.Saver(write_version=tf.compat.v1.train.SaverDef.V1)
        path = saver.save(session, str(tmp_path / "old.ckpt"))
    with pytest.raises(hpunet.io.errors.UserError, match="format V1; allowed is V2"):
        read_bundle(path)


def test_variables_that_tensorflow_cut_into_slices_are_refused_by_name(tmp_path):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        cut = tf.compat.v1.fixed_size_partitioner(2)
        tf.compat.v1.get_variable("cut", (4, 2), partitioner=cut)
        session.run(tf.compat.v1.global_variables_initializer())
        path = tf.compat.v1.train.Saver().save(session, str(tmp_path / "cut.ckpt"))
    with pytest.raises(hpunet.io.errors.UserError, match="cut is cut into slices"):
        read_bundle(path)["cut"]
