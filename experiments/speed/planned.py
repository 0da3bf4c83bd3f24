"""The memory that XLA plans for a program."""

from typing import Any


def planned_memory(compiled: Any) -> dict[str, int]:
    """Bytes of a compiled program's arguments, results and temporaries, and of all in `total`."""
    plan = compiled.memory_analysis()
    names = ("argument", "output", "alias", "temp")
    planned = {name: getattr(plan, f"{name}_size_in_bytes") for name in names}
    # What is given up to the program lies where its result will lie.
    total = planned["argument"] + planned["output"] - planned["alias"] + planned["temp"]
    return planned | {"total": total}
