"""Predictions on disk: what a stopped evaluation goes on from, and what others can score again."""

import io
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from hpunet.evaluation.folders.npz import read_npz
from hpunet.io.atomic import write_json, write_whole
from hpunet.io.errors import UserError

MADE_OF = "made_of.json"


class Store:
    """A folder with `<name>.npz` for each image, and what they all were made of.

    A file holds `samples` `[S, H, W]` and `reconstructions` `[G, H, W]`, class labels in uint8, and
    appears whole or not at all.
    """

    def __init__(
        self, folder: Path, made_of: Mapping[str, Any], *, may_replace: bool = False
    ) -> None:
        """Opens a folder.

        Args:
            folder: Made if missing.
            made_of: All that the predictions depend on, as JSON holds it.
            may_replace: Whether predictions that were made of something else are removed.

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
        """Whether an image's predictions are there."""
        return self._path(name).is_file()

    def write(
        self,
        name: str,
        samples: UInt8[np.ndarray, "S H W"],
        reconstructions: UInt8[np.ndarray, "G H W"],
    ) -> None:
        """Adds an image's predictions.

        Raises:
            UserError: If they cannot be written.
        """
        file = io.BytesIO()
        np.savez_compressed(file, samples=samples, reconstructions=reconstructions)
        path = self._path(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, file.getvalue())
        except OSError as error:
            raise UserError(f"{path}: cannot be written ({error.strerror or error})") from None

    def read(self, name: str) -> tuple[UInt8[np.ndarray, "S H W"], UInt8[np.ndarray, "G H W"]]:
        """Samples and reconstructions of an image.

        Raises:
            UserError: If the file cannot be read.
        """
        path = self._path(name)
        return read_npz(path, "samples"), read_npz(path, "reconstructions")

    def remove(self) -> None:
        """Removes the folder; cut short, it leaves nothing that looks like one.

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
        # A start that was cut short leaves a part of its first file.
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
