"""The memory that XLA plans for a program."""

from typing import Any


def planned_memory(compiled: Any) -> dict[str, int]:
    """Returns the bytes of a program's arguments, results and temporaries, and their `total`."""
    plan = compiled.memory_analysis()
    names = ("argument", "output", "alias", "temp")
    planned = {name: getattr(plan, f"{name}_size_in_bytes") for name in names}
    # Donated arguments share memory with the results.
    total = planned["argument"] + planned["output"] - planned["alias"] + planned["temp"]
    return planned | {"total": total}
