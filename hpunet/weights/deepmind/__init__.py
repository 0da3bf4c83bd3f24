"""Conversion between DeepMind's checkpoints and weights files."""
