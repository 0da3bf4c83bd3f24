"""Weights files, published weights and the reference's checkpoints."""
