"""Progress display of all commands: a bar on a terminal, otherwise a few plain lines."""

import sys
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TypeVar

Item = TypeVar("Item")

# Without a terminal, a line at every tenth of the total.
PARTS = 10
BAR = "{desc}{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"


class Progress:
    """Shows progress on stderr.

    Use it as a context manager, and call it with the number of newly finished units.
    """

    def __init__(
        self,
        description: str,
        total: int | None,
        unit: str = "images",
        *,
        initial: int = 0,
        lines: bool = True,
        silent: bool = False,
        scaled: bool = False,
    ) -> None:
        """Shows an empty bar on a terminal, otherwise nothing yet.

        Args:
            description: Name of the work, such as `drawing`; may be empty.
            total: Total number of units, or None if unknown.
            unit: Name of the units, in the plural.
            initial: Number of units that are finished already.
            lines: Whether to print a line at every tenth without a terminal.
            silent: Whether to show nothing at all, for processes that do not report.
            scaled: Whether to write numbers with prefixes such as k and M.
        """
        # Here, because `--help` must not wait for it.
        from tqdm import tqdm

        self._description, self._unit = description, unit
        self._total, self._done = total, initial
        self._silent = silent
        self._on_terminal = sys.stderr.isatty()
        self._lines = lines and not silent and not self._on_terminal
        self._bar = tqdm(
            desc=description,
            total=total,
            initial=initial,
            unit=f" {unit}",
            unit_scale=scaled,
            bar_format=BAR if total is not None else None,
            disable=silent or not self._on_terminal,
            dynamic_ncols=True,
            smoothing=0.05,
            leave=lines,
        )

    def __call__(self, count: int = 1) -> None:
        """Adds finished units."""
        before = self._part()
        self._done += count
        self._bar.update(count)
        if self._lines and self._part() > before:
            self.say(f"{self._description}: {self._done} of {self._total} {self._unit}")

    def _part(self) -> int:
        return self._done * PARTS // self._total if self._total else 0

    def show(self, text: str, line: str) -> None:
        """Shows a text after the bar, or prints a line without a terminal."""
        if self._on_terminal:
            self._bar.set_postfix_str(text)
        else:
            self.say(line)

    def say(self, line: str) -> None:
        """Prints a permanent line."""
        if self._silent:
            return
        self._bar.write(line, file=sys.stderr)
        sys.stderr.flush()

    def close(self) -> None:
        """Closes the bar."""
        self._bar.close()

    def __enter__(self) -> "Progress":
        """Returns itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes the bar."""
        self.close()


def progress(items: Iterable[Item], total: int | None, description: str) -> Iterator[Item]:
    """Iterates over items, with a bar on a terminal that disappears at the end."""
    with Progress(description, total, "", lines=False) as done:
        for item in items:
            yield item
            done()
