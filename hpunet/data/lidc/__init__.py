"""The published LIDC 2D crops: finding, checking and preparing them."""
