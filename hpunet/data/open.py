"""Opens the data set that a configuration names."""

from hpunet.config.settings import Settings
from hpunet.data.crops import CropSampler
from hpunet.data.dataset import Dataset
from hpunet.data.folder import builder as folder
from hpunet.data.lidc import builder as lidc
from hpunet.data.synthetic import builder as synthetic


def open_data(settings: Settings) -> Dataset:
    """Prepares the data set of a configuration, unless that has been done, and opens it.

    Args:
        settings: Decides which data set, where its source and its prepared copy are, and the crop,
            which images of `lidc` must not be smaller than.

    Returns:
        Its splits, with everything that preprocessing needs to know of its images.

    Raises:
        UserError: If the data cannot be found or are bad.
    """
    data, prepared_dir = settings.data, settings.prepared_dir
    if data.name == "lidc":
        return lidc.open_dataset(data.dir, prepared_dir, min_size=max(settings.crop))
    if data.name == "folder":
        crop_sampler = CropSampler(settings.crop, settings.folder.sizes, data.augment)
        return folder.open_dataset(data.dir, prepared_dir, settings.folder, crop_sampler)
    return synthetic.open_dataset(settings.synthetic, prepared_dir)
