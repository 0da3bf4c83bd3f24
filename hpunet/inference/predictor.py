"""Samples and reconstructions of batches, on all devices and in units of fixed size."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, PyTree, UInt8

from hpunet.inference.sampling import NOT_FINITE, Sampler

# Replaces IoU_rec for a model without a posterior.
NO_RECONSTRUCTION = "IoU_rec: this model has no posterior and cannot reconstruct"
# Why an image is not scored.
LOGITS_NOT_FINITE = "the network's logits are NaN or infinite"
# Images per device and call. Rounding may depend on it, so it is independent of the number of
# devices.
UNIT = 4


@runtime_checkable
class DeviceGroup(Protocol):
    """The devices of this host, such as a `hpunet.training.devices.Devices`.

    Attributes:
        local: The devices.
    """

    local: list[Any]

    def pmap_examples(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Compiles a function of a replicated tree and of one share of examples per device."""

    def replicate(self, tree: Any) -> Any:
        """Copies a tree to each device."""

    def split(self, tree: Any) -> Any:
        """Distributes examples to the devices, in order."""

    def merge(self, tree: Any) -> Any:
        """Inverts `split`; returns NumPy arrays."""


class PredictedLabels(NamedTuple):
    """A network's class labels for images.

    Attributes:
        samples: Samples from the prior.
        reconstructions: Reconstruction of each annotation from the posterior's means; None for a
            model without a posterior.
        finite: Whether all logits of each image are finite. Otherwise some labels are
            `NOT_FINITE`, and the image cannot be scored.
    """

    samples: UInt8[np.ndarray, "S *B H W"]
    reconstructions: UInt8[np.ndarray, "G *B H W"] | None
    finite: Bool[np.ndarray, "*B"]


class Predictor:
    """Draws samples and reconstructs annotations on all devices of this host.

    A sample depends on the seed, the position of its image and its own number alone; its rounding
    also depends on the batch that it is computed in. Each device therefore computes units of fixed
    size, and consecutive images share a unit for any number of devices.

    Attributes:
        unit: Images per unit.
    """

    def __init__(
        self,
        sampler: Sampler,
        num_samples: int,
        seed: int,
        devices: DeviceGroup,
        mean: bool | tuple[bool, ...] = False,
        unit: int = UNIT,
    ) -> None:
        """Compiles nothing yet.

        Args:
            sampler: Functions that sample and reconstruct.
            num_samples: Samples per image.
            seed: Seed of the samples.
            devices: The devices.
            mean: Scales that use the prior's mean instead of a draw, as in `Model.sample`.
            unit: Images per device and call; fewer for large images.
        """
        self.unit = unit
        self._devices = devices
        key = sampling_key(seed)

        def predict(params: PyTree, image: Any, annotations: Any, index: Any) -> Any:
            keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, index)
            samples = sampler.sample(params, keys, image, num_samples, mean)
            # The images are the first axis, which the devices split.
            drawn = (samples.swapaxes(0, 1).astype(jnp.uint8),)
            reconstruct = sampler.reconstruct
            if reconstruct is None:
                return drawn
            rebuild = jax.vmap(lambda labels: reconstruct(params, image, labels), 1, 1)
            return *drawn, rebuild(annotations).astype(jnp.uint8)

        self._predict = devices.pmap_examples(predict)

    @property
    def images_at_once(self) -> int:
        """Largest number of images per call; a multiple of `unit`."""
        return self.unit * len(self._devices.local)

    def __call__(
        self,
        replicated_params: PyTree,
        image: Float[np.ndarray, "B H W C"],
        annotations: UInt8[np.ndarray, "G B H W"],
        position: Int[np.ndarray, " B"],
    ) -> PredictedLabels:
        """Predicts labels for at most `images_at_once` images.

        Args:
            replicated_params: Weights, with a copy on each device of this host.
            image: Intensities as the network sees them.
            annotations: Class labels to reconstruct.
            position: Index of each image among all images that are ever predicted.

        Raises:
            ValueError: If there are more images.
        """
        count = len(position)
        if count > self.images_at_once:
            raise ValueError(f"{count} images; allowed are at most {self.images_at_once}")
        filled = self._filled(count)
        batch = (image[filled], annotations[:, filled].swapaxes(0, 1), position[filled])
        outputs = self._devices.merge(self._predict(replicated_params, *self._devices.split(batch)))
        outputs = [output[:count] for output in outputs]
        bad = [(output == NOT_FINITE).any(axis=(1, 2, 3)) for output in outputs]
        samples, *rebuilt = (output.swapaxes(0, 1) for output in outputs)
        return PredictedLabels(samples, rebuilt[0] if rebuilt else None, ~np.any(bad, axis=0))

    def _filled(self, count: int) -> Int[np.ndarray, " b"]:
        """Indices of images, some repeated to fill all units, so that one program serves all."""
        size = self.unit
        starts = range(0, count, size)
        units = [np.resize(np.arange(s, min(s + size, count)), size) for s in starts]
        return np.concatenate([units[n % len(units)] for n in range(len(self._devices.local))])


def sampling_key(seed: int) -> Key[Array, ""]:
    """The key of scored samples: the third key that a run derives from its seed.

    See `hpunet.training.state.keys_of`.
    """
    return jax.random.split(jax.random.key(seed), 3)[2]
