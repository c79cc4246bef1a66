"""The paper's case studies: what is trained, what is measured, what is claimed. One module a study.

Nothing here is slow to import, so that the command line knows the studies by name; `run_studies` is in ``runner``.
"""

from cnn_probe.studies.classes import CLASSES
from cnn_probe.studies.fraction import FRACTION
from cnn_probe.studies.order import ORDER
from cnn_probe.studies.settings import Settings
from cnn_probe.studies.study import Condition, Study

STUDIES = {study.name: study for study in (FRACTION, CLASSES, ORDER)}

__all__ = ["STUDIES", "Condition", "Settings", "Study"]
