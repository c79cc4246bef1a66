"""Hooks that catch what layers put out, and leave the network whatever comes."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn


class OutputHooks:
    """Hooks on layers of a network, and the last outputs that they caught in the thread that added them.

    Parameters
    ----------
    network : Module
        Each forward pass of it begins anew.
    layers : mapping of str to Module
        By the names under which their outputs are kept.
    """

    def __init__(self, network: nn.Module, layers: Mapping[str, nn.Module]) -> None:
        self._outputs: dict[str, Tensor] = {}
        self._thread: int | None = None
        self._network, self._layers = network, layers
        self._forget = partial(self._clear)
        self._record = {name: partial(self._keep, name) for name in layers}

    def add(self) -> None:
        """Put the hooks on the network."""
        self._thread = threading.get_ident()
        self._network.register_forward_pre_hook(self._forget)
        for name, layer in self._layers.items():
            layer.register_forward_hook(self._record[name])

    def remove(self) -> None:
        """Take off those that are there."""
        # They are looked for: an interrupt can come after PyTorch has put one there, and before it gives its handle.
        own = [self._forget, *self._record.values()]
        for module in (self._network, *self._layers.values()):
            hooks: Any
            for hooks in (module._forward_pre_hooks, module._forward_hooks):
                for key, hook in list(hooks.items()):
                    if any(hook is one for one in own):
                        hooks.pop(key, None)

    def outputs(self) -> dict[str, Tensor]:
        """Return the outputs by layer; errors as of `ActivationRecorder.batch`."""
        missing = [name for name in self._layers if name not in self._outputs]
        if missing:
            raise RuntimeError(
                f"the last forward pass did not run the layers {missing}; leave them out, or run the network first"
            )
        return {name: self._outputs[name] for name in self._layers}

    def _clear(self, network: nn.Module, inputs: Any) -> None:
        if threading.get_ident() == self._thread:
            self._outputs.clear()

    def _keep(self, name: str, layer: nn.Module, inputs: Any, output: Any) -> None:
        if threading.get_ident() != self._thread:
            return
        if not isinstance(output, Tensor):
            raise TypeError(f"layer {name!r} returns a {type(output).__name__}, not a tensor; choose another layer")
        if name in self._outputs:
            raise ValueError(
                f"layer {name!r} runs more than once in a forward pass, so its name does not say which output is "
                "meant; probe the modules around it, or give each place a module of its own"
            )
        self._outputs[name] = output.detach().clone()
