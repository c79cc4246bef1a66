"""Pages that can be mailed: where one is too large, pictures are made smaller, then fewer, then inputs; it says so."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from cnn_probe.report.document.tiles import SIDE, sheet_of, smaller

LARGEST = 15_000_000  # bytes of a page
SIDES = (48, 32, 24, 16)  # pixels that pictures are made smaller to, one after the other
KEPT = 120  # inputs of a result that keep their pictures, and then those that stay at all, where all else fails
OF_INPUTS = (
    "number",
    "names",
    "label",
    "predicted",
    "predicted_names",
    "F",
    "residual",
    "by_block",
    "quantile",
    "pictures",
)


def fitted(document: dict[str, Any], largest: int = LARGEST) -> dict[str, Any]:
    """Return a document whose pictures are sheets, small enough for a page of ``largest`` bytes.

    What was done for that stands in ``about`` as a note.
    """
    notes = list(document["about"]["notes"])
    rest = sum(_bytes_of(one) for one in document["results"])
    whole = [_sheets(one, SIDE) for one in document["results"]]
    if rest + _of_pictures(whole) > largest:  # as they are written, which takes longer to find out
        rest = sum(_bytes_of(one, zipped=True) for one in document["results"])
    side = SIDE
    for step in SIDES:
        if rest + _of_pictures(whole) <= largest:
            break
        side, whole = step, [_sheets(one, step) for one in document["results"]]
    if side < SIDE:
        notes.append(f"Pictures are {side} pixels wide at most: the page would be too large to mail otherwise.")
    if rest + _of_pictures(whole) > largest:
        whole = [_sheets(_sampled(one), side) for one in document["results"]]
        notes.append(
            f"Of the inputs of a result at most {KEPT} are shown as pictures, those that something is said of first: "
            "the page would be too large to mail otherwise."
        )
    if rest + _of_pictures(whole) > largest:
        fewer = [_of_fewer(one) for one in document["results"]]
        rest, whole = sum(_bytes_of(one, zipped=True) for one in fewer), [_sheets(_sampled(one), side) for one in fewer]
        notes.append(
            f"This page has fewer inputs than others: of a result those that something is said of, and others from all "
            f"over where these are less than {KEPT}; its numbers would be too large to mail otherwise."
        )
    if rest + _of_pictures(whole) > largest:
        notes.append(
            f"This page is larger than {largest / 1e6:.0f} MB all the same, by its numbers: fewer ranks or layers make "
            "a smaller one."
        )
    return {**document, "results": whole, "about": {**document["about"], "notes": notes}}


def _sheets(result: dict[str, Any], side: int) -> dict[str, Any]:
    """A result whose pictures, of inputs and of a second network's, are sheets."""
    found = {**result, "inputs": _with_sheet(result["inputs"], side)}
    if result["comparison"] is not None:
        found["comparison"] = _with_sheet(result["comparison"], side)
    return found


def _with_sheet(part: dict[str, Any], side: int) -> dict[str, Any]:
    tiles = part["pictures"]
    return part if tiles is None else {**part, "pictures": sheet_of(smaller(tiles, side))}


def _of_pictures(results: list[dict[str, Any]]) -> int:
    """Bytes of the sheets of some results, without their numbers."""
    return _bytes_of([(one["comparison"] or {}, one["inputs"])[i].get("pictures") for one in results for i in (0, 1)])


def _said_of(result: dict[str, Any]) -> list[int]:
    """Places of the inputs that something is said of, the first first."""
    order = [
        *result["factors"]["top"].T.ravel().tolist(),
        *np.asarray(result["worst"]).tolist(),
        *[place for found in result["suspects"] for place in np.asarray(found["input"]).tolist()],
        *[found["input"] for found in result["decisions"]],
    ]
    return list(dict.fromkeys(order))


def _of_fewer(result: dict[str, Any]) -> dict[str, Any]:
    """A result of fewer inputs: those that something is said of, others from all over up to `KEPT`."""
    inputs, said = result["inputs"], _said_of(result)
    n = len(inputs["number"])
    spread = np.linspace(0, n - 1, min(n, max(0, KEPT - len(said)))).round().astype(np.int64)
    kept = np.unique([*said, *spread.tolist()])
    places = np.full(n, -1, np.int64)
    places[kept] = np.arange(len(kept))
    taken = {name: inputs[name] for name in OF_INPUTS if inputs.get(name) is not None}
    fewer = {
        name: values[kept] if isinstance(values, np.ndarray) else [values[place] for place in kept]
        for name, values in taken.items()
    }
    return {
        **result,
        "inputs": {**inputs, **fewer},
        "factors": {**result["factors"], "top": places[result["factors"]["top"]]},
        "worst": places[result["worst"]],
        "suspects": [{**found, "input": places[found["input"]]} for found in result["suspects"]],
        "decisions": [{**found, "input": int(places[found["input"]])} for found in result["decisions"]],
    }


def _sampled(result: dict[str, Any]) -> dict[str, Any]:
    inputs = result["inputs"]
    if inputs["pictures"] is None:
        return result
    kept = sorted(list(dict.fromkeys([*_said_of(result), *range(len(inputs["number"]))]))[:KEPT])
    places = np.full(len(inputs["number"]), -1, np.int64)
    places[kept] = np.arange(len(kept))
    return {**result, "inputs": {**inputs, "pictures": inputs["pictures"][kept], "pictured": places}}


def _bytes_of(value: Any, zipped: bool = False) -> int:
    """About how much a value takes on a page, as base64; arrays as they are, unless they are ``zipped``."""
    if isinstance(value, np.ndarray):
        if value.ndim == 4 and value.shape[-1] in (1, 3):
            return 0
        return (len(zlib.compress(value.tobytes(), 1)) if zipped else value.nbytes) * 4 // 3
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(_bytes_of(one, zipped) for one in value.values())
    return sum(_bytes_of(one, zipped) for one in value) if isinstance(value, list | tuple) else 8
