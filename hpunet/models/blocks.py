"""What the networks are made of: convolution, residual block, pooling, upsampling."""

from typing import NamedTuple

import haiku as hk
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from hpunet.models.convolution import FORMS
from hpunet.models.initialization import orthogonal, truncated_normal


class Conv(hk.Module):
    """A convolution with SAME padding, orthogonal kernel and small random bias.

    Its inputs may come in two parts, of which the first, the lower one, is on a grid of half the
    height and width: the convolution of their concatenation is the sum of two, and so the part of
    what is known earlier can be computed earlier.
    """

    def __init__(self, channels: int, kernel_size: int, form: str, name: str) -> None:
        """Sets output channels, the kernel's height and width in pixels, and the key in `FORMS`."""
        super().__init__(name=name)
        self._channels = channels
        self._kernel_size = kernel_size
        self._form = FORMS[form]

    def __call__(self, inputs: Float[Array, "B H W C"]) -> Float[Array, "B H W D"]:
        """The convolution of all inputs."""
        kernel, bias = self._weights(inputs.shape[-1])
        return _add_bias(self._form.convolve(inputs, kernel), bias)

    @hk.name_like("__call__")
    def of_upper(
        self, upper: Float[Array, "B H W C"], lower_channels: int
    ) -> Float[Array, "B H W D"]:
        """The last inputs' share of the convolution, and the bias."""
        kernel, bias = self._weights(lower_channels + upper.shape[-1])
        return _add_bias(self._form.convolve(upper, kernel[:, :, lower_channels:]), bias)

    @hk.name_like("__call__")
    def of_lower(
        self, lower: Float[Array, "B h w C"], upper_channels: int
    ) -> Float[Array, "B H W D"]:
        """The share of the first inputs, which are to be doubled, without the bias."""
        channels = lower.shape[-1]
        kernel = self._weights(channels + upper_channels)[0][:, :, :channels]
        if self._kernel_size == 1:
            return double(self._form.convolve(lower, kernel))
        return self._form.convolve_doubled(lower, kernel)

    @hk.transparent
    def _weights(self, channels: int) -> tuple[Array, Array]:
        # The initialisers are not Haiku's: `initialization` notes them and calls them itself.
        shape = (self._kernel_size, self._kernel_size, channels, self._channels)
        kernel = hk.get_parameter("w", shape, init=orthogonal)  # type: ignore[arg-type]
        bias = hk.get_parameter(
            "b",
            (self._channels,),
            init=truncated_normal,  # type: ignore[arg-type]
        )
        return kernel, bias


def _add_bias(outputs: Float[Array, "B H W D"], bias: Float[Array, " D"]) -> Array:
    # Spread in float32, so that in lower precision the bias's gradient is still summed in it.
    spread = jnp.broadcast_to(bias.astype(jnp.float32), outputs.shape)
    return outputs + spread.astype(outputs.dtype)


class Upper(NamedTuple):
    """Share of an encoder's features in a block that joins them to features of half their size.

    Attributes:
        residual: Share of the first 3x3 convolution.
        skip: Share of the skip path's convolution.
    """

    residual: Float[Array, "B H W I"]
    skip: Float[Array, "B H W D"]


class ResidualBlock(hk.Module):
    """Pre-activated residual block, narrower inside than outside.

    ReLU, then `num_convs` 3x3 convolutions at the inner width with a ReLU between them and none
    after the last, then a 1x1 expansion where the widths differ. The skip path is the input itself,
    not rectified, through a 1x1 convolution where its width differs.

    Reference: Kohl et al. 2019, figure 6; `res_block` in the reference's model.
    """

    def __init__(
        self, channels: int, inner_channels: int, num_convs: int, form: str, name: str
    ) -> None:
        """Sets outer width, inner width, number of 3x3 convolutions and their form."""
        super().__init__(name=name)
        self._form = form
        self._channels = channels
        self._inner_channels = inner_channels
        self._num_convs = num_convs

    def __call__(self, inputs: Float[Array, "B H W C"]) -> Float[Array, "B H W D"]:
        """Maps features to features of `channels` channels at the same resolution."""
        residual = self._first()(jax.nn.relu(inputs))
        skip = inputs if inputs.shape[-1] == self._channels else self._skip()(inputs)
        return self._finish(residual, skip)

    @hk.name_like("__call__")
    def of_upper(self, upper: Float[Array, "B H W D"], lower_channels: int) -> Upper:
        """What `join` needs of an encoder's features, which have `channels` channels.

        Args:
            upper: The encoder's features.
            lower_channels: Channels of the features that they will be joined to.
        """
        residual = self._first().of_upper(jax.nn.relu(upper), lower_channels)
        return Upper(residual, self._skip().of_upper(upper, lower_channels))

    @hk.name_like("__call__")
    def join(self, lower: Float[Array, "B h w C"], upper: Upper) -> Float[Array, "B H W D"]:
        """The block of `[double(lower), upper]`, one behind the other.

        Args:
            lower: Features of half the height and width.
            upper: What `of_upper` gave.
        """
        residual = self._first().of_lower(jax.nn.relu(lower), self._channels) + upper.residual
        skip = self._skip().of_lower(lower, self._channels) + upper.skip
        return self._finish(residual, skip)

    @hk.transparent
    def _first(self) -> Conv:
        return Conv(self._inner_channels, 3, self._form, "conv_0")

    @hk.transparent
    def _skip(self) -> Conv:
        return Conv(self._channels, 1, self._form, "skip")

    @hk.transparent
    def _finish(self, residual: Array, skip: Array) -> Array:
        for i in range(1, self._num_convs):
            residual = Conv(self._inner_channels, 3, self._form, f"conv_{i}")(jax.nn.relu(residual))
        if self._inner_channels != self._channels:
            residual = Conv(self._channels, 1, self._form, "expand")(residual)
        return skip + residual


class Level(hk.Module):
    """The residual blocks of one resolution, one after the other."""

    def __init__(
        self,
        channels: int,
        inner_channels: int,
        num_convs: int,
        num_blocks: int,
        form: str,
        name: str,
    ) -> None:
        """Sets widths, convolutions a block, number of blocks and form of the convolutions."""
        super().__init__(name=name)
        self._block_settings = (channels, inner_channels, num_convs, form)
        self._num_blocks = num_blocks

    def __call__(
        self, features: Float[Array, "B _h _w C"], upper: Upper | None = None
    ) -> Float[Array, "B H W D"]:
        """Maps features to features of `channels` channels.

        Args:
            features: Of the same resolution, or of half of it where there is an `upper`.
            upper: What `of_upper` gave of an encoder's features to be joined to them.
        """
        first = self._block(0)
        features = first(features) if upper is None else first.join(features, upper)
        for i in range(1, self._num_blocks):
            features = self._block(i)(features)
        return features

    @hk.name_like("__call__")
    def of_upper(self, upper: Float[Array, "B H W D"], lower_channels: int) -> Upper:
        """What the first block needs of an encoder's features; see `ResidualBlock.of_upper`."""
        return self._block(0).of_upper(upper, lower_channels)

    @hk.transparent
    def _block(self, number: int) -> ResidualBlock:
        return ResidualBlock(*self._block_settings, name=f"block_{number}")


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
