"""Says what is in a data set before anything is trained on it, and what is wrong with it.

python -m hpunet.inspect --config=configs/folder.py --config.data.dir=DIR [--out=DIR]
"""

import functools
from pathlib import Path

from absl import flags
from ml_collections import ConfigDict

from hpunet import figures
from hpunet.cli import command
from hpunet.config import settings as config
from hpunet.config.files import override
from hpunet.data.folder.builder import list_folder
from hpunet.inspection.material import Material, of_dataset, of_folder
from hpunet.inspection.proposal import Proposal, propose
from hpunet.inspection.report import as_text
from hpunet.inspection.result import as_csv, as_json
from hpunet.inspection.survey import Survey, survey
from hpunet.io.atomic import one_line
from hpunet.io.errors import UserError
from hpunet.open_data import open_data
from hpunet.training import workdir as folder

FOLDER = "folder"
RESULT, SHEET, FAULTS = "inspection.json", "contact_sheet.png", "faults.csv"
# Not absl's common ones: two commands may be imported side by side.
FLAGS = flags.FlagValues()
text_flag = functools.partial(flags.DEFINE_string, flag_values=FLAGS)
GET_CONFIG = command.ConfigFlag(FLAGS)
OUT = text_flag(
    "out",
    None,
    f"Folder for {RESULT}, {SHEET} and, if there are faults, {FAULTS}; made if missing.",
)


def main() -> int:
    """Reads everything once, prints what was found, writes it; 2 if there are faults."""
    given = GET_CONFIG()
    settings, refused = _settings(given)
    crop, any_size = given.data.crop, settings.data_name == FOLDER
    out = None if OUT.value is None else _checked_out(OUT.value, settings)
    found = survey(_material(settings))
    proposal = None
    if found.anything:
        proposal = propose(found.facts(any_size), config.flatten(given), refused)
    if out is not None:
        # First of all: what is printed may not reach its reader.
        _write(out, found, crop, proposal)
    print(as_text(found, crop, proposal), flush=True)
    if out is not None:
        print(f"\nwritten: {out}", flush=True)
    if not found.faults:
        return 0
    count = len(found.faults)
    return command.fail(
        f"{count} fault{'' if count == 1 else 's'}, see above; nothing was written to the data"
    )


def _settings(given: ConfigDict) -> tuple[config.Settings, str]:
    """The settings, and why training would refuse them.

    One's own images can be looked at whatever the crop is; which one fits is asked here.
    """
    try:
        return config.settings_of(given), ""
    except UserError as error:
        config.check(config.flatten(given))
        if given.data.name != FOLDER:
            raise
        least = 2 ** (len(given.model.channels_per_block) - 1)
        fitting = override(given, {"data.crop": str(least)})
        try:
            return config.settings_of(fitting), str(error)
        except UserError:
            raise error from None


def _checked_out(text: str, settings: config.Settings) -> Path:
    if not text or "\0" in text:
        raise UserError(f"--out={text!r}: allowed is the name of a folder")
    out = Path(text)
    folder.check_writable(out, "--out")
    if settings.data_name == FOLDER and settings.data_dir is not None:
        for below in ("images", "annotations"):
            data = Path(settings.data_dir).expanduser() / below
            if out.resolve().is_relative_to(data.resolve()):
                raise UserError(f"--out={out}: lies in the data; allowed is a folder beside {data}")
    return out


def _material(settings: config.Settings) -> Material:
    if settings.data_name != FOLDER:
        return of_dataset(open_data(settings), settings.model.num_classes)
    listing = list_folder(settings.data_dir, settings.prepared_dir, settings.folder)
    return of_folder(str(settings.data_dir), listing, settings.folder)


def _write(out: Path, found: Survey, crop: int, proposal: Proposal | None) -> None:
    pictures = found.shown.pictures(found.intensities)
    with one_line(out):
        out.mkdir(parents=True, exist_ok=True)
        folder.write_json(out / RESULT, as_json(found, crop, proposal))
        # Those of an earlier look would be taken for this one's.
        for name, wanted in ((SHEET, pictures), (FAULTS, found.faults)):
            if not wanted:
                (out / name).unlink(missing_ok=True)
        if pictures:
            sheet = figures.contact_sheet(pictures, found.material.class_names)
            figures.save(sheet, out / SHEET)
        if found.faults:
            folder.write_whole(out / FAULTS, as_csv(found.faults).encode(errors="surrogateescape"))


if __name__ == "__main__":
    command.run(main)
