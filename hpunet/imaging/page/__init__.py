"""The page that a person looks at: one self-contained HTML file over all images of a command."""

from hpunet.imaging.page.shown import Hypothesis, Shown
from hpunet.imaging.page.write import write_page

__all__ = ["Hypothesis", "Shown", "write_page"]
