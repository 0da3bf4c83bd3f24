"""Profiles the parts of the network, of the loss and of a step, each compiled separately.

    python -m experiments.speed.parts FOLDER PRECISION BATCH_SIZE

prints a line of JSON per part. A part alone costs slightly more than it adds to a whole step, where
XLA fuses operations of different parts.
"""

import functools
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.speed import inputs, plain
from experiments.speed.jax_variants import JaxVariant, count_flops
from hpunet.config.data import AugmentConfig
from hpunet.data.pipeline import Batch
from hpunet.models.hierarchical.config import HierarchicalConfig
from hpunet.models.hierarchical.unet import (
    Encoder,
    HierarchicalDecoder,
    StitchingDecoder,
    build_level,
)
from hpunet.models.noise import draw_gumbel_noise, draw_latent_noise
from hpunet.objectives.loss import build_objective, loss_of_pass
from hpunet.objectives.terms import SINGLE_DEVICE
from hpunet.runtime import memory as host_memory
from hpunet.training.state import build_step, init_state
from hpunet.training.task import preprocess_batch

REPEATS = 5
FORM = "fast"
LEAST_SECONDS = 0.1
# XLA counts each slice of the vector that Adam updates as the whole.
UNCOUNTED = ("optimiser", "step")


class Part(NamedTuple):
    """A part to time.

    Attributes:
        name: Name of the part, with a level or implementation after a slash.
        function: Function of `arguments`.
        arguments: Trees of arrays.
        gradients: Number of leading arguments that have a gradient in training.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    gradients: int


class Network(NamedTuple):
    """The variant to profile, and a batch."""

    variant: JaxVariant
    batch_size: int
    dtype: jnp.dtype

    def random(self, side: int, channels: int) -> jax.Array:
        """Draws features of a level."""
        shape = (self.batch_size, side, side, channels)
        return jnp.asarray(np.random.default_rng(0).normal(size=shape), self.dtype)

    def features(self) -> list[jax.Array]:
        """Draws features of all levels, as an encoder returns them."""
        widths = enumerate(self.variant.config.channels_per_block)
        return [self.random(self.variant.size >> level, c) for level, c in widths]

    def latents(self) -> list[jax.Array]:
        """Draws noise or latents of every scale, float32."""
        shapes = self.variant.config.latent_shapes(self.variant.size, self.variant.size)
        return [self.random(h, dim).astype(jnp.float32) for h, _, dim in shapes]

    def params(self, prefix: str) -> dict[str, dict[str, Any]]:
        """Returns the weights of a part, with names relative to the part."""
        found = {k: v for k, v in self.variant.params.items() if k.startswith(prefix)}
        return jax.tree.map(lambda w: w.astype(self.dtype), found)


class Level(NamedTuple):
    """The residual blocks of a level; the posterior's decoder has the same levels as the prior's.

    Attributes:
        name: Module and level.
        level: 0 is full resolution.
        lower_channels: Channels of the lower features, at half the resolution; 0 in an encoder.
        channels: Channels of the encoder's features, or of an encoder's input.
    """

    name: str
    level: int
    lower_channels: int
    channels: int


def list_levels(config: HierarchicalConfig) -> list[Level]:
    """Lists the levels of the prior's encoder and decoder and of the stitching decoder."""
    widths = config.channels_per_block
    found = []
    for level in range(config.num_levels):
        channels = widths[level - 1] if level else 1
        found.append(Level(f"prior_encoder/level_{level}", level, 0, channels))
    for level in range(config.num_levels - 2, -1, -1):
        scale = config.num_levels - 2 - level
        in_core = scale < config.num_scales
        module = "prior_decoder" if in_core else "stitching_decoder"
        lower = widths[level + 1] + (config.latent_dims[scale] if in_core else 0)
        found.append(Level(f"{module}/level_{level}", level, lower, widths[level]))
    return found


def levels(network: Network) -> Iterator[Part]:
    """Builds each level as in hpunet."""
    config = network.variant.config
    for level in list_levels(config):

        def function(features: Any, lower: Any = None, number: int = level.level) -> Any:
            module = build_level(config, number, FORM)
            if lower is None:
                return module(features)
            return module(lower, module.of_upper(features, lower.shape[-1]))

        apply = apply_of(function)
        named = network.params(level.name + "/")
        params = {k.partition("/")[2]: v for k, v in named.items()}
        yield _level(network, level, apply, params)


def plain_levels(network: Network) -> Iterator[Part]:
    """Builds each level as in the plain transcription, with upsampling and concatenation."""
    config = network.variant.config
    for level in list_levels(config):

        def function(params: Any, features: Any, lower: Any = None, name: str = level.name) -> Any:
            if lower is not None:
                features = jnp.concatenate([plain.double(lower), features], axis=-1)
            return plain.run_level(params, name, features, config)

        yield _level(network, level, function, network.params(level.name + "/"))


def apply_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """Transforms a function that builds Haiku modules to a function of their parameters."""
    transformed: Any = hk.transform(function)
    return hk.without_apply_rng(transformed).apply


def _level(network: Network, level: Level, function: Callable[..., Any], params: Any) -> Part:
    side = network.variant.size >> level.level
    features = network.random(side, level.channels)
    if level.lower_channels:
        lower = network.random(side // 2, level.lower_channels)
        return Part(level.name, function, (params, features, lower), gradients=3)
    # The gradient with respect to an image is not needed.
    return Part(level.name, function, (params, features), gradients=2 if level.level else 1)


def modules(network: Network) -> Iterator[Part]:
    """Builds the five modules of hpunet."""
    config, size = network.variant.config, network.variant.size
    features, latents = network.features(), network.latents()
    none = [None] * config.num_scales
    for name, channels in (("prior_encoder", 1), ("posterior_encoder", 1 + config.num_classes)):
        image = network.random(size, channels)
        yield _module(network, name, lambda x, name=name: Encoder(config, FORM, name)(x), image)

    def posterior_decoder(encoded: Any, noise: Any) -> Any:
        decoder = HierarchicalDecoder(config, FORM, "posterior_decoder")
        return decoder(encoded[-1], decoder.of_upper(encoded), noise, none)

    def prior_decoder(encoded: Any, given: Any) -> Any:
        decoder = HierarchicalDecoder(config, FORM, "prior_decoder")
        return decoder(encoded[-1], decoder.of_upper(encoded), none, given)

    def stitching_decoder(encoded: Any, last: Any) -> Any:
        decoder = StitchingDecoder(config, FORM, "stitching_decoder")
        return decoder(last, decoder.of_upper(encoded))

    last = features[config.level_of_scale(config.num_scales - 1) - 1]
    for function in (posterior_decoder, prior_decoder):
        yield _module(network, function.__name__, function, features, latents)
    yield _module(network, "stitching_decoder", stitching_decoder, features, last)


def _module(network: Network, name: str, function: Callable[..., Any], *arguments: Any) -> Part:
    apply = apply_of(function)
    # The gradient with respect to an image, an encoder's only argument, is not needed.
    gradients = 1 if len(arguments) == 1 else 1 + len(arguments)
    return Part(name, apply, (network.params(name + "/"), *arguments), gradients)


def around(network: Network) -> Iterator[Part]:
    """Builds augmentation, noise, objective and optimizer."""
    variant, size = network.variant, network.variant.size
    image, labels = inputs.images(network.batch_size, size)
    keys = jax.random.split(jax.random.key(0), network.batch_size)
    batch = Batch(image, labels, np.arange(network.batch_size, dtype=np.int32))
    augmented = functools.partial(preprocess_batch, crop=(size, size), augmentation=AugmentConfig())
    yield Part("augmentation", augmented, (batch, keys), gradients=0)
    shapes = variant.config.latent_shapes(size, size)

    def draw_noise(keys: jax.Array) -> tuple[list[jax.Array], jax.Array]:
        gumbel = draw_gumbel_noise(keys, variant.config.num_scales, (size, size))
        return draw_latent_noise(keys, shapes), gumbel

    yield Part("noise", draw_noise, (keys,), gradients=0)
    segmentation = jax.nn.one_hot(labels, variant.config.num_classes)
    noise, gumbel = draw_noise(keys)
    forward = variant.model.network.forward
    output = jax.eval_shape(forward, variant.params, image / np.float32(255), segmentation, noise)
    output = jax.tree.map(lambda x: jnp.ones(x.shape, x.dtype), output)
    variables, state = build_objective(variant.loss_config).init()

    def objective(params: Any, output: Any) -> Any:
        settings = (gumbel, params, variables, state, variant.loss_config)
        return loss_of_pass(output, segmentation, *settings, collectives=SINGLE_DEVICE).share

    yield Part("objective", objective, (variant.params, output), gradients=2)

    def optimiser(gradient: Any, state: Any, params: Any) -> Any:
        updates, state = variant.optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), state

    first = variant.optimizer.init(variant.params)
    yield Part("optimiser", optimiser, (variant.params, first, variant.params), gradients=0)


def whole(network: Network) -> Iterator[Part]:
    """Builds a pass through the whole network, and a step."""
    variant = network.variant
    image, labels = inputs.images(network.batch_size, variant.size)
    segmentation = jax.nn.one_hot(labels, variant.config.num_classes)
    arguments = (variant.params, image / np.float32(255), segmentation, network.latents())
    yield Part("network", variant.model.network.forward, arguments, gradients=1)
    task = variant.task()
    batch = Batch(image, labels, np.arange(network.batch_size, dtype=np.int32))
    state = init_state(task, variant.optimizer, inputs.SEED, variant.params)
    step = build_step(task, variant.optimizer, SINGLE_DEVICE)
    yield Part("step", step, (state, batch), gradients=0)


def gradient_of(part: Part) -> Callable[..., Any]:
    """Builds a function that computes the result of a part and its gradients."""

    def gradient(*arguments: Any) -> Any:
        first, rest = arguments[: part.gradients], arguments[part.gradients :]
        result, pull_back = jax.vjp(lambda *a: part.function(*a, *rest), *first)
        return result, pull_back(jax.tree.map(jnp.ones_like, result))

    return gradient


def timed(function: Callable[..., Any], arguments: tuple[Any, ...]) -> dict[str, Any]:
    """Measures median milliseconds of a compiled function, and XLA's operation count."""
    compiled = jax.jit(function).lower(*arguments).compile()
    start = time.perf_counter()
    jax.block_until_ready(compiled(*arguments))
    repeats = max(1, int(LEAST_SECONDS / (time.perf_counter() - start)))
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        for _ in range(repeats):
            result = compiled(*arguments)
        jax.block_until_ready(result)
        seconds.append((time.perf_counter() - start) / repeats)
    flops = count_flops(compiled)
    gflop = None if flops is None else flops / 1e9
    return {"ms": 1000 * statistics.median(seconds), "gflop": gflop}


GROUPS = {
    "around": around,
    "modules": modules,
    "whole": whole,
    "levels": levels,
    "plain levels": plain_levels,
}


def profile(folder: Path, precision: str, batch_size: int) -> Iterator[dict[str, Any]]:
    """Times every part: `forward` and, if training needs it, `with_gradient`."""
    network = Network(JaxVariant(folder, precision), batch_size, jnp.dtype(precision))
    for group, parts in GROUPS.items():
        for part in parts(network):
            forward = timed(part.function, part.arguments)
            if part.name in UNCOUNTED:
                forward["gflop"] = None
            entry = {"group": group, "part": part.name, "forward": forward}
            if part.gradients:
                entry["with_gradient"] = timed(gradient_of(part), part.arguments)
            yield entry


if __name__ == "__main__":
    # Training does the same.
    host_memory.keep_freed()
    for line in profile(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])):
        print(json.dumps(line), flush=True)
