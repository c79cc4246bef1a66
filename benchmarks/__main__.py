"""``python -m benchmarks [name ...]``: run the benchmarks of these names, or all."""

import argparse
import importlib
import sys

from benchmarks.record import write_record

NAMES = ("to_loss", "path", "iteration", "mu", "memory", "growth", "planted", "sparse", "peers")

parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(NAMES)} (default: all)")
args = parser.parse_args()
if unknown := set(args.names) - set(NAMES):
    parser.error(f"unknown benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
for name in args.names or NAMES:
    module = importlib.import_module(f"benchmarks.{name}")
    print(f"{name}: {module.__doc__.splitlines()[0]}")
    try:
        figures = module.measure()
    except ModuleNotFoundError as error:
        sys.exit(f"{name} needs {error.name}: pip install '.[probe,benchmarks]', or run it by 'make benchmarks'.")
    print(f"-> {write_record(name, module.__doc__, figures)}")
