"""The results of a finished run: weights, figures and a report."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from hpunet import figures
from hpunet.config.data import AugmentConfig
from hpunet.data.augment import augment
from hpunet.data.crops import central
from hpunet.data.dataset import Dataset
from hpunet.data.labels import without_ignored
from hpunet.data.pipeline import spread
from hpunet.evaluation.truth import TruthReport, compare_with_truth
from hpunet.inference.predictor import LOGITS_NOT_FINITE, NO_RECONSTRUCTION
from hpunet.inference.preprocessing import CroppedImages
from hpunet.inference.prior_range import PriorRange
from hpunet.io.atomic import write_json
from hpunet.io.errors import first_names
from hpunet.models.base import ModelConfig
from hpunet.training import workdir as folder
from hpunet.training.metrics_log import FILE, read_metrics
from hpunet.training.validation import ValidationScores, sample_figure
from hpunet.weights.file import save_weights

AUGMENTED_ROWS, AUGMENTED_COLUMNS = 5, 7
# Said of the split of the report where the data have no test split.
_INSTEAD = {
    "val": " (there is no test split; the best checkpoint was chosen on these images)",
    "train": " (there is no other split; the network was trained on these images)",
}


def write_summary(
    workdir: Path,
    params: PyTree,
    network: ModelConfig,
    preprocessing: Mapping[str, Any],
    kappa: float | None,
    prior_range: PriorRange | None,
) -> None:
    """Writes the weights and the training curves.

    Args:
        workdir: Folder of the run.
        params: The weights.
        network: The settings of the model.
        preprocessing: How images become the network's input, for the header of the weights file.
        kappa: Target of the reconstruction loss, to draw into the curves, or None.
        prior_range: Range of the prior on the validation split, or None if it is not known.
    """
    extent = None if prior_range is None else prior_range.to_header()
    path = workdir / folder.WEIGHTS
    save_weights(path, params, network, preprocessing, prior_range=extent)
    curves = figures.training_curves(read_metrics(workdir / FILE), kappa=kappa)
    figures.save(curves, workdir / folder.TRAINING_CURVES)


def write_augmented(
    workdir: Path, examples: Sequence[dict[str, Any]], crop: tuple[int, int], config: AugmentConfig
) -> None:
    """Writes a figure of images and masks with augmented versions of them.

    Args:
        workdir: Folder of the run.
        examples: Training examples of equal size; the figure shows the largest mask of each.
        crop: Height and width of the network's input, in pixels.
        config: Ranges of the deformations.
    """
    image = np.stack([example["image"] for example in examples]).astype(np.float32)
    all_masks = [without_ignored(example["annotations"])[0] for example in examples]
    labels = np.stack([max(masks, key=np.count_nonzero) for masks in all_masks])
    keys = jax.random.split(jax.random.key(0), (AUGMENTED_COLUMNS, len(examples)))
    deform = jax.vmap(lambda key, x, y: augment(key, x, y, crop, config), (0, None, None))
    images, masks = jax.jit(deform)(keys, image, labels)
    figure = figures.augmentation_grid(image.mean(-1), labels, images.mean(-1), masks)
    figures.save(figure, workdir / folder.AUGMENTED)


def write_samples(workdir: Path, images: CroppedImages, scored: ValidationScores) -> None:
    """Writes a figure of images, annotators' masks, samples and their standard deviation.

    No image that could not be scored is shown. Without any other image, there is no figure.
    """
    if not scored.finite.any():
        (workdir / folder.SAMPLES).unlink(missing_ok=True)
        return
    figures.save(sample_figure(images, scored), workdir / folder.SAMPLES)


def write_report(
    workdir: Path, dataset: Dataset, split: str, images: CroppedImages, scored: ValidationScores
) -> str:
    """Writes the scores as JSON, with a comparison to the true distribution if it is known.

    Images that could not be scored are listed and do not count.

    Args:
        workdir: Folder of the run.
        dataset: The data set.
        split: Split of the images.
        images: The scored images, `spread` over the split.
        scored: Samples and scores of the images.

    Returns:
        The report as text for the terminal.
    """
    not_scored, num_scored = scored.not_scored(images), int(scored.finite.sum())
    means, num_samples = scored.means(), len(scored.samples)
    report: dict[str, Any] = {
        "split": split,
        "num_images": len(images.position),
        "num_scored": num_scored,
        "not_scored": [{"name": name, "reason": LOGITS_NOT_FINITE} for name in not_scored],
        "num_samples": num_samples,
        **{name: mean if num_scored else None for name, mean in means.items()},
    }
    text = (
        f"Split {split}{_INSTEAD.get(split, '')}, {num_scored} images, {num_samples} samples: "
        f"{_scores_text(means)}"
    )
    if not_scored:
        listed = first_names(not_scored)
        text += f"\nnot scored, {LOGITS_NOT_FINITE}: {listed} ({len(not_scored)} in all)"
    if dataset.truth is not None and num_scored:
        truth = _compare(dataset, split, images, scored)
        report["truth"] = truth.as_json()
        text = f"{text}\n\n{truth.as_text()}"
    write_json(workdir / folder.REPORT, report)
    return text


def _scores_text(means: Mapping[str, float]) -> str:
    if math.isnan(means["ged"]):
        return "no image could be scored"
    text = f"GED^2 {means['ged']:.4f}, Hungarian-matched IoU {means['hungarian_iou']:.4f}"
    rebuilt = means.get("reconstruction_iou")
    return text + (f"\n{NO_RECONSTRUCTION}" if rebuilt is None else f", IoU_rec {rebuilt:.4f}")


def _compare(
    dataset: Dataset, split: str, images: CroppedImages, scored: ValidationScores
) -> TruthReport:
    examples = spread(dataset.splits[split], len(images.position))
    modes = np.stack([example["modes"] for example in examples])
    rows, columns = central(modes.shape[-2:], images.annotations.shape[-2:])
    modes = modes[..., rows, columns]
    finite = scored.finite
    return compare_with_truth(
        dataset.truth,
        scored.samples[:, finite],
        images.annotations[:, finite],
        modes[finite],
        scored.ged[finite],
    )
