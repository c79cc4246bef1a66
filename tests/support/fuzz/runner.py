"""Runs cases in processes that may crash or hang, and collects what was found."""

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

TESTS = Path(__file__).parent.parent
PATIENCE = 300  # seconds for one case, the first of which compiles


@dataclass
class Report:
    """What a run tried, and what it found: a text for each seed that failed."""

    n_cases: int = 0
    findings: dict[int, str] = field(default_factory=dict)

    def __str__(self):
        told = [f"seed {seed}: {text}" for seed, text in self.findings.items()]
        return "\n".join([f"{self.n_cases} cases, {len(self.findings)} findings", *told])


def run(what, seconds, seed, n_cases=sys.maxsize, most=20):
    """Try cases of a kind from ``seed`` on; after ``most`` findings there is enough to mend."""
    report, end = Report(), None
    last = seed + n_cases
    while seed < last and len(report.findings) < most and (end is None or time.monotonic() < end):
        left = seconds if end is None else end - time.monotonic()
        started = time.monotonic()
        seed, begun = _watch(what, seed, left, last - seed, report)
        end = (started if begun is None else begun) + left if end is None else end
    return report


def _watch(what, seed, seconds, n_cases, report):
    """Run one process until it ends; return the seed to go on with, and when it was ready."""
    arguments = [sys.executable, "-m", "fuzz.victim", what, str(seed), str(seconds), str(min(n_cases, 2**31))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parents[1])])}
    begun, ended = None, False
    with tempfile.TemporaryFile("w+") as errors:
        victim = subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=errors)
        for line in _lines(victim):
            kind, seed, text = json.loads(line)
            begun = time.monotonic() if kind == "ready" else begun
            report.n_cases += kind == "begin"
            ended = kind == "end"
            if kind == "finding":
                report.findings[seed] = text
        status = victim.wait()
        errors.seek(0)
        told = errors.read()[-3000:]
    if ended:
        return seed, begun
    report.findings[seed] = f"the process ended with status {status}, or hung\n{told}"
    return seed + 1, begun


def _lines(victim):
    """What the process says, line by line; one that says nothing for too long is killed."""
    waiter = selectors.DefaultSelector()
    waiter.register(victim.stdout, selectors.EVENT_READ)
    rest = b""
    while True:
        if not waiter.select(PATIENCE):
            victim.kill()
            return
        some = os.read(victim.stdout.fileno(), 65536)
        if not some:
            victim.stdout.close()
            return
        *lines, rest = (rest + some).split(b"\n")
        yield from lines
