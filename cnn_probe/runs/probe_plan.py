"""What a probe is asked for, and of which network: prepared, and recorded when something has to be made of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cnn_probe.activations.store.estimates import size
from cnn_probe.data.picture_folder import PictureFolder
from cnn_probe.measures.answering.answers import Answers
from cnn_probe.measures.answering.asking import ask
from cnn_probe.networks.calling import device_of
from cnn_probe.networks.fingerprints import fingerprint
from cnn_probe.networks.zoo import Model, Normalised
from cnn_probe.probing.fitting import Progress, refuse, within
from cnn_probe.probing.recording import Prepared, Recorded, estimate_of, prepare, record
from cnn_probe.probing.result import ProbeResult
from coupled_nmf import CoupledNMF

FORMAT = 1  # raised when what a probe leaves changes, so that --resume does not mix


@dataclass(frozen=True)
class ProbePlan:
    """What a probe is asked for; the names are those of `probe`, and of `CoupledNMF`.

    Attributes
    ----------
    model : str
        The network's name.
    data : PictureFolder
    ranks : tuple of int
    ablate : int or None
        Pictures over which factors are taken out of the last layer; None for no such thing.
    full : bool
        Whether to find out what takes further fits: how much is used, what holds, which labels look wrong.
    images : bool
        Whether the page may show inputs.
    layers, pool, negative, inputs, store, batch_size, solver, init, max_iter, seed
        As there.
    """

    model: str
    data: PictureFolder
    ranks: tuple[int, ...] = (10,)
    layers: Sequence[str] | None = None
    pool: str | Mapping[str, str] = "auto"
    negative: str | Mapping[str, str] = "error"
    inputs: bool | int = 64
    ablate: int | None = None
    full: bool = False
    images: bool = True
    store: Path | None = None
    batch_size: int | None = None
    solver: str = "hals"
    init: str = "auto"
    max_iter: int = 200
    seed: int = 0

    def estimator(self, rank: int) -> CoupledNMF:
        """What the activations are factored with."""
        return CoupledNMF(rank, solver=self.solver, init=self.init, max_iter=self.max_iter, random_state=self.seed)


@dataclass(eq=False)
class Subject:
    """A network over a folder of pictures.

    Attributes
    ----------
    plan : ProbePlan
    prepared : Prepared
    progress : callable
        ``progress(what, done, total)``.
    called : str
        What sets it apart in progress and lines for people; empty for the network that is probed.
    seconds : float
        How long it took to record it; 0 before.
    """

    plan: ProbePlan
    prepared: Prepared
    progress: Progress
    called: str = ""
    seconds: float = 0.0

    @classmethod
    def of(
        cls, model: Model, plan: ProbePlan, *, progress: Progress, say: Callable[[str], None], called: str = ""
    ) -> Subject:
        """Find out what is to be recorded of a model, and say it; raises ValueError of what cannot be probed."""
        prepared = prepare(
            model.network,
            plan.data,
            layers=plan.layers,
            pool=plan.pool,
            negative=plan.negative,
            preprocess=model.preprocess,
            inputs=plan.inputs,
            batch_size=plan.batch_size,
        )
        refuse(plan.estimator(max(plan.ranks)), len(plan.data), prepared.shapes)
        taken = size(sum(one.n_bytes for one in estimate_of(prepared)))
        say(f"{len(plan.data)} pictures, {len(prepared.layers)} layers{called}: their activations take {taken}")
        if isinstance(model.preprocess, Normalised):
            say(f"pictures are fed{called} less the mean {model.preprocess.mean}, over {model.preprocess.std}")
        for name, why in prepared.skipped.items():
            say(f"left out{called}: {name} ({why})")
        return cls(plan, prepared, progress, called)

    @cached_property
    def request(self) -> dict[str, Any]:
        """What all results of this network have in common, as JSON gives it back."""
        plan, prepared = self.plan, self.prepared
        settings = {name: getattr(plan, name) for name in ("inputs", "solver", "init", "max_iter", "seed")}
        found = {
            "format": FORMAT,
            "data": prepared.source.fingerprint(),
            "network": fingerprint(prepared.network),
            "layers": [asdict(layer) for layer in prepared.layers],
            "device": device_of(prepared.network).type,
            **settings,
        }
        asked: dict[str, Any] = json.loads(json.dumps(found))
        return asked

    @cached_property
    def recorded(self) -> Recorded:
        """What is recorded of it: at the first call, by a pass over the pictures, unless the store has it.

        Raises
        ------
        ValueError
            If pictures or network have changed since the request was made.
        """
        self.request  # noqa: B018 (what was asked for, before any picture is read for the record)
        began = time.perf_counter()
        found = record(
            self.prepared,
            store=self.plan.store,
            progress=lambda done, total: self.progress(f"recording{self.called}", done, total),
        )
        self.seconds = time.perf_counter() - began
        for what, now in (("data", found.data_fingerprint), ("network", found.network_fingerprint)):
            if now != self.request[what]:
                of = f"the pictures in {self.plan.data.folder}" if what == "data" else "the weights of the network"
                raise ValueError(f"{of} changed while they were read; probe them when they are at rest")
        return found

    def answers(self, result: ProbeResult, rank: int) -> Answers:
        """Ask a result of it, with its network."""
        plan = self.plan
        return ask(
            result,
            plan.data,
            labels=result.labels,
            class_names=plan.data.class_names or None,
            seed=plan.seed,
            recorded=self.recorded,
            watch=within(self.progress, f"rank {rank}{self.called}"),
        )
