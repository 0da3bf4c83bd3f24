"""Inspects the data of a configuration and writes the report, the contact sheet and the faults."""

from pathlib import Path

from ml_collections import ConfigDict

from hpunet import figures
from hpunet.config.files import override
from hpunet.config.settings import (
    Settings,
    check,
    default_config,
    flatten,
    model_of,
    settings_of,
)
from hpunet.data.folder.listing import list_folder
from hpunet.data.open import open_data
from hpunet.inspection.dataset_reader import DatasetReader, folder_reader, prepared_reader
from hpunet.inspection.json_report import as_csv, as_json
from hpunet.inspection.proposal import Proposal, propose
from hpunet.inspection.survey import Survey, survey_dataset
from hpunet.inspection.text_report import as_text
from hpunet.io.atomic import check_writable, write_json, write_whole
from hpunet.io.errors import UserError, writing_to

FOLDER = "folder"
RESULT, SHEET, FAULTS = "inspection.json", "contact_sheet.png", "faults.csv"


def inspect(config: ConfigDict, out_name: str | None) -> int:
    """Reads a data set once, prints a report and writes it.

    Args:
        config: The configuration; keys that training would refuse for an annotated folder, such as
            a crop that does not fit, are reported.
        out_name: Folder for the files, or None to write none.

    Returns:
        The number of faults.

    Raises:
        UserError: If the configuration is wrong, or the data or the folder cannot be used.
    """
    settings, refusal = _settings(config)
    any_size = settings.data.name == FOLDER
    crop = config.data.crop if isinstance(config.data.crop, int) else tuple(config.data.crop)
    out = None if out_name is None else _checked_out(out_name, settings)
    survey = survey_dataset(_reader(settings))
    proposal = None
    if survey.has_examples:
        # The proposal is a hierarchical network, whichever model is configured.
        configured = flatten(default_config()) | flatten(config)
        proposal = propose(survey.facts(any_size), configured, refusal)
    if out is not None:
        # Before the text, so that a closed pipe does not prevent the files.
        _write(out, survey, crop, proposal)
    print(as_text(survey, crop, proposal), flush=True)
    if out is not None:
        print(f"\nwritten: {out}", flush=True)
    return len(survey.faults)


def _settings(config: ConfigDict) -> tuple[Settings, str]:
    """Returns the settings, and the reason why training would refuse them.

    An annotated folder can be inspected whatever the crop is: the report proposes one that fits.
    """
    try:
        return settings_of(config), ""
    except UserError as error:
        check(flatten(config))
        if config.data.name != FOLDER:
            raise
        try:
            least = model_of(flatten(config)).size_multiple
            return settings_of(override(config, {"data.crop": str(least)})), str(error)
        except UserError:
            raise error from None


def _checked_out(name: str, settings: Settings) -> Path:
    if not name or "\0" in name:
        raise UserError(f"--out={name!r}: allowed is the name of a folder")
    out = Path(name)
    check_writable(out, "--out")
    if settings.data.name == FOLDER and settings.data.dir is not None:
        for below in ("images", "annotations"):
            data = Path(settings.data.dir).expanduser() / below
            if out.resolve().is_relative_to(data.resolve()):
                raise UserError(
                    f"--out={out}: is inside the data; allowed are folders outside of {data}"
                )
    return out


def _reader(settings: Settings) -> DatasetReader:
    if settings.data.name != FOLDER:
        return prepared_reader(open_data(settings), settings.model.num_classes)
    listing = list_folder(settings.data.dir, settings.prepared_dir, settings.folder)
    return folder_reader(str(settings.data.dir), listing, settings.folder)


def _write(
    out: Path, survey: Survey, crop: int | tuple[int, int], proposal: Proposal | None
) -> None:
    thumbnails = survey.thumbnails.thumbnails(survey.intensities)
    with writing_to(out):
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / RESULT, as_json(survey, crop, proposal))
        # Files of an earlier inspection would be taken for those of this one.
        for name, needed in ((SHEET, thumbnails), (FAULTS, survey.faults)):
            if not needed:
                (out / name).unlink(missing_ok=True)
        if thumbnails:
            sheet = figures.contact_sheet(thumbnails, survey.reader.class_names)
            figures.save(sheet, out / SHEET)
        if survey.faults:
            write_whole(out / FAULTS, as_csv(survey.faults).encode(errors="surrogateescape"))
