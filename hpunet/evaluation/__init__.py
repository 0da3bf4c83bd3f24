"""Evaluation: scores of samples against annotations, with confidence intervals."""
