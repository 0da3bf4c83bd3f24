"""Files, downloads, locks and the mistakes of a user; imports nothing else of hpunet."""
