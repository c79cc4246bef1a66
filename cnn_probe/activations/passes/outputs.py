"""Outputs of a forward pass: by what they are called, and the way into what a layer returns."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

Step = int | str
DEEPEST = 4  # containers in containers that are looked into


@dataclass(frozen=True)
class Output:
    """A tensor that each forward pass makes.

    Attributes
    ----------
    name : str
        As torchvision names nodes: the module's, or the module's and the function's; a later use ends in ``_1`` and so
        on; then the path. ``layer1.0.relu``, ``layer1.0.relu_1``, ``encoder.attention[0]``.
    module : str
        Path of the module that returns it, or in whose ``forward`` the function is called.
    function : str or None
        Name of the activation function that returns it; None if the module does.
    use : int
        Which call of it in a pass, counted from 0.
    path : tuple of int and str
        The way into what is returned: places, keys and attributes.
    sample_axis, channel_axis : int
        Axis that counts the samples, and the axis of the channels once the samples are the first.
    """

    name: str
    module: str
    function: str | None = None
    use: int = 0
    path: tuple[Step, ...] = ()
    sample_axis: int = 0
    channel_axis: int = 1

    def taken(self, value: Any) -> Any:
        """What is at the path in what was returned, samples first where it is a tensor.

        Raises
        ------
        LookupError
            If there is nothing.
        """
        for step in self.path:
            value = _inside(value, step)
        return value.movedim(self.sample_axis, 0) if isinstance(value, Tensor) and self.sample_axis else value

    def put(self, value: Any, new: Tensor) -> Any:
        """The same with another tensor at the path; containers are copied, what was returned is left alone."""
        return _with(value, self.path, new.movedim(0, self.sample_axis) if self.sample_axis else new)


def leaves(value: Any, path: tuple[Step, ...] = ()) -> Iterator[tuple[tuple[Step, ...], Any]]:
    """What is in nested containers, each with its path; anything but a container is its own.

    Examples
    --------
    >>> [path for path, _ in leaves({"out": (1, 2), "aux": 3})]
    [('out', 0), ('out', 1), ('aux',)]
    """
    steps = _steps_of(value) if len(path) < DEEPEST else []
    if not steps:
        yield path, value
    for step in steps:
        yield from leaves(_inside(value, step), (*path, step))


def written(path: tuple[Step, ...]) -> str:
    """A path as it is typed behind a name.

    Examples
    --------
    >>> written(("out", 0))
    "['out'][0]"
    """
    return "".join(f"[{step!r}]" for step in path)


def read_path(text: str) -> tuple[Step, ...] | None:
    """A path as typed: ``[0]``, ``['out']``, ``[out]`` and ``.out``, one after the other; None if it is none.

    Examples
    --------
    >>> read_path("['out'][0].hidden"), read_path("[0]x")
    (('out', 0, 'hidden'), None)
    """
    token = re.compile(r"\[(-?\d+)\]|\[(['\"])(.*?)\2\]|\[([^\[\]'\"*?!]+)\]|\.([A-Za-z_]\w*)")
    steps: list[Step] = []
    at = 0
    while at < len(text):
        found = token.match(text, at)
        if found is None:
            return None
        number, _, quoted, bare, attribute = found.groups()
        steps.append(int(number) if number is not None else next(one for one in (quoted, bare, attribute) if one))
        at = found.end()
    return tuple(steps)


def _steps_of(value: Any) -> list[Step]:
    if isinstance(value, Tensor):
        return []
    if isinstance(value, Mapping):
        return [key for key in value if isinstance(key, str | int)]
    if isinstance(value, tuple | list):
        return list(getattr(value, "_fields", range(len(value))))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [field.name for field in dataclasses.fields(value)]
    return []


def _inside(value: Any, step: Step) -> Any:
    try:
        if isinstance(value, Mapping):
            return value[step]
        if isinstance(step, int):
            return value[step] if isinstance(value, tuple | list) else _nothing(step)
        return getattr(value, step)
    except (KeyError, IndexError, AttributeError) as error:
        raise LookupError(step) from error


def _nothing(step: Step) -> Any:
    raise LookupError(step)


def _with(value: Any, path: tuple[Step, ...], new: Any) -> Any:
    if not path:
        return new
    inner = _with(_inside(value, path[0]), path[1:], new)
    if isinstance(value, Mapping):
        copy = type(value)(value)  # type: ignore[call-arg]
        copy[path[0]] = inner  # type: ignore[index]
        return copy
    if isinstance(value, tuple | list):
        place = path[0] if isinstance(path[0], int) else value._fields.index(path[0])  # type: ignore[union-attr]
        place %= len(value)
        items = [inner if i == place else item for i, item in enumerate(value)]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return dataclasses.replace(value, **{str(path[0]): inner})
