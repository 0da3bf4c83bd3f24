"""Images made up with a lesion, and annotations from a distribution that is known."""
