"""Configurations of runs; each sets the values that differ from the defaults."""
