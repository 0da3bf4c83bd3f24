"""A model and its loss, as the training loop uses them."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from hpunet.config.data import AugmentConfig
from hpunet.config.training import LossConfig
from hpunet.data.augment import augment, center_crop
from hpunet.data.intensities import BYTES, Intensities
from hpunet.data.labels import IGNORED
from hpunet.data.pipeline import Batch
from hpunet.inference.preprocessing import preprocess
from hpunet.inference.sampling import Sampler, build_sampler
from hpunet.models.base import ModelConfig
from hpunet.models.model import Model
from hpunet.models.network import Network
from hpunet.models.noise import draw_gumbel_noise
from hpunet.objectives.loss import Loss, build_objective, loss_of_pass
from hpunet.objectives.terms import Collectives

LossFunction = Callable[[PyTree, PyTree, PyTree, Batch, Key[Array, " B"], Collectives], Loss]


class Task(NamedTuple):
    """A model with its loss, preprocessing and sampler, as pure functions.

    Attributes:
        init: `key -> params`.
        init_objective: `() -> (variables, state)` of the objective.
        loss: `(params, variables, objective_state, batch, keys, collectives) -> Loss`, with one
            key per example.
        sampler: Draws samples and reconstructions.
    """

    init: Callable[[Key[Array, ""]], PyTree]
    init_objective: Callable[[], tuple[PyTree, PyTree]]
    loss: LossFunction
    sampler: Sampler


def preprocess_batch(
    batch: Batch,
    keys: Key[Array, " B"],
    crop: tuple[int, int],
    augmentation: AugmentConfig | None,
    intensities: Intensities = BYTES,
) -> tuple[Float[Array, "B h w C"], Int[Array, "B h w"]]:
    """Converts a batch to the network's input: intensities and labels, deformed and cropped.

    Args:
        batch: Images as stored, and labels.
        keys: One key per example, for the deformation.
        crop: Height and width of the result, in pixels.
        augmentation: Ranges of the random deformations; None for the central crop.
        intensities: How stored values become the network's intensities.

    Returns:
        Intensities `[B, h, w, C]` and labels `[B, h, w]`.
    """
    image = jnp.asarray(preprocess(batch.image, intensities))
    labels = jnp.asarray(batch.labels, jnp.int32)
    if augmentation is not None:
        return augment(keys, image, labels, crop, augmentation)
    cropped_image, cropped_labels = center_crop(image, labels, crop)
    return jnp.asarray(cropped_image), jnp.asarray(cropped_labels)


def build_task(
    model: Model,
    loss_config: LossConfig,
    crop: tuple[int, int],
    image_channels: int,
    augmentation: AugmentConfig | None,
    network: Network | None = None,
    intensities: Intensities = BYTES,
) -> Task:
    """Builds the task of training a model.

    Args:
        model: Draws initial weights and samples.
        loss_config: The settings of the loss.
        crop: Height and width of the network's input, in pixels.
        image_channels: Number of channels of the images.
        augmentation: Ranges of the random deformations; None for the central crop.
        network: The network of the loss, which shares the weights of `model` but may have another
            precision; None for `model.network`.
        intensities: How stored values become the network's intensities.
    """
    num_classes = model.config.num_classes

    def init(key: Key[Array, ""]) -> PyTree:
        image = np.zeros((1, *crop, image_channels), np.float32)
        return model.init(key, image, np.zeros((1, *crop, num_classes), np.float32))

    trained = model.network if network is None else network
    loss = _build_loss(model.config, trained, loss_config, crop, augmentation, intensities)
    return Task(init, build_objective(loss_config).init, loss, build_sampler(model))


def _build_loss(
    model_config: ModelConfig,
    network: Network,
    config: LossConfig,
    crop: tuple[int, int],
    augmentation: AugmentConfig | None,
    intensities: Intensities,
) -> LossFunction:

    def loss(
        params: PyTree,
        variables: PyTree,
        objective_state: PyTree,
        batch: Batch,
        keys: Key[Array, " B"],
        collectives: Collectives,
    ) -> Loss:
        pairs = jax.vmap(jax.random.split)(keys)
        image, labels = preprocess_batch(batch, pairs[:, 0], crop, augmentation, intensities)
        # Ignored pixels belong to no class, so the posterior's input is zero there.
        segmentation = jax.nn.one_hot(labels, model_config.num_classes)
        noise_keys = pairs[:, 1]
        noise = network.draw_noise(noise_keys, crop)
        gumbel = None
        if config.draws_pixels:
            gumbel = draw_gumbel_noise(noise_keys, model_config.num_scales, crop)
        output = network.forward(params, image, segmentation, noise)
        return loss_of_pass(
            output,
            segmentation,
            gumbel,
            params,
            variables,
            objective_state,
            config,
            mask=(labels != IGNORED).astype(jnp.float32),
            index=jnp.asarray(batch.position),
            collectives=collectives,
        )

    return loss
