"""The arguments of the command line: what there are, and what is wrong with some, before anything slow is imported."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

from cnn_probe.studies import PAPER, STUDIES
from cnn_probe.system.names import printable

# Kept here by name, since the modules that define them take seconds to import; a test holds them against these.
DATA_SETS = ("digits", "mnist", "fashion-mnist", "cifar10", "folder")
POOLS = ("auto", "whole", "mean", "max", "token")
NEGATIVES = ("error", "clip", "split", "shift")
MOST_RANK, MOST_SEED, MOST_EPOCHS, MOST_ITERATIONS = 10_000, 2**32 - 1, 100_000, 1_000_000
MOST_PIXELS, MOST_BATCH, MOST_STARTS, MOST_JOBS = 4096, 1_000_000, 1000, 256

# Of each command: what it does, in short; more of it, in lines that a terminal holds; an example.
COMMANDS = {
    "run": (
        "train one network, probe it, and show what was found on one page",
        "\nThe network is the paper's; the page is index.html in the output folder.",
        "cnn-probe run --data digits --out runs/one",
    ),
    "study": (
        "run the paper's case studies, and their controls",
        "\nNetworks are trained in several ways and probed; each claim is held against\nwhat came out.",
        "cnn-probe study all --data digits --quick --out runs/studies",
    ),
    "probe": (
        "probe a network that is there, over a folder of pictures",
        "\nNothing is trained; what was found is on one page, index.html in the output\nfolder.",
        "cnn-probe probe --model torchvision:resnet18 --weights resnet18.pth --data photos --out runs/resnet",
    ),
}
SPREAD = {  # what other starts are for, in ``run`` or not
    True: "how far the errors and patterns of the others spread is on the page and in starts.csv",
    False: "all errors are in results.json",
}
FOLDERS = ("--data", "--data-root", "--out", "--store")
NO_IMAGES = (
    "leave inputs, maps, and names of files and folders out of the page, but for classes; files beside it have them"
)


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Say it, and end with status 2."""
        tell(f"{self.prog}: {message} ({self.prog} --help says what there is)")
        self.exit(2)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of ``cnn-probe``."""
    parser = Parser(prog="cnn-probe", description="Look into a network by factoring images and activations together.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {version()}")
    commands = parser.add_subparsers(dest="command", required=True)
    run, study, probe = (_command(commands, name) for name in COMMANDS)
    _add_probe(probe)
    papers = ", ".join(one.name for one in PAPER)
    study.add_argument(
        "study", choices=[*STUDIES, "all"], help=f"{papers}: the paper's; the others are controls; all: every one"
    )
    study.add_argument("--quick", action="store_true", help=_quick())
    study.add_argument(
        "--jobs",
        type=Number("a number of processes", 1, MOST_JOBS),
        default=1,
        help="networks that are made at once, each by a process with one thread; as many as cores, about "
        "1 GB for each on MNIST (default: 1)",
    )
    for command in (run, study):
        _add_training(command, of_run=command is run)
        _add_fit(command)
    return parser


def _command(commands: Any, name: str) -> argparse.ArgumentParser:
    """A command: a word on it among the others, and more with an example of it by itself."""
    in_short, more, example = COMMANDS[name]
    added: argparse.ArgumentParser = commands.add_parser(
        name,
        help=in_short,
        description=f"{in_short[:1].upper()}{in_short[1:]}.{more}",
        epilog=f"example: {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return added


def _quick() -> str:
    left_out = ", ".join(study.name for study in STUDIES.values() if not study.quick)
    return f"small ranks, one seed, 20 epochs, and of all studies not {left_out}: for small data"


def _add_training(command: argparse.ArgumentParser, *, of_run: bool) -> None:
    """What ``cnn-probe run`` and ``study`` train networks on, how, and what of them is found out."""
    add = command.add_argument
    ranks, seeds = ("10", "0") if of_run else ("10,20,30,40,50", "0,1,2")
    add("--data", default="digits", choices=DATA_SETS, help="default: digits")
    add("--data-root", type=Path, help="folder with the data")
    add("--download", action="store_true", help="fetch the data if it is not there")
    add("--ranks", type=Numbers("a rank", 1, MOST_RANK), help=f"e.g. 10,20,30 (default: {ranks})")
    add("--seeds", type=Numbers("a seed", 0, MOST_SEED), help=f"e.g. 0,1,2 (default: {seeds})")
    add("--resume", action="store_true", help="go on from what is finished")
    add(
        "--epochs",
        type=Number("an epoch count", 1, MOST_EPOCHS),
        help="passes over the training data (default: 1 on data as large as MNIST, on smaller data as many as make "
        "1,500 steps)",
    )
    add("--no-images", dest="images", action="store_false", help=NO_IMAGES)
    add(
        "--starts",
        type=Number("a number of starts", 1, MOST_STARTS),
        default=1,
        help=f"factorizations from different starts; the first is reported, {SPREAD[of_run]} (default: 1)",
    )
    if of_run:
        _add_saying(command, "test images", 500)


def _add_fit(command: argparse.ArgumentParser) -> None:
    """How any of the commands factors, and where what comes out of it goes."""
    add = command.add_argument
    add("--solver", choices=("hals", "mu"), default="hals", help="default: hals")
    add("--init", choices=("auto", "random", "uniform"), default="auto", help="default: auto")
    add(
        "--max-iter",
        type=Number("an iteration limit", 1, MOST_ITERATIONS),
        default=200,
        help="iterations of a factorization, at most (default: 200)",
    )
    add("--out", type=Path, default=Path("runs"), help="folder for what comes out (default: runs)")
    add("--quiet", action="store_true", help="no bars, and in a log no lines of how far it is")


def _add_probe(command: argparse.ArgumentParser) -> None:
    """The options of ``cnn-probe probe``."""
    add = command.add_argument
    add("--model", required=True, help="torchvision:resnet18, timm:NAME, or package.module:factory")
    add("--weights", type=Path, help="a file with the network's state; nothing in it is run")
    add("--random", action="store_true", help="use random weights on purpose, with no file of them")
    add(
        "--against",
        metavar="WHAT",
        help="a second network, probed in the same way and compared: random (the same model, untrained), a file of "
        "weights for the same model, MODEL=FILE, or MODEL=random",
    )
    add("--data", type=Path, required=True, help="a folder of pictures, or of a folder of them for each class")
    add("--image-size", type=Number("a size", 1, MOST_PIXELS), default=224, help="pixels a side (default: 224)")
    add("--grey", action="store_true", help="one channel, not three")
    add(
        "--preprocess",
        help="package.module:function that makes what the network is fed of pictures in [0, 1] (default: of "
        "torchvision and timm the mean and standard deviation that their weights were trained with; else as they are)",
    )
    add("--layers", nargs="+", help="names or patterns such as 'layer*.relu' (default: every activation function)")
    add("--pool", nargs="+", type=Choice(POOLS), help=_rules("what of an output is a feature", POOLS))
    add("--negative", nargs="+", type=Choice(NEGATIVES), help=_rules("what to do with negative activations", NEGATIVES))
    add("--inputs", default="64", help="what of the pictures is factored: all, none, or pixels a side (default: 64)")
    add("--no-images", dest="images", action="store_false", help=NO_IMAGES)
    _add_saying(command, "pictures", 0)
    add("--store", type=Path, help="a folder for the activations, if they do not fit into memory")
    add("--resume", action="store_true", help="go on from what is finished: no rank that is there is fitted again")
    add("--batch-size", type=Number("a batch size", 1, MOST_BATCH), help="pictures at a time")
    add("--device", default="cpu", help="cpu, cuda, ... (default: cpu)")
    add("--ranks", type=Numbers("a rank", 1, MOST_RANK), default=(10,), help="e.g. 10,20,30 (default: 10)")
    add("--seed", type=Number("a seed", 0, MOST_SEED), default=0, help="of the factorization (default: 0)")
    _add_fit(command)


def _rules(what: str, rules: Sequence[str]) -> str:
    """Of an option that is for all layers or for some; the first of its rules is what holds unasked."""
    return f"{what}, for all layers or LAYER=RULE: {', '.join(rules)} (default: {rules[0]})"


def _add_saying(command: argparse.ArgumentParser, inputs: str, ablated: int) -> None:
    """What a page says, of ``cnn-probe run`` and ``probe``."""
    add = command.add_argument
    add(
        "--ablate",
        type=Number("a number of pictures", 0, MOST_BATCH),
        default=ablated,
        help=f"{inputs} over which to test what patterns cause; 0 for none (default: {ablated})",
    )
    add(
        "--full",
        action="store_true",
        help="also: how much of the network is used, which patterns come out again, which labels look wrong (more "
        "fits, slower)",
    )


def told_command(argv: Sequence[str] | None) -> str:
    """Return the command as a page tells it, without the folders of this machine.

    Examples
    --------
    >>> told_command(["probe", "--data", "/home/me/my photos/", "--weights=/tmp/net.pt"])
    "cnn-probe probe --data 'my photos' --weights=net.pt"
    >>> told_command(["probe", "--data", "/home/me/my photos/", "--no-images"])
    'cnn-probe probe --data FOLDER --no-images'
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if "--no-images" in words:  # a folder's name may be private, too
        words = ["FOLDER" if before in FOLDERS else word for before, word in zip(["", *words], words, strict=False)]
        words = [re.sub(f"^({'|'.join(FOLDERS)})=.*", r"\1=FOLDER", word) for word in words]
    return shlex.join(["cnn-probe", *("=".join(map(_last_part, word.split("="))) for word in words)])


def _last_part(path: str) -> str:
    """A path without its folders, if it leads out of the one that the command is given in; what is none stays."""
    if not re.match(r"[/\\~]|[A-Za-z]:[/\\]", path) and ".." not in re.split(r"[/\\]", path):
        return path.rstrip("/\\")
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1] or path[:1]


def version() -> str:
    """The version of coupled_nmf, which it is not imported for."""
    spec = find_spec("coupled_nmf")
    source = spec.loader.get_source("coupled_nmf") if spec and spec.loader else ""  # type: ignore[attr-defined]
    found = re.search(r'^__version__ = "(.+)"$', source or "", flags=re.MULTILINE)
    return found[1] if found else "of unknown version"


class Number:
    """A whole number of a range, read from an argument."""

    def __init__(self, what: str, low: int, high: int) -> None:
        self.what, self.low, self.high = what, low, high

    def __call__(self, text: str) -> Any:
        """Read it."""
        return self._read(text, f"{text!r} is not a whole number")

    def _read(self, text: str, otherwise: str) -> int:
        if not re.fullmatch(r"\s*[+-]?[0-9]{1,30}\s*", text):
            raise argparse.ArgumentTypeError(otherwise)
        if not self.low <= int(text) <= self.high:
            raise argparse.ArgumentTypeError(f"{self.what} is {self.low} or more, and at most {self.high}, not {text}")
        return int(text)


class Numbers(Number):
    """Several of them, with commas between."""

    def __call__(self, text: str) -> tuple[int, ...]:
        """Read them."""
        otherwise = f"{text!r} is not a list of whole numbers such as 10,20,30"
        values = tuple(self._read(part, otherwise) for part in text.split(","))
        if len(set(values)) < len(values):
            raise argparse.ArgumentTypeError(f"{text!r} has a repeated number")
        return values


class Choice:
    """One choice for all layers, or one for a layer or pattern: ``mean``, ``layer*=mean``."""

    def __init__(self, choices: Sequence[str]) -> None:
        self.choices = choices

    def __call__(self, text: str) -> tuple[str, str]:
        """Read it: the layer, empty for all, and what is chosen."""
        layer, _, choice = text.rpartition("=")
        if choice not in self.choices:
            raise argparse.ArgumentTypeError(f"{choice!r} is none of {', '.join(self.choices)}")
        return layer, choice


def by_layer(chosen: Sequence[tuple[str, str]] | None, default: str) -> str | dict[str, str]:
    """Return what was chosen, as `probe` takes it.

    Examples
    --------
    >>> by_layer([("", "mean"), ("relu1", "whole")], "auto"), by_layer(None, "auto")
    ({'relu1': 'whole', '*': 'mean'}, 'auto')
    """
    if not chosen:
        return default
    of_all = [choice for layer, choice in chosen if not layer]
    named = {layer: choice for layer, choice in chosen if layer}
    if not named:
        return of_all[-1]
    return named | ({"*": of_all[-1]} if of_all else {})


def tell(line: str) -> None:
    """Write a line to standard error, unless that is closed."""
    if sys.stderr is None:
        return
    sys.stderr.write(printable(line, getattr(sys.stderr, "encoding", None)) + "\n")
