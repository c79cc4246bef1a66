"""From results to figures and one page that holds all it shows: of studies, of runs and of probes."""

from cnn_probe.report.publish import publish
from cnn_probe.report.study_figures import draw_figures

__all__ = ["draw_figures", "publish"]
