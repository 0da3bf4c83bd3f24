"""What the networks are made of: residual block, pooling, upsampling."""

import haiku as hk
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from hpunet.model.initialization import orthogonal, truncated_normal


def conv(channels: int, kernel_size: int, name: str) -> hk.Conv2D:
    """A convolution with SAME padding, orthogonal kernel and small random bias.

    Its initialisers are not Haiku's: `initialization` notes them and calls them itself.
    """
    return hk.Conv2D(
        channels,
        kernel_size,
        padding="SAME",
        w_init=orthogonal,  # type: ignore[arg-type]
        b_init=truncated_normal,  # type: ignore[arg-type]
        name=name,
    )


class ResidualBlock(hk.Module):
    """Pre-activated residual block, narrower inside than outside.

    ReLU, then `num_convs` 3x3 convolutions at the inner width with a ReLU between them and none
    after the last, then a 1x1 expansion where the widths differ. The skip path is the input itself,
    not rectified, through a 1x1 convolution where its width differs.

    Reference: Kohl et al. 2019, figure 6; `res_block` in the reference's model.
    """

    def __init__(self, channels: int, inner_channels: int, num_convs: int, name: str) -> None:
        """Sets outer width, inner width and the number of 3x3 convolutions."""
        super().__init__(name=name)
        self._channels = channels
        self._inner_channels = inner_channels
        self._num_convs = num_convs

    def __call__(self, inputs: Float[Array, "B H W C"]) -> Float[Array, "B H W D"]:
        """Maps features to features of `channels` channels at the same resolution."""
        residual = inputs
        for i in range(self._num_convs):
            residual = conv(self._inner_channels, 3, f"conv_{i}")(jax.nn.relu(residual))
        skip = inputs
        if inputs.shape[-1] != self._channels:
            skip = conv(self._channels, 1, "skip")(inputs)
        if self._inner_channels != self._channels:
            residual = conv(self._channels, 1, "expand")(residual)
        return skip + residual


class Level(hk.Module):
    """The residual blocks of one resolution, one after the other."""

    def __init__(
        self, channels: int, inner_channels: int, num_convs: int, num_blocks: int, name: str
    ) -> None:
        """Sets widths, convolutions a block and the number of blocks."""
        super().__init__(name=name)
        self._block_settings = (channels, inner_channels, num_convs)
        self._num_blocks = num_blocks

    def __call__(self, features: Float[Array, "B H W C"]) -> Float[Array, "B H W D"]:
        """Maps features to features of `channels` channels at the same resolution."""
        for i in range(self._num_blocks):
            features = ResidualBlock(*self._block_settings, name=f"block_{i}")(features)
        return features


def halve(features: Float[Array, "B H W C"]) -> Float[Array, "B h w C"]:
    """Means of 2x2 pixels, without overlap or padding."""
    batch, height, width, channels = features.shape
    return features.reshape(batch, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4))


def double(features: Float[Array, "B h w C"]) -> Float[Array, "B H W C"]:
    """Repeats every pixel 2x2 times."""
    batch, height, width, channels = features.shape
    shape = (batch, height, 2, width, 2, channels)
    grid = jnp.broadcast_to(features[:, :, None, :, None, :], shape)
    return grid.reshape(batch, 2 * height, 2 * width, channels)
