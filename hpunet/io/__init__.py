"""Files, downloads and the mistakes of a user; imports nothing else of hpunet."""
