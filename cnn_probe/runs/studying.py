"""Studies from Python: run them, and read what holds; ``cnn-probe study`` asks the same."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnn_probe.data.images import ImageData
from cnn_probe.measures.table import Table
from cnn_probe.networks.training_plan import epochs_for
from cnn_probe.probing.fitting import Progress, ignore
from cnn_probe.report.publish import write_page
from cnn_probe.runs.study_pairs import compare_pairs
from cnn_probe.runs.study_run import Teller
from cnn_probe.studies import STUDIES, Settings, Study
from cnn_probe.studies.record import little_learned
from cnn_probe.studies.runner import run_studies

Results = dict[str, Any]
COLUMNS = (
    "study", "claim", "verdict", "reason", "holds", "comparisons", "counted", "more_accurate", "chance", "against",
    "least_chance", "networks", "seeds", "little",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class StudyResult:
    """What studies found: each claim with its verdict, and the numbers of every network.

    Attributes
    ----------
    results : dict
        All of it, as ``results.json`` holds it: ``provenance``, the ``finding`` on RMSE and its ``evidence``,
        ``quality``, ``scaling``, and ``studies``: by name their ``verdicts``, and ``records`` by condition, one a seed.
    data : ImageData
    settings : Settings
        Ranks, seeds, epochs and the solver's.
    out : Path
        The folder in which the networks are.
    """

    results: Results
    data: ImageData
    settings: Settings
    out: Path

    @property
    def claims(self) -> tuple[dict[str, Any], ...]:
        """Every claim with its verdict and its counts, and the ``study`` that it is of."""
        studies = self.results["studies"]
        return tuple({"study": name, **one} for name, study in studies.items() for one in study["verdicts"])

    def table(self) -> Table:
        """Return one row a claim.

        Columns are the ``study``, the ``claim``, its ``verdict`` and the ``reason`` where nothing could be decided; in
        how many ``comparisons`` it ``holds``, what is ``counted`` there, and in how many the network that is held to be
        trained better is the ``more_accurate`` one; the ``chance`` of the same without an effect, that of what speaks
        ``against`` it, and the ``least_chance`` that so many ``networks`` and ``seeds`` can reach; and how many of the
        networks learned ``little``.
        """
        return Table({name: [one[name] for one in self.claims] for name in COLUMNS})

    def save_page(self, path: str | Path, *, images: bool = True, progress: Progress | None = None) -> Path:
        """Write all of it into one HTML file, with the patterns of one network of most conditions.

        For these, networks are factored again and compared, which takes a while the first time; none is trained.

        Parameters
        ----------
        path : str or Path
            Of the file, or of a folder that is there, in which it is ``index.html``.
        images : bool, default=True
            Whether the page may show images.
        progress : callable(what, done, total), default=None

        Returns
        -------
        Path
            The file.
        """
        file = Path(path) / "index.html" if Path(path).is_dir() else Path(path)
        studies = [STUDIES[name] for name in self.results["studies"]]
        results = with_patterns(
            studies, self.data, self.settings, self.out, resume=True, images=images, progress=progress
        )
        return write_page(results, self.out, file, images=images)

    def __repr__(self) -> str:
        return f"StudyResult({', '.join(self.results['studies'])}; {len(self.claims)} claims, in {self.out})"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def study(
    names: str | Sequence[str],
    data: ImageData,
    out: str | Path,
    *,
    ranks: Sequence[int] = Settings.ranks,
    seeds: Sequence[int] = Settings.seeds,
    epochs: int | None = None,
    solver: str = Settings.solver,
    init: str = Settings.init,
    max_iter: int = Settings.max_iter,
    starts: int = Settings.starts,
    resume: bool = False,
    jobs: int = 1,
    progress: Progress | None = None,
) -> StudyResult:
    """Run the paper's case studies, and their controls: train networks, factor each, and hold the claims against them.

    ``cnn-probe study`` does the same, and draws figures. Warns of networks that have learned little.

    Parameters
    ----------
    names : str or sequence of str
        "fraction", "classes" and "order" are the paper's, the others controls; "all" for all.
    data : ImageData
        Images to train and to probe with, all labelled; `load_dataset` loads some.
    out : str or Path
        Folder, in which each network is kept as soon as it is finished.
    ranks : sequence of int, default=(10, 20, 30, 40, 50)
        Of the factorizations; the paper's.
    seeds : sequence of int, default=(0, 1, 2)
        One repetition of everything a seed.
    epochs : int, default=None
        Passes over the training data; None for 1, the paper's, of data as large as MNIST, and of smaller data for as
        many as make 1500 optimizer steps.
    solver, init, max_iter
        As in `~coupled_nmf.CoupledNMF`.
    starts : int, default=1
        Of each factorization. What is reported is that of the first.
    resume : bool, default=False
        Take networks that are there and were made with the same data and settings; what is damaged is made anew.
    jobs : int, default=1
        Processes that make networks at once, each with one thread. A script that asks for more than one does so under
        ``if __name__ == "__main__":``, for they import it.
    progress : callable(what, done, total), default=None
        Called while networks are trained and measured.

    Returns
    -------
    `StudyResult`

    Raises
    ------
    ValueError
        If there is no study of a name, or the data do not suffice for what is asked, before any network is trained.
    BlockingIOError
        If another run is writing to ``out``.

    Examples
    --------
    >>> import tempfile
    >>> import warnings
    >>> from cnn_probe import load_dataset
    >>> with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")  # after so few steps networks have learned little
    ...     found = study("untrained", load_dataset("digits"), folder, ranks=(3,), seeds=(0,), epochs=1, max_iter=5)
    >>> found.table()["verdict"][0], found.table()["counted"][0]
    ('undecided', 'pairs of networks of one seed, one of them trained, the other not')
    """
    if not isinstance(data, ImageData):
        raise TypeError(f"data must be ImageData, as load_dataset returns it, got {type(data).__name__}")
    epochs = epochs_for(len(data.train)) if epochs is None else epochs
    settings = Settings(tuple(ranks), tuple(seeds), epochs, solver, init, max_iter, starts)
    chosen, folder = chosen_by(names), Path(out)
    results = run_studies(chosen, data, settings, folder, resume=resume, progress=progress, jobs=jobs)
    for line in little_learned(results):
        warnings.warn(line, stacklevel=2)
    return StudyResult(results, data, settings, folder)


def chosen_by(names: str | Sequence[str]) -> list[Study]:
    """The studies of these names; ValueError if there is none of one."""
    wanted = [names] if isinstance(names, str) else list(names)
    odd = [name for name in wanted if name not in (*STUDIES, "all")]
    if odd or not wanted:
        raise ValueError(f"names must be of {', '.join(STUDIES)}, or all, got {names!r}")
    return list(STUDIES.values()) if "all" in wanted else [STUDIES[name] for name in dict.fromkeys(wanted)]


def with_patterns(
    studies: Sequence[Study],
    data: ImageData,
    settings: Settings,
    out: Path,
    *,
    resume: bool,
    keep: Sequence[Study] = (),
    images: bool = True,
    progress: Progress | None = None,
    notice: Callable[[str], None] | None = None,
    made: Callable[[str], None] | None = None,
    jobs: int = 1,
) -> Results:
    """Run studies as `run_studies` does, and keep beside the networks what a page shows of their patterns."""
    told = progress or ignore
    results = run_studies(
        studies,
        data,
        settings,
        out,
        resume=resume,
        keep=keep,
        progress=told,
        notice=notice,
        made=made,
        tell_more=Teller(images, told),
        jobs=jobs,
    )
    compare_pairs(results, data, settings, out, images=images, progress=told)
    return results
