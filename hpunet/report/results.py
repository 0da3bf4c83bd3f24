"""The results of `sample`: masks and maps, results.json and the page, in one folder."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hpunet.imaging.maps import std_of
from hpunet.imaging.naming import PAGE, RESULTS, RESULTS_FORMAT
from hpunet.imaging.read import refuse_if_none
from hpunet.imaging.volume import Excluded, Volume
from hpunet.imaging.write import write_maps
from hpunet.inference.network_input import ImageOptions, network_inputs
from hpunet.inference.prediction import Prediction, predict_volume, warnings_of
from hpunet.inference.sampling import ImageSampler
from hpunet.inference.trained import TrainedNetwork
from hpunet.io.errors import UserError, reason
from hpunet.report.exclusions import Exclusions
from hpunet.report.page import write_page
from hpunet.report.page_image import PageImage
from hpunet.report.wording import plain, whole_percent, with_spread

PERCENTILES = (5, 25, 50, 75, 95)
# Most hypotheses of a line and most lines for the terminal; results.json has all of them.
MOST_HYPOTHESES = 4
MOST_LINES = 20


class ResultsContext(NamedTuple):
    """Properties shared by all images of a command.

    Attributes:
        network: The network.
        sampler: Draws its samples.
        image_options: How images are preprocessed.
        least_iou: Least IoU of any two samples of a hypothesis.
        described: How the samples are drawn, for files and page: `version`, `weights`, `checksum`,
            `num_samples`, `seed`, `temperature`, `mean_scales` and, of images drawn in windows,
            `windows`.
        progress: Called with the number of new samples.
        say: Called with each warning, one line.
    """

    network: TrainedNetwork
    sampler: ImageSampler
    image_options: ImageOptions
    least_iou: float
    described: Mapping[str, str]
    progress: Callable[[int], Any]
    say: Callable[[str], Any] = print


def check_replaceable(out: Path, overwrite: bool) -> None:
    """Checks that results may be written to a folder, without writing.

    Raises:
        UserError: If it is not a folder, holds other files than results, or holds results and
            `overwrite` is False.
    """
    try:
        if not os.path.lexists(out):
            return
        if os.path.ismount(out) or out == Path.cwd():
            raise UserError(f"--out={out}: cannot be replaced; choose a folder in it")
        if out.is_dir() and not any(out.iterdir()):
            return
        if not out.is_dir():
            raise UserError(f"--out={out}: not a folder; allowed is a new or an empty one")
        own = _own_files(out)
        files = (path for path in sorted(out.rglob("*")) if not path.is_dir())
        others = [path for path in files if path not in own]
    except OSError as error:
        raise UserError(f"--out={out}: {reason(error)}") from None
    if others:
        raise UserError(
            f"--out={out}: holds other files, such as {others[0].relative_to(out)}; allowed is "
            "a new or an empty folder"
        )
    if not overwrite:
        raise UserError(f"--out={out}: holds results already; --overwrite replaces them")


def _own_files(out: Path) -> set[Path]:
    """The files that the results in a folder list as theirs."""
    try:
        content = json.loads((out / RESULTS).read_bytes())
        if content["format"] != RESULTS_FORMAT:
            return set()
        names = [name for image in content["images"] for name in image["files"]]
        return {out / name for name in [*names, RESULTS, PAGE]}
    except (FileNotFoundError, ValueError, LookupError, TypeError, RecursionError):
        return set()


def write_results(
    folder: Path,
    volumes: Sequence[Volume],
    formats: Sequence[Sequence[str]],
    context: ResultsContext,
    exclusions: Exclusions,
) -> list[str]:
    """Draws the samples of all volumes and writes files, `results.json` and the page.

    A volume, or a slice of one, that cannot be drawn does not stop the others.

    Args:
        folder: An empty folder; the files of a volume are written to a subfolder of its name.
        volumes: The images.
        formats: File formats of each volume.
        context: Network, sampler and options.
        exclusions: What is left out and what has failed before; new failures are added.

    Returns:
        Lines for the terminal on what is drawn.

    Raises:
        UserError: If no image can be drawn, with the first reason.
        OSError: If the disk is full.
    """
    records: list[dict[str, Any]] = []

    def page_images() -> Iterator[PageImage]:
        # Samples are drawn while the page is written: one volume at a time is in memory.
        for volume, of_volume in zip(volumes, formats, strict=True):
            record: dict[str, Any] = {"name": volume.name, "file": volume.place.name}
            plane = volume.geometry.plane if volume.kind == "nifti" else None
            record |= {"kind": volume.kind, "plane": plane, "sources": _sources(volume)}
            record["pictures"] = []
            try:
                yield from _write_volume(folder, volume, of_volume, context, record, exclusions)
                records.append(record)
            except UserError as error:
                exclusions.failed.append(Excluded.by_error(volume.shown_place, error))
                shutil.rmtree(folder / volume.name, ignore_errors=True)
                _scratch(folder).unlink(missing_ok=True)

    number = sum(len(volume.pictures) for volume in volumes)
    title = volumes[0].name if len(volumes) == 1 else f"{number} images"
    with (folder / PAGE).open("w", encoding="utf-8", newline="\n") as file:
        write_page(file, title, _page_facts(context), page_images(), exclusions.rows)
    refuse_if_none(records, exclusions.failed)
    content = _content(context, records) | exclusions.records()
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    # Surrogates in names, which UTF-8 cannot encode, become JSON escapes.
    (folder / RESULTS).write_bytes((text + "\n").encode("utf-8", "backslashreplace"))
    lines = [_line(picture) for record in records for picture in record["pictures"]]
    more = len(lines) - MOST_LINES
    return lines if more <= 0 else [*lines[:MOST_LINES], f"and {more} more, in {RESULTS}"]


def _content(context: ResultsContext, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    options = context.sampler.options
    return {
        "format": RESULTS_FORMAT,
        **{name: context.described[name] for name in ("version", "weights", "checksum")},
        "num_samples": options.num_samples,
        "seed": options.seed,
        "temperature": options.temperature,
        "mean_scales": [scale for scale, mean in enumerate(options.mean) if mean],
        "windows": None if options.window is None else list(options.window),
        "same_iou": context.least_iou,
        "images": records,
    }


def _write_volume(
    folder: Path,
    volume: Volume,
    formats: Sequence[str],
    context: ResultsContext,
    record: dict[str, Any],
    exclusions: Exclusions,
) -> Iterator[PageImage]:
    """Draws and writes a volume, completes its record and yields its images for the page."""
    scratch = _scratch(folder)
    inputs = network_inputs(volume, context.network, context.image_options)
    maps, predictions, failed = predict_volume(
        inputs,
        len(volume.pictures),
        context.sampler,
        context.least_iou,
        scratch,
        context.progress,
    )
    for line in warnings_of(predictions):
        context.say(f"warning: {line}")
    if failed:
        exclusions.failed.extend(failed.values())
        volume = volume.select([i for i in range(len(volume.pictures)) if i not in failed])
    place = folder / volume.name
    place.mkdir(parents=True)
    files = write_maps(place, volume, maps, formats, context.described)
    record["files"] = [file.relative_to(folder).as_posix() for file in files]
    for index, prediction in enumerate(predictions):
        number = None if volume.numbers is None else volume.numbers[index]
        record["pictures"].append(_record(prediction, number, context.network))
        yield _page_image(prediction)
    del maps, predictions, prediction
    scratch.unlink()


def _scratch(folder: Path) -> Path:
    """The file of a volume's samples while it is drawn; names of volumes never begin with a dot."""
    return folder / ".samples"


def _sources(volume: Volume) -> list[dict[str, str]]:
    """Name and SHA-256 of every source file of a volume."""
    geometry: Any = volume.geometry
    paths = (
        dict.fromkeys(geometry.paths)
        if volume.kind == "dicom"
        else [volume.place, *volume.more_places]
    )
    sources = []
    for path in paths:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        sources.append({"file": path.name, "sha256": digest})
    return sources


def _page_image(prediction: Prediction) -> PageImage:
    height, width = prediction.spacing or (1.0, 1.0)
    display, fit = prediction.display, prediction.fit
    return PageImage(
        name=prediction.label,
        image=display if display.shape[-1] == 3 else display[..., 0],
        region=None if fit.region == (0, 0, *fit.size) else fit.region,
        aspect=height / width,
        samples=prediction.samples,
        mean=prediction.mean,
        std=std_of(prediction.mean),
        entropy=prediction.entropy,
        hypotheses=prediction.hypotheses,
        areas=prediction.areas,
        unit=prediction.unit,
        facts=[*prediction.facts, *(("Warning", text) for text in prediction.warnings)],
        spacing=prediction.spacing,
    )


def _record(prediction: Prediction, number: int | None, network: TrainedNetwork) -> dict[str, Any]:
    """The entry of an image in `results.json`; samples are numbered from 1 like their files."""
    fit, spacing = prediction.fit, prediction.spacing
    height, width = fit.size
    top, left, bottom, right = fit.region
    own = network.preprocessing
    return {
        "name": prediction.label,
        "slice": number,
        "height": height,
        "width": width,
        "pixel_height_mm": spacing and spacing[0],
        "pixel_width_mm": spacing and spacing[1],
        "window": list(prediction.window),
        "resampled_to_mm": own.pixel_spacing if fit.resampled and not own.resized else None,
        "region": {"top": top, "left": left, "bottom": bottom, "right": right},
        "facts": dict(prediction.facts),
        "warnings": list(prediction.warnings),
        "hypotheses": [
            {
                "share": hypothesis.share,
                "samples": [sample + 1 for sample in hypothesis.samples],
                "representative": hypothesis.representative + 1,
                "empty": hypothesis.empty,
                "area_mean": hypothesis.area,
                "area_std": hypothesis.area_std,
            }
            for hypothesis in prediction.hypotheses
        ],
        "area": _area_record(prediction),
    }


def _area_record(prediction: Prediction) -> dict[str, Any]:
    """Areas: `mean` and `std` include empty samples as 0, `mean_of_marked` excludes them."""
    areas = prediction.areas
    marked = areas[areas > 0]
    return {
        "unit": prediction.unit,
        "mean": float(areas.mean()),
        "std": float(areas.std()),
        "mean_of_marked": float(marked.mean()) if marked.size else None,
        "std_of_marked": float(marked.std()) if marked.size else None,
        "percentiles": {str(p): float(np.percentile(areas, p)) for p in PERCENTILES},
        "samples": areas.tolist(),
    }


def _line(record: Mapping[str, Any]) -> str:
    """The line of an image in the terminal: hypotheses with their shares, and the area."""
    area, hypotheses = record["area"], record["hypotheses"]
    unit = area["unit"]
    parts = [
        f"{whole_percent(one['share'])} "
        + ("nothing" if one["empty"] else f"about {plain(one['area_mean'])} {unit}")
        for one in hypotheses[:MOST_HYPOTHESES]
    ]
    if len(hypotheses) > MOST_HYPOTHESES:
        rest = sum(one["share"] for one in hypotheses[MOST_HYPOTHESES:])
        parts.append(f"{whole_percent(rest)} in {len(hypotheses) - MOST_HYPOTHESES} more")
    number = "1 hypothesis" if len(hypotheses) == 1 else f"{len(hypotheses)} hypotheses"
    text = f"{record['name']}: {number}: {', '.join(parts)}"
    if area["mean_of_marked"] is None:
        return text
    spread = with_spread(area["mean_of_marked"], area["std_of_marked"])
    return f"{text}; area {spread} {unit} where anything is marked"


def _page_facts(context: ResultsContext) -> list[tuple[str, str]]:
    described = context.described
    return [
        ("Samples", f"{described['num_samples']} per image, seed {described['seed']}"),
        ("Weights", described["weights"]),
        ("Checksum of the weights", described["checksum"]),
        ("Temperature", described["temperature"]),
        ("Scales fixed to the prior's mean", described["mean_scales"]),
        ("One hypothesis", f"samples whose IoU with each other is at least {context.least_iou:g}"),
        *([("Windows", f"{described['windows']} pixels")] if "windows" in described else []),
        ("Drawn by", f"hpunet {described['version']}"),
    ]
