"""The process in which cases run: it says which it begins, and what it found."""

import faulthandler
import importlib
import json
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path


def say(kind, seed, text=""):
    sys.stdout.write(json.dumps([kind, seed, text]) + "\n")
    sys.stdout.flush()


def main(what, seed, seconds, n_cases):
    faulthandler.enable()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        try_one = importlib.import_module(f"fuzz.{what}").prepare(Path(folder))
        say("ready", seed)
        end = time.monotonic() + seconds
        last = seed + n_cases
        while seed < last and time.monotonic() < end:
            say("begin", seed)
            try:
                found = try_one(seed)
            except Exception:
                found = traceback.format_exc(limit=-6)
            if found is not None:
                say("finding", seed, found)
            seed += 1
    say("end", seed)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
