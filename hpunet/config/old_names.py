"""Old and new names of keys, scores and columns.

Every reader of files uses this table, so that runs, weights and results of earlier versions stay
readable.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

Value = TypeVar("Value")

KEYS = {
    "data.synthetic.num_graders": "data.synthetic.num_annotators",
}
SCORES = {
    "grader_diversity": "annotator_diversity",
    "grader_diversity_unbiased": "annotator_diversity_unbiased",
}
COLUMNS = {
    "graders": "annotators",
    "graders_who_drew": "annotators_who_drew",
    **SCORES,
}
ALL = {**KEYS, **COLUMNS}


def current(name: str) -> str:
    """Returns the current name of a key, score or column."""
    return ALL.get(name, name)


def with_current_names(values: Mapping[str, Value]) -> dict[str, Value]:
    """Renames the keys of a mapping to current names, in the same order."""
    return {current(name): value for name, value in values.items()}


def with_current_names_below(value: Any) -> Any:
    """Renames the keys of nested JSON objects to current names, at every depth."""
    if isinstance(value, dict):
        return {current(k): with_current_names_below(v) for k, v in value.items()}
    if isinstance(value, list):
        return [with_current_names_below(v) for v in value]
    return value
