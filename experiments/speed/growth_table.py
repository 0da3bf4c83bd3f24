"""Formats the points of `growth.py` as a Markdown table."""

from collections.abc import Sequence
from typing import Any

from experiments.speed.tables import digits

HEADER = (
    "| varied | batch | pixels | levels | samples | devices | ms | ms each | memory planned, MiB "
    "| most of the process, MiB | collectives | their results, MiB |"
)
NONE = "-"
MEBI = 2**20


def table(points: Sequence[dict[str, Any]]) -> str:
    """Formats one row per point.

    "Each" is a sample for sampling and an image otherwise. Planned memory is what XLA allocates for
    arguments, results and temporaries.
    """
    rows = [HEADER, "|---" + "|---:" * (HEADER.count("|") - 2) + "|"]
    rows += ["| " + " | ".join(row(point)) + " |" for point in points]
    reasons = [f"- {' | '.join(row(p)[:6])}: {p['reason']}" for p in points if "reason" in p]
    return "\n".join([*rows, *(["", *reasons] if reasons else [])]) + "\n"


def row(point: dict[str, Any]) -> list[str]:
    """Formats the cells of a point."""
    samples = point["num_samples"] if point["kind"] == "sample" else None
    seconds = point.get("seconds")
    each = None if seconds is None else seconds / (point["num_samples"] * point["batch_size"])
    return [
        point["part"],
        str(point["batch_size"]),
        f"{point['size']} x {point['size']}",
        str(point["num_levels"]),
        str(samples or NONE),
        str(point["num_devices"]),
        milliseconds(seconds),
        milliseconds(each),
        mebibytes(point.get("planned_bytes")),
        mebibytes(point.get("peak_device_bytes") or point.get("peak_rss_bytes")),
        str(number_of_collectives(point)),
        mebibytes(point.get("result_bytes")),
    ]


def number_of_collectives(point: dict[str, Any]) -> Any:
    """Formats the number of collectives if it was measured."""
    if "collectives" in point:
        return len(point["collectives"])
    return point.get("asked_for", NONE)


def milliseconds(seconds: float | None) -> str:
    """Formats a quantity with three digits."""
    return NONE if seconds is None else digits(1000 * seconds)


def mebibytes(number: int | None) -> str:
    """Formats a quantity with three digits."""
    return NONE if number is None else digits(number / MEBI)
