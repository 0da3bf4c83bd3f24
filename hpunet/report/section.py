"""The section of an image on the page: views, colours and texts."""

from typing import NamedTuple

import numpy as np

from hpunet.inference.hypotheses import Hypothesis
from hpunet.report.area_chart import AreaChart, AreaSpread, area_chart, area_spread
from hpunet.report.colour_maps import ColourMap, colour_maps
from hpunet.report.drawing import COLOURS, EmbeddedImage, embed_image, is_noise
from hpunet.report.page_image import PageImage
from hpunet.report.viewport import Viewport, close_view, frame_ratio, scale_bar, whole_view
from hpunet.report.wording import count, letters, mean_text, plain, whole_percent

# As many outlines as colours; the page shows the others one at a time.
MOST_OUTLINES = 6


class DrawnScaleBar(NamedTuple):
    """The scale bar of a view: name of the view, label, and share of the frame's width."""

    view: str
    label: str
    part: float


class PageSection(NamedTuple):
    """An image with the values that the template uses.

    Attributes:
        number: Number on the page, from 1.
        image: The image.
        close: The close-up, or None.
    """

    number: int
    image: PageImage
    close: Viewport | None

    @property
    def whole(self) -> Viewport:
        """The whole image."""
        return whole_view(self.image)

    @property
    def view(self) -> Viewport:
        """The part that the page shows first."""
        return self.close or self.whole

    @property
    def ratio(self) -> str:
        """Width over height of the frames, for CSS."""
        return f"{frame_ratio(self.image):.4g}"

    @property
    def stretch(self) -> str:
        """The transform from pixels to units of a pixel's width."""
        return f"scale(1 {self.image.aspect:.6g})"

    @property
    def embedded(self) -> EmbeddedImage:
        """The image as a picture."""
        return embed_image(self.image.image)

    @property
    def maps(self) -> list[ColourMap]:
        """Mean, standard deviation and entropy."""
        return colour_maps(self.image)

    @property
    def spread(self) -> AreaSpread:
        """The spread of the area over all samples."""
        return area_spread(self.image.areas)

    @property
    def chart(self) -> AreaChart | None:
        """The distribution of the area over all samples."""
        return area_chart(self.image, 1 if self.image.multiclass else len(COLOURS))

    @property
    def scale_bars(self) -> list[DrawnScaleBar]:
        """A scale bar for each view."""
        views = {"whole": self.whole} | ({"close": self.close} if self.close else {})
        ratio, bars = frame_ratio(self.image), []
        for name, view in views.items():
            bar = scale_bar(self.image, view)
            # A view with a taller aspect ratio does not fill the width of its frame.
            part = bar.length / max(view.width, view.height * ratio)
            bars.append(DrawnScaleBar(name, bar.label, part))
        return bars

    @property
    def outlined(self) -> list[tuple[int, Hypothesis]]:
        """Hypotheses whose outlines are drawn together on the image, with their indices.

        Only the most frequent one if colours stand for classes or if it is noise.
        """
        numbered = list(enumerate(self.image.hypotheses))
        first = self.image.samples[numbered[0][1].representative]
        if self.image.multiclass or is_noise(first > 0):
            return numbered[:1]
        return [(h, one) for h, one in numbered[:MOST_OUTLINES] if not one.empty]

    def colour(self, hypothesis: int) -> str:
        """The CSS class for the colour of a hypothesis."""
        return "k" if self.image.multiclass else f"k{hypothesis % len(COLOURS)}"

    def share(self, hypothesis: Hypothesis) -> str:
        """Text on the number of samples of a hypothesis."""
        return f"{len(hypothesis.samples)} of {count(len(self.image.samples), 'sample')}"

    def hypothesis_area(self, hypothesis: Hypothesis) -> str:
        """Text on the mean area of a hypothesis with its standard deviation."""
        if hypothesis.empty:
            return "marks nothing"
        number = len(hypothesis.samples)
        return f"{mean_text(hypothesis.area, hypothesis.area_std, number)} {self.image.unit}"

    def sample_area(self, sample: int) -> str:
        """Text on the area of a sample, without unit."""
        marked = self.image.samples[sample].any()
        return plain(float(self.image.areas[sample])) if marked else "empty"

    @property
    def empty_text(self) -> str:
        """Text on the number of empty samples."""
        total = len(self.image.samples)
        empty = total - int(self.image.samples.any(axis=(1, 2)).sum())
        if total == 1:
            return "The sample outlines nothing." if empty else ""
        if empty in (0, total):
            return f"All {total} samples outline {'nothing' if empty else 'something'}."
        return f"{empty} of {total} samples outline{'s' if empty == 1 else ''} nothing."

    @property
    def marked_area(self) -> str | None:
        """Text on the area of the samples that are not empty; None if all or none are."""
        marked = self.image.areas[self.image.areas > 0]
        if len(marked) in (0, len(self.image.areas)):
            return None
        return area_text(marked)

    @property
    def caption(self) -> str:
        """Text on the hypotheses with and without an outline on the image, with their shares."""
        named = [f"{letters(h)} ({whole_percent(one.share)})" for h, one in self._numbered]
        drawn = [named[h] for h, one in self.outlined if not one.empty]
        sentences = []
        if len(drawn) == 1:
            sentences.append(f"Hypothesis {drawn[0]}, by its most typical sample.")
        elif drawn:
            names = f"{', '.join(drawn[:-1])} and {drawn[-1]}"
            sentences.append(f"Hypotheses {names}, each by its most typical sample.")
        empty = [named[h] for h, one in self._numbered if one.empty]
        sentences += [f"Hypothesis {name} marks nothing." for name in empty]
        if self.image.multiclass and drawn:
            sentences.append("Colours are classes.")
        return " ".join(sentences)

    @property
    def alternative(self) -> str:
        """Alternative text of the image, for screen readers."""
        shares = ", ".join(
            f"{letters(h)} {whole_percent(one.share)}{' (marks nothing)' if one.empty else ''}"
            for h, one in self._numbered[: 2 * MOST_OUTLINES]
        )
        number = count(len(self.image.samples), "sample")
        return f"{self.image.name}: the image with outlines from {number}. Hypotheses: {shares}."

    @property
    def _numbered(self) -> list[tuple[int, Hypothesis]]:
        return list(enumerate(self.image.hypotheses))


def open_section(number: int, image: PageImage) -> PageSection:
    """Creates the section of an image."""
    return PageSection(number, image, close_view(image))


def area_text(areas: np.ndarray) -> str:
    """Mean and standard deviation of areas, or the only area."""
    return mean_text(float(areas.mean()), float(areas.std()), len(areas))
