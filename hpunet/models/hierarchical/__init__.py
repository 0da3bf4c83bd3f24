"""The Hierarchical Probabilistic U-Net of Kohl et al. 2019."""
