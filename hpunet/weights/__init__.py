"""Weights that travel: files, and those of the reference."""
