"""Small annotated folders and examples made by hand."""

import numpy as np
from PIL import Image

from hpunet.data.folder.faults import Faults
from hpunet.data.intensities import BYTES
from hpunet.inspection.dataset_reader import DatasetReader, Example

CONFIG = """
from hpunet.config.settings import default_config


def get_config():
    config = default_config()
    config.data.name = "folder"
    config.data.dir = {root!r}
    config.data.prepared_dir = {prepared!r}
    config.data.crop = 32
    config.model.channels_per_block = (4, 4, 4)
    config.model.latent_dims = (1, 1)
    return config
"""


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def picture(height=40, width=48, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (height, width)).astype(np.uint8)


def square(corner=8, side=10, height=40, width=48):
    mask = np.zeros((height, width), np.uint8)
    mask[corner : corner + side, corner : corner + side] = 1
    return mask


def sound(root, patients=6):
    """Two images per patient; anna marks all, ben no pixel of odd images and not patient 0."""
    for n in range(2 * patients):
        name = f"p{n // 2}/scan{n % 2}.png"
        write(root / "images" / name, picture(seed=n))
        write(root / "annotations" / "anna" / name, square())
        if n >= 2:
            write(root / "annotations" / "ben" / name, square(10) * np.uint8(n % 2 == 0))


def configuration(tmp_path, root):
    path = tmp_path / "own.py"
    path.write_text(CONFIG.format(root=str(root), prepared=str(tmp_path / "prepared")))
    return path


def example(masks, split="train", name="a", patient="p", image=None):
    """An example of masks by annotator."""
    annotations = np.stack([np.asarray(mask, np.uint8) for mask in masks.values()])
    image = np.zeros((*annotations.shape[1:], 1), np.float32) if image is None else image
    return Example(split, name, name, patient, image, annotations, tuple(masks))


def reader(examples, num_classes=2, faults=()):
    """Reader of the given examples."""
    return DatasetReader(
        name="made by hand",
        class_names=tuple(f"class {label}" for label in range(num_classes)),
        files=[one.file for one in examples if one.split == "train"],
        read=lambda: iter(examples),
        faults=Faults(faults),
        num_unannotated=0,
        patients_known=True,
        intensities=lambda values: BYTES,
        notes=lambda counts: (),
    )
