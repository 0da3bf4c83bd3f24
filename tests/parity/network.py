"""What the network and the cross-entropy give, beside the reference."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hpunet.config.training import TopK
from hpunet.objectives.cross_entropy import cross_entropy, reconstruction
from hpunet.objectives.terms import l2_regularisation
from tests.golden_reference import Golden
from tests.parity.comparison import EQUAL, Comparison, compare

VARIANTS = ("plain", "topk_det", "topk_gumbel")


def samples(golden: Golden, part: str = "samples") -> Iterator[Comparison]:
    """Logits of every kind of sample that the reference drew, with its noise."""
    encode, decode = jax.jit(golden.model.network.encode), jax.jit(golden.model.network.decode)
    encoded = encode(golden.params, golden.values["img"])
    none: list[Any] = [None] * golden.model.config.num_scales
    noise = golden.per_scale("prior_noise")
    mean = [np.zeros_like(n) for n in noise]
    drawn = {
        "mean": (mean, none),
        "noise": (noise, none),
        "global": ([noise[0], *mean[1:]], none),
        "local": ([*mean[:-1], noise[-1]], none),
        "z": (mean, golden.per_scale("z")),
    }
    for name, (noises, latents) in drawn.items():
        logits = decode(golden.params, encoded, noises, latents)
        yield compare(golden, part, f"out:sample_{name}", logits)


def public_interface(golden: Golden, part: str = "public interface") -> Iterator[Comparison]:
    """What `Model.sample` and `Model.reconstruct` give without noise."""
    model, params = golden.model, golden.params
    image, segmentation = golden.values["img"], golden.values["seg"]
    mean = model.sample(params, None, image, mean=True)
    yield compare(golden, part, "out:sample_mean", mean[0])
    given = model.sample(params, None, image, latents=golden.per_scale("z"))
    yield compare(golden, part, "out:sample_z", given[0])
    rebuilt = model.reconstruct(params, None, image, segmentation, mean=True)
    yield compare(golden, part, "out:reconstruct_mean", rebuilt)


def posterior_pass(golden: Golden) -> Iterator[Comparison]:
    """Reconstructions, both distributions at every scale, and the KL between them."""
    forward = jax.jit(golden.model.network.forward)
    inputs = golden.params, golden.values["img"], golden.values["seg"]
    noise = golden.per_scale("posterior_noise")
    rebuilt = forward(*inputs, [np.zeros_like(n) for n in noise])
    yield compare(golden, "reconstructions", "out:reconstruct_mean", rebuilt.logits)
    output = forward(*inputs, noise)
    yield compare(golden, "reconstructions", "out:reconstruct_noise", output.logits)
    for i in range(golden.model.config.num_scales):
        for part, distribution in (("posterior", output.posterior), ("prior", output.prior)):
            for field in ("loc", "scale"):
                value = getattr(distribution[i], field)
                yield compare(golden, part, f"out:{part}_{field}_{i}", value)
        yield compare(golden, "KL", f"out:kl_{i}", jnp.mean(output.kl[i]))


def cross_entropies(golden: Golden, variant: str, masked: bool) -> Iterator[Comparison]:
    """The cross-entropy of a variant and the pixels that it keeps."""
    name = f"{variant}_masked" if masked else variant
    name = "masked" if name == "plain_masked" else name
    pixelwise = cross_entropy(golden.values["out:reconstruct_noise"], golden.values["seg"])
    fraction = golden.meta["loss_kwargs"]["top_k_percentage"]
    top_k = None if variant == "plain" else TopK(fraction, deterministic=variant == "topk_det")
    mask = golden.values["mask"] if masked else None
    rec = reconstruction(pixelwise, mask, top_k, golden.gumbel())
    for kind, value in (("sum", rec.sum / len(pixelwise)), ("mean", rec.sum / rec.num_pixels)):
        yield compare(golden, "cross-entropy", f"out:ce_{name}_{kind}", value)
    if top_k is not None:
        kept = f"out:ce_{name}_mask"
        value = np.reshape(rec.kept, golden.values[kept].shape)
        yield compare(golden, "kept pixels", kept, value, EQUAL)


def regularisation(golden: Golden) -> Iterator[Comparison]:
    """The sum of all L2 penalties."""
    value = l2_regularisation(golden.params, golden.loss_config.l2)
    yield compare(golden, "regularisation", "out:regularisation", value)
