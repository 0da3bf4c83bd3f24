"""The Hierarchical Probabilistic U-Net of Kohl et al. 2019."""

from typing import TYPE_CHECKING

from hpunet.models.hierarchical.config import HierarchicalConfig

if TYPE_CHECKING:
    from hpunet.models.network import Network


def build_network(
    config: HierarchicalConfig, precision: str, remat: bool, convolution: str
) -> "Network":
    """Builds the network's pure functions; see `hpunet.models.base.build_network`."""
    # Imported here, because reading or listing settings must not wait for JAX.
    from hpunet.models.hierarchical import network

    return network.build_network(config, precision, remat, convolution)
