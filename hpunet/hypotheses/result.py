"""What a command leaves of its images: files, results.json and the page."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hpunet.hypotheses.collect import Found, collect
from hpunet.hypotheses.draw import Drawer
from hpunet.hypotheses.look import Look, Wanted, looks_at, slice_label
from hpunet.hypotheses.output import PAGE, RESULTS
from hpunet.imaging.maps import Maps
from hpunet.imaging.page import Shown, write_page
from hpunet.imaging.scan import Scan
from hpunet.imaging.write import write_maps
from hpunet.training.trained import TrainedNetwork

FORMAT = "hpunet-samples-1"
PERCENTILES = (5, 25, 50, 75, 95)
# Longer lists are in results.json.
LISTED = 4


class Job(NamedTuple):
    """What holds for all images of a command.

    Attributes:
        network: What draws.
        drawer: How.
        wanted: How pictures are looked at.
        least_iou: Of two samples of one hypothesis.
        origin: How the samples are drawn, in words, for files and page.
        done: Called with the number of new samples.
    """

    network: TrainedNetwork
    drawer: Drawer
    wanted: Wanted
    least_iou: float
    origin: Mapping[str, str]
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
            record = {"name": scan.name, "file": scan.place.name, "kind": scan.kind, "pictures": []}
            records.append(record)
            yield from _write_scan(folder, scan, of_scan, job, record)

    title = scans[0].name if len(scans) == 1 else f"{len(scans)} images"
    with (folder / PAGE).open("w", encoding="utf-8", newline="\n") as file:
        write_page(file, title, _page_facts(job), shown())
    content = {"format": FORMAT, **job.origin, "same_iou": job.least_iou, "images": records}
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / RESULTS).write_text(text + "\n", encoding="utf-8")
    return [_line(picture) for record in records for picture in record["pictures"]]


def _write_scan(
    folder: Path, scan: Scan, formats: Sequence[str], job: Job, record: dict[str, Any]
) -> Iterator[Shown]:
    """Draws and writes a scan, notes it in its record and gives what the page shows of it."""
    place = folder / scan.name
    place.mkdir(parents=True)
    scratch = folder / "samples.scratch"
    looks = looks_at(scan, job.network, job.wanted)
    maps, found = collect(looks, len(scan.pictures), job.drawer, job.least_iou, scratch, job.done)
    files = write_maps(place, scan, maps, formats, job.origin)
    record["files"] = [file.relative_to(folder).as_posix() for file in files]
    # Read once more rather than kept: a volume's pictures need not fit into memory.
    for index, look in enumerate(looks_at(scan, job.network, job.wanted)):
        record["pictures"].append(_record(scan, index, look, found[index]))
        yield _shown(slice_label(scan, index), look, maps, index, found[index])
    del maps
    scratch.unlink()


def _shown(label: str, look: Look, maps: Maps, index: int, found: Found) -> Shown:
    image = np.round(look.image * 255).astype(np.uint8)
    height, width = look.spacing or (1.0, 1.0)
    whole = (0, 0, *look.fit.size)
    return Shown(
        name=label,
        image=image if image.shape[-1] == 3 else image[..., 0],
        region=None if look.fit.region == whole else look.fit.region,
        aspect=height / width,
        samples=np.asarray(maps.samples[:, index]),
        mean=maps.mean[:, index],
        std=maps.std[:, index],
        entropy=maps.entropy[index],
        hypotheses=found.hypotheses,
        areas=found.areas,
        unit=found.unit,
        facts=look.facts,
        spacing=look.spacing,
    )


def _record(scan: Scan, index: int, look: Look, found: Found) -> dict[str, Any]:
    """A picture in `results.json`; samples are numbered from 1, as their files are."""
    height, width = look.fit.size
    areas = found.areas
    top, left, bottom, right = look.fit.region
    return {
        "name": slice_label(scan, index),
        "slice": None if scan.numbers is None else scan.numbers[index],
        "height": height,
        "width": width,
        "pixel_height_mm": look.spacing and look.spacing[0],
        "pixel_width_mm": look.spacing and look.spacing[1],
        "region": {"top": top, "left": left, "bottom": bottom, "right": right},
        "facts": dict(look.facts),
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
            "percentiles": {str(p): float(np.percentile(areas, p)) for p in PERCENTILES},
            "samples": areas.tolist(),
        },
    }


def _line(record: Mapping[str, Any]) -> str:
    """An image in the terminal: its hypotheses with their shares, and the area."""
    area, hypotheses = record["area"], record["hypotheses"]
    parts = [
        f"{hypothesis['share']:.0%} "
        + (
            "nothing"
            if hypothesis["empty"]
            else f"about {hypothesis['area_mean']:.4g} {area['unit']}"
        )
        for hypothesis in hypotheses[:LISTED]
    ]
    if len(hypotheses) > LISTED:
        rest = sum(hypothesis["share"] for hypothesis in hypotheses[LISTED:])
        parts.append(f"{rest:.0%} in {len(hypotheses) - LISTED} more")
    count = "1 hypothesis" if len(hypotheses) == 1 else f"{len(hypotheses)} hypotheses"
    return (
        f"{record['name']}: {count}: {', '.join(parts)}; area {area['mean']:.4g} ± "
        f"{area['std']:.4g} {area['unit']}"
    )


def _page_facts(job: Job) -> list[tuple[str, str]]:
    origin = job.origin
    fixed = origin["mean_scales"]
    return [
        ("Samples", f"{origin['num_samples']} an image, seed {origin['seed']}"),
        ("Weights", origin["weights"]),
        ("Checksum of the weights", origin["checksum"]),
        ("Temperature", origin["temperature"]),
        ("Scales fixed to the prior's mean", fixed),
        ("One hypothesis", f"samples whose IoU with each other is at least {job.least_iou:g}"),
        ("Drawn by", f"hpunet {origin['version']}"),
    ]
