"""Where samples agree and where they do not: mean, standard deviation and entropy."""

import math
from typing import NamedTuple

from jaxtyping import Float
from numpy import ndarray

from hpunet.report.drawing import Case, panel, use
from hpunet.report.markup import Markup, tag
from hpunet.report.png import map_uri, shade
from hpunet.report.wording import percent

_STOPS = 16


class Quantity(NamedTuple):
    """What a map shows.

    Attributes:
        kind: As CSS knows it.
        name: In its heading.
        meaning: One sentence.
        unit: Behind a number on its own.
        colours: A perceptually uniform colour map; its end stands for the largest possible value.
    """

    kind: str
    name: str
    meaning: str
    unit: str
    colours: str


MEAN = Quantity("mean", "Mean", "Share of the samples that mark a pixel.", "", "viridis")
STD = Quantity(
    "std", "Standard deviation", "Of the samples; 0.5 if half mark a pixel.", "", "magma"
)
ENTROPY = Quantity("entropy", "Entropy", "How undecided they are, in nats.", "nats", "inferno")


def maps(case: Case) -> Markup:
    """All maps of an image; mean and standard deviation for each class that is marked."""
    shown, cards = case.shown, []
    for c in range(shown.classes):
        if shown.classes == 1 or shown.mean[c].any():
            suffix = f", class {c + 1}" if case.multiclass else ""
            cards.append(_card(case, f"m{c}", MEAN, suffix, shown.mean[c], 1.0))
            cards.append(_card(case, f"d{c}", STD, suffix, shown.std[c], 0.5))
    cards.append(_card(case, "e", ENTROPY, "", shown.entropy, math.log(shown.classes + 1)))
    switch = tag("button", "Without image", type="button", class_="plainly", aria_pressed="false")
    head = tag("div", tag("h3", "Agreement of the samples"), switch, class_="head")
    return tag("section", head, tag("div", *cards, class_="cards"), class_="maps")


def _card(
    case: Case, key: str, what: Quantity, suffix: str, values: Float[ndarray, "H W"], most: float
) -> Markup:
    height, width = values.shape
    picture = tag(
        "image",
        id=case.key("m", key),
        class_="values",
        href=map_uri(values, most, what.colours),
        width=width,
        height=height,
        preserveAspectRatio="none",
    )
    title = f"{what.name}{suffix}"
    peak = f"at most {_number(float(values.max()), what)}"
    label = f"{title} of {len(case.shown.samples)} samples, {peak}"
    ground = tag("rect", class_="ground", width=width, height=height, fill=shade(what.colours, 0))
    button = tag(
        "button",
        panel(case, use(case.key("i")), ground, picture, label=label),
        type="button",
        class_="frame",
        style=f"--ratio:{case.ratio:.4g}",
        data_use=case.key("m", key),
        data_caption=f"{title}: {what.meaning}",
    )
    words = tag("figcaption", tag("b", title), " ", tag("span", what.meaning, class_="note"))
    return tag("figure", button, _colour_bar(what, most), words, class_=what.kind)


def _number(value: float, what: Quantity) -> str:
    return percent(value) if what is MEAN else f"{value:.2f} {what.unit}".strip()


def _colour_bar(what: Quantity, most: float) -> Markup:
    """Colours from 0 to the largest possible value, and numbers at its ends and middle."""
    ticks = [
        tag("span", _number(most * part, what).removesuffix(f" {what.unit}"))
        for part in (0, 0.5, 1)
    ]
    return tag("div", tag("i", class_=f"ramp {what.colours}"), *ticks, class_="colourbar")


def ramp_style() -> str:
    """The style sheet's part with the colours of all colour bars."""
    rules = ""
    for what in (MEAN, STD, ENTROPY):
        stops = ",".join(shade(what.colours, stop / _STOPS) for stop in range(_STOPS + 1))
        rules += f".{what.colours}{{background:linear-gradient(90deg,{stops})}}\n"
    return rules
