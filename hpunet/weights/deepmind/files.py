"""Converts checkpoint files of the reference to weights files, and back."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp

from hpunet.io.errors import UserError
from hpunet.models.hierarchical.config import HierarchicalConfig
from hpunet.objectives.geco import multiplier_of
from hpunet.weights import file
from hpunet.weights.deepmind.conversion import (
    INITIAL_MULTIPLIER,
    SCOPE,
    Converted,
    convert,
    reference_values,
)
from hpunet.weights.published import EIGHT_BIT, PUBLISHED, open_checkpoint, read
from hpunet.weights.tensorflow.tensor_bundle import read_bundle
from hpunet.weights.tensorflow.writer import write_checkpoint

MOST_NAMES_LISTED = 5


def write_weights(
    source: str,
    out: Path,
    scope: str | None = None,
    config: HierarchicalConfig | None = None,
    crop: tuple[int, int] | None = None,
    pixel_spacing: float | None = None,
) -> str:
    """Converts a TensorFlow checkpoint of the reference to a weights file.

    Args:
        source: The checkpoint: its prefix, one of its files, its folder, an archive, a URL or
            `lidc`.
        out: Path of the weights file.
        scope: Prefix of the names of the network's variables; None detects it.
        config: The settings of the network; None derives them from the shapes of the variables.
        crop: Height and width of the crops in training, in pixels, or None if unknown.
        pixel_spacing: Pixel spacing of the training images in mm, or None if unknown.

    Returns:
        A report of several lines.

    Raises:
        UserError: If the checkpoint cannot be read or the file cannot be written.
    """
    with open_checkpoint(source) as opened:
        converted = convert(read_bundle(opened.prefix), config, scope)
    preprocessing = _preprocessing(source, converted, config is not None, crop, pixel_spacing)
    origin = converted.source(opened.label, opened.sha256)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        file.save_weights(out, converted.params, converted.config, preprocessing, origin)
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror or error}") from error
    return "\n".join(
        [
            f"checkpoint: {opened.label}, SHA-256 {opened.sha256}",
            *_report(converted, preprocessing, config is not None),
            f"weights: {out}",
        ]
    )


def _preprocessing(
    source: str,
    converted: Converted,
    given: bool,
    crop: tuple[int, int] | None,
    pixel_spacing: float | None,
) -> dict[str, Any]:
    """Returns the preprocessing for the header; checkpoints do not contain it."""
    if not given:
        for name, published in PUBLISHED.items():
            if source in (name, published.url) and converted.config == published.network:
                return dict(published.preprocessing)
    return {
        **EIGHT_BIT,
        "pixel_spacing_mm": pixel_spacing,
        "crop": None if crop is None else list(crop),
        "classes": converted.config.num_classes,
    }


def _report(converted: Converted, preprocessing: Mapping[str, Any], given: bool) -> list[str]:
    weights = [w for weights in converted.params.values() for w in weights.values()]
    multiplier = "not in the checkpoint"
    if converted.multiplier is not None:
        name, value = converted.multiplier
        multiplier = f"{_multiplier(value):.6g} ({name} = {value:.6g})"
    return [
        f"network: {converted.config}, {'as given' if given else 'derived from the shapes'}",
        f"images: {_images(preprocessing)}",
        f"converted: {len(weights)} variables of {converted.scope or 'no scope'}, "
        f"{sum(w.size for w in weights):,} weights",
        f"multiplier: {multiplier}",
        f"skipped: {_listed(converted.skipped)}",
    ]


def _images(preprocessing: Mapping[str, Any]) -> str:
    crop, spacing = preprocessing["crop"], preprocessing["pixel_spacing_mm"]
    if crop is None and spacing is None:
        return (
            "crop and pixel spacing are unknown, so images will not be resampled; "
            "--config=lidc, for example, adds both"
        )
    size = "unknown" if crop is None else f"{crop[0]} x {crop[1]} pixels (height x width)"
    return f"crop {size}, pixel spacing {f'{spacing} mm' if spacing else 'unknown'}"


def _multiplier(variable: float) -> float:
    return float(multiplier_of(jnp.asarray(variable)))


def _listed(names: Sequence[str]) -> str:
    if not names:
        return "nothing"
    first = ", ".join(names[:MOST_NAMES_LISTED])
    rest = len(names) - MOST_NAMES_LISTED
    return f"{len(names)} variables, {first}" + (f" and {rest} more" if rest > 0 else "")


def write_reference(name_or_path: str, out: Path, scope: str | None = None) -> str:
    """Converts weights to a TensorFlow checkpoint of the reference.

    Args:
        name_or_path: Path of the weights file, or `lidc`.
        out: Prefix of the checkpoint.
        scope: Prefix of the names of the network's variables; None uses the scope from which the
            weights were converted, or `SCOPE`.

    Returns:
        A report of several lines.

    Raises:
        UserError: If the weights cannot be read or belong to another model, or the checkpoint
            cannot be written.
    """
    weights = read(name_or_path)
    config = weights.model.config
    if not isinstance(config, HierarchicalConfig):
        raise UserError(
            f"{weights.path}: is a {config.title}; allowed is a {HierarchicalConfig.title}"
        )
    source = weights.header.source or {}
    if scope is None:
        scope = source.get("scope", SCOPE)
        scope = scope if isinstance(scope, str) else SCOPE
    known = _multiplier_in(source, weights.path)
    variable = INITIAL_MULTIPLIER if known is None else known
    values = reference_values(weights.params, config, scope.rstrip("/"), variable)
    write_checkpoint(out, values)
    origin = "" if known is not None else ", the initial value: not in the weights file"
    return (
        f"multiplier: {_multiplier(variable):.6g}{origin}\n"
        f"checkpoint: {out}, {len(values)} variables of {scope or 'no scope'}"
    )


def _multiplier_in(source: Mapping[str, Any], path: Path) -> float | None:
    multiplier = source.get("multiplier")
    if multiplier is None:
        return None
    value = multiplier.get("value") if isinstance(multiplier, dict) else multiplier
    if not isinstance(value, float) or not math.isfinite(value):
        raise UserError(f"{path}: its header has multiplier {value!r}; allowed is a finite number")
    return value
