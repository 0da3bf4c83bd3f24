"""A crop and a network that fit the images, each with its reason."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from hpunet.cli.tables import some
from hpunet.models.hierarchical.config import LIDC_CHANNELS, ModelConfig

CROP, CHANNELS, LATENTS = "data.crop", "model.channels_per_block", "model.latent_dims"
SIZES, INNER = "data.folder.sizes", "model.down_channels_per_block"
LEAST_CROP, USUAL_CROP = 32, 256
# Images whose sides are so much of a larger crop are padded to it rather than cut.
NEARLY = 0.75
PAPER_SCALES = 4
# From so many training images on, the paper's widths are divided by so much: our rule of thumb.
WIDTHS = ((1000, 1, "the paper's widths"), (100, 2, "half of the paper's widths"))
FEW = (0, 3, "a third of the paper's widths")
# Crops lie around marked pixels where these are so few and images so much larger.
SMALL_SHARE, CLEARLY_LARGER = 0.05, 1.5


class Facts(NamedTuple):
    """What a proposal follows from; lengths are in pixels.

    Attributes:
        side: The shorter sides of most images reach it.
        long_side: The longer side of a typical image.
        extent: What is marked spans no more in nine of ten images; NaN if nothing is.
        disputed_side: Of a typical region of disagreement; NaN if there is none.
        marked_share: Of an image's pixels, how many an annotator marks.
        images: Of the training split.
        any_size: Whether images may have any size, and be cut or resized as a key says.
    """

    side: int
    long_side: int
    extent: float
    disputed_side: float
    marked_share: float
    images: int
    any_size: bool = True


class Choice(NamedTuple):
    """A value and why."""

    value: Any
    reason: str


class Proposal(NamedTuple):
    """What to set.

    Attributes:
        choices: By the keys of a configuration.
        now: What is configured, by the same keys.
        refused: Why nothing can be trained with that, or empty.
    """

    choices: Mapping[str, Choice]
    now: Mapping[str, Any]
    refused: str = ""

    @property
    def flags(self) -> str:
        """Words for the command line."""
        return " ".join(f"--config.{key}={as_word(c.value)}" for key, c in self.choices.items())

    @property
    def differing(self) -> list[str]:
        """The keys with other values than are configured."""
        words = {key: as_word(choice.value) for key, choice in self.choices.items()}
        return [key for key, word in words.items() if word != as_word(self.now[key])]


def as_word(value: Any) -> str:
    """A value as the command line takes it without quotes."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(map(str, value))
    return str(value)


def propose(facts: Facts, configured: Mapping[str, Any], refused: str = "") -> Proposal:
    """A crop and a network for images; the network takes the crop.

    Args:
        facts: About the images.
        configured: A configuration by full keys; what is not proposed stays as it is there.
        refused: Why nothing can be trained with it, or empty.
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
        choices[INNER] = Choice(None, "half of the widths above, whose number changes with them")
    network = ModelConfig(choices[LATENTS].value, choices[CHANNELS].value)
    network.check_size(crop.value, crop.value)
    return Proposal(choices, {key: configured[key] for key in choices}, refused)


def _crop(facts: Facts) -> tuple[Choice, bool]:
    """The crop, and whether images are shrunk to it."""
    fitting = max(LEAST_CROP, min(USUAL_CROP, 1 << facts.side.bit_length() - 1))
    larger = 2 * fitting
    too_wide = facts.extent > fitting
    spans = f"in one of ten images what is marked spans {facts.extent:.0f} px or more"
    if facts.side < LEAST_CROP:
        held = f"most images are smaller than {LEAST_CROP} px, the least crop that is proposed"
    else:
        held = (
            f"it is the largest power of two from {LEAST_CROP} to {USUAL_CROP} that most images "
            f"hold: their shorter side is {facts.side} px or more"
        )
    if too_wide and facts.any_size and facts.extent > larger:
        return Choice(fitting, f"{spans}: only whole images, shrunk to the crop, hold it"), True
    if too_wide and facts.any_size and facts.side >= NEARLY * larger:
        padded = f", to which most images are padded by {larger - facts.side} px or less"
        why = f"{spans}, which {fitting} px would cut{padded if facts.side < larger else ''}"
        return Choice(larger, why), False
    cut = f"; but {spans}, of which crops show a part" if too_wide else ""
    return Choice(fitting, held + cut), False


def _channels(facts: Facts, crop: int, resized: bool, levels: int) -> Choice:
    _, divisor, said = next((row for row in WIDTHS if facts.images >= row[0]), FEW)
    repeated = (*LIDC_CHANNELS, *LIDC_CHANNELS[-1:] * levels)[:levels]
    larger = facts.any_size and not resized and facts.long_side > crop
    parts = ", and in larger images for each such part" if larger else ""
    return Choice(
        tuple(width // divisor for width in repeated),
        f"{levels} levels halve {crop} px to a single pixel, where one latent for the whole crop "
        f"decides whether and how much is outlined{parts}; {said} for "
        f"{some(facts.images, 'training image')}, by our rule of thumb",
    )


def _latents(facts: Facts, crop: int, resized: bool, levels: int) -> Choice:
    if math.isnan(facts.disputed_side):
        scales = min(PAPER_SCALES, levels - 1)
        why = f"{scales} scales, as the paper's network has {PAPER_SCALES}: no disagreement is seen"
        return Choice((1,) * scales, why)
    side = facts.disputed_side * (crop / facts.long_side if resized else 1)
    wanted = round(math.log2(max(1.0, crop / side))) + 1
    scales = min(max(1, wanted), levels - 1)
    cell = crop >> scales - 1
    grid = crop // cell
    return Choice(
        (1,) * scales,
        f"{some(scales, 'scale')}, the finest of {grid}x{grid} cells of {cell} px: a typical "
        f"region of disagreement is as large as a square of {side:.0f} px",
    )


def _sizes(facts: Facts, crop: int, resized: bool) -> Choice:
    share = f"{100 * facts.marked_share:.2g} %"
    if resized:
        return Choice("resize", "images are shrunk to the crop as a whole, as said there")
    if facts.side < CLEARLY_LARGER * crop:
        return Choice("crop", "most images are not much larger than the crop")
    if facts.marked_share < SMALL_SHARE:
        return Choice(
            "annotated",
            f"images are clearly larger than the crop and {share} of their pixels marked: most "
            "crops from anywhere would show nothing",
        )
    return Choice("crop", f"{share} of the pixels are marked, which crops from anywhere show often")
