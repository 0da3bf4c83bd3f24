"""The hypotheses of an image: shape, share and area of each."""

from hpunet.report.drawing import Case, cased, colour_class, panel, use
from hpunet.report.markup import Markup, tag
from hpunet.report.shown import Hypothesis
from hpunet.report.stage import MOST_OUTLINES
from hpunet.report.wording import count, letters, mean_text, percent


def legend(case: Case) -> Markup:
    """All hypotheses, the frequent ones at once and the others on request."""
    items = [_item(case, h, found) for h, found in enumerate(case.shown.hypotheses)]
    first, others = items[:MOST_OUTLINES], items[MOST_OUTLINES:]
    return tag(
        "section",
        tag("h3", "Hypotheses"),
        tag("p", _meaning(case), class_="note"),
        tag("ol", *first, class_="hypotheses"),
        _others(case, others),
        class_="legend",
    )


def _meaning(case: Case) -> str:
    total = len(case.shown.samples)
    found = len(case.shown.hypotheses)
    noun = "hypothesis" if found == 1 else "hypotheses"
    return (
        f"{found} {noun} in {count(total, 'sample')}. A share says how often the network draws "
        "such a segmentation, not how likely it is to be true."
    )


def _others(case: Case, items: list[Markup]) -> Markup:
    if not items:
        return Markup("")
    share = sum(found.share for found in case.shown.hypotheses[MOST_OUTLINES:])
    summary = f"{len(items)} more, {percent(share)} of the samples together"
    rest = tag("ol", *items, class_="hypotheses", start=MOST_OUTLINES + 1)
    return tag("details", tag("summary", summary), rest)


def _item(case: Case, h: int, found: Hypothesis) -> Markup:
    key = case.key("s", found.representative)
    name, total = letters(h), len(case.shown.samples)
    area = "marks nothing" if found.empty else area_text(case, found)
    of = f"{len(found.samples)} of {count(total, 'sample')}"
    line = tag("svg", tag("path", d="M1 5H33"), class_=f"line d{h}", aria_hidden="true")
    words = tag(
        "span",
        tag(
            "span",
            tag("b", name),
            Markup("") if case.multiclass or found.empty else line,
            class_="name",
        ),
        tag("span", tag("b", percent(found.share)), " ", of, class_="share"),
        tag("span", tag("span", style=f"width:{100 * found.share:.4g}%"), class_="bar"),
        tag("span", area, class_="area"),
        class_="words",
    )
    picture = tag("span", panel(case, use(case.key("i")), cased(key)), class_="frame small")
    caption = f"Hypothesis {name}: {percent(found.share)}, {of}, {area}."
    button = tag(
        "button",
        picture,
        words,
        type="button",
        class_=colour_class(case, h),
        data_use=key,
        data_caption=caption,
    )
    return tag("li", button)


def area_text(case: Case, found: Hypothesis) -> str:
    """Mean area with its spread, which a single sample does not have."""
    text = mean_text(found.area, found.area_std, len(found.samples))
    return f"{text} {case.shown.unit}"
