"""The large image with the hypotheses' outlines."""

from hpunet.report.drawing import COLOURS, Case, colour_class, definitions_of, is_noise, panel, use
from hpunet.report.markup import Markup, join, tag
from hpunet.report.png import reduction
from hpunet.report.shown import Hypothesis
from hpunet.report.view import View, scale_bar, whole_view
from hpunet.report.wording import count, letters, percent

# More outlines than colours cannot be told from each other; the rest is seen on its own.
MOST_OUTLINES = 6
_HINT = " Point at a hypothesis, a map or a sample to see it here; click to keep it."


def stage(case: Case) -> Markup:
    """The large image, what is shown on it, a map of where that lies, and the choice of view."""
    frame = tag(
        "div",
        panel(case, *_layers(case), label=_alternative(case)),
        *_scale_bars(case),
        class_="frame large",
        style=f"--ratio:{case.ratio:.4g}",
    )
    caption = tag(
        "figcaption",
        tag("span", _caption(case), tag("span", _HINT, class_="hint"), class_="initial"),
        tag("span", class_="chosen", aria_live="polite"),
        _reduced(case),
    )
    below = tag("div", _locator(case), tag("div", _buttons(case), caption), class_="below")
    return tag("figure", frame, below, _classes(case), class_="stage")


def _layers(case: Case) -> list[Markup]:
    outlined = [(h, case.key("s", found.representative)) for h, found in _outlined(case)]
    rims = [use(key, "rim") for _, key in outlined]
    outlines = [use(key, f"{colour_class(case, h)} d{h}") for h, key in outlined]
    return [
        definitions_of(case),
        use(case.key("i")),
        _unseen(case),
        tag("g", *rims, *outlines, class_="initial"),
        tag("g", tag("use", class_="rim"), tag("use"), class_="chosen"),
    ]


def _outlined(case: Case) -> list[tuple[int, Hypothesis]]:
    """Hypotheses whose outlines lie on the image together, with their indices.

    Only the most frequent one where colours tell classes, or where it marks noise.
    """
    numbered = list(enumerate(case.shown.hypotheses))
    first = case.shown.samples[numbered[0][1].representative]
    if case.multiclass or is_noise(first > 0):
        return numbered[:1]
    return [(h, found) for h, found in numbered[:MOST_OUTLINES] if not found.empty]


def _unseen(case: Case) -> Markup:
    """A shade on what the network did not see."""
    if case.shown.region is None:
        return Markup("")
    top, left, bottom, right = case.shown.region
    height, width = case.shown.image.shape[:2]
    inner = f"M{left} {top}V{bottom}H{right}V{top}z"
    return join(
        [
            tag("path", class_="unseen", d=f"M0 0H{width}V{height}H0z{inner}"),
            tag("path", class_="seen", d=inner),
        ]
    )


def _scale_bars(case: Case) -> list[Markup]:
    """A scale bar for each view, as long as that part of the frame's width."""
    views = {"whole": whole_view(case.shown)} | ({"close": case.close} if case.close else {})
    return [_scale_bar(case, name, view) for name, view in views.items()]


def _scale_bar(case: Case, name: str, view: View) -> Markup:
    bar = scale_bar(case.shown, view)
    # A view that is taller than its frame leaves bands at the sides.
    part = bar.length / max(view.width, view.height * case.ratio)
    hidden = " other" if case.close and name == "whole" else ""
    return tag(
        "div",
        tag("span", bar.label),
        class_=f"scale {name}{hidden}",
        style=f"width:{100 * part:.2f}%",
    )


def _locator(case: Case) -> Markup:
    """The whole image, small, with a rectangle around the close-up."""
    if case.close is None:
        return Markup("")
    whole, close = whole_view(case.shown), case.close
    rectangle = tag(
        "rect", x=close.left, y=close.top, width=close.width, height=close.height, class_="here"
    )
    image = tag("g", use(case.key("i")), transform=f"scale(1 {case.shown.aspect:.6g})")
    label = "Where the close-up lies in the whole image"
    return tag(
        "svg", image, rectangle, class_="locator", viewBox=whole.box, role="img", aria_label=label
    )


def _buttons(case: Case) -> Markup:
    if case.close is None:
        return Markup("")
    choices = (("Close-up", case.close, "true"), ("Whole image", whole_view(case.shown), "false"))
    buttons = [
        tag("button", name, type="button", data_view=view.box, aria_pressed=pressed)
        for name, view, pressed in choices
    ]
    return tag("div", *buttons, class_="switch", role="group", aria_label="Part of the image")


def _classes(case: Case) -> Markup:
    """Which colour stands for which class, where there are several."""
    if not case.multiclass:
        return Markup("")
    keys = [
        tag("li", tag("i", class_=f"c{c % len(COLOURS)}"), f"class {c + 1}")
        for c in range(case.shown.classes)
    ]
    return tag("ul", *keys, class_="classes", aria_label="Colours of the classes")


def _caption(case: Case) -> str:
    """Whose outlines lie on the image and who has none, with their shares."""
    named = [
        f"{letters(h)} ({percent(found.share)})" for h, found in enumerate(case.shown.hypotheses)
    ]
    drawn = [named[h] for h, found in _outlined(case) if not found.empty]
    rest = [
        f"Hypothesis {name} marks nothing."
        for name, found in zip(named, case.shown.hypotheses, strict=True)
        if found.empty
    ]
    if case.multiclass and drawn:
        rest.append("Colours are classes.")
    if len(drawn) == 1:
        rest.insert(0, f"Hypothesis {drawn[0]}, by its most typical sample.")
    elif drawn:
        names = f"{', '.join(drawn[:-1])} and {drawn[-1]}"
        rest.insert(0, f"Hypotheses {names}, each by its most typical sample.")
    return " ".join(rest)


def _reduced(case: Case) -> Markup:
    """A note where the image is embedded with fewer pixels than it has."""
    factor = reduction(case.shown.image.shape[:2])
    if factor == 1:
        return Markup("")
    words = f"Embedded with 1/{factor} of the image's pixels a side; outlines and maps keep all."
    return tag("span", words, class_="note reduced")


def _alternative(case: Case) -> str:
    """The image in words, for those who do not see it."""
    shares = ", ".join(
        f"{letters(h)} {percent(found.share)}{' (marks nothing)' if found.empty else ''}"
        for h, found in enumerate(case.shown.hypotheses[: 2 * MOST_OUTLINES])
    )
    number = count(len(case.shown.samples), "sample")
    return f"{case.shown.name}: the image with outlines from {number}. Hypotheses: {shares}."
