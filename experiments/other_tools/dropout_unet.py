"""Trains a Dropout U-Net in PyTorch and draws samples with dropout, without hpunet.

Run it as `python dropout_unet.py DATA OUT`. DATA has the layout of the published LIDC crops. The
script writes sample k of test image `<patient>/<name>.png` to `OUT/<patient>/<name>_s<k>.png`, with
values 0 and 255.

Reference: a small version of the Dropout U-Net baseline of Kohl et al. 2018, arXiv 1806.05034.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

CHANNELS = (8, 16, 32, 64, 64)  # of each level, full resolution first
INNERMOST = 3  # so many levels have dropout in front of their blocks
DROPOUT = 0.5
GROUPS = 4  # of channels that are normalised together
# Lesions cover 0.5 % of the pixels; a weight on them shortens training.
FOREGROUND_WEIGHT = 2.0
BATCH_SIZE = 8
LEARNING_RATE = 1e-3
LOG_EVERY = 50


class Block(nn.Sequential):
    """Optional dropout, then two 3x3 convolutions with normalisation."""

    def __init__(self, inputs: int, outputs: int, dropout: bool) -> None:
        """Maps `[B, inputs, H, W]` to `[B, outputs, H, W]`."""
        super().__init__(
            nn.Dropout(DROPOUT if dropout else 0.0),
            nn.Conv2d(inputs, outputs, 3, padding=1),
            nn.GroupNorm(GROUPS, outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1),
            nn.GroupNorm(GROUPS, outputs),
            nn.ReLU(inplace=True),
        )


class DropoutUNet(nn.Module):
    """U-Net whose samples differ by dropout in the innermost blocks of encoder and decoder."""

    def __init__(self) -> None:
        """Draws the initial weights."""
        super().__init__()
        levels = range(len(CHANNELS))
        inputs = (1, *CHANNELS)
        dropout = [level >= len(CHANNELS) - INNERMOST for level in levels]
        self.encoder = nn.ModuleList(Block(inputs[i], CHANNELS[i], dropout[i]) for i in levels)
        self.decoder = nn.ModuleList(
            Block(CHANNELS[i] + CHANNELS[i + 1], CHANNELS[i], dropout[i]) for i in levels[:-1]
        )
        self.logits = nn.Conv2d(CHANNELS[0], 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Computes logits `[B, H, W]` of the foreground for images `[B, 1, H, W]` in [0, 1]."""
        features = [self.encoder[0](image)]
        for block in self.encoder[1:]:
            features.append(block(functional.avg_pool2d(features[-1], 2)))
        x = features.pop()
        for block in reversed(self.decoder):
            upsampled = functional.interpolate(x, scale_factor=2)
            x = block(torch.cat([upsampled, features.pop()], dim=1))
        return self.logits(x)[:, 0]


def read(path: Path) -> np.ndarray:
    """Reads a grayscale PNG file `[H, W]`, uint8."""
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))


def read_images(folder: Path) -> tuple[list[Path], Tensor]:
    """Reads names without suffix, and images `[B, 1, H, W]` in [0, 1]."""
    paths = sorted(folder.rglob("*.png"))
    names = [path.relative_to(folder).with_suffix("") for path in paths]
    return names, torch.tensor(np.stack([read(p) for p in paths]))[:, None] / 255


def read_masks(folder: Path, names: list[Path]) -> list[Tensor]:
    """Reads masks `[G, H, W]` of 0 and 1 for each image, one per annotator."""
    masks = []
    for name in names:
        paths = sorted((folder / name.parent).glob(f"{name.name}_l*.png"))
        masks.append(torch.tensor(np.stack([read(p) for p in paths]) > 0).float())
    return masks


def train(images: Tensor, masks: list[Tensor], steps: int) -> DropoutUNet:
    """Minimises weighted cross-entropy, summed over pixels, with a random annotator per image."""
    network = DropoutUNet().train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    weight, means = torch.tensor(FOREGROUND_WEIGHT), torch.zeros(3)
    for step in range(1, steps + 1):
        drawn = torch.randint(len(images), (BATCH_SIZE,))
        truth = torch.stack([masks[i][torch.randint(len(masks[i]), ())] for i in drawn])
        logits = network(images[drawn])
        loss = functional.binary_cross_entropy_with_logits(
            logits, truth, pos_weight=weight, reduction="sum"
        )
        optimizer.zero_grad()
        (loss / BATCH_SIZE).backward()
        optimizer.step()
        sums = torch.stack([loss.detach(), (logits > 0).sum(), truth.sum()])
        means += sums / (BATCH_SIZE * LOG_EVERY)
        if step % LOG_EVERY == 0:
            nats, marked, drawn_on = means.round().int().tolist()
            text = f"{nats} nats an image; marks {marked} pixels of it, the annotator {drawn_on}"
            print(f"step {step}: {text}", flush=True)
            means.zero_()
    return network


@torch.no_grad()
def write_samples(
    network: DropoutUNet, images: Tensor, names: list[Path], num_samples: int, out: Path
) -> None:
    """Draws and writes the samples of each image, with dropout as in training."""
    for image, name in zip(images, names, strict=True):
        samples = network(image.repeat(num_samples, 1, 1, 1)) > 0
        (out / name.parent).mkdir(parents=True, exist_ok=True)
        for k, mask in enumerate(samples.numpy()):
            Image.fromarray(mask.astype(np.uint8) * 255).save(out / f"{name}_s{k}.png")


def main() -> None:
    """Trains on the training images and draws samples of the test images."""
    parser = argparse.ArgumentParser(description="Dropout U-Net on LIDC crops.")
    parser.add_argument("data", type=Path, help="folder with <split>/images and <split>/gt")
    parser.add_argument("out", type=Path, help="folder for the samples")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--num_samples", type=int, default=16)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    names, images = read_images(args.data / "train" / "images")
    network = train(images, read_masks(args.data / "train" / "gt", names), args.steps)
    names, images = read_images(args.data / "test" / "images")
    write_samples(network, images, names, args.num_samples, args.out)


if __name__ == "__main__":
    main()
