"""A crop of (height, width) goes through training, evaluation and sampling."""

import json

import numpy as np
import pytest
from PIL import Image

from hpunet import evaluate, sample, train
from hpunet.inference.trained import from_weights

pytestmark = pytest.mark.usefixtures("quick_compilation")

WORDS = [
    "--config=synthetic",
    "--config.data.crop=(16,32)",
    "--config.num_steps=1",
    "--config.batch_size=4",
    "--config.data.num_workers=0",
    "--config.data.synthetic.num_train=4",
    "--config.data.synthetic.num_val=2",
    "--config.data.synthetic.num_test=2",
    "--config.model.latent_dims=1",
    "--config.model.channels_per_block=4,4",
    "--config.model.convs_per_block=1",
    "--config.model.blocks_per_level=1",
    "--config.evaluation.num_samples=1",
]


def test_rectangular_crop_is_trained_scored_and_drawn(run_command, refusal_of, tmp_path):
    run, prepared = tmp_path / "run", f"--config.data.prepared_dir={tmp_path / 'data'}"
    code, _, err = run_command(train, *WORDS, f"--workdir={run}", prepared)
    assert code == 0, err
    weights = run / "weights.safetensors"
    assert from_weights(weights).preprocessing.crop == (16, 32)

    code, _, err = run_command(evaluate, f"--workdir={run}", "--num_samples=1")
    assert code == 0, err
    result = json.loads((run / "scores_test_num_samples_1.json").read_text())
    assert result["data"]["crop"] == [16, 32]
    words = [f"--weights={weights}", "--config=synthetic", f"--out={tmp_path / 'scores.json'}"]
    message = refusal_of(evaluate, *words, prepared)
    assert "crops of 16 x 32 pixels (height x width), --config has data.crop=32" in message

    image = tmp_path / "image.png"
    Image.fromarray(np.tile(np.arange(40, dtype=np.uint8), (40, 1))).save(image)
    words = [f"--weights={weights}", f"--out={tmp_path / 'samples'}", "--num_samples=1"]
    code, _, err = run_command(sample, *words, "--center=20,20", image)
    assert code == 0, err
    (record,) = json.loads((tmp_path / "samples" / "results.json").read_text())["images"]
    assert record["pictures"][0]["region"] == {"top": 12, "left": 4, "bottom": 28, "right": 36}
