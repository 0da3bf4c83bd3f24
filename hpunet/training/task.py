"""What is trained, as the loop sees it: the loop knows no network."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from hpunet.config.groups import AugmentConfig, LossConfig
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
    """A model with its loss, its way of seeing data and its way of drawing.

    Attributes:
        init: `key -> params`.
        init_objective: `() -> (variables, state)` of the objective.
        loss: `(params, variables, objective_state, batch, keys, collectives) -> Loss`, with one
            key an example.
        sampler: Draws and rebuilds.
    """

    init: Callable[[Key[Array, ""]], PyTree]
    init_objective: Callable[[], tuple[PyTree, PyTree]]
    loss: LossFunction
    sampler: Sampler


def see(
    batch: Batch,
    keys: Key[Array, " B"],
    crop: tuple[int, int],
    augmentation: AugmentConfig | None,
    intensities: Intensities = BYTES,
) -> tuple[Float[Array, "B h w C"], Int[Array, "B h w"]]:
    """What the network sees of a batch: intensities and labels, deformed and cropped.

    Args:
        batch: As read.
        keys: One key an example, for the deformation.
        crop: Height and width of the result, in pixels.
        augmentation: Ranges of the random deformations; None takes the central crop.
        intensities: Which intensities the network sees for stored values.
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
    """A model to be trained.

    Args:
        model: Gives the first weights, and the samples.
        loss_config: What is minimised.
        crop: Height and width that the network sees, in pixels.
        image_channels: Channels of the images.
        augmentation: Ranges of the random deformations; None takes the central crop.
        network: What the loss is computed of, with the weights of `model`: the same network in
            another precision, for instance; None takes `model.network`.
        intensities: How values as stored become what the network sees.
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
        image, labels = see(batch, pairs[:, 0], crop, augmentation, intensities)
        # An ignored pixel is of no class: to the posterior it shows nothing.
        segmentation = jax.nn.one_hot(labels, model_config.num_classes)
        noise = network.draw_noise(pairs[:, 1], crop)
        gumbel = None
        if config.draws_pixels:
            gumbel = draw_gumbel_noise(pairs[:, 1], model_config.num_scales, crop)
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
