"""What a person looks at: samples beside annotators, scores, calibration, the course of a training.

Functions return a matplotlib `Figure` of its own, bound to no display and no global state; `save`
and `save_for_print` write it. `scale_animation` alone writes its file itself. Colours are told
apart by colour-blind readers and in grey print.
"""

from hpunet.figures.animation import scale_animation
from hpunet.figures.augmentation import augmentation_grid
from hpunet.figures.calibration import calibration_plot
from hpunet.figures.contact_sheet import contact_sheet
from hpunet.figures.course import training_course
from hpunet.figures.hypotheses import hypothesis_grid
from hpunet.figures.sample_counts import ged_by_samples
from hpunet.figures.save import save, save_for_print
from hpunet.figures.scales import scale_grid

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
    "training_course",
]
