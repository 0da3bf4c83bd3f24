"""Inspection of a data set before training: counts, faults and a proposed configuration."""
