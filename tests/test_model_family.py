"""A second model is a line in the dict: commands ask it for what they need, and assume nothing."""

import json

import numpy as np
import pytest
from PIL import Image

import hpunet
from hpunet import evaluate, sample, train
from hpunet.config.files import override
from hpunet.config.settings import default_config, flatten
from hpunet.io.errors import UserError
from hpunet.models.base import MODELS, ModelEntry
from hpunet.training.metrics_log import read_metrics
from hpunet.weights.file import read
from tests import toy_model

pytestmark = pytest.mark.usefixtures("quick_compilation", "toy")

STEPS = 4
WORDS = [
    "--config=synthetic",
    "--config.model.name=toy",
    "--config.model.channels=4",
    "--config.batch_size=4",
    "--config.log_every=1",
    "--config.checkpoint_every=2",
    "--config.evaluate_every=2",
    "--config.data.synthetic.num_train=8",
    "--config.data.synthetic.num_val=4",
    "--config.data.synthetic.num_test=4",
    "--config.evaluation.num_images=4",
    "--config.evaluation.num_samples=2",
]


@pytest.fixture(scope="module")
def toy():
    MODELS["toy"] = ModelEntry(toy_model.ToyConfig, toy_model.build_network)
    yield
    del MODELS["toy"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("toy")


def train_words(folder, steps):
    return [
        *WORDS,
        f"--workdir={folder / 'run'}",
        f"--config.num_steps={steps}",
        f"--config.data.prepared_dir={folder / 'data'}",
    ]


def test_model_without_latents_is_trained_resumed_evaluated_and_drawn(run_command, folder):
    for steps in (2, STEPS):
        code, out, err = run_command(train, *train_words(folder, steps))
        assert code == 0, err
    run = folder / "run"
    assert "IoU_rec" in out
    assert "no posterior" in out
    lines = read_metrics(run / "metrics.jsonl")
    assert [line["step"] for line in lines if "loss" in line] == [1, 2, 3, 4]
    keys = {key for line in lines for key in line}
    assert "val/ged" in keys
    assert not any("reconstruction" in key or key.startswith("kl_") for key in keys)
    header = read(run / "weights.safetensors").header
    assert header.network == toy_model.ToyConfig(channels=4)
    assert header.preprocessing["image_channels"] == 1

    code, out, err = run_command(evaluate, f"--workdir={run}", "--num_samples=1,2")
    assert code == 0, err
    assert "no posterior" in out
    (path,) = run.glob("scores_test*.json")
    result = json.loads(path.read_text())
    scores = result["groups"]["all"]["num_samples"]["2"]
    assert np.isfinite(scores["ged"]["value"])
    assert scores["reconstruction_iou"]["value"] is None
    assert any("no posterior" in note for note in result["notes"])

    picture = folder / "picture.png"
    Image.linear_gradient("L").resize((21, 18)).save(picture)
    words = [f"--weights={run / 'weights.safetensors'}", "--num_samples=3"]
    code, out, err = run_command(sample, *words, f"--out={folder / 'samples'}", picture)
    assert code == 0, err
    assert len(list((folder / "samples" / "picture").glob("sample_*.png"))) == 3


def test_scales_cannot_be_fixed_in_a_model_without_latents(refusal_of, folder):
    picture = folder / "gradient.png"
    Image.linear_gradient("L").resize((16, 16)).save(picture)
    weights = folder / "run" / "weights.safetensors"
    if not weights.is_file():
        pytest.skip("the training of the first test left no weights")
    words = [f"--weights={weights}", f"--out={folder / 'none'}", "--mean_scales=0", picture]
    assert "--mean_scales=0" in refusal_of(sample, *words)


def test_model_without_a_posterior_refuses_to_reconstruct(key):
    model = hpunet.build_model(toy_model.ToyConfig())
    image = np.zeros((1, 8, 8, 1), np.float32)
    segmentation = np.zeros((1, 8, 8, 2), np.float32)
    params = model.init(key, image, segmentation)
    with pytest.raises(ValueError, match="a toy model has no posterior and cannot reconstruct"):
        model.reconstruct(params, None, image, segmentation, mean=True)


def test_eight_samples_of_a_model_without_latents_are_the_first_of_sixteen(key):
    model = hpunet.build_model(toy_model.ToyConfig())
    image = np.ones((2, 8, 8, 1), np.float32)
    params = model.init(key, image, np.zeros((2, 8, 8, 2), np.float32))
    few, many = (model.sample(params, key, image, num_samples=n) for n in (2, 4))
    np.testing.assert_allclose(few, many[:2], rtol=1e-6)
    assert np.ptp(np.asarray(many), axis=0).max() > 0


def test_only_the_keys_of_the_chosen_model_are_accepted():
    config = override(default_config(), {"model.name": "toy", "model.channels": "3"})
    names = {name for name in flatten(config) if name.startswith("model.")}
    assert names == {"model.name", "model.channels", "model.dropout", "model.num_classes"}
    assert config.objective.name == "elbo"
    with pytest.raises(UserError, match=r"config\.model\.latent_dims: not a key of .* 'toy'"):
        override(default_config(), {"model.latent_dims": "1", "model.name": "toy"})
    with pytest.raises(UserError, match=r"config\.model\.channels: not a key of the model"):
        override(default_config(), {"model.channels": "3"})


@pytest.mark.parametrize("name", ["transformer", "", "None"])
def test_unknown_model_is_refused_with_those_there_are(name):
    with pytest.raises(
        UserError, match=r"config\.model\.name=.*allowed is 'hierarchical' or 'toy'"
    ):
        override(default_config(), {"model.name": name})
