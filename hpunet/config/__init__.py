"""Configurations: keys, files and checked settings."""

from hpunet.config.settings import default_config

__all__ = ["default_config"]
