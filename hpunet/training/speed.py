"""How fast training goes."""

import time


class Speed:
    """Images per second since it was made."""

    def __init__(self) -> None:
        """Starts the clock."""
        self._started = time.perf_counter()
        self._images = 0

    def count(self, images: int) -> None:
        """Counts the images of one step more."""
        self._images += images

    def scalars(self) -> dict[str, float]:
        """The rate under its name in the log."""
        return {"images_per_second": self._images / (time.perf_counter() - self._started)}
