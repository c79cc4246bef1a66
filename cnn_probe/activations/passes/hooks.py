"""Hooks that hear what layers and activation functions put out, and leave the network whatever comes."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, _get_current_function_mode

from cnn_probe.activations.passes.functions import ACTIVATION_MODULES, activation_name
from cnn_probe.activations.passes.outputs import Output

Edit = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Call:
    """One call in a forward pass: of a module, or of an activation function in a module's ``forward``."""

    module: str
    function: str | None
    use: int


Hear = Callable[
    [Call, Sequence[Any], Any], Any
]  # of a call, its arguments and what it returned: what to return, or None


class PassHooks:
    """Hear calls of modules and activation functions in the forward passes that one thread makes.

    Parameters
    ----------
    network : Module
        Each forward pass of it begins anew.
    hear : callable(call, arguments, returned)
        What it returns, unless None, takes the place of what was returned.
    modules : collection of str, default=None
        Paths of the modules to hear; None for all.
    functions : bool, default=False
        Whether to hear activation functions as well, but for those that an activation module calls.
    begin : callable, default=None
        Called at the begin of each pass.
    """

    def __init__(
        self,
        network: nn.Module,
        hear: Hear,
        *,
        modules: Collection[str] | None = None,
        functions: bool = False,
        begin: Callable[[], None] | None = None,
    ) -> None:
        self._network, self._hear, self._tell_begin = network, hear, begin
        self._heard, self._follow = modules, functions
        self._thread: int | None = None
        self._uses: Counter[tuple[str, str | None]] = Counter()
        self._inside: list[tuple[str, bool]] = []
        self._telling = False  # what is done with an output is no call of the network's
        self._mode = _FunctionMode(self._on_function) if functions else None
        self._begin = partial(self._on_begin)
        self._before: dict[str, Any] = {}
        self._after: dict[str, Any] = {}
        for name, module in network.named_modules():  # one that has several names is heard under the first
            if functions:
                self._before[name] = partial(self._on_enter, name, isinstance(module, ACTIVATION_MODULES))
            if functions or modules is None or name in modules:
                self._after[name] = partial(self._on_return, name)

    def add(self) -> None:
        """Put the hooks on the network."""
        self._thread = threading.get_ident()
        self._network.register_forward_pre_hook(self._begin)
        for name, module in self._network.named_modules():
            if name in self._before:
                module.register_forward_pre_hook(self._before[name])
            if name in self._after:
                module.register_forward_hook(self._after[name], with_kwargs=True)
        if self._mode is not None:
            self._mode.__enter__()
            self._mode.entered = True

    def remove(self) -> None:
        """Take off those that are there."""
        if self._mode is not None:
            self._mode.leave()
        # They are looked for: an interrupt can come after PyTorch has put one there, and before it gives its handle.
        own = {id(hook) for hook in (self._begin, *self._before.values(), *self._after.values())}
        for module in self._network.modules():
            hooks: Any
            for hooks in (module._forward_pre_hooks, module._forward_hooks):
                for key, hook in list(hooks.items()):
                    if id(hook) in own:
                        hooks.pop(key, None)
                        module._forward_hooks_with_kwargs.pop(key, None)

    def _is_ours(self) -> bool:
        return threading.get_ident() == self._thread

    def _on_begin(self, network: nn.Module, arguments: Any) -> None:
        if self._is_ours():
            self._uses.clear()
            self._inside = []
            if self._tell_begin is not None:
                self._tell_begin()

    def _on_enter(self, name: str, is_activation: bool, module: nn.Module, arguments: Any) -> None:
        if self._is_ours():
            self._inside.append((name, is_activation))

    def _on_return(self, name: str, module: nn.Module, arguments: Any, *more: Any) -> Any:
        # Without keywords where another thread, which runs the network meanwhile, has seen them taken off already.
        *keywords, returned = more
        if not self._is_ours():
            return None
        if self._follow and self._inside:
            self._inside.pop()
        if self._heard is not None and name not in self._heard:
            return None
        given = (*arguments, *(value for some in keywords for value in some.values()))
        return self._tell(name, None, given, returned, in_place=getattr(module, "inplace", False))

    def _on_function(self, function: Any, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
        name = None
        if self._is_ours() and self._inside and not self._inside[-1][1] and not self._telling:
            name = activation_name(function, arguments, keywords)
        if name is None:
            return function(*arguments, **keywords)
        before = _version_of(arguments[:1])
        returned = function(*arguments, **keywords)
        in_place = before != _version_of(arguments[:1])
        found = self._tell(self._inside[-1][0], name, arguments, returned, in_place=in_place)
        return returned if found is None else found

    def _tell(
        self, module: str, function: str | None, arguments: Sequence[Any], returned: Any, *, in_place: bool
    ) -> Any:
        use = self._uses[module, function]
        self._uses[module, function] += 1
        self._telling = True
        try:
            new = self._hear(Call(module, function, use), arguments, returned)
        finally:
            self._telling = False
        # In place, the network may go on with the argument, and never look at what is returned.
        return returned.copy_(new) if new is not None and in_place and isinstance(returned, Tensor) else new


class _FunctionMode(TorchFunctionMode):
    """Hands over each call of a function of PyTorch while it is entered."""

    def __init__(self, call: Callable[[Any, Sequence[Any], Mapping[str, Any]], Any]) -> None:
        super().__init__()
        self._call = call
        self.entered = False

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self._call(function, args, kwargs or {}) if self.entered else function(*args, **(kwargs or {}))

    def leave(self) -> None:
        """Come off the stack of modes, if it is there; one that an interrupt leaves there tells nothing."""
        self.entered = False
        # It is looked for: PyTorch takes a mode off while it works, and an interrupt then can lose it for good.
        if _get_current_function_mode() is self:
            self.__exit__(None, None, None)


class OutputHooks:
    """Hooks that keep the last outputs of one thread's forward passes, and put others in their place.

    Parameters
    ----------
    network : Module
    outputs : sequence of Output
        What to keep.
    keep : callable, default=None
        ``keep(output, tensor)`` makes of a tensor, samples first, what is kept: by default a copy, which later in-place
        operations of the network leave alone.
    edits : mapping of str to callable, default=None
        By the name of an output, ``edit(tensor)`` gives the tensor that the network goes on with.
    """

    def __init__(
        self,
        network: nn.Module,
        outputs: Sequence[Output],
        *,
        keep: Callable[[Output, Tensor], Any] | None = None,
        edits: Mapping[str, Edit] | None = None,
    ) -> None:
        self._kept: dict[str, Any] = {}
        self._outputs, self._keep, self._edits = outputs, keep or _copy, edits or {}
        self._of: dict[Call, list[Output]] = {}
        for output in outputs:
            self._of.setdefault(Call(output.module, output.function, output.use), []).append(output)
        self._hooks = PassHooks(
            network,
            self._hear,
            modules={output.module for output in outputs if output.function is None},
            functions=any(output.function is not None for output in outputs),
            begin=self._begin,
        )
        self._begun = False
        self.add, self.remove = self._hooks.add, self._hooks.remove

    def missing(self) -> list[str]:
        """Return the names of the outputs that the last forward pass did not put out."""
        return [output.name for output in self._outputs if output.name not in self._kept]

    def outputs(self) -> dict[str, Any]:
        """Return what was kept, by the outputs' names; errors as of `ActivationRecorder.batch`."""
        missing = self.missing()
        if missing and not self._begun:
            raise RuntimeError("there was no forward pass; run the network first")
        if missing:
            raise RuntimeError(f"the last forward pass did not run the layers {missing}; leave them out")
        return {output.name: self._kept[output.name] for output in self._outputs}

    def _begin(self) -> None:
        self._begun = True
        self._kept.clear()

    def _hear(self, call: Call, arguments: Sequence[Any], returned: Any) -> Any:
        new = None
        for output in self._of.get(call, ()):
            try:
                value = output.taken(returned if new is None else new)
            except LookupError as error:
                raise LookupError(f"layer {output.name!r}: nothing is at {error} in what this pass returned") from error
            if not isinstance(value, Tensor):
                raise TypeError(f"layer {output.name!r} returns a {type(value).__name__}, not a tensor")
            self._kept[output.name] = self._keep(output, value)
            if output.name in self._edits:
                new = output.put(returned if new is None else new, self._edits[output.name](value))
        return new


def _copy(output: Output, value: Tensor) -> Tensor:
    return value.detach().clone()


def _version_of(arguments: Sequence[Any]) -> int | None:
    """How often the first argument has been changed in place; None where PyTorch does not count."""
    try:
        return int(arguments[0]._version)
    except (IndexError, AttributeError, RuntimeError):
        return None
