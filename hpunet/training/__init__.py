"""Training: state, steps, loop, checkpoints, validation and logs."""
