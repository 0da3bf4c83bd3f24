"""Files, downloads, locks and user errors; imports nothing else of hpunet."""
