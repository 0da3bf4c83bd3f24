"""Proposes a crop and a network for the images of a data set, with reasons."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from hpunet.cli.tables import some
from hpunet.models.hierarchical.config import LIDC_CHANNELS, HierarchicalConfig

CROP, CHANNELS, LATENTS = "data.crop", "model.channels_per_block", "model.latent_dims"
SIZES, INNER = "data.folder.sizes", "model.down_channels_per_block"
LEAST_CROP, USUAL_CROP = 32, 256
# Share of a larger crop from which images are padded to it rather than cropped further.
NEARLY = 0.75
# Of crops of 128 px: the finest scale has cells of 16 px.
PAPER_SCALES, PAPER_CELL = 4, 16
# Rule of thumb: least number of training images, and the divisor of the paper's widths.
WIDTHS = ((1000, 1, "the paper's widths"), (100, 2, "half of the paper's widths"))
FEW = (0, 3, "a third of the paper's widths")
# Pixels. Thinner regions of disagreement are differences between outlines.
THIN = 3
# Crops are placed around marked pixels if their share is small and images are clearly larger.
SMALL_SHARE, CLEARLY_LARGER = 0.05, 1.5


class DatasetFacts(NamedTuple):
    """Facts on which a proposal is based; lengths are in pixels.

    Attributes:
        side: Length that the shorter sides of most images reach.
        long_side: Longer side of a typical image.
        extent: Length that a crop needs for a connected marked part, exceeded in one of ten images;
            of parts that are much longer than thick, only a piece. NaN if nothing is marked.
        disputed_side: Side of a typical region of disagreement; NaN if there is none.
        marked_share: Share of the pixels of an image that an annotator marks, in [0, 1].
        images: Number of images of the training split.
        any_size: Whether images may have any size, so that they can be cropped or resized.
        length: Length of the longest connected part, exceeded in one of ten images; NaN if unknown.
        thickness: Thickness of typical connected parts; NaN if unknown.
        disputed_width: Thickness of the regions that most disputed pixels are in; NaN if unknown.
    """

    side: int
    long_side: int
    extent: float
    disputed_side: float
    marked_share: float
    images: int
    any_size: bool = True
    length: float = math.nan
    thickness: float = math.nan
    disputed_width: float = math.nan


class Choice(NamedTuple):
    """A proposed value with its reason."""

    value: Any
    reason: str


class Proposal(NamedTuple):
    """Proposed values of configuration keys.

    Attributes:
        choices: Proposed values by key.
        now: Configured values by key.
        refused: Reason why training is impossible as configured, or empty.
    """

    choices: Mapping[str, Choice]
    now: Mapping[str, Any]
    refused: str = ""

    @property
    def flags(self) -> str:
        """Flags for the command line."""
        return " ".join(f"--config.{key}={as_word(c.value)}" for key, c in self.choices.items())

    @property
    def differing(self) -> list[str]:
        """Keys whose proposed value differs from the configured value."""
        words = {key: as_word(choice.value) for key, choice in self.choices.items()}
        return [key for key, word in words.items() if word != as_word(self.now[key])]


def as_word(value: Any) -> str:
    """A value as a flag of the command line, without quotes."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(map(str, value))
    return str(value)


def propose(facts: DatasetFacts, configured: Mapping[str, Any], refused: str = "") -> Proposal:
    """Proposes a crop and a network that accepts the crop.

    Args:
        facts: DatasetFacts about the images.
        configured: Configured values by full key; keys without a proposal keep these values.
        refused: Reason why training is impossible as configured, or empty.
    """
    crop, resized = _crop(facts)
    levels = crop.value.bit_length()
    choices = {
        CROP: crop,
        CHANNELS: _channels(facts, crop.value, resized, levels),
        LATENTS: _latents(facts, crop.value, resized, levels),
    }
    if facts.any_size:
        choices[SIZES] = _sizes(facts, crop.value, resized)
    if configured[INNER] is not None:
        choices[INNER] = Choice(None, "half of the widths above, as their number changes")
    network = HierarchicalConfig(choices[LATENTS].value, choices[CHANNELS].value)
    network.check_size(crop.value, crop.value)
    return Proposal(choices, {key: configured[key] for key in choices}, refused)


def _crop(facts: DatasetFacts) -> tuple[Choice, bool]:
    """Proposes the crop, and returns whether images are resized to it."""
    fitting = max(LEAST_CROP, min(USUAL_CROP, 1 << facts.side.bit_length() - 1))
    larger = 2 * fitting
    too_wide = facts.extent > fitting
    spans = f"a marked part spans {facts.extent:.0f} px or more in one of ten images"
    if facts.side < LEAST_CROP:
        held = f"most images are smaller than {LEAST_CROP} px, the smallest proposed crop"
    else:
        held = (
            f"the largest power of two from {LEAST_CROP} to {USUAL_CROP} that fits into most "
            f"images, whose shorter side is {facts.side} px or more"
        )
    vanishing = _vanishing(facts, fitting)
    if too_wide and facts.any_size and facts.extent > larger and not vanishing:
        return Choice(fitting, f"{spans}: only whole images, resized to the crop, contain it"), True
    if too_wide and facts.any_size and larger >= facts.extent and facts.side >= NEARLY * larger:
        padded = f"; most images are padded to the crop by {larger - facts.side} px or less"
        reason = f"{spans}, which {fitting} px would cut{padded if facts.side < larger else ''}"
        return Choice(larger, reason), False
    if too_wide:
        held += f"; however, {spans}, of which crops contain a part{vanishing}"
    elif facts.length > fitting:
        held += (
            f"; in one of ten images a marked part is {facts.length:.0f} px long or more, but parts"
            f" are {facts.thickness:.0f} px thick: crops at full resolution contain pieces of them"
            f"{vanishing}"
        )
    return Choice(fitting, held), False


def _vanishing(facts: DatasetFacts, crop: int) -> str:
    """States what is thinner than a pixel in images resized to the crop, or is empty."""
    scale = crop / facts.long_side
    widths = {"disagreement": facts.disputed_width, "marked parts": facts.thickness}
    for what, width in widths.items():
        if width * scale < 1:
            return (
                f". Images resized from {facts.long_side} to {crop} px would show {what} of "
                f"{width:.1f} px as {width * scale:.1f} px, less than a pixel"
            )
    return ""


def _channels(facts: DatasetFacts, crop: int, resized: bool, levels: int) -> Choice:
    _, divisor, described = next((row for row in WIDTHS if facts.images >= row[0]), FEW)
    repeated = (*LIDC_CHANNELS, *LIDC_CHANNELS[-1:] * levels)[:levels]
    larger = facts.any_size and not resized and facts.long_side > crop
    parts = " (in larger images, for each part of that size)" if larger else ""
    return Choice(
        tuple(width // divisor for width in repeated),
        f"{levels} levels halve {crop} px to a single pixel, so that one latent for the whole crop "
        f"decides whether and how much is outlined{parts}; {described} for "
        f"{some(facts.images, 'training image')}, by a rule of thumb",
    )


def _latents(facts: DatasetFacts, crop: int, resized: bool, levels: int) -> Choice:
    usual = min(PAPER_SCALES, levels - 1)
    if math.isnan(facts.disputed_side):
        reason = f"{usual} scales (the paper has {PAPER_SCALES}), as annotators do not disagree"
        return Choice((1,) * usual, reason)
    scale = crop / facts.long_side if resized else 1
    side, width = facts.disputed_side * scale, facts.disputed_width * scale
    needed = round(math.log2(max(1.0, crop / side))) + 1
    scales = min(max(1, needed), levels - 1)
    typical = f"a typical region of disagreement has the area of a square of {side:.0f} px"
    if width < THIN and scales > usual:
        scales = usual
        typical = (
            f"regions of disagreement are {width:.1f} px thick, so that annotators differ in where "
            f"outlines run, not in single parts; the paper has {PAPER_SCALES} scales"
        )
    elif not resized and _are_patches(facts, crop) and crop >> scales - 1 < PAPER_CELL:
        scales = crop.bit_length() - PAPER_CELL.bit_length() + 1
        typical += "; for parts of larger images, cells are not smaller than the paper's"
    cell = crop >> scales - 1
    grid = crop // cell
    return Choice(
        (1,) * scales,
        f"{some(scales, 'scale')}, the finest with {grid} x {grid} cells of {cell} px: {typical}",
    )


def _are_patches(facts: DatasetFacts, crop: int) -> bool:
    """Whether crops are small parts of images."""
    return facts.any_size and facts.side >= CLEARLY_LARGER * crop


def _sizes(facts: DatasetFacts, crop: int, resized: bool) -> Choice:
    share = f"{100 * facts.marked_share:.2g} %"
    if resized:
        return Choice("resize", "whole images are resized to the crop, for the reason given there")
    if not _are_patches(facts, crop):
        return Choice("crop", "most images are not much larger than the crop")
    if facts.marked_share < SMALL_SHARE:
        return Choice(
            "annotated",
            f"images are clearly larger than the crop and {share} of their pixels are marked: most "
            "crops from anywhere would contain no marked pixel",
        )
    return Choice(
        "crop",
        f"{share} of the pixels are marked, so crops from anywhere often contain marked pixels",
    )
