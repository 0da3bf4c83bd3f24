"""Data sets: reading, preparation, crops, augmentation and batches."""
