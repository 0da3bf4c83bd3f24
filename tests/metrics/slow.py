"""Reference implementation of the scores: loops over sets of pixels in exact fractions."""

import itertools
import math
from fractions import Fraction

import numpy as np


def images(samples, annotations, ignored=None, weights=None):
    """Samples, annotations and normalised weights of each image; a mask is a tuple of labels."""
    annotators, number = annotations.shape[:2]
    weights = np.ones(annotators) if weights is None else np.asarray(weights)
    if weights.ndim == 1:
        weights = np.repeat(weights[:, None], number, axis=1)
    for b in range(number):
        # By their decimals: 0.1 is meant, not the double next to it.
        raw = [Fraction(str(weight)) for weight in weights[:, b].tolist()]
        masks = [
            [flat(mask, None if ignored is None else ignored[b]) for mask in labels[:, b]]
            for labels in (samples, annotations)
        ]
        yield *masks, [weight / sum(raw) for weight in raw]


def flat(mask, ignored):
    """The labels of the pixels that are not ignored."""
    pixels = mask.ravel().tolist()
    if ignored is None:
        return tuple(pixels)
    return tuple(p for p, out in zip(pixels, ignored.ravel().tolist(), strict=True) if not out)


def marked(mask, classes):
    """The set of pixels of each class."""
    if classes is None:
        return [{i for i, label in enumerate(mask) if label > 0}]
    return [{i for i, label in enumerate(mask) if label == c} for c in classes]


def iou(first, second, classes=None):
    pairs = list(zip(marked(first, classes), marked(second, classes), strict=True))
    shares = [Fraction(len(a & b), len(a | b)) for a, b in pairs if a | b]
    return sum(shares) / len(shares) if shares else Fraction(1)


def differing(first, second, classes=None):
    pairs = zip(marked(first, classes), marked(second, classes), strict=True)
    return sum(len(a ^ b) for a, b in pairs)


def uniform(masks):
    return [Fraction(1, len(masks))] * len(masks)


def between(first, second, u, v, classes):
    return sum(
        p * q * (1 - iou(x, y, classes))
        for (x, p), (y, q) in itertools.product(
            zip(first, u, strict=True), zip(second, v, strict=True)
        )
    )


def diversity(masks, weights, classes, unbiased):
    total = share = Fraction(0)
    for i, j in itertools.product(range(len(masks)), repeat=2):
        if unbiased and i == j:
            continue
        total += weights[i] * weights[j] * (1 - iou(masks[i], masks[j], classes))
        share += weights[i] * weights[j]
    return total / share if share else math.nan


def ged(samples, annotations, weights, classes=None, unbiased=False):
    u = uniform(samples)
    return (
        2 * between(samples, annotations, u, weights, classes)
        - diversity(samples, u, classes, unbiased)
        - diversity(annotations, weights, classes, unbiased)
    )


def hungarian_iou(samples, annotations, weights, classes=None):
    """The best of all matchings, tried one by one, of masks repeated to equal numbers."""
    whole = math.lcm(len(samples), *(weight.denominator for weight in weights))
    rows = [s for s in samples for _ in range(whole // len(samples))]
    columns = [a for a, w in zip(annotations, weights, strict=True) for _ in range(int(w * whole))]
    table = [[float(iou(row, column, classes)) for column in columns] for row in rows]
    orders = itertools.permutations(range(whole))
    return max(sum(table[i][j] for i, j in enumerate(order)) for order in orders) / whole


def reconstruction_iou(rebuilt, annotations, weights, classes=None):
    triples = zip(rebuilt, annotations, weights, strict=True)
    return sum(weight * iou(a, b, classes) for a, b, weight in triples)


def shares(masks, weights, classes):
    """For each class, the share of the set that marks each pixel."""
    sets = [marked(mask, classes) for mask in masks]
    return [
        [
            sum((w for marks, w in zip(sets, weights, strict=True) if i in marks[k]), Fraction(0))
            for i in range(len(masks[0]))
        ]
        for k in range(len(sets[0]))
    ]


def mean_mask(masks, weights, classes):
    if classes is None:
        return [int(share >= Fraction(1, 2)) for share in shares(masks, weights, None)[0]]
    result = []
    for pixel in zip(*masks, strict=True):
        votes = dict.fromkeys(sorted(pixel), 0)
        for label, weight in zip(pixel, weights, strict=True):
            votes[label] += weight
        result.append(max(votes, key=votes.__getitem__))
    return result


def dice_of_mean(samples, annotations, weights, classes=None):
    first = mean_mask(samples, uniform(samples), classes)
    second = mean_mask(annotations, weights, classes)
    pairs = zip(marked(first, classes), marked(second, classes), strict=True)
    scores = [Fraction(2 * len(a & b), len(a) + len(b)) for a, b in pairs if a or b]
    return sum(scores) / len(scores) if scores else 1


def variances(masks, weights, classes):
    by_class = shares(masks, weights, classes)
    return [sum(p * (1 - p) for p in pixel) for pixel in zip(*by_class, strict=True)]


def variance_ncc(samples, annotations, weights, classes=None):
    maps = [variances(samples, uniform(samples), classes), variances(annotations, weights, classes)]
    if any(len(set(values)) < 2 for values in maps):
        return math.nan
    x, y = ([v - sum(values) / len(values) for v in values] for values in maps)
    covariance, first, second = (
        sum(a * b for a, b in zip(p, q, strict=True)) for p, q in ((x, y), (x, x), (y, y))
    )
    return float(covariance) / math.sqrt(first * second)


def calibration(samples, annotations, weights, num_bins, classes=None):
    """Pixels, predicted and observed of each bin."""
    sums = [[Fraction(0)] * num_bins for _ in range(3)]
    predicted = shares(samples, uniform(samples), classes)
    observed = shares(annotations, weights, classes)
    for p, q in zip(itertools.chain(*predicted), itertools.chain(*observed), strict=True):
        bin_of_p = min(math.floor(p * num_bins), num_bins - 1)
        for values, value in zip(sums, (1, p, q), strict=True):
            values[bin_of_p] += value
    return sums


def calibration_error(pixels, predicted, observed):
    total = sum(pixels)
    return sum(
        n / total * abs(p / n - q / n)
        for n, p, q in zip(pixels, predicted, observed, strict=True)
        if n
    )


def mode_frequencies(samples, annotations, weights, classes=None):
    """Shares chosen and drawn at each annotation, NaN where it is not the first of its mode."""
    modes = {}
    for place, (mask, weight) in enumerate(zip(annotations, weights, strict=True)):
        if weight:
            seen = [m for m in modes if not differing(mask, annotations[m], classes)]
            modes.setdefault(seen[0] if seen else place, [Fraction(0), Fraction(0)])[0] += weight
    for sample in samples:
        ranks = {
            m: (-iou(sample, annotations[m], classes), differing(sample, annotations[m], classes))
            for m in modes
        }
        modes[min(ranks, key=ranks.__getitem__)][1] += Fraction(1, len(samples))
    nowhere = [math.nan, math.nan]
    return [modes.get(place, nowhere) for place in range(len(annotations))]


def held_out_frequencies(samples, annotations, weights, classes=None):
    """Shares chosen, drawn and held out at each pair of annotations, the first held out."""
    nowhere = [math.nan] * 3
    result = []
    for held, mask in enumerate(annotations):
        others = [0 if place == held else weight for place, weight in enumerate(weights)]
        if not weights[held] or not any(others):
            result += [nowhere] * len(annotations)
            continue
        others = [weight / sum(others) for weight in others]
        drawn, met = (
            mode_frequencies(masks, annotations, others, classes) for masks in (samples, [mask])
        )
        result += [[*shares, share] for shares, (_, share) in zip(drawn, met, strict=True)]
    return result


def resampled_means(values, patients, draws, seed):
    """The mean over images of each draw of patients, image by image."""
    names = sorted(set(patients))
    means = []
    for chosen in np.random.default_rng(seed).integers(len(names), size=(draws, len(names))):
        taken = [
            value
            for place in chosen
            for value, patient in zip(values, patients, strict=True)
            if patient == names[place]
        ]
        means.append(sum(taken) / len(taken))
    return means
