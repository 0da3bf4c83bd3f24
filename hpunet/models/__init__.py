"""How a segmentation is drawn: the networks, in pure Haiku."""
