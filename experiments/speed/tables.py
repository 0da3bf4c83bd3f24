"""Formats results as Markdown."""

from typing import Any

from experiments.speed.program import NUM_SAMPLES

TITLES = {"train": "training step", "sample": f"{NUM_SAMPLES} samples", "encode": "encoding"}
NAMES = {
    "hpunet": "hpunet",
    "plain": "plain JAX",
    "torch_eager": "PyTorch",
    "torch_compile": "PyTorch, compiled",
    "torch_eager_encoded_once": "PyTorch, encoded once",
    "torch_compile_encoded_once": "PyTorch, encoded once, compiled",
}
NOTHING = ""


def table(results: dict[str, Any]) -> str:
    """Formats the comparison of variants, and the other measurements of hpunet."""
    return "\n".join([*contest_lines(results["timings"]), "", *single_lines(results)]) + "\n"


def contest_lines(timings: list[dict[str, Any]]) -> list[str]:
    """Formats one row per measurement and one column per contestant."""
    labels = [name for name in NAMES if any(name in t["contestants"] for t in timings)]
    others = [label for label in labels if label != "hpunet"]
    lines = [row("", "images", "", "hpunet", *(NAMES[label] for label in others))]
    lines.append(row(*["---"] * (4 + len(others))))
    for timing in timings:
        cells = [TITLES[timing["measurement"]], str(timing["batch_size"]), timing["precision"]]
        cells.append(own_cell(timing["contestants"].get("hpunet")))
        lines.append(row(*cells, *(other_cell(timing, label) for label in others)))
    return lines


def own_cell(result: dict[str, Any] | None) -> str:
    """Formats time and rates."""
    if result is None or "seconds" not in result:
        return NOTHING if result is None else "failed"
    rates = (("images_a_second", "images/s"), ("samples_a_second", "samples/s"))
    cells = [time(result["seconds"])]
    cells += [f"{digits(result[key])} {unit}" for key, unit in rates if result.get(key)]
    if result.get("gflop_a_second"):
        cells.append(f"{digits(result['gflop_a_second'])} GFLOP/s")
    return ", ".join(cells)


def other_cell(timing: dict[str, Any], label: str) -> str:
    """Formats a time and its ratio to hpunet's."""
    result = timing["contestants"].get(label)
    if result is None or "seconds" not in result:
        return NOTHING if result is None else "failed"
    times = timing["ratios"].get(label)
    spread = (
        f", x {times['median']:.2f} [{times['least']:.2f}, {times['most']:.2f}]" if times else ""
    )
    return time(result["seconds"]) + spread


def single_lines(results: dict[str, Any]) -> list[str]:
    """Formats the measurements of hpunet alone, without failed ones."""
    found: list[tuple[str, str]] = []
    for statement, seconds in (results["imports"] or {}).items():
        found.append((f"`{statement}`", time(seconds)))
    if results["initialisation"]:
        found.append(("first weights", time(results["initialisation"]["first_s"])))
    for timing in results["timings"]:
        own = timing["contestants"].get("hpunet", {})
        if timing["measurement"] == "train" and "seconds" in own:
            of = f"{timing['batch_size']} images, {timing['precision']}"
            found.append((f"compiling and first step, {of}", time(own["first_call_s"])))
            found.append((f"memory of training, {of}", memory(own)))
    if results["startup"]:
        found.append(("command to first step, cold", time(results["startup"]["cold_s"])))
        found.append(("command to first step, compiled before", time(results["startup"]["warm_s"])))
    for workers, rates in (results["pipeline"] or {}).items():
        found.append(
            (f"reading, processes: {workers}", f"{digits(rates['images_a_second'])} images/s")
        )
    if results["scores"]:
        found.append(("GED and Hungarian IoU", f"{digits(results['scores']['both'])} images/s"))
    return [row("hpunet alone", ""), row("---", "---"), *(row(*pair) for pair in found)]


def memory(result: dict[str, Any]) -> str:
    """Formats the peak device memory if known, otherwise the memory that XLA planned."""
    if result.get("peak_device_bytes"):
        return f"{result['peak_device_bytes'] / 2**30:.2f} GiB"
    planned = result.get("program") or {}
    if "total" not in planned:
        return "unknown"
    return f"{planned['total'] / 2**30:.2f} GiB, as XLA plans it"


def profiles(results: list[dict[str, Any]]) -> str:
    """Formats one table per precision."""
    return "\n".join(
        f"{one['precision']}, {one['batch_size']} images:\n\n{profile_table(one['parts'])}"
        for one in results
    )


def profile_table(entries: list[dict[str, Any]]) -> str:
    """Formats one row per part; shares refer to the whole step."""
    step = next((e["forward"]["ms"] for e in entries if e["part"] == "step"), None)
    lines = [row("part", "forward ms", "GFLOP", "with gradient ms", "GFLOP", "share of a step")]
    lines.append(row(*["---"] * 6))
    for entry in entries:
        back = entry.get("with_gradient")
        whole = (back or entry["forward"])["ms"]
        share = f"{whole / step:.0%}" if step else NOTHING
        name = entry["part"] + (" (plain)" if entry["group"] == "plain levels" else "")
        cells = [*part_cells(entry["forward"]), *(part_cells(back) if back else (NOTHING, NOTHING))]
        lines.append(row(name, *cells, share))
    return "\n".join(lines) + "\n"


def part_cells(found: dict[str, Any]) -> tuple[str, str]:
    """Formats milliseconds and GFLOP."""
    gflop = found["gflop"]
    return digits(found["ms"]), NOTHING if gflop is None else digits(gflop)


def row(*cells: str) -> str:
    """Formats a row of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def time(seconds: float) -> str:
    """Formats a time in seconds if it is at least 1 s, otherwise in milliseconds."""
    return f"{digits(seconds)} s" if seconds >= 1 else f"{digits(1000 * seconds)} ms"


def digits(number: float) -> str:
    """Formats three significant digits, and all digits before the decimal point."""
    return f"{number:.0f}" if number >= 99.95 else f"{number:#.3g}"
