"""Batches for training, each a pure function of seed and step."""

import itertools
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import grain.python as grain
import numpy as np
from jaxtyping import Int, Num, UInt8

from hpunet.data.crops import CropSampler, cut
from hpunet.data.dataset import ExampleSource

PREFETCHED_BATCHES = 4
PARENT_CHECK_SECONDS = 2.0
# Raised by Grain for the next batch after a signal has killed a reading process: RuntimeError if
# the process was reading, the others if it was just starting or sending a batch.
READER_KILLED = (RuntimeError, EOFError, ConnectionError)


class Batch(NamedTuple):
    """One host's share of a batch.

    Attributes:
        image: Values as stored.
        labels: Class of every pixel, by one annotator drawn at random for each image; `IGNORED` at
            ignored pixels.
        position: Place of each example in the batch of all hosts.
    """

    image: Num[np.ndarray, "B H W C"]
    labels: UInt8[np.ndarray, "B H W"]
    position: Int[np.ndarray, " B"]


class Share(NamedTuple):
    """The part of every batch that a host reads: the examples host, host + num_hosts, ..."""

    host: int = 0
    num_hosts: int = 1


ALONE = Share()


class _DrawAnnotator(grain.RandomMapTransform):
    """Draws an annotator and, for images of any size, a crop."""

    def __init__(self, crop_sampler: CropSampler | None) -> None:
        self._crop_sampler = crop_sampler

    def random_map(self, element: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        image, weights = element["image"], element.get("weights")
        if weights is None:
            annotator = int(rng.integers(len(element["annotations"])))
        else:
            annotator = int(rng.choice(len(weights), p=weights / weights.sum()))
        labels = element["annotations"][annotator]
        if self._crop_sampler is not None:
            image, labels = cut(image, labels, self._crop_sampler.draw(element, rng))
        return {"image": image, "labels": labels}


class _AddIndex(grain.MapWithIndexTransform):
    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size

    def map_with_index(self, index: int, element: dict[str, Any]) -> Batch:
        return Batch(**element, position=np.array(index % self._batch_size, np.int32))


class _ExitWithParent:
    """Initialises a reading process, which ignores signals and exits with its parent process."""

    def __init__(self, parent: int) -> None:
        self._parent = parent

    def __call__(self, worker: int, num_workers: int) -> None:
        del worker, num_workers
        # Ctrl-C and schedulers signal the whole group, and the parent decides when to stop.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while os.getppid() == self._parent:
            time.sleep(PARENT_CHECK_SECONDS)
        os._exit(1)


def training_batches(
    source: ExampleSource,
    batch_size: int,
    seed: int,
    first_step: int = 0,
    share: Share = ALONE,
    num_workers: int = 0,
    crop_sampler: CropSampler | None = None,
) -> Iterator[Batch]:
    """Yields endless batches, starting at a step.

    Every epoch has a new order. Threads or processes read ahead while a batch is used. The first
    batch is read here, so that the step can compile while the reading processes start.

    Args:
        source: The training split.
        batch_size: Examples of a batch, over all hosts.
        seed: Seed of order and annotators.
        first_step: Step of the first batch; the batch of a step does not depend on it.
        share: The examples of each batch that this host reads.
        num_workers: Number of reading processes, at most one per core; 0 for a thread of this
            process.
        crop_sampler: Places crops on images of any size; None if all images have one size.

    Raises:
        ValueError: If the hosts do not divide the batch.
    """
    if batch_size % share.num_hosts:
        raise ValueError(f"batch_size={batch_size}: allowed are multiples of {share.num_hosts}")
    examples = grain.MapDataset.source(source).seed(seed).shuffle().repeat()
    examples = examples.random_map(_DrawAnnotator(crop_sampler)).map_with_index(
        _AddIndex(batch_size)
    )
    start = first_step * batch_size + share.host
    mine = examples[start :: share.num_hosts]
    batches = mine.batch(batch_size // share.num_hosts, drop_remainder=True)
    reading = grain.ReadOptions(num_threads=1, prefetch_buffer_size=PREFETCHED_BATCHES)
    stream = batches[1:].to_iter_dataset(reading)
    if num_workers:
        processes = min(num_workers, os.cpu_count() or 1)
        options = grain.MultiprocessingOptions(processes, PREFETCHED_BATCHES)
        stream = stream.mp_prefetch(options, worker_init_fn=_ExitWithParent(os.getpid()))
    # Processes start with the first request for a batch, which the thread sends immediately.
    rest = iter(grain.experimental.ThreadPrefetchIterDataset(stream, prefetch_buffer_size=1))
    rest.start_prefetch()
    return itertools.chain([batches[0]], rest)


def spread(source: ExampleSource, num_examples: int) -> list[dict[str, Any]]:
    """Reads examples that are spread evenly over a split; all if it has no more.

    Args:
        source: A split.
        num_examples: Largest number of examples.
    """
    return [source[position] for position in spread_positions(source, num_examples)]


def spread_positions(source: ExampleSource, num_examples: int) -> list[int]:
    """Returns indices that are spread evenly over a split, ascending; all if it has no more."""
    places = np.linspace(0, len(source) - 1, min(num_examples, len(source)))
    return places.round().astype(int).tolist()
