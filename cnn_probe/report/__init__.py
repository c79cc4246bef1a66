"""From results to figures and one static page: of studies, of runs and of probes."""

from cnn_probe.report.page import write_page
from cnn_probe.report.publish import publish
from cnn_probe.report.study_figures import draw_figures

__all__ = ["draw_figures", "publish", "write_page"]
