"""What a probe found: a fitted factorization, and where it comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from cnn_probe.activations.handover import current, to_host
from cnn_probe.activations.planning import Layer, Plan
from cnn_probe.data.batches import Batch
from cnn_probe.networks.calling import device_of, unwrapped
from cnn_probe.probing.blocks import Block, Inputs, Shape, refuse_other_pictures
from cnn_probe.probing.notebook import html_of
from cnn_probe.probing.places import places_of, pools_channels
from cnn_probe.probing.predictions import why_other_classes
from cnn_probe.probing.recording import Prepared, prepare, record
from cnn_probe.probing.saved import read_result, refuse_other, write_result
from coupled_nmf import CoupledNMF

MOST_SHOWN = 8  # blocks that a result names of itself


@dataclass(frozen=True)
class ProbeResult:
    """A fitted factorization of inputs and layers, and where it comes from.

    Attributes
    ----------
    model : CoupledNMF
        Fitted; its blocks are what is made of the inputs, and the layers.
    F : ndarray of shape (n_samples, k)
        How much of each pattern is in each input.
    shapes : dict of str to tuple of int
        Shape of one sample of each block: (height, width) of a channel of the pictures, (channels, height, width) of a
        layer.
    how : tuple of Layer
        The outputs that were recorded, and how.
    predictions : ndarray of shape (n_samples,) or None
        The class that the network gives each input; None if its outputs give none.
    labels : ndarray of shape (n_samples,) or None
        The true classes, where there are any. They take no part in the factorization.
    provenance : dict
        Seed, versions, parameters, fingerprints of the data and of the network.
    network : Module or None
        The network, for `transform` and `where`; None when it could not be loaded with the result.
    scores : float32 ndarray of shape (n_samples, n_classes) or None
        What the network returns for each input, where that is a score for each class.
    minima : dict of str to ndarray of shape (n_features,)
        What was subtracted from blocks that are shifted.
    skipped : dict of str to str
        Outputs that were meant and could not be recorded: why.
    inputs, preprocess
        As `probe` was given them.
    """

    model: CoupledNMF
    F: NDArray[Any]
    shapes: dict[str, Shape]
    how: tuple[Layer, ...]
    predictions: NDArray[np.int64] | None
    labels: NDArray[np.int64] | None
    provenance: dict[str, Any]
    network: nn.Module | None = None
    scores: NDArray[np.float32] | None = None
    minima: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    inputs: Inputs = True
    preprocess: Callable[[Tensor], Any] | None = None

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers."""
        return tuple(layer.name for layer in self.how)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks of the model, and what each holds."""
        of_layers = {name: Block(name, layer.name, sign) for layer in self.how for name, sign in layer.blocks.items()}
        return tuple(of_layers.get(name, Block(name)) for name in self.shapes)

    @property
    def picture_blocks(self) -> tuple[str, ...]:
        """The blocks that are channels of the pictures; none where no pictures were factored."""
        of_inputs = [block.name for block in self.blocks if block.layer is None]
        own = all(name.startswith("pixels") and len(self.shapes[name]) == 2 for name in of_inputs)
        return tuple(of_inputs) if own else ()

    @property
    def accuracy(self) -> float | None:
        """Part of the inputs that the network classifies rightly; None without labels or predictions of them."""
        if self.labels is None or self.predictions is None:
            return None
        if self.scores is not None and why_other_classes(self.scores, self.labels) is not None:
            return None
        return float(np.mean(self.predictions == self.labels))

    @property
    def latent_images(self) -> NDArray[Any]:
        """P as images: shape (k, channels, height, width).

        Raises
        ------
        ValueError
            If no pictures were factored.
        """
        channels = self.picture_blocks
        if not channels:
            raise ValueError("no pictures were factored, so there are no latent images; inputs= says what is")
        stacked = [self.model.block_components_[name].reshape(-1, *self.shapes[name]) for name in channels]
        return np.stack(stacked, axis=1)

    @property
    def neuron_patterns(self) -> dict[str, NDArray[Any]]:
        """O of each layer's blocks in their own shape: (k, channels, height, width) of a convolution left whole."""
        names = [block.name for block in self.blocks if block.layer is not None]
        return {name: self.model.block_components_[name].reshape(-1, *self.shapes[name]) for name in names}

    def __repr__(self) -> str:
        blocks = [f"{name}: {'×'.join(map(str, shape))}" for name, shape in self.shapes.items()]
        if len(blocks) > MOST_SHOWN:
            blocks[MOST_SHOWN - 1 :] = [f"{len(blocks) - MOST_SHOWN + 1} more"]
        known = "" if self.accuracy is None else f", accuracy {self.accuracy:.1%}"
        return f"ProbeResult({len(self.F)} inputs, {self.F.shape[1]} components of {', '.join(blocks)}{known})"

    def _repr_html_(self) -> str:
        return html_of(self)

    def layer(self, name: str) -> Layer:
        """How a layer was recorded.

        Raises
        ------
        ValueError
            If there is no layer of that name.
        """
        for layer in self.how:
            if layer.name == name:
                return layer
        raise ValueError(f"there is no layer {name!r} in this result; there are {', '.join(self.layers)}")

    def prepare(self, data: Any) -> Prepared:
        """Prepare to record inputs as those of the fit were recorded.

        Parameters
        ----------
        data
            As `probe` takes it.

        Raises
        ------
        ValueError
            If the result was loaded without its network, it has changed since, or pictures have other channels.
        """
        how = Plan(self.how, dict(self.skipped))
        prepared = prepare(self.own_network(), data, preprocess=self.preprocess, inputs=self.inputs, plan=how)
        refuse_other_pictures(prepared.input_shapes, self._pictures())
        return prepared

    def _pictures(self) -> dict[str, Shape]:
        return {name: self.shapes[name] for name in self.picture_blocks}

    def own_network(self) -> nn.Module:
        """The network; raises ValueError if there is none, or it has changed since it was probed."""
        if self.network is None:
            raise ValueError("this result has no network; load it with ProbeResult.load(path, network=your_network).")
        refuse_other(self.network, self.provenance)
        return self.network

    def transform(self, data: Any) -> NDArray[Any]:
        """F of inputs that the fit has not seen.

        Parameters
        ----------
        data
            As `probe` takes it: pictures in [0, 1], if those of the fit were.

        Returns
        -------
        F : ndarray of shape (n, k)

        Raises
        ------
        ValueError
            As of `prepare`, or if pictures have another size.
        """
        prepared = self.prepare(data)
        refuse_other_pictures(prepared.input_shapes, self._pictures(), sizes=True)
        X = record(prepared, predicts=False, shifts=self.minima).X
        with current(device_of(self.own_network())):
            F: NDArray[Any] = to_host(self.model.transform(X))
        return F

    def where(self, data: Any, factor: int | None = None, layer: str | None = None) -> NDArray[np.float32]:
        """Where a factor is in each input, as a layer has it.

        Of a layer that was pooled per channel, the channels at each place are solved for the components, as a sample's
        are. Of another it is what part of the input's own activations the factor is: an activation a is divided among
        the factors as the factorization has it there, a · F_ip H_p / (F_i H), and summed over the channels. Over all
        factors these sum to the activations, but for those where F_i H is 0: they are no factor's.

        What is at a place of a layer has seen pixels from around it, so this is no attribution to pixels.

        Parameters
        ----------
        data
            As `probe` takes it.
        factor : int or None, default=None
            Counted from 0; None for all, each (n, k, places...).
        layer : str, default=None
            One of ``layers``; None for the last.

        Returns
        -------
        ndarray of shape (n, places...)
            Such as (n, height, width); (n,) of a layer without places. Each is at least 0: of a layer that was pooled
            per channel on the factor's own scale, of another in the units of the activations, of which "split" counts
            negative ones by their magnitude and "shift" what is above the minimum.

        Raises
        ------
        ValueError
            As of `transform`, or if there is no such factor or layer.
        """
        if factor is not None and not 0 <= factor < self.F.shape[1]:
            raise ValueError(f"factor must be from 0 to {self.F.shape[1] - 1}, got {factor}")
        name = self.layers[-1] if layer is None else layer
        found = self.places(data, [name])[name]
        return found if factor is None else found[:, factor]

    def places(self, data: Any, layers: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """As `where`, of all factors and several layers, by one pass: arrays (n, k, places...) by layer."""
        prepared = self.prepare(data)
        return self.places_in(prepared.batches(), layers, network=prepared.network, F=lambda: self.transform(data))

    def places_in(
        self,
        batches: Iterable[Batch],
        layers: Sequence[str],
        *,
        network: nn.Module,
        F: Callable[[], NDArray[Any]],
    ) -> dict[str, NDArray[np.float32]]:
        """As `places`, of batches that were read, by the network that was probed; ``F()`` gives F of their samples."""
        how = [self.layer(name) for name in layers]
        amounts = None if all(map(pools_channels, how)) else F()
        return places_of(network, batches, how, self.model, self.minima, amounts)

    def save(self, path: str | Path) -> None:
        """Write the result to a folder, without pickle. A `PaperNet` goes with it; another network stays yours.

        A process that is killed while it saves leaves what was in the folder before, or the new result, whole.
        Functions, as ``preprocess`` is one, are not saved.
        """
        facts = {
            "shapes": self.shapes,
            "layers": [asdict(layer) for layer in self.how],
            "skipped": dict(self.skipped),
            "inputs": None if callable(self.inputs) else self.inputs,
            "provenance": self.provenance,
        }
        samples = {"F": self.F, "predictions": self.predictions, "labels": self.labels, "scores": self.scores}
        write_result(Path(path), facts, self.model, samples, self.minima, self.network)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        network: nn.Module | None = None,
        preprocess: Callable[[Tensor], Any] | None = None,
        inputs: Inputs | None = None,
    ) -> ProbeResult:
        """Read a result that `save` wrote; the network and the functions stand in where none were saved.

        Raises
        ------
        ValueError
            If the folder does not hold a result, a file of it is damaged, or ``network`` is not the one that was
            probed.
        """
        found = read_result(Path(path), None if network is None else unwrapped(network))
        found["inputs"] = found["inputs"] if inputs is None else inputs
        return cls(**found, preprocess=preprocess)
