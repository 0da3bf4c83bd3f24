"""Opens the data set that a configuration names."""

from hpunet.config.settings import Settings
from hpunet.data.crops import CropSampler
from hpunet.data.dataset import Dataset
from hpunet.data.folder import builder as folder
from hpunet.data.lidc import builder as lidc
from hpunet.data.synthetic import builder as synthetic
from hpunet.io.errors import UserError

# The data sets with a fixed number of classes; the masks of an annotated folder may have any.
NUM_CLASSES = {"synthetic": 2, "lidc": 2}


def open_data(settings: Settings) -> Dataset:
    """Prepares the data set of a configuration, unless that has been done, and opens it.

    Args:
        settings: Select the data set, its folders and the crop.

    Returns:
        The splits, and the properties of the images that preprocessing depends on.

    Raises:
        UserError: If the data cannot be found, are not valid, or do not fit the settings.
    """
    data, prepared_dir = settings.data, settings.prepared_dir
    num_classes = settings.model.num_classes
    if data.name in NUM_CLASSES and num_classes != NUM_CLASSES[data.name]:
        raise UserError(
            f"config.model.num_classes={num_classes}: the data set {data.name!r} has "
            f"{NUM_CLASSES[data.name]} classes; allowed is {NUM_CLASSES[data.name]}"
        )
    if data.name == "lidc":
        return lidc.open_dataset(data.dir, prepared_dir, crop=settings.crop)
    if data.name == "folder":
        crop_sampler = CropSampler(settings.crop, settings.folder.sizes, data.augment)
        return folder.open_dataset(data.dir, prepared_dir, settings.folder, crop_sampler)
    return synthetic.open_dataset(settings.synthetic, prepared_dir)
