"""The command line of the fuzzers."""

import argparse
import random
import sys

from fuzz.runner import run

KINDS = ("models", "sparse", "sources")


def main():
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=sys.modules["fuzz"].__doc__)
    parser.add_argument("what", nargs="*", help=f"of {', '.join(KINDS)}; all, if none is named")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each kind")
    parser.add_argument("--seed", type=int, help="of the first case; at random, if none is given")
    parser.add_argument("--cases", type=int, default=sys.maxsize, help="how many seeds, at most")
    given = parser.parse_args()
    unknown = set(given.what) - set(KINDS)
    if unknown:
        parser.error(f"there is no {min(unknown)!r}; the kinds are {', '.join(KINDS)}")
    seed = random.SystemRandom().randrange(2**31) if given.seed is None else given.seed
    failed = False
    for what in given.what or KINDS:
        sys.stdout.write(f"{what} from seed {seed}: ")
        sys.stdout.flush()
        report = run(what, given.seconds, seed, given.cases)
        sys.stdout.write(f"{report}\n")
        failed |= bool(report.findings) or report.n_cases == 0
    sys.exit(failed)


main()
