"""How an evaluation shows that it goes on: a bar in a terminal, a few plain lines elsewhere."""

import sys
from types import TracebackType

from tqdm import tqdm

SHARES = 10


class ImageCount:
    """Counts images; to be called with the number of new ones."""

    def __init__(self, description: str, total: int, unit: str = "images") -> None:
        """Shows nothing yet where there is no terminal."""
        self._unit = unit
        self._description = description
        self._total = total
        self._done = 0
        self._terminal = sys.stderr.isatty()
        self._bar = tqdm(
            desc=description,
            total=total,
            unit=f" {unit}",
            disable=not self._terminal,
            dynamic_ncols=True,
        )

    def __call__(self, count: int) -> None:
        """Counts images; elsewhere than in a terminal, says so at every tenth of all."""
        before = self._done * SHARES // self._total
        self._done += count
        self._bar.update(count)
        if not self._terminal and self._done * SHARES // self._total > before:
            print(
                f"{self._description}: {self._done} of {self._total} {self._unit}", file=sys.stderr
            )

    def __enter__(self) -> "ImageCount":
        """For a `with` statement."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leaves the bar as it stands."""
        self._bar.close()
