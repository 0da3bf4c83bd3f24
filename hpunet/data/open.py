"""Opens a data set by its name."""

from hpunet.data.dataset import Dataset
from hpunet.data.folder import builder as folder
from hpunet.data.folder.config import FolderConfig
from hpunet.data.lidc import builder as lidc
from hpunet.data.synthetic import builder as synthetic
from hpunet.data.synthetic.config import SyntheticConfig
from hpunet.data.window import Window


def open_dataset(
    name: str,
    data_dir: str | None,
    prepared_dir: str,
    synthetic_config: SyntheticConfig,
    folder_config: FolderConfig,
    window: Window,
) -> Dataset:
    """Prepares a data set, unless that has been done, and opens it.

    Args:
        name: `synthetic`, `lidc` or `folder`.
        data_dir: Where the source lies, for `lidc` and `folder`; None downloads `lidc`.
        prepared_dir: Folder of prepared data.
        synthetic_config: What to generate, for `synthetic`.
        folder_config: How to read it, for `folder`.
        window: What training sees; for `lidc` images must have its crop's size at least.

    Raises:
        UserError: If the data cannot be had or are bad.
    """
    if name == "lidc":
        return lidc.open_dataset(data_dir, prepared_dir, min_size=window.crop)
    if name == "folder":
        return folder.open_dataset(data_dir, prepared_dir, folder_config, window)
    return synthetic.open_dataset(synthetic_config, prepared_dir)
