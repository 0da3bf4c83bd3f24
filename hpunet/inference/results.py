"""What a command leaves of its images: files, results.json and the page."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hpunet.imaging.maps import Maps, std_of
from hpunet.imaging.scan import Scan
from hpunet.imaging.write import write_maps
from hpunet.inference.collect import Found, collect
from hpunet.inference.draw import Drawer
from hpunet.inference.look import Wanted, looks_at, slice_label
from hpunet.inference.output import FORMAT, PAGE, RESULTS
from hpunet.report import Shown, write_page
from hpunet.report.wording import percent, plain, with_spread
from hpunet.training.trained import TrainedNetwork

PERCENTILES = (5, 25, 50, 75, 95)
# Longer lists are in results.json.
LISTED = 4
MOST_LINES = 20


class Job(NamedTuple):
    """What holds for all images of a command.

    Attributes:
        network: What draws.
        drawer: How.
        wanted: How pictures are looked at.
        least_iou: Of two samples of one hypothesis.
        drawn_how: Weights, seed and so on, in words, for files and page.
        done: Called with the number of new samples.
    """

    network: TrainedNetwork
    drawer: Drawer
    wanted: Wanted
    least_iou: float
    drawn_how: Mapping[str, str]
    done: Callable[[int], Any]


def write(
    folder: Path, scans: Sequence[Scan], formats: Sequence[Sequence[str]], job: Job
) -> list[str]:
    """Draws the samples of all scans and writes files, `results.json` and the page.

    Args:
        folder: Empty; a scan's files go to a folder of its name in it.
        scans: The images.
        formats: For each scan, what its files are written as.
        job: All else.

    Returns:
        Lines that say what was found.

    Raises:
        UserError: If an image cannot be looked at or a file not be written in its format.
        OSError: If the disk is full.
    """
    records: list[dict[str, Any]] = []

    def shown() -> Iterator[Shown]:
        # Images are drawn while the page is written: one scan at a time lies in memory.
        for scan, of_scan in zip(scans, formats, strict=True):
            record: dict[str, Any] = {"name": scan.name, "file": scan.place.name}
            record |= {"kind": scan.kind, "sources": _sources(scan), "pictures": []}
            records.append(record)
            yield from _write_scan(folder, scan, of_scan, job, record)

    number = sum(len(scan.pictures) for scan in scans)
    title = scans[0].name if len(scans) == 1 else f"{number} images"
    with (folder / PAGE).open("w", encoding="utf-8", newline="\n") as file:
        write_page(file, title, _page_facts(job), shown())
    wish = job.drawer.wish
    content = {
        "format": FORMAT,
        **{name: job.drawn_how[name] for name in ("version", "weights", "checksum")},
        "num_samples": wish.num_samples,
        "seed": wish.seed,
        "temperature": wish.temperature,
        "mean_scales": [scale for scale, mean in enumerate(wish.mean) if mean],
        "same_iou": job.least_iou,
        "images": records,
    }
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    # Of a name that is no text, JSON's own escape of what is none.
    (folder / RESULTS).write_bytes((text + "\n").encode("utf-8", "backslashreplace"))
    lines = [_line(picture) for record in records for picture in record["pictures"]]
    more = len(lines) - MOST_LINES
    return lines if more <= 0 else [*lines[:MOST_LINES], f"and {more} more, in {RESULTS}"]


def _write_scan(
    folder: Path, scan: Scan, formats: Sequence[str], job: Job, record: dict[str, Any]
) -> Iterator[Shown]:
    """Draws and writes a scan, notes it in its record and gives what the page shows of it."""
    place = folder / scan.name
    place.mkdir(parents=True)
    # No scan's name begins with a dot.
    scratch = folder / ".samples"
    looks = looks_at(scan, job.network, job.wanted)
    maps, found = collect(looks, len(scan.pictures), job.drawer, job.least_iou, scratch, job.done)
    files = write_maps(place, scan, maps, formats, job.drawn_how)
    record["files"] = [file.relative_to(folder).as_posix() for file in files]
    for index, of_picture in enumerate(found):
        record["pictures"].append(_record(scan, index, of_picture, job))
        yield _shown(slice_label(scan, index), maps, index, of_picture)
    del maps
    scratch.unlink()


def _sources(scan: Scan) -> list[dict[str, str]]:
    """Name and SHA-256 of every file that the pictures come from."""
    paths = dict.fromkeys(scan.geometry.paths) if scan.kind == "dicom" else [scan.place]
    found = []
    for path in paths:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        found.append({"file": path.name, "sha256": digest})
    return found


def _shown(label: str, maps: Maps, index: int, found: Found) -> Shown:
    height, width = found.spacing or (1.0, 1.0)
    mean = maps.mean[:, index]
    return Shown(
        name=label,
        image=found.image if found.image.shape[-1] == 3 else found.image[..., 0],
        region=None if found.fit.region == (0, 0, *found.fit.size) else found.fit.region,
        aspect=height / width,
        samples=np.asarray(maps.samples[:, index]),
        mean=mean,
        std=std_of(mean),
        entropy=maps.entropy[index],
        hypotheses=found.hypotheses,
        areas=found.areas,
        unit=found.unit,
        facts=found.facts,
        spacing=found.spacing,
    )


def _record(scan: Scan, index: int, found: Found, job: Job) -> dict[str, Any]:
    """A picture in `results.json`; samples are numbered from 1, as their files are.

    `mean` and `std` count samples that mark nothing as 0; `mean_of_marked` leaves them out.
    """
    height, width = found.fit.size
    areas, spacing = found.areas, found.spacing
    marked = areas[areas > 0]
    top, left, bottom, right = found.fit.region
    return {
        "name": slice_label(scan, index),
        "slice": None if scan.numbers is None else scan.numbers[index],
        "height": height,
        "width": width,
        "pixel_height_mm": spacing and spacing[0],
        "pixel_width_mm": spacing and spacing[1],
        "window": list(found.window),
        "resampled_to_mm": (
            job.network.pixel_spacing if found.fit.resampled and not job.network.resized else None
        ),
        "region": {"top": top, "left": left, "bottom": bottom, "right": right},
        "facts": dict(found.facts),
        "hypotheses": [
            {
                "share": hypothesis.share,
                "samples": [sample + 1 for sample in hypothesis.samples],
                "representative": hypothesis.representative + 1,
                "empty": hypothesis.empty,
                "area_mean": hypothesis.area,
                "area_std": hypothesis.area_std,
            }
            for hypothesis in found.hypotheses
        ],
        "area": {
            "unit": found.unit,
            "mean": float(areas.mean()),
            "std": float(areas.std()),
            "mean_of_marked": float(marked.mean()) if marked.size else None,
            "std_of_marked": float(marked.std()) if marked.size else None,
            "percentiles": {str(p): float(np.percentile(areas, p)) for p in PERCENTILES},
            "samples": areas.tolist(),
        },
    }


def _line(record: Mapping[str, Any]) -> str:
    """An image in the terminal: its hypotheses with their shares, and the area."""
    area, hypotheses = record["area"], record["hypotheses"]
    unit = area["unit"]
    parts = [
        f"{percent(one['share'])} "
        + ("nothing" if one["empty"] else f"about {plain(one['area_mean'])} {unit}")
        for one in hypotheses[:LISTED]
    ]
    if len(hypotheses) > LISTED:
        rest = sum(one["share"] for one in hypotheses[LISTED:])
        parts.append(f"{percent(rest)} in {len(hypotheses) - LISTED} more")
    found = "1 hypothesis" if len(hypotheses) == 1 else f"{len(hypotheses)} hypotheses"
    text = f"{record['name']}: {found}: {', '.join(parts)}"
    if area["mean_of_marked"] is None:
        return text
    spread = with_spread(area["mean_of_marked"], area["std_of_marked"])
    return f"{text}; area {spread} {unit} where anything is marked"


def _page_facts(job: Job) -> list[tuple[str, str]]:
    how = job.drawn_how
    return [
        ("Samples", f"{how['num_samples']} an image, seed {how['seed']}"),
        ("Weights", how["weights"]),
        ("Checksum of the weights", how["checksum"]),
        ("Temperature", how["temperature"]),
        ("Scales fixed to the prior's mean", how["mean_scales"]),
        ("One hypothesis", f"samples whose IoU with each other is at least {job.least_iou:g}"),
        ("Drawn by", f"hpunet {how['version']}"),
    ]
