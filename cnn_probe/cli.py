"""The command line: ``cnn-probe run``, ``cnn-probe probe`` and ``cnn-probe study``.

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
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from cnn_probe.arguments import build_parser, by_layer, tell, told_command
from cnn_probe.networks.training_plan import epochs_for
from cnn_probe.studies import STUDIES, Settings

QUICK: dict[str, Any] = {"ranks": (5, 10, 20), "seeds": (0,), "epochs": 20}  # small data: minutes, not hours
# What the library's messages call by its parameters.
AS_OPTIONS = {
    "n_components=": "--ranks ",
    "pass download=True": "pass --download",
    "pass weights=, a file of them, or random=True": "pass --weights, a file of them, or --random",
    "stopped at max_iter=": "stopped at --max-iter ",
    "raise max_iter": "raise --max-iter",
    "(epochs=)": "(--epochs)",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``cnn-probe``; the exit status."""
    try:
        args = build_parser().parse_args(argv)
    except SystemExit as end:
        return int(end.code or 0)
    command: Callable[[argparse.Namespace], None] = {"run": _run, "study": _study, "probe": _probe}[args.command]
    missing = _missing(args.out)
    args.typed = told_command(argv)
    try:
        if args.command != "probe":
            _check_data(args)
        _check_writable(args.out)
        with warnings.catch_warnings():
            warnings.filterwarnings("always", category=UserWarning)  # of each fit, not of the first alone
            warnings.showwarning = _show_warning
            command(args)
    except (ValueError, TypeError, OSError, FloatingPointError, ImportError) as error:
        tell(f"cnn-probe: {_in_options(str(error))}")
        _remove_empty(missing)
        return 2
    except KeyboardInterrupt:
        more = ", --store keeps what is recorded, too" if args.command == "probe" else ""
        tell(f"cnn-probe: interrupted; what was finished is kept, --resume goes on from there{more}")
        return 130
    return 0


def _in_options(text: str) -> str:
    """Return what the library says to those who call it, as those say it who type."""
    for parameter, option in AS_OPTIONS.items():
        text = text.replace(parameter, option)
    return text


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


def _settings(args: argparse.Namespace, n_images: int) -> Settings:
    """How studies are run that train on so many images."""
    given = {name: getattr(args, name) for name in ("ranks", "seeds", "epochs") if getattr(args, name) is not None}
    chosen = {"epochs": epochs_for(n_images), **(QUICK if args.quick else {}), **given}
    return Settings(**chosen, solver=args.solver, init=args.init, max_iter=args.max_iter, starts=args.starts)


def _study(args: argparse.Namespace) -> None:
    from cnn_probe.data.datasets import load_dataset
    from cnn_probe.report import publish
    from cnn_probe.report.study_figures import refuse_figures
    from cnn_probe.runs.studying import with_patterns
    from cnn_probe.studies.record import little_learned
    from cnn_probe.studies.runner import check_studies
    from cnn_probe.system.bars import Bars, say
    from cnn_probe.system.locks import only_one

    data = load_dataset(args.data, args.data_root, download=args.download)
    settings = _settings(args, len(data.train))
    every = [study for study in STUDIES.values() if study.quick or not args.quick]
    chosen = every if args.study == "all" else [STUDIES[args.study]]
    check_studies(chosen, data, settings)
    refuse_figures({study.name: study.figures for study in chosen})
    with only_one(args.out):
        bars = Bars(quiet=args.quiet)
        try:
            results = with_patterns(
                chosen,
                data,
                settings,
                args.out,
                resume=args.resume,
                keep=list(STUDIES.values()),
                images=args.images,
                progress=bars,
                notice=_say_aside,
                made=bars.note,
                jobs=args.jobs,
            )
        finally:
            bars.close()
        page = publish(results, args.out, command=args.typed, images=args.images, notice=_say_aside)
    for line in little_learned(results):
        _say_aside(_in_options(line))
    say(f"figures: {args.out / 'figures'}\nnumbers: {args.out / 'results.json'}\npage:    {page}")


def _run(args: argparse.Namespace) -> None:
    from cnn_probe.data.datasets import load_dataset
    from cnn_probe.runs.run import run
    from cnn_probe.runs.run_plan import RunPlan
    from cnn_probe.system.bars import Bar, say

    plan = RunPlan(
        ranks=args.ranks or (10,),
        seeds=args.seeds or (0,),
        epochs=args.epochs,
        solver=args.solver,
        init=args.init,
        max_iter=args.max_iter,
        ablate=args.ablate or None,
        full=args.full,
        images=args.images,
        starts=args.starts,
    )
    data = load_dataset(args.data, args.data_root, download=args.download)
    bar = Bar(quiet=args.quiet)
    try:
        page = run(data, plan, args.out, resume=args.resume, command=args.typed, progress=bar, say=say)
    finally:
        bar.close()
    say(f"page: {page}")


def _probe(args: argparse.Namespace) -> None:
    from cnn_probe.data.picture_folder import PictureFolder
    from cnn_probe.runs.probe_plan import ProbePlan
    from cnn_probe.runs.probe_run import run_probe
    from cnn_probe.system.bars import Bar, say

    inputs = _inputs(args.inputs)
    data = PictureFolder(args.data, args.image_size, channels=1 if args.grey else 3)
    model, against = _networks(args)
    plan = ProbePlan(
        model=args.model,
        data=data,
        ranks=args.ranks,
        layers=args.layers,
        pool=by_layer(args.pool, "auto"),
        negative=by_layer(args.negative, "error"),
        inputs=inputs,
        ablate=args.ablate or None,
        full=args.full,
        images=args.images,
        store=args.store,
        batch_size=args.batch_size,
        solver=args.solver,
        init=args.init,
        max_iter=args.max_iter,
        seed=args.seed,
    )
    bar = Bar(quiet=args.quiet)
    try:
        page = run_probe(
            model, plan, args.out, against=against, resume=args.resume, command=args.typed, progress=bar, say=say
        )
    finally:
        bar.close()
    say(f"page: {page}")


def _inputs(text: str) -> bool | int:
    """Return what of the pictures is factored, as `probe` takes it."""
    if text in ("all", "none"):
        return text == "all"
    if not re.fullmatch("[0-9]{1,4}", text) or int(text) < 1:
        raise ValueError(f"--inputs must be all, none, or a number of pixels, got {text!r}")
    return int(text)


def _networks(args: argparse.Namespace) -> tuple[Any, Any]:
    """The network to be probed, and the one that it is held against, or None: fed and placed as is asked for."""
    from cnn_probe.networks.zoo import load_function, load_model
    from cnn_probe.runs.against_run import load_against

    model, against = load_model(args.model, args.weights, random=args.random), None
    if args.against is not None:
        against = load_against(args.against, model, args.model, first_is_random=args.random)
    if args.preprocess is not None:
        function = load_function(args.preprocess)
        model = replace(model, preprocess=function)
        if against is not None:
            against = replace(against, model=replace(against.model, preprocess=function))
    try:
        for one in [model] if against is None else [model, against.model]:
            one.network.to(args.device)
    except (RuntimeError, AssertionError) as error:  # PyTorch has many ways to say that there is no such device
        raise ValueError(f"--device {args.device} cannot be: {str(error).splitlines()[0]}") from error
    return model, against


if __name__ == "__main__":
    sys.exit(main())
