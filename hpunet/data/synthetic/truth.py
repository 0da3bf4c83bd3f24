"""The distribution of the synthetic annotations, and the scores of a perfect model of it.

Masks have the values 0 and 1 (or False and True) and any dtype.
"""

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped, UInt8

from hpunet.config.data import SyntheticConfig
from hpunet.data.synthetic.lesion import mode_choices


class Truth:
    """Distribution of the annotations of an image over its modes.

    Every image has the same M modes with the same probabilities. Their masks depend on the image;
    examples contain them as `modes` `[M, H, W]`.

    Attributes:
        choices: Choices of an annotator for each mode, as from `mode_choices`.
        probabilities: Probability of each mode; they sum to 1.
        names: Readable name of each mode.
    """

    def __init__(self, config: SyntheticConfig) -> None:
        """Derives the distribution from the settings of the data set."""
        self._chances = np.array([config.p_drawn, config.p_halo, *config.p_protrusion])
        self.choices: Bool[np.ndarray, "M C"] = mode_choices(config.num_sites)
        self.probabilities: Float[np.ndarray, " M"] = self._mode_probabilities()
        self.names: tuple[str, ...] = tuple(_name(row) for row in self.choices)

    def _mode_probabilities(self) -> np.ndarray:
        drawn = np.where(self.choices, self._chances, 1 - self._chances).prod(axis=1)
        return np.where(self.choices[:, 0], drawn, 1 - self._chances[0])

    def draw_modes(
        self, rng: np.random.Generator, shape: tuple[int, ...]
    ) -> Int[np.ndarray, "..."]:
        """Draws the modes of independent annotators with independent choices.

        Args:
            rng: Generator of the choices.
            shape: Shape of the result.

        Returns:
            Indices of modes.
        """
        chosen = rng.random((*shape, len(self._chances))) < self._chances
        weights = np.concatenate([[len(self.choices) // 2], 1 << np.arange(len(self._chances) - 2)])
        return np.where(chosen[..., 0], 1 + chosen[..., 1:] @ weights, 0)

    def draw(
        self, rng: np.random.Generator, modes: Shaped[np.ndarray, "*B M H W"], num_samples: int
    ) -> Shaped[np.ndarray, "S *B H W"]:
        """Draws independent samples of each image, as a perfect model does.

        Args:
            rng: Generator of the choices.
            modes: Masks of all modes of each image.
            num_samples: Number S of samples of each image.
        """
        modes = np.asarray(modes)
        index = self.draw_modes(rng, (num_samples, *modes.shape[:-3]))
        return np.take_along_axis(modes[None], index[..., None, None, None], axis=-3)[..., 0, :, :]

    def expected_ged(
        self,
        modes: Shaped[np.ndarray, "M H W"],
        annotations: Shaped[np.ndarray, "G H W"],
        num_samples: int,
    ) -> float:
        """Expected GED^2 of samples of a perfect model against the given annotations.

        With the probabilities p, the number of samples n, the distances 1 - IoU among modes D and
        between modes and annotations E, the expectation is
        `2 mean_g (p^T E)_g - (1 - 1/n) p^T D p - mean d(Y, Y')`.

        Args:
            modes: Masks of all modes of one image.
            annotations: Masks of the annotators.
            num_samples: Number n of samples with which a model is scored.

        Reference: Kohl et al. 2018, section 3; pairs of a sample with itself are included.
        """
        p = self.probabilities
        within_samples = (1 - 1 / num_samples) * p @ iou_distance(modes, modes) @ p
        between = (p @ iou_distance(modes, annotations)).mean()
        return float(2 * between - within_samples - iou_distance(annotations, annotations).mean())

    def frequencies(
        self, samples: Shaped[np.ndarray, "S *B H W"], modes: Shaped[np.ndarray, "*B M H W"]
    ) -> Float[np.ndarray, " M"]:
        """Share of the samples of all images that are nearest to each mode.

        Args:
            samples: Masks sampled from a model, S of each image.
            modes: Masks of all modes of each image.

        Returns:
            Shares that sum to 1.
        """
        height, width = np.shape(samples)[-2:]
        per_image = np.reshape(samples, (len(samples), -1, height, width))
        all_modes = np.reshape(modes, (-1, len(self.probabilities), height, width))
        nearest = [assign(per_image[:, b], all_modes[b]) for b in range(len(all_modes))]
        return np.bincount(np.ravel(nearest), minlength=len(self.probabilities)) / np.size(nearest)


def _name(choices: np.ndarray) -> str:
    drawn, halo, *sites = choices
    if not drawn:
        return "not drawn"
    chosen = [f"protrusion {number}" for number, taken in enumerate(sites, start=1) if taken]
    return " + ".join(["core and halo" if halo else "core", *chosen])


def iou_distance(
    first: Shaped[np.ndarray, "A H W"], second: Shaped[np.ndarray, "B H W"]
) -> Float[np.ndarray, "A B"]:
    """1 - IoU of every pair of masks; two empty masks have IoU 1."""
    a = np.asarray(first).reshape(len(first), -1).astype(np.float64)
    b = np.asarray(second).reshape(len(second), -1).astype(np.float64)
    overlap = a @ b.T
    union = a.sum(axis=1)[:, None] + b.sum(axis=1)[None, :] - overlap
    return 1 - np.where(union > 0, overlap / np.maximum(union, 1), 1)


def assign(
    samples: Shaped[np.ndarray, "S H W"], modes: Shaped[np.ndarray, "M H W"]
) -> Int[np.ndarray, " S"]:
    """Index of the mode with the largest IoU with each sample.

    At equal IoU, for example if a sample overlaps no mode, the mode with the fewest differing
    pixels is nearest. An empty sample or one of a few stray pixels is therefore "not drawn".
    """
    samples, modes = np.asarray(samples), np.asarray(modes)
    difference = (samples[:, None] != modes[None]).mean(axis=(2, 3))
    # An IoU is a ratio of pixel counts: distinct values differ by more than 1 / pixels**2.
    tie_break = difference / (2 * modes[0].size ** 2)
    return np.argmin(iou_distance(samples, modes) + tie_break, axis=1)


def total_variation(p: Float[np.ndarray, " M"], q: Float[np.ndarray, " M"]) -> float:
    """Total variation distance of two distributions over the same modes, in [0, 1]."""
    return float(np.abs(np.asarray(p) - np.asarray(q)).sum() / 2)


def thresholded_mean(annotations: Shaped[np.ndarray, "G *B H W"]) -> UInt8[np.ndarray, "*B H W"]:
    """Pixels that at least half of the annotators marked."""
    return (2 * np.asarray(annotations, np.int64).sum(axis=0) >= len(annotations)).astype(np.uint8)


def thresholded_mean_ged(annotations: Shaped[np.ndarray, "G H W"]) -> float:
    """GED^2 of a model whose samples are all the thresholded mean of the annotators.

    The score does not depend on the number of samples.
    """
    mean = thresholded_mean(annotations)[None]
    between = iou_distance(mean, annotations).mean()
    return float(2 * between - iou_distance(annotations, annotations).mean())
