"""The paper's network on one's own images, in crops of 128 x 128 pixels.

    python -m hpunet.train --config=configs/folder.py --workdir=runs/own --config.data.dir=DIR

DIR holds `images` and `annotations`. `python -m hpunet.inspect`, with the same flags, says what is
in it, what is wrong with it, and which crop and network fit it better than these. How long to train
and what scores to expect is a matter of the images.
"""

from ml_collections import ConfigDict

from hpunet.config import default_config


def get_config() -> ConfigDict:
    """What differs from the defaults."""
    config = default_config()
    config.data.name = "folder"
    return config
