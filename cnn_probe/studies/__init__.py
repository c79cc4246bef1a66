"""The paper's case studies and their controls: what is trained, what is measured, what is claimed. One module a study.

Nothing here is slow to import, so that the command line knows the studies by name; `run_studies` is in ``runner``.
"""

from cnn_probe.studies.controls.epochs import EPOCHS
from cnn_probe.studies.controls.examples import EXAMPLES
from cnn_probe.studies.controls.fewer_images import TEST_IMAGES
from cnn_probe.studies.controls.memorised import MEMORISED
from cnn_probe.studies.controls.orders import ORDERS
from cnn_probe.studies.controls.scaling import SCALING
from cnn_probe.studies.controls.steps import STEPS
from cnn_probe.studies.controls.untrained import UNTRAINED
from cnn_probe.studies.controls.updates import UPDATES
from cnn_probe.studies.paper.classes import CLASSES
from cnn_probe.studies.paper.fraction import FRACTION
from cnn_probe.studies.paper.order import ORDER
from cnn_probe.studies.settings import Settings, Treatment
from cnn_probe.studies.study import Condition, Given, Study

PAPER = (FRACTION, CLASSES, ORDER)
CONTROLS = (UNTRAINED, STEPS, EXAMPLES, EPOCHS, MEMORISED, SCALING, ORDERS, UPDATES, TEST_IMAGES)
STUDIES = {study.name: study for study in (*PAPER, *CONTROLS)}

__all__ = ["CONTROLS", "PAPER", "STUDIES", "Condition", "Given", "Settings", "Study", "Treatment"]
