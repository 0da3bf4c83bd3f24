"""Inference: preprocessing, sampling in portions, and hypotheses of a user's images."""
