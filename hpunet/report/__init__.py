"""The page for people: one self-contained HTML file over all images of a command."""

from hpunet.report.page import write_page
from hpunet.report.page_image import PageImage

__all__ = ["PageImage", "write_page"]
