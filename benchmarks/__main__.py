"""``python -m benchmarks [name ...]``: run the benchmarks of these names, or all that need no GPU."""

import argparse
import importlib
import sys

from benchmarks.record import write_record

NAMES = (
    "to_loss", "path", "mu", "memory", "growth", "planted", "sparse", "divergence", "costs", "peers", "shapes",
    "first_fit", "recording", "label_noise", "checkpoints", "training_seeds", "use", "page", "cluster",
)  # fmt: skip
ON_REQUEST = {"gpu": "make gpu"}  # what needs more than most machines have, and what sets it up

parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
parser.add_argument(
    "names", nargs="*", metavar="name", help=f"of {', '.join((*NAMES, *ON_REQUEST))} (default: {', '.join(NAMES)})"
)
parser.add_argument("--only", action="append", metavar="part", help="a part of shapes; may be given again")
args = parser.parse_args()
if args.only and args.names != ["shapes"]:
    parser.error("--only is for shapes alone: python -m benchmarks shapes --only text --only cells")
if unknown := set(args.names) - {*NAMES, *ON_REQUEST}:
    parser.error(f"unknown benchmark {', '.join(sorted(unknown))}; there are {', '.join((*NAMES, *ON_REQUEST))}")
for name in args.names or NAMES:
    try:
        module = importlib.import_module(f"benchmarks.{name}")
        print(f"{name}: {module.__doc__.splitlines()[0]}")
        figures = module.measure(**({"only": args.only} if args.only else {}))
    except ModuleNotFoundError as error:
        target = ON_REQUEST.get(name, "make benchmarks")
        sys.exit(f"{name} needs {error.name}: '{target}' installs it and runs the benchmark.")
    print(f"-> {write_record(name, module.__doc__, figures, device=figures.pop('device', None))}")
