"""Opens the data of a configuration."""

from hpunet.config.settings import Settings
from hpunet.data.dataset import Dataset
from hpunet.data.open import open_dataset


def open_data(settings: Settings) -> Dataset:
    """The data set that a configuration names, prepared unless that has been done.

    Raises:
        UserError: If the data cannot be had or are bad.
    """
    return open_dataset(
        settings.data_name,
        settings.data_dir,
        settings.prepared_dir,
        settings.synthetic,
        settings.folder,
        settings.window,
    )
