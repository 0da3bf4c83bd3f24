"""Opens a data set by its name."""

from hpunet.data.dataset import Dataset
from hpunet.data.lidc import builder as lidc
from hpunet.data.synthetic import builder as synthetic
from hpunet.data.synthetic.config import SyntheticConfig


def open_dataset(
    name: str,
    data_dir: str | None,
    prepared_dir: str,
    min_size: int,
    synthetic_config: SyntheticConfig,
) -> Dataset:
    """Prepares a data set, unless that has been done, and opens it.

    Args:
        name: `synthetic` or `lidc`.
        data_dir: Where the source lies, for `lidc`; None downloads it.
        prepared_dir: Folder of prepared data.
        min_size: Least height and width of an image, in pixels, for `lidc`.
        synthetic_config: What to generate, for `synthetic`.

    Raises:
        UserError: If the data cannot be had or are bad.
    """
    if name == "lidc":
        return lidc.open_dataset(data_dir, prepared_dir, min_size=min_size)
    return synthetic.open_dataset(synthetic_config, prepared_dir)
