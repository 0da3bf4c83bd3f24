"""Variables of DeepMind's checkpoints as parameters, and back."""
