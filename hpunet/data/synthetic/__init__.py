"""Synthetic images with a lesion, annotated from a known distribution."""
