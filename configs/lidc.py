"""The LIDC network of the paper on the published LIDC 2D crops.

    python -m hpunet.train --config=configs/lidc.py --workdir=runs/lidc

Without `--config.data.dir`, the three archives are downloaded. Kohl et al. 2019 trained for 240,000
steps of 32 images with Adam, and lowered the learning rate from 1e-4 to 5e-6 in four steps. The
paper does not state these steps, so the boundaries and the intermediate rates are this project's
choice, as are the ranges of the augmentation.

The paper's results on the test split with 16 samples are GED^2 0.27 +- 0.01, Hungarian-matched IoU
0.53 +- 0.01 and IoU_rec 0.97.
"""

from ml_collections import ConfigDict

from hpunet.config import default_config


def get_config() -> ConfigDict:
    """Returns the configuration."""
    config = default_config()
    config.data.name = "lidc"
    config.data.pixel_spacing = 0.5
    config.data.num_workers = 4
    config.optimizer.schedule = "piecewise"
    config.optimizer.boundaries = (48_000, 96_000, 144_000, 192_000)
    config.optimizer.factors = (0.5, 0.2, 0.1, 0.05)
    return config
