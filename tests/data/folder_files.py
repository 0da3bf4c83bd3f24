"""Small folders of one's own images, written for a test."""

import csv

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 9, 12


def picture(seed=0, size=(HEIGHT, WIDTH), dtype=np.uint8):
    most = np.iinfo(dtype).max if dtype != np.float32 else 1000
    return np.random.default_rng(seed).integers(0, most, size).astype(dtype)


def mask(label=1, size=(HEIGHT, WIDTH)):
    """A rectangle of a label, with a hole in it."""
    pixels = np.zeros(size, np.uint8)
    pixels[2:7, 3:9] = label
    pixels[4, 5] = 0
    return pixels


def write(path, pixels):
    """A file of the kind that its suffix says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name.endswith((".nii", ".nii.gz")):
        import nibabel

        nibabel.save(nibabel.Nifti1Image(pixels, np.eye(4)), path)
    elif path.suffix == ".npy":
        np.save(path, pixels)
    elif path.suffix == ".npz":
        np.savez(path, pixels)
    else:
        Image.fromarray(pixels).save(path)
    return path


def write_folder(root, annotators=("anna", "ben"), patients=6, images=2, suffix=".png"):
    """Images of several patients, each annotated by all; annotator k draws k pixels less."""
    for patient in range(patients):
        for number in range(images):
            name = f"p{patient}/i{number}"
            write(root / "images" / f"{name}{suffix}", picture(10 * patient + number))
            for k, annotator in enumerate(annotators):
                pixels = mask()
                pixels[2, 3 : 3 + k] = 0
                write(root / "annotations" / annotator / f"{name}.png", pixels)
    return root


def write_table(path, rows, columns=("image", "annotator", "mask", "patient", "split")):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    return path
