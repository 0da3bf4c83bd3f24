"""Every sample, small."""

from hpunet.report.drawing import Case, colour_class, hypothesis_of, panel, use
from hpunet.report.markup import Markup, join, tag
from hpunet.report.wording import letters, plain

# More of them are shown on request.
MOST_OPEN = 64


def samples(case: Case) -> Markup:
    """All samples in the order in which they were drawn."""
    groups = hypothesis_of(case.shown)
    items = [_item(case, s, groups[s]) for s in range(len(case.shown.samples))]
    grid = tag("ol", *items, class_="samples", style=f"--ratio:{case.ratio:.4g}")
    if len(items) > MOST_OPEN:
        grid = tag("details", tag("summary", f"Show all {len(items)} samples"), grid)
    return tag("section", tag("h3", _title(len(items), case.shown.unit)), grid, class_="all")


def _title(number: int, unit: str) -> Markup:
    title = "The sample" if number == 1 else f"All {number} samples"
    return join([title, tag("span", f" area in {unit}", class_="note")])


def _item(case: Case, s: int, h: int) -> Markup:
    key, area = case.key("s", s), _area(case, s)
    words = tag("span", tag("b", str(s + 1)), " ", tag("em", letters(h)), " ", area)
    of = "" if area == "empty" else f" {case.shown.unit}"
    button = tag(
        "button",
        panel(case, use(case.key("i")), use(key)),
        words,
        type="button",
        class_=colour_class(case, h),
        data_use=key,
        data_caption=f"Sample {s + 1}: {area}{of}, hypothesis {letters(h)}.",
    )
    return tag("li", button)


def _area(case: Case, s: int) -> str:
    if not case.shown.samples[s].any():
        return "empty"
    return plain(float(case.shown.areas[s]))
