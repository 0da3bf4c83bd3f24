"""Ctrl-C and SIGTERM as a flag that the loop reads between two steps."""

import signal
import sys
from types import FrameType, TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """While entered, notes the first signal; Ctrl-C after that breaks off at once.

    Attributes:
        signal: The signal that came, or None.
    """

    def __init__(self) -> None:
        """Notes nothing yet."""
        self.signal: signal.Signals | None = None
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> "Interrupt":
        """Begins to note signals."""
        for number in SIGNALS:
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leaves signals as they were."""
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.signal is None:
            self.signal = signal.Signals(number)
            print("stopping after this step", file=sys.stderr, flush=True)
        elif number == signal.SIGINT:
            raise KeyboardInterrupt
