"""Opens the network of a run."""

from pathlib import Path

from hpunet.config.settings import Settings
from hpunet.training.trained import TrainedNetwork, from_workdir


def open_run(workdir: Path, which: str, settings: Settings) -> TrainedNetwork:
    """The network of a run with the settings that it was trained with.

    Args:
        workdir: Folder of the run.
        which: `best`, `last` or the number of a step.
        settings: Of the run.

    Raises:
        UserError: If the run has no such weights, or they do not fit its settings.
    """
    return from_workdir(
        workdir,
        which,
        settings.model,
        settings.crop,
        settings.pixel_spacing,
        settings.resized,
    )
