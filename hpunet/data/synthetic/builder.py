"""The synthetic data set: CT-like images whose annotations come from a known distribution.

It needs no download and is generated in seconds. Four annotators outline a lesion near the centre
of each image. Each makes independent choices: whether to draw the lesion, how far it extends, and
which protrusions belong to it. Every part is visible in every image and the choices do not depend
on the image, so a model has to learn the distribution itself. `Truth` gives the scores of a perfect
model.
"""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from hpunet.config.data import SyntheticConfig
from hpunet.data.dataset import Dataset
from hpunet.data.prepare import (
    LocalInfo,
    RecordSource,
    encode_png,
    example_features,
    prepare,
)
from hpunet.data.synthetic.lesion import mode_masks
from hpunet.data.synthetic.scene import draw_scenes
from hpunet.data.synthetic.truth import Truth
from hpunet.io.progress import progress

VERSION = "1.0.0"
# The digest uses the first name of a renamed setting, so that existing data and runs stay valid.
OLD_NAMES = {"num_annotators": "num_graders"}
SPLITS = ("train", "val", "test")
CHUNK_SIZE = 16  # images rendered at a time; the images of a seed depend on it
IMAGE_STREAM, ANNOTATOR_STREAM = 0, 1


def open_dataset(config: SyntheticConfig, prepared_dir: str | pathlib.Path) -> Dataset:
    """Opens the data set with the given settings, and generates it if necessary.

    Args:
        config: Settings of the data set.
        prepared_dir: Folder of prepared data sets. The data are in a subfolder named by a digest of
            settings and code version, so different settings never share it.

    Returns:
        Splits `train`, `val` and `test`, whose examples also contain `modes`, the masks of all
        modes, uint8 0 or 1 `[M, H, W]`; `truth` is a `Truth`.

    Raises:
        UserError: If the folder cannot be written.
    """
    builder = prepare(Synthetic(config, data_dir=prepared_dir))
    splits = {split: SyntheticSource(builder, split, config.num_sites) for split in SPLITS}
    return Dataset("synthetic", VERSION, digest(config), splits, Truth(config))


def digest(config: SyntheticConfig) -> str:
    """Hexadecimal SHA-256 digest of the settings and the version of the code."""
    settings = {OLD_NAMES.get(k, k): v for k, v in dataclasses.asdict(config).items()}
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(f"{VERSION} {text}".encode()).hexdigest()


def generate(config: SyntheticConfig, split: str) -> Iterator[dict[str, Any]]:
    """Generates the examples of a split one at a time.

    Images and the choices of annotators come from separate random streams.

    Args:
        config: Settings of the data set.
        split: `train`, `val` or `test`.

    Yields:
        A dict of `image` uint8 `[H, W]`, `annotations` uint8 0 or 1 `[G, H, W]`, `parts` uint8
        `[H, W]` as from `lesion_parts`, `patient` and `name`.
    """
    truth, total = Truth(config), config.num_images[split]
    for start in range(0, total, CHUNK_SIZE):
        image_rng, annotator_rng = (
            np.random.default_rng([config.seed, SPLITS.index(split), start, stream])
            for stream in (IMAGE_STREAM, ANNOTATOR_STREAM)
        )
        scenes = draw_scenes(image_rng, CHUNK_SIZE, config.image_size, config.num_sites)
        chosen = truth.draw_modes(annotator_rng, (CHUNK_SIZE, config.num_annotators))
        for offset in range(min(CHUNK_SIZE, total - start)):
            modes = mode_masks(scenes.parts[offset], config.num_sites)
            assert _all_distinct(modes)
            name = f"{split}-{start + offset:05}"
            yield {
                "image": scenes.images[offset],
                "annotations": modes[chosen[offset]].astype(np.uint8),
                "parts": scenes.parts[offset],
                "patient": name,
                "name": name,
            }


def _all_distinct(masks: np.ndarray) -> bool:
    return len({mask.tobytes() for mask in masks}) == len(masks)


class Synthetic(tfds.core.GeneratorBasedBuilder):
    """TFDS builder of the synthetic data set."""

    VERSION = tfds.core.Version(VERSION)

    def __init__(self, config: SyntheticConfig, data_dir: str | pathlib.Path) -> None:
        """Creates the builder.

        Args:
            config: Settings of the data set.
            data_dir: Folder of prepared data sets.
        """
        self._settings = config
        folder = pathlib.Path(data_dir).expanduser() / f"synthetic-{digest(config)[:16]}"
        super().__init__(data_dir=str(folder))

    def _info(self) -> tfds.core.DatasetInfo:
        size = self._settings.image_size
        parts = tfds.features.Tensor(shape=(size, size), dtype=np.uint8, encoding="zlib")
        features = {**example_features(), "parts": parts}
        return LocalInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        return {split: self._generate_examples(split) for split in SPLITS}

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        examples = generate(self._settings, split)
        total = self._settings.num_images[split]
        for example in progress(examples, total, f"generating {split}"):
            masks = 255 * example["annotations"]
            encoded = {
                "image": encode_png(example["image"]),
                "annotations": [encode_png(mask) for mask in masks],
            }
            yield example["name"], {**example, **encoded}


class SyntheticSource(RecordSource):
    """A split of the synthetic data set; examples also contain the masks of all modes."""

    def __init__(self, builder: Synthetic, split: str, num_sites: int) -> None:
        """Opens a split.

        Args:
            builder: Prepared builder.
            split: `train`, `val` or `test`.
            num_sites: Number of protrusions.
        """
        super().__init__(builder, split)
        self._num_sites = num_sites

    def _example(self, record: dict[str, Any]) -> dict[str, Any]:
        """Adds `modes`, uint8 0 or 1 `[M, H, W]`, in the order of `Truth`."""
        modes = mode_masks(record["parts"], self._num_sites).astype(np.uint8)
        return {**super()._example(record), "modes": modes}
