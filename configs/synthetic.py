"""A small network on the synthetic data set, for a first run.

python -m hpunet.train --config=configs/synthetic.py --workdir=runs/synthetic
"""

from ml_collections import ConfigDict

from hpunet.config import default_config


def get_config() -> ConfigDict:
    """Returns the configuration."""
    config = default_config()
    config.num_steps = 4000
    config.batch_size = 16
    config.log_every = 50
    config.checkpoint_every = 1000
    config.evaluate_every = 2000
    config.data.name = "synthetic"
    config.data.crop = 32
    config.data.augment = False
    config.data.num_workers = 0
    config.data.synthetic.image_size = 32
    # Six levels reduce the image to one pixel, where the model decides whether to draw a lesion.
    config.model.latent_dims = (1, 1, 1, 1)
    config.model.channels_per_block = (16, 24, 32, 32, 32, 32)
    config.model.convs_per_block = 2
    config.model.blocks_per_level = 1
    config.objective.name = "elbo"
    config.objective.top_k_fraction = None
    config.optimizer.learning_rate = 2e-3
    config.optimizer.schedule = "cosine"
    config.optimizer.decay_steps = 4000
    config.optimizer.final_factor = 0.02
    config.evaluation.num_images = 200
    return config
