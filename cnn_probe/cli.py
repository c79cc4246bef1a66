"""The command line: ``cnn-probe run`` and ``cnn-probe study``.

Nothing here is slow to import: PyTorch and what needs it come once the arguments are known to be right.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

if TYPE_CHECKING:
    from cnn_probe.studies import Settings

# Kept here by name, since the modules that define them take seconds to import; a test holds them against those.
DATA_SETS = ("digits", "mnist", "fashion-mnist", "cifar10", "folder")
STUDY_NAMES = ("fraction", "classes", "order")
QUICK: dict[str, Any] = {"ranks": (5, 10, 20), "seeds": (0,), "epochs": 20}  # small data: minutes, not hours
MOST_RANK, MOST_SEED, MOST_EPOCHS, MOST_ITERATIONS = 10_000, 2**32 - 1, 100_000, 1_000_000


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} ({self.prog} --help says what there is)\n")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of ``cnn-probe``."""
    parser = _Parser(prog="cnn-probe", description="Look into a network by factoring images and activations together.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {_version()}")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="train one network, probe it, and show what was found on one page")
    study = commands.add_parser("study", help="run the paper's case studies")
    study.add_argument("study", choices=[*STUDY_NAMES, "all"])
    study.add_argument("--quick", action="store_true", help="small ranks, one seed, 20 epochs: for small data")
    ranks, seeds = _Numbers("a rank", 1, MOST_RANK), _Numbers("a seed", 0, MOST_SEED)
    few, many = "10", "10,20,30,40,50"
    for command in (run, study):
        of_run = command is run
        epochs = "1 of data as large as MNIST, of smaller as many as make 1500 steps" if of_run else "1"
        command.add_argument("--data", default="digits", choices=DATA_SETS, help="default: digits")
        command.add_argument("--data-root", type=Path, help="folder with the data")
        command.add_argument("--download", action="store_true", help="fetch the data if it is not there")
        command.add_argument("--ranks", type=ranks, help=f"e.g. 10,20,30 (default: {few if of_run else many})")
        command.add_argument("--seeds", type=seeds, help=f"e.g. 0,1,2 (default: {'0' if of_run else '0,1,2'})")
        command.add_argument("--resume", action="store_true", help="go on from what is finished")
        command.add_argument(
            "--epochs",
            type=_Number("an epoch count", 1, MOST_EPOCHS),
            help=f"passes over the training data (default: {epochs})",
        )
        command.add_argument("--solver", choices=("hals", "mu"), default="hals", help="default: hals")
        command.add_argument("--init", choices=("auto", "random", "uniform"), default="auto", help="default: auto")
        command.add_argument(
            "--max-iter",
            type=_Number("an iteration limit", 1, MOST_ITERATIONS),
            default=200,
            help="of a factorization (default: 200)",
        )
        command.add_argument("--out", type=Path, default=Path("runs"), help="folder for what comes out (default: runs)")
    return parser


def _version() -> str:
    """The version of coupled_nmf, which it is not imported for."""
    spec = find_spec("coupled_nmf")
    source = spec.loader.get_source("coupled_nmf") if spec and spec.loader else ""  # type: ignore[attr-defined]
    found = re.search(r'^__version__ = "(.+)"$', source or "", flags=re.MULTILINE)
    return found[1] if found else "of unknown version"


class _Number:
    """A whole number of a range, read from an argument."""

    def __init__(self, what: str, low: int, high: int) -> None:
        self.what, self.low, self.high = what, low, high

    def __call__(self, text: str) -> Any:
        return self._read(text, f"{text!r} is not a whole number")

    def _read(self, text: str, otherwise: str) -> int:
        if not re.fullmatch(r"\s*[+-]?[0-9]{1,30}\s*", text):
            raise argparse.ArgumentTypeError(otherwise)
        if not self.low <= int(text) <= self.high:
            raise argparse.ArgumentTypeError(f"{self.what} is {self.low} or more, and at most {self.high}, not {text}")
        return int(text)


class _Numbers(_Number):
    """Several of them, with commas between."""

    def __call__(self, text: str) -> tuple[int, ...]:
        otherwise = f"{text!r} is not a list of whole numbers such as 10,20,30"
        values = tuple(self._read(part, otherwise) for part in text.split(","))
        if len(set(values)) < len(values):
            raise argparse.ArgumentTypeError(f"{text!r} has a repeated number")
        return values


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``cnn-probe``; the exit status."""
    try:
        args = build_parser().parse_args(argv)
    except SystemExit as end:
        return int(end.code or 0)
    command: Callable[[argparse.Namespace], None] = _run if args.command == "run" else _study
    try:
        _check_writable(args.out)
        with warnings.catch_warnings():
            warnings.filterwarnings("always", category=UserWarning)  # of each fit, not of the first alone
            warnings.showwarning = _show_warning
            command(args)
    except (ValueError, TypeError, OSError, FloatingPointError) as error:
        sys.stderr.write(f"cnn-probe: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("cnn-probe: interrupted; what was finished is kept, --resume goes on from there\n")
        return 130
    return 0


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Say it as the command line's own, without the line of code that it comes from."""
    from cnn_probe.bars import say

    say(f"cnn-probe: {message}", file=sys.stderr)


def _check_writable(out: Path) -> None:
    """Find out before the training, not after."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise ValueError(f"--out {out} cannot be written ({error.strerror}); choose another folder.") from error


def _settings(args: argparse.Namespace) -> Settings:
    from cnn_probe.studies import Settings

    given = {name: getattr(args, name) for name in ("ranks", "seeds", "epochs") if getattr(args, name) is not None}
    chosen = {**(QUICK if args.quick else {}), **given}
    return Settings(**chosen, solver=args.solver, init=args.init, max_iter=args.max_iter)


def _study(args: argparse.Namespace) -> None:
    from cnn_probe.bars import Bars, say
    from cnn_probe.datasets import load_dataset
    from cnn_probe.locks import only_one
    from cnn_probe.report import publish
    from cnn_probe.studies import STUDIES, run_studies

    def notice(text: str) -> None:
        say(f"cnn-probe: {text}", file=sys.stderr)

    settings = _settings(args)
    data = load_dataset(args.data, args.data_root, download=args.download)
    chosen = list(STUDIES.values()) if args.study == "all" else [STUDIES[args.study]]
    with only_one(args.out):
        bars = Bars()
        try:
            results = run_studies(
                chosen,
                data,
                settings,
                args.out,
                resume=args.resume,
                keep=list(STUDIES.values()),
                progress=bars,
                notice=notice,
            )
        finally:
            bars.close()
        page = publish(results, args.out, notice=notice)
    sys.stdout.write(f"figures: {args.out / 'figures'}\nnumbers: {args.out / 'results.json'}\npage:    {page}\n")


def _run(args: argparse.Namespace) -> None:
    from cnn_probe.bars import Bar, say
    from cnn_probe.datasets import load_dataset
    from cnn_probe.run import RunPlan, run

    plan = RunPlan(
        ranks=args.ranks or (10,),
        seeds=args.seeds or (0,),
        epochs=args.epochs,
        solver=args.solver,
        init=args.init,
        max_iter=args.max_iter,
    )
    data = load_dataset(args.data, args.data_root, download=args.download)
    bar = Bar()
    try:
        page = run(data, plan, args.out, resume=args.resume, progress=bar, say=say)
    finally:
        bar.close()
    say(f"page: {page}")


if __name__ == "__main__":
    sys.exit(main())
