"""Made-up images for the page, and a reader of what it says."""

import base64
import io
from html.parser import HTMLParser

import numpy as np
from PIL import Image

from hpunet.inference.hypotheses import Hypothesis
from hpunet.report import PageImage, write_page

# Elements without an end.
VOID = {"meta", "wbr"}


def disc(size, middle, radius):
    rows, columns = np.indices(size)
    return np.hypot(rows - middle[0], columns - middle[1]) < radius


def sample_of(size, s):
    """A disc in every sample but each fourth, which is empty; larger from sample to sample."""
    middle = (0.4 * size[0], 0.6 * size[1])
    return disc(size, middle, 4 + 0.5 * (s % 4)) if s % 4 else np.zeros(size, bool)


def made_up(size=(40, 48), num_samples=8, classes=2, image=None, **changes):
    samples = np.array([sample_of(size, s) for s in range(num_samples)]).astype(np.uint8)
    if classes > 2:
        samples[samples > 0] = 1 + np.arange(samples.sum()) % (classes - 1)
    if image is None:
        image = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    return page_image_of(samples, image, classes, **changes)


def page_image_of(samples, image, classes=2, /, **changes):
    shares = np.array([(samples == c).mean(axis=0) for c in range(classes)])
    entropy = -(shares * np.log(np.where(shares > 0, shares, 1))).sum(axis=0)
    areas = 0.25 * (samples > 0).sum(axis=(1, 2))
    full = np.flatnonzero(areas > 0).tolist()
    empty = np.flatnonzero(areas == 0).tolist()
    groups = sorted((group for group in (full, empty) if group), key=len, reverse=True)
    page_image = PageImage(
        name="patient 1/slice_3",
        image=image,
        region=None,
        aspect=1.0,
        samples=samples,
        mean=shares[1:].astype(np.float32),
        std=np.sqrt(shares[1:] * (1 - shares[1:])).astype(np.float32),
        entropy=entropy.astype(np.float32),
        hypotheses=[grouped(group, areas) for group in groups],
        areas=areas,
        unit="mm²",
        facts=[("Spacing", "0.5 × 0.5 mm")],
        spacing=(0.5, 0.5),
    )
    return page_image._replace(**changes)


def grouped(group, areas):
    mean, std = float(areas[group].mean()), float(areas[group].std())
    return Hypothesis(len(group) / len(areas), tuple(group), group[0], mean, std, mean == 0)


def page(*images, title="Samples", facts=(("Seed", "0"),)):
    file = io.StringIO()
    write_page(file, title, facts, images)
    return file.getvalue()


class Reader(HTMLParser):
    """Collects a page's elements and text, and fails where tags are not balanced."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.words = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute stands twice: {tag} {names}"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in {"style", "script"}:
            self.words.append(data)

    @property
    def text(self):
        return " ".join("".join(self.words).split())

    def attributes(self, name):
        return [attributes[name] for _, attributes in self.elements if name in attributes]


def decoded(uri):
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))
