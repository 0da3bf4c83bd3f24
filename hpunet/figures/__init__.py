"""Figures of samples, scores, calibration, training curves and data sets.

Each function returns a new matplotlib `Figure` that uses no display and no global state; `save` and
`save_for_print` write it. Only `scale_animation` writes a file itself. Colours are distinguishable
for colour-blind readers and in greyscale print.
"""

from hpunet.figures.animation import scale_animation
from hpunet.figures.augmentation import augmentation_grid
from hpunet.figures.calibration import calibration_plot
from hpunet.figures.contact_sheet import contact_sheet
from hpunet.figures.mask_grids import hypothesis_grid, scale_grid
from hpunet.figures.sample_counts import ged_by_samples
from hpunet.figures.saving import save, save_for_print
from hpunet.figures.training_curves import training_curves

__all__ = [
    "augmentation_grid",
    "calibration_plot",
    "contact_sheet",
    "ged_by_samples",
    "hypothesis_grid",
    "save",
    "save_for_print",
    "scale_animation",
    "scale_grid",
    "training_curves",
]
