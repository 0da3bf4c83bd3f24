"""The distribution behind the synthetic annotations, and what a perfect model of it scores.

Masks are 0 or 1 (or False or True) of any dtype.
"""

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped, UInt8

from hpunet.config.groups import SyntheticConfig
from hpunet.data.synthetic.lesion import mode_choices


class Truth:
    """Which annotations an image can have, and how likely each is.

    Every image has the same M modes with the same probabilities; what differs are their masks,
    which an example carries as `modes` `[M, H, W]`.

    Attributes:
        choices: What an annotator chose, mode by mode, as from `mode_choices`.
        probabilities: Of the modes, in the same order; they sum to 1.
        names: Readable names of the modes.
    """

    def __init__(self, config: SyntheticConfig) -> None:
        """Takes the settings that the annotations were drawn with."""
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
        """Draws the modes of independent annotators, each choice on its own.

        Args:
            rng: Source of the choices.
            shape: Of the result.
        """
        chosen = rng.random((*shape, len(self._chances))) < self._chances
        weights = np.concatenate([[len(self.choices) // 2], 1 << np.arange(len(self._chances) - 2)])
        return np.where(chosen[..., 0], 1 + chosen[..., 1:] @ weights, 0)

    def draw(
        self, rng: np.random.Generator, modes: Shaped[np.ndarray, "*B M H W"], num_samples: int
    ) -> Shaped[np.ndarray, "S *B H W"]:
        """Draws what a perfect model would: independent samples of each image.

        Args:
            rng: Source of the choices.
            modes: Masks of all modes of each image.
            num_samples: Samples S of each image.
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
        """Expected GED^2 between independent draws from the truth and these annotations.

        With p the probabilities, n the samples, D the distances 1 - IoU among the modes and E those
        between modes and annotations, it is exactly
        `2 mean_g (p^T E)_g - (1 - 1/n) p^T D p - mean d(Y, Y')`.

        Args:
            modes: Masks of all modes of one image.
            annotations: The annotators' masks.
            num_samples: Samples n that a model is scored with.

        Reference: Kohl et al. 2018, section 3; pairs of a sample with itself are included.
        """
        p = self.probabilities
        within_samples = (1 - 1 / num_samples) * p @ iou_distance(modes, modes) @ p
        between = (p @ iou_distance(modes, annotations)).mean()
        return float(2 * between - within_samples - iou_distance(annotations, annotations).mean())

    def frequencies(
        self, samples: Shaped[np.ndarray, "S *B H W"], modes: Shaped[np.ndarray, "*B M H W"]
    ) -> Float[np.ndarray, " M"]:
        """Share of the samples of all images that is nearest to each mode.

        Args:
            samples: Masks drawn from a model, S of each image.
            modes: Masks of all modes of each image.
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

    Of modes with the same IoU, as where a sample meets none, the one with the fewest differing
    pixels is taken. So an empty sample is "not drawn", and a few stray pixels are as well.
    """
    samples, modes = np.asarray(samples), np.asarray(modes)
    difference = (samples[:, None] != modes[None]).mean(axis=(2, 3))
    # An IoU is a fraction of pixel counts: two that differ do so by more than 1 / pixels**2.
    tie_break = difference / (2 * modes[0].size ** 2)
    return np.argmin(iou_distance(samples, modes) + tie_break, axis=1)


def total_variation(p: Float[np.ndarray, " M"], q: Float[np.ndarray, " M"]) -> float:
    """Total variation distance of two distributions over the same modes, from 0 to 1."""
    return float(np.abs(np.asarray(p) - np.asarray(q)).sum() / 2)


def thresholded_mean(annotations: Shaped[np.ndarray, "G *B H W"]) -> UInt8[np.ndarray, "*B H W"]:
    """The pixels that at least half of the annotators drew."""
    return (2 * np.asarray(annotations, np.int64).sum(axis=0) >= len(annotations)).astype(np.uint8)


def thresholded_mean_ged(annotations: Shaped[np.ndarray, "G H W"]) -> float:
    """GED^2 of a model that gives the annotators' thresholded mean every time.

    Its samples do not differ, so the score is the same for any number of them.
    """
    mean = thresholded_mean(annotations)[None]
    between = iou_distance(mean, annotations).mean()
    return float(2 * between - iou_distance(annotations, annotations).mean())
