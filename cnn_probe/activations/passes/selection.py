"""Which of a network's outputs are meant: by name, path, glob, type of module, or function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, NoReturn

from torch import nn

from cnn_probe.activations.passes.outputs import Step, read_path, written
from cnn_probe.activations.passes.tracing import Traced
from cnn_probe.system.names import described

Choice = str | type[nn.Module] | Callable[[str, nn.Module], bool]
Layers = Choice | Iterable[Choice] | None
_WANTED = (
    'layers must be names of modules, as in ["relu1", "layer*.relu"] (network.named_modules() lists them), types of '
    "modules, or functions of a name and a module"
)
MOST_NAMED = 30


@dataclass(frozen=True)
class Selection:
    """Outputs that are meant.

    Attributes
    ----------
    chosen : tuple of Traced
        In the order in which they were asked for, and in which the network makes them where one request means several.
    skipped : dict of str to str
        Those that a request means which names none by itself, and that cannot be recorded: why.
    """

    chosen: tuple[Traced, ...]
    skipped: dict[str, str]


def select(network: nn.Module, traced: Sequence[Traced], layers: Layers = None) -> Selection:
    """Choose among what a pass was found to put out.

    Parameters
    ----------
    network : Module
    traced : sequence of Traced
        As of `trace`.
    layers : str, type, callable or an iterable of them, default=None
        A string is tried as the name of an output, then as a name with a path into what is returned (``encoder[0]``,
        ``head['out']``, ``block.hidden``), then as a pattern of the shell, of which ``*`` stands for any characters.
        A type means the outputs of all modules of it; a function is called with the name of each module and the module,
        and says whether it is meant. None means every activation function, and module that is one.

    Raises
    ------
    ValueError
        If nothing is meant by a request, one that is named cannot be recorded, or is named twice.
    TypeError
        If a request is of another type.
    """
    chosen: dict[str, Traced] = {}
    skipped: dict[str, str] = {}
    requests = [None] if layers is None else requests_of(layers)
    if not requests:
        raise ValueError(f"layers is empty; name some of {_listed(traced)}")
    for request in requests:
        if isinstance(request, str) and (one := _named(network, traced, request)) is not None:
            if one.output.name in chosen:
                raise ValueError(f"layers names a layer twice: {request!r}; name each once")
            if one.fault:
                raise ValueError(f"layer {request!r} cannot be recorded: {one.fault}{_instead(traced, one)}")
            chosen[one.output.name] = one
            continue
        meant = _meant(network, traced, request)
        chosen |= {one.output.name: one for one in meant if not one.fault and one.output.name not in chosen}
        skipped |= {one.output.name: one.fault for one in meant if one.fault}
    if not chosen:
        why = "; ".join(f"{name}: {fault}" for name, fault in list(skipped.items())[:MOST_NAMED])
        raise ValueError(f"none of the layers that are meant can be recorded ({why})")
    return Selection(tuple(chosen.values()), skipped)


def requests_of(layers: Any) -> list[Choice]:
    """Return what is asked for as a list.

    Raises
    ------
    TypeError
        If it is anything but strings, types of modules and functions.
    """
    if isinstance(layers, str) or _is_choice(layers):
        return [layers]
    if isinstance(layers, Mapping | nn.Module | bytes) or not isinstance(layers, Iterable):
        raise TypeError(f"{_WANTED}; got {described(layers)}")
    requests = list(layers)
    for request in requests:
        if not (isinstance(request, str) or _is_choice(request)):
            raise TypeError(f"{_WANTED}; among them is {described(request)}")
    return requests


def _is_choice(value: Any) -> bool:
    if isinstance(value, type):
        return issubclass(value, nn.Module)
    return callable(value) and not isinstance(value, nn.Module)


def _named(network: nn.Module, traced: Sequence[Traced], name: str) -> Traced | None:
    """The one output that a string names, exactly or by a path; None if it names none."""
    exact = {one.output.name: one for one in traced}
    if name in exact:
        return exact[name]
    modules = dict(network.named_modules(remove_duplicate=False))
    if name in modules:
        own = [one for one in traced if one.output.function is None and modules[one.output.module] is modules[name]]
        if not own:
            raise ValueError(
                f"the forward pass does not run the layer {name!r} for the first inputs; what not all inputs go "
                "through cannot be probed; leave it out"
            )
        plain = [one for one in own if not one.output.path and not one.output.use]
        return plain[0] if plain else _refuse_nested(name, own)
    for end in range(len(name) - 1, 0, -1):
        path = read_path(name[end:]) if name[end] in "[." else None
        inside = [one for one in traced if path and one.output.name == name[:end] + written(one.output.path)]
        found = [one for one in inside if one.output.path == _forward(path or (), inside)]
        if found:
            return found[0]
    return None


def _forward(path: tuple[Step, ...], inside: Sequence[Traced]) -> tuple[Step, ...]:
    """The path with places that are counted from the end counted from the beginning."""
    steps: tuple[Step, ...] = ()
    for step in path:
        if isinstance(step, int) and step < 0:
            depth = len(steps)
            places = [p[depth] for one in inside if len(p := one.output.path) > depth and p[:depth] == steps]
            step += 1 + max((place for place in places if isinstance(place, int)), default=-1)
        steps = (*steps, step)
    return steps


def _refuse_nested(name: str, own: Sequence[Traced]) -> NoReturn:
    ways = ", ".join(repr(one.output.name) for one in own if not one.fault) or "nothing in it is a tensor of samples"
    raise ValueError(f"layer {name!r} does not return one tensor; take one of what is in it: {ways}")


def _meant(network: nn.Module, traced: Sequence[Traced], request: Choice | None) -> list[Traced]:
    """The outputs that a request which names none by itself means; ValueError if there are none."""
    modules = dict(network.named_modules())
    if request is None:
        meant = [one for one in traced if one.is_activation]
        nothing = f"the network has no activation function; name the layers to probe, out of {_listed(traced)}"
    elif isinstance(request, str):
        meant = [one for one in traced if _matches(one, request)]
        close = get_close_matches(request, [one.output.name for one in traced])
        hint = f" (did you mean {' or '.join(map(repr, close))}?)" if close else ""
        nothing = f"there is no layer {request!r}{hint}; there are {_listed(traced)}"
    elif isinstance(request, type):
        meant = [one for one in traced if one.kind is not None and issubclass(one.kind, request)]
        kinds = sorted({type(module).__name__ for module in modules.values()})
        nothing = f"no module that runs is a {request.__name__}; there are {', '.join(kinds)}"
    else:
        own = [one for one in traced if one.output.function is None]
        meant = [one for one in own if request(one.output.module, modules[one.output.module])]
        nothing = f"the function in layers says yes to no module; there are {_listed(traced)}"
    if not meant:
        raise ValueError(nothing)
    return meant


def _matches(one: Traced, pattern: str) -> bool:
    """A pattern that means a layer means each of its uses."""
    output = one.output
    base = ".".join(part for part in (output.module, output.function) if part)
    return fnmatchcase(output.name, pattern) or (not output.path and fnmatchcase(base, pattern))


def _instead(traced: Sequence[Traced], refused: Traced) -> str:
    able = [one.output.name for one in traced if not one.fault and one.output.module == refused.output.module]
    return f"; take {' or '.join(map(repr, able[:5]))}" if able else "; choose another layer"


def _listed(traced: Sequence[Traced]) -> str:
    """Names of outputs that can be recorded, the first of them if there are many."""
    names = [one.output.name for one in traced if not one.fault]
    return ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")
