"""The page that a person looks at: one self-contained HTML file over all images of a command."""

from hpunet.report.shown import Hypothesis, Shown
from hpunet.report.write import write_page

__all__ = ["Hypothesis", "Shown", "write_page"]
