"""Building blocks of the networks: convolution, residual block, pooling, upsampling."""

from typing import NamedTuple

import haiku as hk
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from hpunet.models.convolution import FORMS
from hpunet.models.initialization import orthogonal, truncated_normal


class Conv(hk.Module):
    """A convolution with SAME padding, orthogonal kernel and small random bias.

    The inputs may come in two parts: `lower` features at half the height and width, and `upper`
    features at full size. The convolution of their concatenation is the sum of two convolutions,
    so the contribution of `upper` can be computed before `lower` is known.
    """

    def __init__(self, channels: int, kernel_size: int, form: str, name: str) -> None:
        """Sets output channels, the kernel's height and width in pixels, and the key in `FORMS`."""
        super().__init__(name=name)
        self._channels = channels
        self._kernel_size = kernel_size
        self._form = FORMS[form]

    def __call__(self, inputs: Float[Array, "B H W C"]) -> Float[Array, "B H W D"]:
        """Convolves inputs that come in one part."""
        kernel, bias = self._weights(inputs.shape[-1])
        return _add_bias(self._form.convolve(inputs, kernel), bias)

    @hk.name_like("__call__")
    def of_upper(
        self, upper: Float[Array, "B H W C"], lower_channels: int
    ) -> Float[Array, "B H W D"]:
        """Computes the contribution of the upper inputs, the last channels, plus the bias."""
        kernel, bias = self._weights(lower_channels + upper.shape[-1])
        return _add_bias(self._form.convolve(upper, kernel[:, :, lower_channels:]), bias)

    @hk.name_like("__call__")
    def of_lower(
        self, lower: Float[Array, "B h w C"], upper_channels: int
    ) -> Float[Array, "B H W D"]:
        """Computes the upsampled contribution of the lower inputs, the first channels; no bias."""
        channels = lower.shape[-1]
        kernel = self._weights(channels + upper_channels)[0][:, :, :channels]
        if self._kernel_size == 1:
            return double(self._form.convolve(lower, kernel))
        return self._form.convolve_doubled(lower, kernel)

    @hk.transparent
    def _weights(self, channels: int) -> tuple[Array, Array]:
        # The initialisers do not follow Haiku's interface: `initialization` records and calls them.
        shape = (self._kernel_size, self._kernel_size, channels, self._channels)
        kernel = hk.get_parameter("w", shape, init=orthogonal)  # type: ignore[arg-type]
        bias = hk.get_parameter(
            "b",
            (self._channels,),
            init=truncated_normal,  # type: ignore[arg-type]
        )
        return kernel, bias


def _add_bias(outputs: Float[Array, "B H W D"], bias: Float[Array, " D"]) -> Array:
    # Broadcast in float32, so that the bias's gradient is summed in float32 in every precision.
    spread = jnp.broadcast_to(bias.astype(jnp.float32), outputs.shape)
    return outputs + spread.astype(outputs.dtype)


class Upper(NamedTuple):
    """The contribution of an encoder's features to a block that also takes lower features.

    Attributes:
        residual: Contribution to the first 3x3 convolution.
        skip: Contribution to the convolution of the skip path.
    """

    residual: Float[Array, "B H W I"]
    skip: Float[Array, "B H W D"]


class ResidualBlock(hk.Module):
    """Pre-activated residual block with an inner and an outer width.

    The residual path is a ReLU, then `num_convs` 3x3 convolutions at the inner width with a ReLU
    between them, then a 1x1 expansion if the two widths differ. No ReLU follows the last 3x3
    convolution. The skip path is the input before the ReLU, with a 1x1 convolution if the number
    of channels differs from the outer width.

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
        """Precomputes the contribution of an encoder's features, for `join`.

        Args:
            upper: The encoder's features; they have as many channels as the block's output.
            lower_channels: Channels of the lower features that `join` will add.
        """
        residual = self._first().of_upper(jax.nn.relu(upper), lower_channels)
        return Upper(residual, self._skip().of_upper(upper, lower_channels))

    @hk.name_like("__call__")
    def join(self, lower: Float[Array, "B h w C"], upper: Upper) -> Float[Array, "B H W D"]:
        """Applies the block to the concatenation of `double(lower)` and the upper features.

        Args:
            lower: Features at half the height and width.
            upper: Result of `of_upper`.
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
    """The residual blocks of one resolution, in sequence."""

    def __init__(
        self,
        channels: int,
        inner_channels: int,
        num_convs: int,
        num_blocks: int,
        form: str,
        name: str,
    ) -> None:
        """Sets widths, convolutions per block, number of blocks and form of the convolutions."""
        super().__init__(name=name)
        self._block_settings = (channels, inner_channels, num_convs, form)
        self._num_blocks = num_blocks

    def __call__(
        self, features: Float[Array, "B _h _w C"], upper: Upper | None = None
    ) -> Float[Array, "B H W D"]:
        """Maps features to features of `channels` channels.

        Args:
            features: Features at the same resolution, or at half of it if `upper` is given.
            upper: Result of `of_upper` for the encoder's features, if the level joins them.
        """
        first = self._block(0)
        features = first(features) if upper is None else first.join(features, upper)
        for i in range(1, self._num_blocks):
            features = self._block(i)(features)
        return features

    @hk.name_like("__call__")
    def of_upper(self, upper: Float[Array, "B H W D"], lower_channels: int) -> Upper:
        """Precomputes the first block's share of `join`; see `ResidualBlock.of_upper`."""
        return self._block(0).of_upper(upper, lower_channels)

    @hk.transparent
    def _block(self, number: int) -> ResidualBlock:
        return ResidualBlock(*self._block_settings, name=f"block_{number}")


def halve(features: Float[Array, "B H W C"]) -> Float[Array, "B h w C"]:
    """Averages blocks of 2x2 pixels, without overlap or padding."""
    batch, height, width, channels = features.shape
    return features.reshape(batch, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4))


def double(features: Float[Array, "B h w C"]) -> Float[Array, "B H W C"]:
    """Repeats every pixel 2x2 times."""
    batch, height, width, channels = features.shape
    shape = (batch, height, 2, width, 2, channels)
    grid = jnp.broadcast_to(features[:, :, None, :, None, :], shape)
    return grid.reshape(batch, 2 * height, 2 * width, channels)
