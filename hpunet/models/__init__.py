"""Networks that draw segmentations, in pure Haiku."""
