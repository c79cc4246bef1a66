"""A network and data in, one coupled factorization out."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import coupled_nmf
from cnn_probe.activations.handover import current, settle_on_host, to_host
from cnn_probe.activations.passes.selection import Layers
from cnn_probe.networks.calling import device_of
from cnn_probe.probing.blocks import Inputs
from cnn_probe.probing.fitting import Progress, fitted, heard_by, refuse, teller
from cnn_probe.probing.predictions import Predict
from cnn_probe.probing.recording import Recorded, prepare, record, refuse_place
from cnn_probe.probing.result import ProbeResult
from coupled_nmf import CoupledNMF


def probe(
    network: nn.Module,
    data: Any,
    *,
    layers: Layers = None,
    pool: str | Mapping[str, str] = "auto",
    negative: str | Mapping[str, str] = "error",
    preprocess: Callable[[Tensor], Any] | None = None,
    predict: Predict | None = None,
    inputs: Inputs = True,
    store: str | Path | None = None,
    record_on: str = "here",
    batch_size: int | None = None,
    n_components: int = 10,
    block_weights: Mapping[str, float] | Sequence[float] | str | None = None,
    solver: str = "hals",
    init: str = "auto",
    n_init: int = 1,
    max_iter: int = 200,
    tol: float = 1e-4,
    random_state: int | None = 0,
    backend: str = "auto",
    checkpoint: str | Path | None = None,
    progress: Progress | None = None,
) -> ProbeResult:
    """Factor inputs and the activations they cause together.

    Ctrl-C comes out of it as KeyboardInterrupt, also in the factorization: nothing half fitted is returned.

    Parameters
    ----------
    network : Module
        A trained network, of any kind and on any device; what ``torch.nn.DataParallel`` or ``torch.compile`` made of it
        is unwrapped. If it is on a GPU and CuPy is there, the factorization runs there, too; the result is on the host.
    data : ImageSet, Tensor, ndarray, Dataset, DataLoader or iterable of batches
        What the network is fed, batch by batch: an `ImageSet`, a tensor or array (n, channels, height, width), a
        Dataset, a DataLoader that does not shuffle, or a list of batches. A batch is a tensor; a tuple, fed as
        ``network(*batch)`` but for whole numbers that come last, which are labels; or a mapping, fed as
        ``network(**batch)`` but for ``"labels"``. It is read more than once, so it cannot be a generator. Labels are
        not used in the factorization; where there are any, they are kept beside the result.
    layers : str, type, callable, or sequence of them, default=None
        Which outputs are recorded: by name (``"layer1.0.relu"``; a second use of it is ``"layer1.0.relu_1"``), by a
        path into what a layer returns (``"encoder[0]"``), by a pattern (``"layer*.relu"``), by the type of the module,
        or by a function of a name and a module. None means those of all activation functions, modules or not; those
        that cannot be recorded are in ``result.skipped``, with the reason.
    pool : {"auto", "whole", "mean", "max", "token"} or mapping of str to str, default="auto"
        What of an output is a feature: every number, as in the paper; the mean or the maximum of each channel over its
        places; or the mean over the channels at each place. "auto" leaves up to 4,096 numbers whole, and takes the mean
        of each channel of larger outputs. A mapping is by layer or pattern.
    negative : {"error", "clip", "split", "shift"} or mapping of str to str, default="error"
        What becomes of negative activations, which a non-negative factorization cannot take. "split" makes two blocks,
        of the positive and of the negative part; "shift" subtracts each channel's minimum; "clip" sets them to zero.
        The error says what each would cost.
    preprocess : callable, default=None
        Makes what the network is fed out of pictures in [0, 1], shape (n, channels, height, width): normalisation,
        resizing; a torchvision weights' own transform works as it is. What is shown and factored are the pictures.
    predict : callable, default=None
        ``predict(output)`` makes labels, whole numbers of shape (n,), of what the network returns for a batch of n
        inputs. None: the largest of each row where it returns a tensor of shape (n, n_classes); where it returns
        anything else the result has no predictions, and a warning says so.
    inputs : bool, int, (height, width) or callable, default=True
        What of the inputs is factored beside the layers: the pictures, one block a channel; nothing (False); the
        pictures made as small as that; or what a function makes of what the network is fed, with a row a sample.
    store : path, default=None
        A folder for the recorded activations, which then need no memory: they are found again by the next probe of the
        same network, data and layers, and a pass that was cut off goes on. None keeps them in memory. `open_store`
        gives them to a `~coupled_nmf.CoupledNMF` of your own.
    record_on : {"here", "workers"}, default="here"
        "workers": those of the current ``distributed.Client`` record a range of samples each, and write it into the
        folder that ``store`` names, which they all have to reach; each runs one batch at a time, on as many threads as
        it has. Parts begin at multiples of ``batch_size``, so that the batches, and therefore the store, are those of
        "here", to the bit on processors of one kind with as many threads. A part whose worker dies is done again; what
        is missing of a recording that was cut off is done the next time, here or there. The network, the data (a
        tensor, an array or a Dataset, whose samples are read by their numbers) and the functions are pickled, as Dask
        does it.
    batch_size : int, default=None
        Samples at a time; None for as many as take about 256 MB in the recorded layers, at most 500.
    n_components : int, default=10
        The rank, at most the number of samples, and of features together.
    block_weights, solver, init, n_init, max_iter, tol
        As in `~coupled_nmf.CoupledNMF`; the blocks are ``pixels`` (``pixels0``, ... of several channels) and layers.
    random_state : int or None, default=0
        The fit's seed is drawn from it, unless there is a ``checkpoint``; ``result.model.random_state`` is that seed.
    backend : {"auto", "numpy", "cupy", "dask"}, default="auto"
        Where the factorization runs, as in `~coupled_nmf.CoupledNMF`: "dask" has the workers of the current
        ``distributed.Client`` read their own rows from the ``store``, or, without one, sends them. The result is here.
    checkpoint : path, default=None
        A folder in which the factorization keeps how far it has come, as in `~coupled_nmf.CoupledNMF`: a probe that was
        cut off in it goes on from there. It needs a ``random_state``, which then is the fit's seed.
    progress : callable, default=None
        ``progress(what, done, total)`` after each batch ("recording") and each iteration ("fitting"), of which there
        may be fewer than ``total``.

    Returns
    -------
    `ProbeResult`

    Warns
    -----
    ConvergenceWarning
        If ``max_iter`` ended the fit before it had settled.

    Raises
    ------
    ValueError
        If a layer is unknown or has negative activations, or a parameter is out of range.
    TypeError
        If ``network``, ``data``, ``layers`` or ``inputs`` is of a kind that cannot be.

    Examples
    --------
    >>> images = torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    >>> probe(network, images, n_components=2)
    ProbeResult(20 inputs, 2 components of pixels: 8×8, 1: 4×6×6)
    """
    estimator = CoupledNMF(
        n_components,
        block_weights=block_weights,
        solver=solver,
        init=init,
        n_init=n_init,
        max_iter=max_iter,
        tol=tol,
        random_state=random_state,
        backend=backend,
        checkpoint=checkpoint,
    )
    refuse_place(record_on, store)
    prepared = prepare(
        network,
        data,
        layers=layers,
        pool=pool,
        negative=negative,
        preprocess=preprocess,
        inputs=inputs,
        batch_size=batch_size,
    )
    refuse(estimator, prepared.source.n, prepared.shapes)

    def tell(done: int, total: int) -> None:
        if progress is not None:
            progress("recording", done, total)

    recorded = record(prepared, predict=predict, store=store, record_on=record_on, progress=tell)
    return factor(recorded, estimator, progress=progress)


def factor(recorded: Recorded, estimator: CoupledNMF, *, progress: Progress | None = None) -> ProbeResult:
    """Fit an estimator's clone to what was recorded."""
    base = estimator if progress is None else heard_by(estimator, teller(estimator, progress))
    with current(device_of(recorded.prepared.network)):
        model, F = fitted(base, recorded.X)
        F = to_host(F)
        settle_on_host(model)
    # The result is not tied to a cluster, or a folder, that may be gone when it is used.
    model.set_params(callbacks=(), checkpoint=None, backend="auto" if model.backend == "dask" else model.backend)
    if progress is not None:
        progress("fitting", estimator.max_iter * estimator.n_init, estimator.max_iter * estimator.n_init)
    return result_of(recorded, model, F, estimator.random_state)


def result_of(recorded: Recorded, model: CoupledNMF, F: NDArray[Any], seed: Any) -> ProbeResult:
    """Return what was recorded and factored as one result.

    Parameters
    ----------
    recorded : Recorded
    model : CoupledNMF
        Fitted to ``recorded.X``; on the host.
    F : ndarray of shape (n_samples, k)
        Of that fit.
    seed : int or None
        That the model's own was drawn from.
    """
    prepared = recorded.prepared
    parameters = {name: getattr(model, name) for name in ("solver", "init", "n_init", "max_iter", "tol")}
    parameters |= {"n_iter": model.n_iter_}
    parameters["block_weights"] = dict(zip(recorded.X.names, map(float, model.block_weights_), strict=True))
    origin = provenance(
        seed,
        data=recorded.data_fingerprint,
        network=recorded.network_fingerprint,
        parameters=parameters,
        device=str(device_of(prepared.network)),
    )
    return ProbeResult(
        model=model,
        F=F,
        shapes=prepared.shapes,
        how=prepared.layers,
        predictions=recorded.predictions,
        labels=recorded.labels,
        provenance=origin,
        network=prepared.network,
        scores=recorded.scores,
        minima=recorded.minima,
        skipped=prepared.skipped,
        inputs=prepared.inputs,
        preprocess=prepared.source.preprocess,
    )


def provenance(seed: Any, **more: Any) -> dict[str, Any]:
    """Return what a reader needs to repeat a run: seed, versions, threads, and what else is given."""
    versions = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
        "torch": str(torch.__version__),
        "coupled_nmf": coupled_nmf.__version__,
    }
    return {"seed": seed, "versions": versions, "torch_threads": torch.get_num_threads(), **more}
