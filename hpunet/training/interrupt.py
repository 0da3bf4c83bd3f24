"""Records Ctrl-C and SIGTERM for the loop, which checks for them between steps."""

import signal
import sys
from types import FrameType, TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """Context manager that records the first signal; a later Ctrl-C interrupts immediately.

    Attributes:
        signal: The first signal, or None.
    """

    def __init__(self) -> None:
        """Starts without a signal."""
        self.signal: signal.Signals | None = None
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> "Interrupt":
        """Installs the signal handlers."""
        for number in SIGNALS:
            self._before[number] = signal.signal(number, self._record)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Restores the previous signal handlers."""
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _record(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.signal is None:
            self.signal = signal.Signals(number)
            print("stopping after this step", file=sys.stderr, flush=True)
        elif number == signal.SIGINT:
            raise KeyboardInterrupt
