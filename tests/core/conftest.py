"""What holds of the estimator holds on every backend: each test of this folder runs once on each.

On the emulated device, where a launch costs a thousand times what it does elsewhere, those are left out that reach no
other kernel than the others do: the ones marked ``not_emulated``.
"""

from __future__ import annotations

import pytest
from places import places


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each of the places in its turn."""
    metafunc.parametrize("place", places(), indirect=True, scope="module")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, and count as deselected, what is not for the emulated device."""
    out = [item for item in items if item.get_closest_marker("not_emulated") and _place_of(item) == "emulated"]
    items[:] = [item for item in items if item not in set(out)]
    config.hook.pytest_deselected(items=out)


def _place_of(item: pytest.Item) -> object:
    return item.callspec.params.get("place") if hasattr(item, "callspec") else None
