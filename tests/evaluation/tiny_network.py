"""A tiny network, its data and a run's folder, made without training."""

import json

import jax
import numpy as np

from hpunet.config.files import override
from hpunet.config.settings import default_config, flatten
from hpunet.data.dataset import Dataset
from hpunet.inference.preprocessing import Preprocessing
from hpunet.inference.trained import TrainedNetwork
from hpunet.io.checksums import params_checksum
from hpunet.models.model import build_model
from hpunet.weights.file import save_weights
from tests import tiny

CONFIG = tiny.CONFIG


def parameters(config=CONFIG, seed=0, channels=1):
    model = build_model(config)
    side = config.size_multiple
    image = np.zeros((1, side, side, channels), np.float32)
    segmentation = np.zeros((1, side, side, config.num_classes), np.float32)
    return model.init(jax.random.key(seed), image, segmentation)


def network(**changed):
    """A network with changed weights (`params`) or preprocessing (all other names)."""
    params = changed.pop("params", None) or parameters()
    preprocessing = Preprocessing(crop=(tiny.SIZE, tiny.SIZE))._replace(**changed)
    origin = {"weights": "here"}
    checksum = params_checksum(params)
    return TrainedNetwork(build_model(CONFIG), params, preprocessing, "weights", origin, checksum)


def dataset(num_images=10):
    source = tiny.Source(num_images)
    return Dataset("squares", "1.0.0", "0123", {"train": source, "test": source})


def write_workdir(folder, prepared_dir, num_test=10):
    """What training leaves that an evaluation reads, and the configuration's changed keys."""
    changed = {
        "data.prepared_dir": str(prepared_dir),
        "data.crop": 32,
        "data.synthetic.image_size": 32,
        "data.synthetic.num_train": 4,
        "data.synthetic.num_val": 2,
        "data.synthetic.num_test": num_test,
        "model.latent_dims": (1, 1),
        "model.channels_per_block": (4, 4, 4),
        "model.convs_per_block": 1,
        "model.blocks_per_level": 1,
    }
    folder.mkdir(parents=True)
    config = flatten(
        override(default_config(), {name: str(value) for name, value in changed.items()})
    )
    (folder / "config.json").write_text(json.dumps(config))
    lines = [
        {"step": s, "rec_loss_mean": 1 / s, "kl_sum": 1.0, "kl_0": 0.5, "kl_1": 0.5} for s in (1, 2)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    save_weights(folder / "weights.safetensors", parameters(), CONFIG, {"crop": 32})
    return folder
