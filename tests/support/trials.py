"""What may crash is tried in a process of its own, which says what went wrong."""

import re
import subprocess
import sys
from pathlib import Path

from processes import with_tests

KULLBACK_LEIBLER = {"solver": "mu", "beta_loss": "kullback-leibler"}
LOSSES = {"frobenius": {}, "kullback-leibler": KULLBACK_LEIBLER}


def said_by(trial):
    """What a function of a test's file says, in a process of its own; nothing if all is well.

    It has the warnings of the tests: errors.
    """
    file = Path(trial.__code__.co_filename)
    code = f"import sys; sys.path.insert(0, {str(file.parent)!r}); import {file.stem}; {file.stem}.{trial.__name__}()"
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, env=with_tests(), capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"ended by {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


def say_unless_refused(what, call, message):
    """Print what it is, and how it ended, unless a call ends by a ValueError with that message."""
    try:
        call()
    except ValueError as error:
        if not re.search(message, str(error)):
            print(*what, repr(error)[:200])
    else:
        print(*what, "ACCEPTED")
