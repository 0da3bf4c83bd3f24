"""Writes an image of 333 x 517 pixels, a mosaic of synthetic test images."""

import sys

import numpy as np
from PIL import Image

import hpunet

ROWS, COLUMNS, HEIGHT, WIDTH = 11, 17, 333, 517

examples = hpunet.load_examples("synthetic", num_images=ROWS * COLUMNS)
side = examples.image.shape[1]
tiles = examples.image[..., 0].reshape(ROWS, COLUMNS, side, side)
mosaic = tiles.swapaxes(1, 2).reshape(ROWS * side, COLUMNS * side)[:HEIGHT, :WIDTH]
Image.fromarray(np.round(mosaic * 255).astype(np.uint8)).save(sys.argv[1])
