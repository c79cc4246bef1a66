"""A network and images in, one coupled factorization out."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal

import numpy as np
import sklearn
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import coupled_nmf
from cnn_probe.activations.handover import current, settle_on_host, to_host
from cnn_probe.activations.layers import default_layers, listed
from cnn_probe.data.images import ImageSet
from cnn_probe.networks.fingerprints import fingerprint
from cnn_probe.networks.paper_net import device_of
from cnn_probe.probing.blocks import Shape, block_shapes, record_blocks
from cnn_probe.probing.predictions import Predict, Predictions
from cnn_probe.probing.result import ProbeResult
from coupled_nmf import Blocks, CoupledNMF, IterationInfo, rank_path

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Recorded:
    """Images and the activations that they cause, ready to be factored, at several ranks if wanted.

    The fingerprints are of what was recorded: whoever factors it may have trained the network on since.
    """

    network: nn.Module
    images: ImageSet
    layers: tuple[str, ...]
    shapes: dict[str, Shape]
    negative: Literal["error", "clip"]
    X: Blocks
    predictions: NDArray[np.int64] | None
    network_fingerprint: str
    data_fingerprint: str


def probe(
    network: nn.Module,
    data: ImageSet | Tensor,
    *,
    layers: Sequence[str] | None = None,
    n_components: int = 10,
    block_weights: Mapping[str, float] | Sequence[float] | str | None = None,
    solver: str = "hals",
    init: str = "auto",
    n_init: int = 1,
    max_iter: int = 200,
    negative: Literal["error", "clip"] = "error",
    predict: Predict | None = None,
    random_state: int | None = 0,
    progress: Progress | None = None,
) -> ProbeResult:
    """Factor images and the activations they cause together.

    Ctrl-C comes out of it as KeyboardInterrupt, also in the factorization: nothing half fitted is returned.

    Parameters
    ----------
    network : Module
        A trained network that takes images of shape (n, channels, height, width). If it is on a GPU and CuPy is there,
        the factorization runs there, too; the result is on the host.
    data : ImageSet or Tensor of shape (n, channels, height, width)
        Images in [0, 1]. Labels are not used; where there are any, they are kept beside the result.
    layers : sequence of str, default=None
        Names of the modules to record, as in ``network.named_modules()``; None means every ReLU.
    n_components : int, default=10
        The rank, at most the number of images, and of pixels and neurons together.
    block_weights, solver, init, n_init, max_iter
        As in `CoupledNMF`; the blocks are ``pixels`` (``pixels0``, ... of several channels) and the layers.
    negative : {'error', 'clip'}, default='error'
        What to do about a layer with negative activations.
    predict : callable, default=None
        ``predict(output)`` makes labels, whole numbers of shape (n,), of what the network returns for a batch of n
        images. None: the largest of each row where it returns a tensor of shape (n, n_classes); where it returns
        anything else the result has no predictions, and a warning says so.
    random_state : int or None, default=0
        The fit's seed is drawn from it; ``result.model.random_state`` is that seed.
    progress : callable, default=None
        ``progress(what, done, total)`` after each batch of images ("recording") and each iteration ("fitting"), of
        which there may be fewer than ``total``.

    Returns
    -------
    ProbeResult

    Warns
    -----
    ConvergenceWarning
        If ``max_iter`` ended the fit before it had settled.

    Raises
    ------
    ValueError
        If a layer is unknown or has negative activations, or a parameter is out of range.
    TypeError
        If ``layers`` is anything but names.
    """
    images = data if isinstance(data, ImageSet) else ImageSet(data)
    chosen = tuple(default_layers(network)) if layers is None else listed(layers)
    estimator = CoupledNMF(
        n_components,
        block_weights=block_weights,
        solver=solver,
        init=init,
        n_init=n_init,
        max_iter=max_iter,
        random_state=random_state,
    )
    refuse(estimator, len(images), block_shapes(network, images, chosen))
    recorded = record(network, images, chosen, negative=negative, predict=predict, progress=progress)
    return factor(recorded, estimator, progress=progress)


def refuse(estimator: CoupledNMF, n_images: int, shapes: Mapping[str, Shape]) -> None:
    """Raise ValueError if the estimator could not be fitted to so many images with blocks of these shapes."""
    k, n_features = estimator.n_components, sum(int(np.prod(shape)) for shape in shapes.values())
    for limit, of in ((n_images, "images"), (n_features, "pixels and neurons")):
        if isinstance(k, Integral) and k > limit:
            raise ValueError(
                f"n_components={k} is more than the {limit} {of}, with which the fit would be exact whatever they are; "
                f"choose {limit} or fewer."
            )
    if estimator.init == "custom":
        raise ValueError("init='custom' starts from factors that are given, which a probe has no place for.")
    # Begun on next to nothing, a fit says at once what it would say of its parameters after the recording.
    few = 2 if isinstance(k, Integral) and k > 2 else k
    tiny = Blocks({name: np.array([[1, 2], [2, 1]], dtype=np.float32) for name in shapes})
    with suppress(_Begun):
        _heard_by(estimator, _begun).set_params(n_components=few).fit(tiny)
        raise KeyboardInterrupt  # by nothing else does a fit come to its end here


class _Begun(Exception):
    """A fit has checked its parameters, and begun."""


def _begun(info: IterationInfo) -> None:
    raise _Begun


def record(
    network: nn.Module,
    images: ImageSet,
    layers: tuple[str, ...],
    *,
    negative: Literal["error", "clip"] = "error",
    predict: Predict | None = None,
    progress: Progress | None = None,
) -> Recorded:
    """Run the network over the images, once; the parameters are those of `probe`."""

    def tell(done: int, total: int) -> None:
        if progress is not None:
            progress("recording", done, total)

    shapes = block_shapes(network, images, layers)
    fingerprints = fingerprint(network), images.fingerprint()  # after a dry run, which gives lazy modules their weights
    heard = Predictions(predict)
    X = record_blocks(network, images, layers, negative=negative, hear=heard, progress=tell)
    _refuse_other_shapes(X, shapes)
    return Recorded(network, images, layers, shapes, negative, X, heard.labels, *fingerprints)


def _refuse_other_shapes(X: Blocks, shapes: Mapping[str, Shape]) -> None:
    """Raise ValueError if a layer gave images another shape than the blank one by which the shapes were found."""
    for name, size in zip(X.names, X.layout.sizes, strict=True):
        if size != math.prod(shapes[name]):
            raise ValueError(
                f"layer {name!r} has {size} features for an image in a batch, but shape {shapes[name]} for one alone; "
                "choose a layer whose shape does not depend on the batch"
            )


def factor(recorded: Recorded, estimator: CoupledNMF, *, progress: Progress | None = None) -> ProbeResult:
    """Fit an estimator's clone to what was recorded."""
    images, device, rank = recorded.images, device_of(recorded.network), estimator.n_components
    base = estimator if progress is None else _heard_by(estimator, _teller(estimator, progress))
    with current(device):
        # Not fit, which Ctrl-C ends with what it has: out of rank_path it comes as KeyboardInterrupt.
        found = rank_path(recorded.X, [int(rank)], estimator=base).fits[0]
        model, F = found.model.set_params(callbacks=()), to_host(found.F)
        settle_on_host(model)
    if progress is not None:
        progress("fitting", estimator.max_iter * estimator.n_init, estimator.max_iter * estimator.n_init)
    parameters = {name: getattr(estimator, name) for name in ("solver", "init", "n_init", "max_iter")}
    parameters |= {"n_iter": model.n_iter_, "negative": recorded.negative}
    parameters["block_weights"] = dict(zip(recorded.X.names, map(float, model.block_weights_), strict=True))
    origin = provenance(
        estimator.random_state,
        data=recorded.data_fingerprint,
        network=recorded.network_fingerprint,
        parameters=parameters,
        device=str(device),
    )
    labels = None if images.labels is None else images.labels.cpu().numpy()
    return ProbeResult(
        model, F, recorded.shapes, recorded.layers, recorded.predictions, labels, origin, recorded.network
    )


def _heard_by(estimator: CoupledNMF, callback: Callable[[IterationInfo], bool | None]) -> CoupledNMF:
    """Return an estimator of the same parameters, whose iterations the callback hears of."""
    return CoupledNMF(**{**estimator.get_params(), "callbacks": callback})


def _teller(estimator: CoupledNMF, progress: Progress) -> Callable[[IterationInfo], None]:
    starts = 0

    def tell(info: IterationInfo) -> None:
        nonlocal starts
        starts += info.iteration == 1
        done = (starts - 1) * estimator.max_iter + info.iteration
        progress("fitting", done, estimator.max_iter * estimator.n_init)

    return tell


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
