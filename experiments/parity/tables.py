"""Formats the results of the parity report as JSON and Markdown tables."""

import json
from typing import Any

NETWORKS = {"small": "small", "multiclass": "multiclass", "lidc": "LIDC"}
# The parts of the comparisons in the order of the tables, with their labels.
PARTS = {
    "samples": "samples: means, all noise, global, local, given latents",
    "reconstructions": "reconstructions: means, noise",
    "posterior": "posterior's loc and scale at each scale",
    "prior": "prior's loc and scale at each scale",
    "KL": "KL at each scale",
    "public interface": "samples and reconstructions through `hpunet.Model`",
    "cross-entropy": "cross-entropy: all, top-k, random top-k; with and without a mask",
    "kept pixels": "pixels that top-k keeps",
    "regularisation": "regularisation of all weights",
    "gradients": "gradient of every variable (LIDC: its norm)",
    "gradient descent": "gradient descent, every quantity at each step",
    "Adam": "Adam, every quantity at each step",
    "variables read": "variables of a TensorFlow checkpoint, read without TensorFlow",
    "variables converted": "the same in the file that `hpunet.convert` writes",
    "converted": "samples of the converted weights",
    "converted, public interface": "the same and reconstructions through `hpunet.Model`",
    "variables written back": "variables written back, as TensorFlow reads them",
}
NONE = "–"


def as_json(results: dict[str, Any]) -> str:
    """Formats the results as JSON with one line per comparison."""
    head = {name: value for name, value in results.items() if name != "comparisons"}
    lines = [json.dumps(c | {"worst": _rounded(c["worst"])}) for c in results["comparisons"]]
    text = json.dumps(head, indent=2).removesuffix("\n}")
    return text + ',\n  "comparisons": [\n    ' + ",\n    ".join(lines) + "\n  ]\n}\n"


def summary(results: dict[str, Any]) -> str:
    """Formats the largest difference per part (rows) and network (columns)."""
    rows = [
        ["largest difference, relative to the largest entry", "allowed", *NETWORKS.values()],
        ["---"] * (2 + len(NETWORKS)),
    ]
    for part, meaning in PARTS.items():
        found = [c for c in results["comparisons"] if c["part"] == part]
        if found:
            of = [[c for c in found if c["golden"] == name] for name in NETWORKS]
            rows.append([meaning, allowed(found), *[worst(group) for group in of]])
    counts = [
        sum(c["count"] for c in results["comparisons"] if c["golden"] == name) for name in NETWORKS
    ]
    rows.append(["numbers compared", "", *[f"{count:,}" for count in counts]])
    return _markdown(rows)


def table(results: dict[str, Any]) -> str:
    """Formats one row per value; the gradients of all variables share a row."""
    rows = [
        ["golden file", "part", "value", "allowed", "worst relative difference", "numbers"],
        ["---"] * 6,
    ]
    for name in NETWORKS:
        for part in PARTS:
            found = [c for c in results["comparisons"] if (c["golden"], c["part"]) == (name, part)]
            groups = [found] if part == "gradients" else [[c] for c in found]
            for group in filter(None, groups):
                one = f"`{group[0]['value']}`"
                value = one if len(group) == 1 else f"of {len(group)} variables"
                numbers = f"{sum(c['count'] for c in group):,}"
                cells = [f"`{name}.npz`", part, value, allowed(group), worst(group), numbers]
                rows.append(cells)
    return _markdown(rows)


def allowed(found: list[dict[str, Any]]) -> str:
    """Formats the allowed differences of a part."""
    return _number(max(c["allowed"] for c in found)) if found[0]["allowed"] else "equal"


def worst(found: list[dict[str, Any]]) -> str:
    """Formats the largest difference of a part."""
    if not found:
        return NONE
    # A plain maximum would ignore NaN.
    value = max((c["worst"] for c in found), key=lambda v: (v != v, v))
    if found[0]["allowed"]:
        return _number(value)
    return f"{value:,} differ" if value else "equal"


def _number(value: float) -> str:
    if not 0 < value < float("inf"):
        return f"{value:g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def _markdown(rows: list[list[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
