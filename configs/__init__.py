"""Configurations of runs: what differs from `hpunet.config`."""
