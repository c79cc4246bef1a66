"""The first fit of a process, import included: 300 x 100, float32, rank 10, beside scikit-learn's NMF.

Fresh processes, in turns, each of which has imported sklearn.decomposition before anything is timed. Ours imports
coupled_nmf, then fits; scikit-learn's has nothing left to import. "again" is a second fit of the same data in the same
process. A first process of each kind, which may compile bytecode, does not count.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.quiet import Quiet
from benchmarks.workload import spread

ROOT, ROUNDS = Path(__file__).parents[1], int(os.environ.get("ROUNDS", 21))
PROGRAM = """
import json, time, warnings
import numpy, sklearn.decomposition
warnings.simplefilter("ignore")
X = numpy.random.default_rng(0).random((300, 100), dtype=numpy.float32)
marks = [time.perf_counter()]
from {module} import {estimator} as estimator
for _ in range(2):
    marks.append(time.perf_counter())
    estimator(10, random_state=0).fit(X)
marks.append(time.perf_counter())
print(json.dumps(numpy.diff(marks).tolist()))
"""
TOOLS = {"coupled_nmf": ("coupled_nmf", "CoupledNMF"), "scikit-learn": ("sklearn.decomposition", "NMF")}


def seconds_of(module, estimator):
    """Import, first fit, second fit."""
    program = PROGRAM.format(module=module, estimator=estimator)
    found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True)
    return json.loads(found.stdout)


def measure():
    quiet = Quiet()
    rounds = [{name: seconds_of(*tool) for name, tool in TOOLS.items()} for _ in range(ROUNDS + 1)][1:]
    figures = {"rounds": ROUNDS, "tools": {name: summarize([one[name] for one in rounds]) for name in TOOLS}}
    ratios = [sum(one["scikit-learn"][:2]) / sum(one["coupled_nmf"][:2]) for one in rounds]
    return figures | {"ratio": spread(ratios), "quiet": quiet.figures()}


def summarize(runs):
    """Milliseconds of the import, of the first fit, of both, and of the second fit."""
    parts = {
        "import": [run[0] for run in runs],
        "first": [run[1] for run in runs],
        "both": [run[0] + run[1] for run in runs],
        "again": [run[2] for run in runs],
    }
    return {name: spread([1000 * seconds for seconds in values]) for name, values in parts.items()}
