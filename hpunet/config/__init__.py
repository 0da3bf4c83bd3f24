"""Configurations: keys, files, and the settings made from them."""

from hpunet.config.settings import default_config

__all__ = ["default_config"]
