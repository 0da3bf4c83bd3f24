"""The paper's network on an annotated folder, in crops of 128 x 128 pixels.

    python -m hpunet.train --config=configs/folder.py --workdir=runs/own --config.data.dir=DIR

DIR contains `images` and `annotations`. `python -m hpunet.inspect` with the same flags reports what
is in the folder, which problems it has, and which crop and network suit it better. The necessary
number of steps and the scores depend on the images.
"""

from ml_collections import ConfigDict

from hpunet.config import default_config


def get_config() -> ConfigDict:
    """Returns the configuration."""
    config = default_config()
    config.data.name = "folder"
    return config
