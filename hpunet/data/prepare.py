"""Prepares a data set once as records of TFDS, and reads them in any order."""

import contextlib
import errno
import io
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tensorflow_datasets as tfds
from absl import logging
from PIL import Image
from tensorflow_datasets.core.utils import tqdm_utils

from hpunet.io.atomic import INCOMPLETE, remove
from hpunet.io.errors import writing_to
from hpunet.io.locks import clear_leftovers, exclusive

Builder = TypeVar("Builder", bound=tfds.core.DatasetBuilder)


def prepare(builder: Builder) -> Builder:
    """Writes the builder's records, unless they exist already, and returns the builder.

    TFDS writes the records to a folder beside their place and renames it when complete, so a
    preparation that fails or is killed leaves nothing that looks complete; the next one removes
    the rest. If two processes prepare the same data, one waits for the other and uses its records.

    Args:
        builder: A TFDS builder, whose `data_dir` is the folder of prepared data. Its generator may
            raise `UserError` and may show `hpunet.io.progress.progress`.

    Raises:
        UserError: If the disk is full or the folder cannot be written, or the generator raises it.
    """
    folder = Path(builder.data_dir)
    with _quiet(), writing_to(folder):
        if not is_whole(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            with exclusive(folder.parent / ".lock") as alone:
                if not is_whole(folder):
                    clear_leftovers(folder.parent, alone)
                    if alone and folder.exists():
                        remove(folder)
                    _write(builder, folder)
        builder.info.read_from_directory(os.fspath(folder))
    return builder


def is_whole(folder: Path) -> bool:
    """Returns whether a folder contains all files that its description lists."""
    try:
        info = json.loads((folder / "dataset_info.json").read_bytes())
        shards = [
            f"{info['name']}-{split['name']}.array_record-{shard:05}-of-{count:05}"
            for split in info["splits"]
            for count in [len(split["shardLengths"])]
            for shard in range(count)
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    files = [folder / shard for shard in shards]
    return bool(files) and all(file.is_file() and file.stat().st_size > 0 for file in files)


def example_features() -> tfds.features.FeaturesDict:
    """Returns the features of every record; pixels are PNG files, which need no TensorFlow."""
    image = tfds.features.Image(shape=(None, None, 1), encoding_format="png")
    return tfds.features.FeaturesDict(
        {
            "image": image,
            "annotations": tfds.features.Sequence(image),
            "patient": tfds.features.Text(),
            "name": tfds.features.Text(),
        }
    )


class LocalInfo(tfds.core.DatasetInfo):
    """A builder's description without a query to a server.

    The one of TFDS creates a temporary folder for the answer and never removes it.
    """

    def initialize_from_bucket(self) -> None:
        """Does nothing, because these data sets are not on a server."""


def encode_png(pixels: np.ndarray) -> io.BytesIO:
    """Encodes uint8 gray `pixels` `[H, W]` as PNG."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    file.seek(0)
    return file


class RecordSource:
    """One split of a prepared data set: an `ExampleSource` with random access, from any process.

    A pickle holds the folder, not the records; each process opens the files at first use.

    Attributes:
        pictures: The fields that are PNG files.
    """

    pictures: tuple[str, ...] = ("image", "annotations")

    def __init__(self, builder: tfds.core.DatasetBuilder, split: str) -> None:
        """Takes a prepared builder and the name of one of its splits."""
        self._folder = os.path.abspath(builder.data_dir)
        self._split = split
        self._length = int(builder.info.splits[split].num_examples)
        self._records: Any = None

    def __len__(self) -> int:
        """Number of examples."""
        return self._length

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The example at `index`.

        Returns:
            `image`, uint8 `[H, W, C]`; `annotations`, uint8 0 or 1 `[G, H, W]`; `patient`; `name`.

        Raises:
            IndexError: If there is no such example.
        """
        if not -self._length <= index < self._length:
            raise IndexError(f"example {index} of {self._length}")
        return self._example(self._open()[index % self._length])

    def _example(self, record: dict[str, Any]) -> dict[str, Any]:
        return {
            "image": record["image"][..., None],
            "annotations": (record["annotations"] > 0).astype(np.uint8),
            "patient": record["patient"].decode(),
            "name": record["name"].decode(),
        }

    def _open(self) -> Any:
        if self._records is None:
            decoders = {name: _Pillow() for name in self.pictures}
            builder = tfds.builder_from_directory(self._folder)
            self._records = builder.as_data_source(self._split, decoders=decoders)
        return self._records

    def __getstate__(self) -> dict[str, Any]:
        """The state without the open files."""
        return {**self.__dict__, "_records": None}

    def __repr__(self) -> str:
        """Shows folder and split."""
        return f"RecordSource({self._folder!r}, {self._split!r})"


class _Pillow(tfds.decode.Decoder):
    """Decodes PNG files to `[H, W]`; the decoder of TFDS warns that it is not OpenCV."""

    def decode_example(self, serialized_example: bytes) -> np.ndarray:
        with Image.open(io.BytesIO(serialized_example)) as image:
            return np.array(image)

    def decode_batch_example_np(self, batch: Iterable[bytes]) -> np.ndarray:
        return np.stack([self.decode_example(file) for file in batch])


def _write(builder: tfds.core.DatasetBuilder, folder: Path) -> None:
    # The builder may have read the description of an incomplete copy.
    builder.info.set_file_format("array_record", override=True, override_if_initialized=True)
    # TFDS requires a folder for downloads, even where nothing is downloaded.
    spare = tempfile.TemporaryDirectory(prefix=f"downloads.{INCOMPLETE}", dir=folder.parent)
    try:
        with spare as downloads:
            builder.download_and_prepare(download_dir=downloads)
    except OSError:
        # On a file system without locks, another process may have been faster.
        if not is_whole(folder):
            raise
    except RuntimeError as error:
        # array_record raises no OSError, but quotes its text.
        for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS):
            if os.strerror(code) in str(error):
                raise OSError(code, os.strerror(code)) from error
        raise


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences the prints, logs and progress bars of TFDS."""
    verbosity, bars = logging.get_verbosity(), tqdm_utils._active
    logging.set_verbosity(logging.ERROR)
    tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            tfds.enable_progress_bar()
