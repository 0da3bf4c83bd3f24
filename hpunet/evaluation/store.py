"""Predictions on disk, for resuming an evaluation and for scoring again."""

import io
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from hpunet.imaging.arrays import open_archive
from hpunet.io.atomic import write_json, write_whole
from hpunet.io.errors import UserError

MADE_OF = "made_of.json"


class PredictionStore:
    """A folder with `<name>.npz` for each image, and a record of the settings of the predictions.

    A file holds `samples` `[S, H, W]` and, of a model with a posterior, `reconstructions`
    `[G, H, W]`, class labels in uint8, and appears whole or not at all.
    """

    def __init__(
        self, folder: Path, made_of: Mapping[str, Any], *, may_replace: bool = False
    ) -> None:
        """Opens a folder.

        Args:
            folder: Made if missing.
            made_of: Everything that the predictions depend on, as JSON can hold it.
            may_replace: Whether predictions that depend on something else are removed.

        Raises:
            UserError: If the folder cannot be written, or holds something else.
        """
        self._folder = folder
        expected = json.loads(json.dumps(made_of))
        try:
            shutil.rmtree(self._removed, ignore_errors=True)
            if folder.exists() and self._read_made_of() != expected:
                self._make_room(may_replace)
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / MADE_OF, expected)
        except OSError as error:
            raise UserError(f"{folder}: cannot be used ({error.strerror or error})") from None

    def __contains__(self, name: str) -> bool:
        """Returns whether the predictions of an image are stored."""
        return self._path(name).is_file()

    def write(
        self,
        name: str,
        samples: UInt8[np.ndarray, "S H W"],
        reconstructions: UInt8[np.ndarray, "G H W"] | None,
    ) -> None:
        """Adds an image's predictions.

        Raises:
            UserError: If they cannot be written.
        """
        file = io.BytesIO()
        if reconstructions is None:
            np.savez_compressed(file, samples=samples)
        else:
            np.savez_compressed(file, samples=samples, reconstructions=reconstructions)
        path = self._path(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, file.getvalue())
        except OSError as error:
            raise UserError(f"{path}: cannot be written ({error.strerror or error})") from None

    def read(
        self, name: str
    ) -> tuple[UInt8[np.ndarray, "S H W"], UInt8[np.ndarray, "G H W"] | None]:
        """Reads samples and, for a model with a posterior, reconstructions of an image.

        Raises:
            UserError: If the file cannot be read.
        """
        with open_archive(self._path(name)) as archive:
            rebuilt = archive["reconstructions"] if "reconstructions" in archive.files else None
            return archive["samples"], rebuilt

    def remove(self) -> None:
        """Removes the folder; an interruption leaves no part of it under its name.

        Raises:
            UserError: If it cannot be removed.
        """
        try:
            os.replace(self._folder, self._removed)
            shutil.rmtree(self._removed)
        except OSError as error:
            raise UserError(f"{self._folder}: cannot be removed ({error.strerror})") from None

    @property
    def _removed(self) -> Path:
        return self._folder.with_name(self._folder.name + ".removed")

    def _make_room(self, may_replace: bool) -> None:
        # An interrupted start leaves a part of its first file.
        names = {path.name for path in self._folder.iterdir()}
        names = {n for n in names if not (n.startswith(f"{MADE_OF}.") and n.endswith(".part"))}
        if not names:
            return
        if not (may_replace and MADE_OF in names):
            raise UserError(
                f"{self._folder}: it holds something else; allowed are a new folder and one with "
                "predictions by the same weights, code, seed and number of samples of the same data"
            )
        self.remove()

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.npz"

    def _read_made_of(self) -> Any:
        try:
            return json.loads((self._folder / MADE_OF).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
