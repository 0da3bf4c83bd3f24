"""Creates the common inputs of all variants as files: weights, images, labels and noise.

    python -m experiments.speed.inputs FOLDER MODEL

This runs in its own process, so that no variant needs the packages of another.
"""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

CHECKED_IMAGES = 2
SEED = 0
# Defaults are the published LIDC network; the tiny one is for tests.
MODELS: dict[str, dict[str, Any]] = {
    "lidc": {},
    "tiny": {
        "latent_dims": (1, 1),
        "channels_per_block": (4, 6, 8),
        "convs_per_block": 1,
        "blocks_per_level": 1,
    },
}
SIZES = {"lidc": 128, "tiny": 8}


def make(folder: Path, model: str) -> None:
    """Writes `settings.json`, `params.npz` and `check.npz` to a folder.

    Args:
        folder: An existing folder.
        model: A name in `MODELS`.
    """
    import jax

    from hpunet.config import settings as config_module
    from hpunet.models.hierarchical.config import HierarchicalConfig
    from hpunet.models.model import build_model
    from hpunet.models.noise import draw_gumbel_noise, draw_latent_noise

    config, size = HierarchicalConfig(**MODELS[model]), SIZES[model]
    defaults = config_module.flatten(config_module.default_config())
    training = {k: v for k, v in defaults.items() if k.startswith(("objective.", "optimizer."))}
    settings = {"model": dataclasses.asdict(config), "size": size, "training": training}
    (folder / "settings.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")
    one = np.zeros((1, size, size, 1), np.float32)
    params = build_model(config).init(jax.random.key(SEED), one, one.repeat(config.num_classes, -1))
    flat: dict[str, Any] = {
        f"{m}/{n}": np.asarray(w) for m, values in params.items() for n, w in values.items()
    }
    np.savez(folder / "params.npz", **flat)
    keys = jax.random.split(jax.random.key(SEED), CHECKED_IMAGES)
    noise = draw_latent_noise(keys, config.latent_shapes(size, size))
    latents: dict[str, Any] = {f"latent_{i}": np.asarray(n) for i, n in enumerate(noise)}
    gumbel = draw_gumbel_noise(keys, config.num_scales, (size, size))
    np.savez(folder / "check.npz", gumbel=np.asarray(gumbel), **latents)


def images(batch_size: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws noisy images `[B, size, size, 1]` and square labels `[B, size, size]`, both uint8."""
    generator = np.random.default_rng(SEED)
    image = generator.integers(0, 150, (batch_size, size, size, 1), dtype=np.uint8)
    labels = np.zeros((batch_size, size, size), np.uint8)
    for one, corner in zip(labels, generator.integers(0, size // 2, (batch_size, 2)), strict=True):
        one[corner[0] : corner[0] + size // 4, corner[1] : corner[1] + size // 4] = 1
    image[labels > 0] += 100
    return image, labels


def read_settings(folder: Path) -> dict[str, Any]:
    """Reads the settings written by `make`: `model`, `size` and `training`."""
    return json.loads((folder / "settings.json").read_text(encoding="utf-8"))


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Reads the arrays of a file written by `make`, by name."""
    with np.load(path) as arrays:
        return dict(arrays)


if __name__ == "__main__":
    make(Path(sys.argv[1]), sys.argv[2])
