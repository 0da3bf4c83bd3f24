"""What a network draws and rebuilds, on all devices and in chunks of one size."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, PyTree, UInt8

from hpunet.inference.sampler import NOT_FINITE, Sampler
from hpunet.io.errors import UserError
from hpunet.training.devices import Devices
from hpunet.training.state import keys_of

# What a device draws at a time. Rounding may depend on it, so it does not depend on the devices.
UNIT = 4


class Predicted(NamedTuple):
    """What a network says of images, in class labels.

    Attributes:
        samples: Drawn from the prior.
        reconstructions: Each annotation, rebuilt from the posterior's means.
    """

    samples: UInt8[np.ndarray, "S B H W"]
    reconstructions: UInt8[np.ndarray, "G B H W"]


class Predictor:
    """Draws samples and rebuilds annotations on all devices of this host.

    A sample depends on the seed, its image's position and its own number alone; its rounding also
    on what is computed beside it. So each device computes units of the same size, and images that
    follow each other share the same unit, whatever the number of devices.

    Attributes:
        unit: Images of a unit.
    """

    def __init__(
        self,
        sampler: Sampler,
        num_samples: int,
        seed: int,
        devices: Devices,
        mean: bool | tuple[bool, ...] = False,
        unit: int = UNIT,
    ) -> None:
        """Compiles nothing yet.

        Args:
            sampler: Draws and rebuilds.
            num_samples: Samples an image.
            seed: Of the samples.
            devices: Share the work.
            mean: At which scales the prior's mean is taken instead of a draw.
            unit: Images that a device draws at a time: fewer where they are large.
        """
        self.unit = unit
        self._devices = devices
        *_, key = keys_of(seed)

        def predict(params: PyTree, image: Any, annotations: Any, index: Any) -> Any:
            keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, index)
            samples = sampler.sample(params, keys, image, num_samples, mean)
            rebuild = jax.vmap(lambda labels: sampler.reconstruct(params, image, labels), 1, 1)
            # Images in front, as devices deal them out.
            return samples.swapaxes(0, 1).astype(jnp.uint8), rebuild(annotations).astype(jnp.uint8)

        self._predict = devices.pmap_examples(predict)

    @property
    def images_at_once(self) -> int:
        """Most images of one call; a multiple of `unit`."""
        return self.unit * len(self._devices.local)

    def __call__(
        self,
        replicated_params: PyTree,
        image: Float[np.ndarray, "B H W C"],
        annotations: UInt8[np.ndarray, "G B H W"],
        position: Int[np.ndarray, " B"],
    ) -> Predicted:
        """Predicts for images, at most `images_at_once`.

        Args:
            replicated_params: A copy on each device of this host.
            image: Intensities 0 to 1.
            annotations: Class labels, to be rebuilt.
            position: Place of each image among all that are ever predicted.

        Raises:
            ValueError: If there are more images than that.
            UserError: If the network gives logits that are not finite.
        """
        if len(position) > self.images_at_once:
            raise ValueError(f"{len(position)} images; allowed are at most {self.images_at_once}")
        filled = self._filled(len(position))
        batch = (image[filled], annotations[:, filled].swapaxes(0, 1), position[filled])
        outputs = self._devices.merge(self._predict(replicated_params, *self._devices.split(batch)))
        for output in outputs:
            self._check_finite(output[: len(position)], position)
        return Predicted(*(output[: len(position)].swapaxes(0, 1) for output in outputs))

    def _check_finite(
        self, labels: UInt8[np.ndarray, "B N H W"], position: Int[np.ndarray, " B"]
    ) -> None:
        bad = (labels == NOT_FINITE).any(axis=(1, 2, 3))
        if bad.any():
            raise UserError(
                f"the network's logits are NaN or infinite on {bad.sum()} of {len(bad)} images, "
                f"the first at place {position[bad.argmax()]} of the split: allowed are finite ones"
            )

    def _filled(self, count: int) -> Int[np.ndarray, " b"]:
        """Places of images, some of them again, so that all units are full: one program for all."""
        size = self.unit
        starts = range(0, count, size)
        units = [np.resize(np.arange(s, min(s + size, count)), size) for s in starts]
        return np.concatenate([units[n % len(units)] for n in range(len(self._devices.local))])
