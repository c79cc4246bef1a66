"""The command line: ``cnn-probe run`` and ``cnn-probe study``.

Nothing here is slow to import: PyTorch and what needs it come once the arguments are known to be right.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn, TextIO

from cnn_probe.studies import STUDIES, Settings
from cnn_probe.system.names import printable

# Kept here by name, since the module that defines them takes seconds to import; a test holds them against it.
DATA_SETS = ("digits", "mnist", "fashion-mnist", "cifar10", "folder")
QUICK: dict[str, Any] = {"ranks": (5, 10, 20), "seeds": (0,), "epochs": 20}  # small data: minutes, not hours
# What the library's messages call by its parameters.
AS_OPTIONS = {
    "n_components=": "--ranks ",
    "pass download=True": "pass --download",
    "stopped at max_iter=": "stopped at --max-iter ",
    "raise max_iter": "raise --max-iter",
}
MOST_RANK, MOST_SEED, MOST_EPOCHS, MOST_ITERATIONS = 10_000, 2**32 - 1, 100_000, 1_000_000


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        _tell(f"{self.prog}: {message} ({self.prog} --help says what there is)")
        self.exit(2)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of ``cnn-probe``."""
    parser = _Parser(prog="cnn-probe", description="Look into a network by factoring images and activations together.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {_version()}")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="train one network, probe it, and show what was found on one page")
    study = commands.add_parser("study", help="run the paper's case studies")
    study.add_argument("study", choices=[*STUDIES, "all"])
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
    missing = _missing(args.out)
    try:
        _check_data(args)
        _check_writable(args.out)
        with warnings.catch_warnings():
            warnings.filterwarnings("always", category=UserWarning)  # of each fit, not of the first alone
            warnings.showwarning = _show_warning
            command(args)
    except (ValueError, TypeError, OSError, FloatingPointError) as error:
        _tell(f"cnn-probe: {_in_options(str(error))}")
        _remove_empty(missing)
        return 2
    except KeyboardInterrupt:
        _tell("cnn-probe: interrupted; what was finished is kept, --resume goes on from there")
        return 130
    return 0


def _in_options(text: str) -> str:
    """Return what the library says to those who call it, as those say it who type."""
    for parameter, option in AS_OPTIONS.items():
        text = text.replace(parameter, option)
    return text


def _tell(line: str) -> None:
    """Write a line to standard error, unless that is closed."""
    if sys.stderr is None:
        return
    sys.stderr.write(printable(line, getattr(sys.stderr, "encoding", None)) + "\n")


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Say it as the command line's own, without the line of code that it comes from."""
    _say_aside(_in_options(str(message)))


def _say_aside(text: str) -> None:
    """Write a line to standard error, above whatever bars there are, unless that is closed."""
    from cnn_probe.system.bars import say

    if sys.stderr is not None:
        say(f"cnn-probe: {text}", file=sys.stderr)


def _check_data(args: argparse.Namespace) -> None:
    """Find out before PyTorch is imported what is wrong with where the data are to be."""
    if args.data_root is None:
        if args.data != "digits":
            raise ValueError(f"--data {args.data} is read from a folder: name it by --data-root")
        return
    try:
        args.data_root.expanduser()
    except RuntimeError as error:
        raise ValueError(f"--data-root {args.data_root} cannot be: {error}; name the folder in full") from error


def _missing(out: Path) -> list[Path]:
    """Return which folders of a path are not there, the innermost first."""
    return [folder for folder in (out, *out.parents) if not os.path.lexists(folder)]


def _remove_empty(folders: Sequence[Path]) -> None:
    """Remove folders that a refused command has made, unless there is something in them."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def _check_writable(out: Path) -> None:
    """Find out before the training, not after."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise ValueError(f"--out {out} cannot be written ({error.strerror}); choose another folder.") from error


def _settings(args: argparse.Namespace) -> Settings:
    given = {name: getattr(args, name) for name in ("ranks", "seeds", "epochs") if getattr(args, name) is not None}
    chosen = {**(QUICK if args.quick else {}), **given}
    return Settings(**chosen, solver=args.solver, init=args.init, max_iter=args.max_iter)


def _study(args: argparse.Namespace) -> None:
    from cnn_probe.data.datasets import load_dataset
    from cnn_probe.report import publish
    from cnn_probe.report.study_figures import refuse_figures
    from cnn_probe.studies.record import little_learned
    from cnn_probe.studies.runner import check_studies, run_studies
    from cnn_probe.system.bars import Bars, say
    from cnn_probe.system.locks import only_one

    settings = _settings(args)
    data = load_dataset(args.data, args.data_root, download=args.download)
    chosen = list(STUDIES.values()) if args.study == "all" else [STUDIES[args.study]]
    check_studies(chosen, data, settings)
    refuse_figures({study.name: study.figures for study in chosen})
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
                notice=_say_aside,
            )
        finally:
            bars.close()
        page = publish(results, args.out, notice=_say_aside)
    for line in little_learned(results):
        _say_aside(line)
    say(f"figures: {args.out / 'figures'}\nnumbers: {args.out / 'results.json'}\npage:    {page}")


def _run(args: argparse.Namespace) -> None:
    from cnn_probe.data.datasets import load_dataset
    from cnn_probe.runs.run import RunPlan, run
    from cnn_probe.system.bars import Bar, say

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
