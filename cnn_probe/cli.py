"""The command line: ``cnn-probe run`` and ``cnn-probe study``."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

import coupled_nmf
from cnn_probe import figures
from cnn_probe.datasets import DATASETS, ImageData, load_dataset
from cnn_probe.diagnostics import class_use
from cnn_probe.networks import PaperNet, build_network
from cnn_probe.probe import probe
from cnn_probe.report import draw_figures, write_page
from cnn_probe.studies import STUDIES, Settings, run_studies
from cnn_probe.training import TrainingPlan, train

REQUEST = "request.json"  # what a run was asked for, beside its result
QUICK = Settings(ranks=(5, 10, 20), seeds=(0,), epochs=20)  # small data, several epochs: minutes, not hours


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of ``cnn-probe``."""
    parser = argparse.ArgumentParser(prog="cnn-probe", description=__doc__)
    parser.add_argument("--version", action="version", version=f"%(prog)s {coupled_nmf.__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="train one network and probe it")
    study = commands.add_parser("study", help="run the paper's case studies")
    study.add_argument("study", choices=[*STUDIES, "all"])
    study.add_argument("--quick", action="store_true", help="small ranks, one seed, 20 epochs: for small data")
    for command in (run, study):
        command.add_argument("--data", default="digits", help=f"one of {', '.join(DATASETS)} (default: digits)")
        command.add_argument("--data-root", type=Path, help="folder with the data")
        command.add_argument("--download", action="store_true", help="fetch the data if it is not there")
        command.add_argument("--ranks", type=_numbers, help="e.g. 10,20,30")
        command.add_argument("--seeds", type=_numbers, help="e.g. 0,1,2 (default: 0 for run, 0,1,2 for study)")
        command.add_argument("--resume", action="store_true", help="go on from what is finished")
        command.add_argument("--epochs", type=int, help="passes over the training data (default: 1)")
        command.add_argument("--solver", choices=("hals", "mu"), default="hals", help="default: hals")
        command.add_argument("--init", choices=("auto", "random", "uniform"), default="auto", help="default: auto")
        command.add_argument("--max-iter", type=int, default=200, help="of a factorization (default: 200)")
        command.add_argument("--out", type=Path, default=Path("runs"), help="folder for what comes out (default: runs)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``cnn-probe``; the exit status."""
    args = build_parser().parse_args(argv)
    try:
        _check_writable(args.out)
        (_run if args.command == "run" else _study)(args)
    except (ValueError, TypeError, OSError, FloatingPointError) as error:
        sys.stderr.write(f"cnn-probe: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("cnn-probe: interrupted; what was finished is kept, --resume goes on from there\n")
        return 130
    return 0


def _numbers(text: str) -> tuple[int, ...]:
    try:
        values = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers such as 10,20,30") from None
    if min(values) < 0 or len(set(values)) < len(values):
        raise argparse.ArgumentTypeError(f"{text!r} has a negative or repeated number")
    return values


def _check_writable(out: Path) -> None:
    """Find out before the training, not after."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise ValueError(f"--out {out} cannot be written ({error.strerror}); choose another folder.") from error


def _settings(args: argparse.Namespace) -> Settings:
    base = QUICK if getattr(args, "quick", False) else Settings()
    ranks = args.ranks or base.ranks
    if min(ranks) < 1:
        raise ValueError(f"--ranks {ranks}: a rank is 1 or more.")
    if args.max_iter < 1:
        raise ValueError(f"--max-iter {args.max_iter}: 1 or more.")
    return Settings(
        ranks=ranks,
        seeds=args.seeds or base.seeds,
        epochs=base.epochs if args.epochs is None else args.epochs,
        solver=args.solver,
        init=args.init,
        max_iter=args.max_iter,
    )


class _Bars:
    """Two progress bars: all networks, and what the present one is at."""

    def __init__(self) -> None:
        self.what = ""
        self.networks = tqdm(total=1, desc="networks", position=0)
        self.now = tqdm(total=1, desc="starting", position=1, leave=False, disable=None)  # not into a log

    def __call__(self, what: str, done: int, total: int) -> None:
        bar = self.networks if what == "network" else self.now
        if bar is self.now and what != self.what:
            self.what = what
            bar.reset(total)
            bar.set_description_str(what)
        bar.total, bar.n = total, done
        bar.refresh()

    def close(self) -> None:
        self.now.close()
        self.networks.close()


def _study(args: argparse.Namespace) -> None:
    settings = _settings(args)
    data = load_dataset(args.data, args.data_root, download=args.download)
    chosen = list(STUDIES.values()) if args.study == "all" else [STUDIES[args.study]]
    bars = _Bars()
    try:
        results = run_studies(chosen, data, settings, args.out, resume=args.resume, progress=bars)
    finally:
        bars.close()
    if args.resume:
        results["studies"] = {**_kept_studies(args.out, results["provenance"]), **results["studies"]}
    (args.out / "results.json").write_text(json.dumps(results))
    page = write_page(results, draw_figures(results, data.class_names, args.out), args.out)
    sys.stdout.write(f"figures: {args.out / 'figures'}\nnumbers: {args.out / 'results.json'}\npage:    {page}\n")


def _kept_studies(out: Path, provenance: dict[str, Any]) -> dict[str, Any]:
    """Return the studies that an earlier run on the same data with the same settings left in ``out``."""
    try:
        earlier = json.loads((out / "results.json").read_text())
        now = json.loads(json.dumps(provenance))
        same = all(earlier["provenance"][key] == now[key] for key in ("data", "settings"))
        kept: dict[str, Any] = earlier["studies"] if same else {}
    except (OSError, ValueError, KeyError):
        return {}
    return kept


def _run(args: argparse.Namespace) -> None:
    settings = _settings(args)
    ranks, seeds = args.ranks or (10,), args.seeds or (0,)
    data = load_dataset(args.data, args.data_root, download=args.download)
    for seed in seeds:
        base = args.out / f"seed-{seed}" if len(seeds) > 1 else args.out
        request = json.dumps({"data": data.fingerprint(), **asdict(settings), "ranks": None, "seeds": seed})
        folders = {rank: base / f"rank-{rank}" for rank in ranks}
        if args.resume:
            folders = {rank: folder for rank, folder in folders.items() if _request_of(folder) != request}
        if folders:
            network = _train_one(data, settings, seed)
        for rank, folder in folders.items():
            result = probe(
                network,
                data.test,
                layers=network.paper_layers,
                n_components=rank,
                solver=settings.solver,
                init=settings.init,
                max_iter=settings.max_iter,
                random_state=seed,
            )
            result.save(folder)
            _draw_result(result, data.class_names, folder)
            (folder / REQUEST).write_text(request)  # last: a folder with it is finished
            found = f"accuracy {result.accuracy:.1%}, RMSE {result.model.rmse_:.4f}"
            sys.stdout.write(f"seed {seed}, rank {rank}: {found}, in {folder}\n")


def _request_of(folder: Path) -> str:
    """Return what the finished run in a folder was asked for; empty if there is none."""
    file = folder / REQUEST
    return file.read_text() if file.is_file() else ""


def _train_one(data: ImageData, settings: Settings, seed: int) -> PaperNet:
    network = build_network(data.in_channels, data.image_size, data.n_classes, seed)
    bar = tqdm(desc=f"training, seed {seed}", total=1)

    def progress(step: int, n_steps: int, loss: float) -> None:
        bar.total, bar.n = n_steps, step
        bar.set_postfix_str(f"loss {loss:.3f}")

    train(network, data.train, TrainingPlan(epochs=settings.epochs, seed=seed), progress=progress)
    bar.close()
    return network


def _draw_result(result: Any, class_names: Sequence[str], folder: Path) -> None:
    use = None if result.labels is None else class_use(result.F, result.labels, len(class_names))
    k, patterns = len(result.model.components_), result.neuron_patterns
    heatmaps: dict[str, Any] = {name: patterns[name].reshape(k, -1) for name in patterns}
    drawings: dict[str, Callable[[], Any]] = {
        "latent-images.png": lambda: figures.latent_images(result.latent_images, use, class_names),
        "neurons.png": lambda: figures.neuron_heatmaps({"as given": heatmaps}),
    }
    for name, draw in drawings.items():
        draw().savefig(folder / name, dpi=110)


if __name__ == "__main__":
    sys.exit(main())
