"""From results on disk to figures and one static page."""

from cnn_probe.report.page import write_page
from cnn_probe.report.publish import publish
from cnn_probe.report.study_figures import draw_figures

__all__ = ["draw_figures", "publish", "write_page"]
