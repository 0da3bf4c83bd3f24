"""Formats numbers for the page and the terminal."""

import math

MOST_DECIMALS = 12


def plain(value: float) -> str:
    """A number with three significant digits, and always all digits before the point."""
    return f"{value:,.{_decimals(value)}f}"


def with_spread(mean: float, std: float) -> str:
    """A mean and its standard deviation with as many decimals as the mean."""
    decimals = _decimals(mean)
    return f"{mean:,.{decimals}f} ± {std:,.{decimals}f}"


def mean_text(mean: float, std: float, number: int) -> str:
    """The mean of some values, with their standard deviation if there are several."""
    return plain(mean) if number == 1 else with_spread(mean, std)


def _decimals(value: float) -> int:
    size = abs(value)
    if size >= 100 or value == round(value):
        return 0
    if size >= 0.1:
        return 1 if size >= 10 else 2
    return min(2 - math.floor(math.log10(size)), MOST_DECIMALS)


def whole_percent(share: float) -> str:
    """A share in whole percent; only exact shares become 0 % or 100 %."""
    if 0 < share < 0.005:
        return "< 1 %"
    if 0.995 <= share < 1:
        return "> 99 %"
    return f"{math.floor(100 * share + 0.5)} %"


def count(number: int, noun: str) -> str:
    """A number and a noun, in the plural unless the number is 1."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def letters(index: int) -> str:
    """The name of a hypothesis: A to Z, AA, AB and so on."""
    name = ""
    while index >= 0:
        name = chr(ord("A") + index % 26) + name
        index = index // 26 - 1
    return name


def round_step(span: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is at most `span`."""
    power = 10.0 ** math.floor(math.log10(span))
    return next(factor * power for factor in (5, 2, 1) if factor * power <= span * (1 + 1e-9))
