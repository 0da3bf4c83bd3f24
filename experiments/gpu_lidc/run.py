"""Trains the LIDC network twice in a row; the second run resumes the first."""

import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
STOPPED = 128 + signal.SIGTERM
# After SIGTERM, a run finishes its step and writes a checkpoint.
PATIENCE_SECONDS = 300
VALIDATION = ("val/ged", "val/hungarian_iou", "val/reconstruction_iou")


def main() -> None:
    """Trains twice, finishes the run and writes results and figures."""
    flags, changes = parse_flags()
    if flags.workdir.exists():
        sys.exit(f"--workdir={flags.workdir}: allowed is a folder that does not exist yet")
    first = train(flags, changes, seconds=60 * flags.minutes)
    second = train(flags, changes, seconds=60 * flags.minutes)
    # One more step validates, and writes weights and figures.
    last = train(flags, [*changes, f"--config.num_steps={second['to_step'] + 1}"], seconds=None)
    if [second["from_step"], last["from_step"]] != [first["to_step"], second["to_step"]]:
        sys.exit(f"a run did not resume where the previous one stopped: {[first, second, last]}")
    results = summarise(flags.workdir, changes, [first, second])
    flags.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, indent=1) + "\n"
    (flags.out / "results.json").write_text(text, encoding="utf-8")
    for name in ("course.png", "samples.png"):
        shutil.copy(flags.workdir / name, flags.out / name)
    print(json.dumps({k: v for k, v in results.items() if k != "curves"}, indent=1))


def parse_flags() -> tuple[argparse.Namespace, list[str]]:
    """Parses the flags of this script, and returns the other arguments for the train command."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--data_dir", type=Path, required=True, help="folder of LIDC crops")
    parser.add_argument("--minutes", type=float, default=9, help="duration of a run")
    parser.add_argument("--workdir", type=Path, default=ROOT / "runs" / "gpu_lidc")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the results")
    flags, changes = parser.parse_known_args()
    defaults = ["--config.batch_size=32", "--config.log_every=20", "--config.evaluate_every=500"]
    return flags, [*defaults, *changes]


def train(flags: argparse.Namespace, changes: list[str], seconds: float | None) -> dict[str, Any]:
    """Runs the train command.

    Args:
        flags: The flags of this script.
        changes: Arguments of the command; the last one for a key takes precedence.
        seconds: Time until SIGTERM; None waits for the end of training.

    Returns:
        First and last step, duration in seconds, and properties of the device.
    """
    report = flags.workdir.with_name(flags.workdir.name + "-device.json")
    report.parent.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, str(FOLDER / "measured_train.py"), "--config=lidc"]
    words += [f"--workdir={flags.workdir}", f"--config.data.dir={flags.data_dir}", *changes]
    before, start = last_checkpoint(flags.workdir), time.monotonic()
    process = subprocess.Popen(words, env={**os.environ, "MEASURED": str(report)})
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        code = process.wait(PATIENCE_SECONDS)
    if code not in (0, STOPPED):
        sys.exit(f"training ended with exit code {code}")
    device = json.loads(report.read_text(encoding="utf-8"))
    report.unlink()
    return {
        "from_step": before,
        "to_step": last_checkpoint(flags.workdir),
        "seconds": round(time.monotonic() - start, 1),
        **device,
    }


def last_checkpoint(workdir: Path) -> int:
    """Returns the step of the newest checkpoint, or 0."""
    folder = workdir / "checkpoints" / "last"
    return max((int(p.name) for p in folder.glob("*") if p.name.isdecimal()), default=0)


def summarise(workdir: Path, changes: list[str], runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Collects the entries of `results.json` that the README lists."""
    config = json.loads((workdir / "config.json").read_text(encoding="utf-8"))
    lines = (workdir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    curves = [json.loads(line) for line in lines]
    speeds = [
        line["images_per_second"]
        for line in curves
        # The first interval of a run includes compilation.
        if "images_per_second" in line
        and runs[1]["from_step"] + config["log_every"] < line["step"] <= runs[1]["to_step"]
    ]
    validations = [line for line in curves if VALIDATION[0] in line]
    return {
        "commit": commit(),
        "machine": f"{platform.platform()}, {os.cpu_count()} CPUs",
        "python": platform.python_version(),
        "seed": config["seed"],
        "changes": changes,
        "runs": runs,
        "milliseconds_a_step": milliseconds(config["batch_size"], speeds),
        "peak_memory_gib": peak_memory(runs),
        "validation": [{k: line[k] for k in ("step", *VALIDATION)} for line in validations],
        "curves": curves,
    }


def milliseconds(batch_size: int, images_per_second: list[float]) -> float | None:
    """Returns the median time of a step in ms, or None without measurements."""
    if not images_per_second:
        return None
    return round(1000 * batch_size / statistics.median(images_per_second), 2)


def peak_memory(runs: list[dict[str, Any]]) -> float | None:
    """Returns the peak memory of the device in GiB, or None if it is unknown."""
    peaks = [run["peak_bytes"] for run in runs if run["peak_bytes"] is not None]
    return round(max(peaks) / 2**30, 2) if peaks else None


def commit() -> str:
    """Returns the commit of the checkout, marked if there are uncommitted changes."""
    described = subprocess.run(
        ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() or "unknown"


if __name__ == "__main__":
    main()
