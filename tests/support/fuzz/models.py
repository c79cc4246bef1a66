"""Files of models: damaged by chance, and by hands that know what the digest is for."""

import contextlib
import functools
import io
import json
import zipfile

import numpy as np

from coupled_nmf import Blocks, CoupledNMF, make_coupled_blocks
from coupled_nmf.model.archive import DIGEST, HEADER, digest_of, read_archive

X, _, _ = make_coupled_blocks(24, {"a": 6, "b": 5}, 3, noise=0.1, random_state=0)
KL = {"solver": "mu", "beta_loss": "kullback-leibler"}
ODD = [
    None, True, False, 0, 1, -1, 2, 3, 7, 2**31, 2**63, 10**30, 10**400, -(10**400), 0.5, -0.5, 1e308, -1e308, 5e-324,
    float("nan"), float("inf"), "", "a", "b", "nan", "\ud800", "hals", "mu", "kullback-leibler", [], [1], [None],
    ["a", "b"], [6, 5], [1e308, 1e308], [0, 0], {}, {"a": 1}, {"a": 1.0, "b": 1.0}, {"": 0}, [[[[]]]],
]  # fmt: skip
DTYPES = ["f2", "f4", "f8", ">f4", ">f8", "i8", "u1", "?", "c16", "U3", "S2", "g", "i4,f8"]
NUMBERS = [np.nan, np.inf, -np.inf, -1.0, -5e-324, 1e308, 1e200, 5e-324, 0.0]


SMALL = Blocks({name: X[name].astype(np.float32) for name in X.names})
GAPPY = Blocks({"a": X["a"], "b": np.where(np.arange(24)[:, None] % 3 == 0, np.nan, X["b"])})
COMMON = {"random_state": 0, "n_jobs": 1, "tol": 0, "max_iter": 5}
MODELS = {
    "hals": lambda: CoupledNMF(3, **COMMON).fit(X),
    "one array": lambda: CoupledNMF(2, blocks=[4, 7], alpha_F=0.01, **COMMON).fit(X.to_array()),
    "weights": lambda: CoupledNMF(3, block_weights=np.array([1.0, 2.0]), alpha_F=0.1, **COMMON).fit(SMALL),
    "mu": lambda: CoupledNMF(3, solver="mu", **COMMON).fit(X),
    "divergence": lambda: CoupledNMF(3, **KL, **COMMON).fit(SMALL),
    "gaps": lambda: CoupledNMF(3, **COMMON).fit(GAPPY),
    "stream": lambda: CoupledNMF(3, **COMMON).partial_fit(GAPPY).partial_fit(X),
    "given": lambda: CoupledNMF(2, **COMMON).set_components({"a": np.eye(2, 6), "b": np.ones((2, 5))}),
    "fixed": lambda: CoupledNMF(3, fixed_components={"a": np.eye(1, 6), "b": np.ones((1, 5))}, **COMMON).fit(X),
    "divergence's stream": lambda: CoupledNMF(3, **KL, **COMMON).partial_fit(X).partial_fit(X),
}


@functools.cache
def model_of(kind):
    """A fitted model of a kind, which nobody changes."""
    return MODELS[kind]()


def prepare(folder):
    """Save the models; return what tries a seed."""
    bases = []
    for kind in MODELS:
        model, path = model_of(kind), folder / "base"
        model.save(path)
        data = X if model.fitted_on_blocks_ else X.to_array()
        bases.append((path.read_bytes(), read_archive(path), model, model.transform(data)))
    path = folder / "attacked"

    def try_one(seed):
        rng = np.random.default_rng(seed)
        whole, archive, model, F = bases[rng.integers(len(bases))]
        others = bases[rng.integers(len(bases))][1].arrays
        path.write_bytes(damaged(rng, whole, archive, others))
        return verdict(path, model, F)

    return try_one


def damaged(rng, whole, archive, others):
    """A model's file after one attack, or several."""
    if rng.random() < 0.2:
        return harm_bytes(rng, bytearray(whole))
    header, arrays = json.loads(archive.text), {name: array.copy() for name, array in archive.arrays.items()}
    raw = {}
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        way = rng.integers(5)
        if way <= 1:
            harm_json(rng, header)
        elif way <= 3:
            harm_array(rng, arrays, others)
        else:
            name = rng.choice(sorted(arrays)) if arrays else "components"
            raw[name] = harm_npy(rng, arrays.get(name, np.ones((3, 4))))
    if rng.random() < 0.1:
        header["format"] = "coupled_nmf model 2"
    return packed(json.dumps(header), arrays, raw, rng)


def packed(text, arrays, raw=(), rng=None):
    """The bytes of a file with that header and those arrays, and their digest; some of the arrays as raw bytes."""
    try:
        digest = digest_of(text, arrays)
    except (TypeError, ValueError):
        digest = "none"
    entries = {HEADER: np.array(text), **arrays, DIGEST: np.array(digest)}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in entries.items():
            content = io.BytesIO()
            np.save(content, array, allow_pickle=False)
            kind = zipfile.ZIP_DEFLATED if rng is not None and rng.random() < 0.01 else zipfile.ZIP_STORED
            archive.writestr(f"{name}.npy", dict(raw).get(name, content.getvalue()), kind)
    return file.getvalue()


def harm_bytes(rng, content):
    """Some bytes changed, cut out, put in, doubled, or cut off."""
    for _ in range(rng.choice([1, 2, 8])):
        place, n = int(rng.integers(len(content) + 1)), int(rng.choice([1, 4, 100]))
        if rng.random() < 0.3:
            place = max(len(content) - place % 300, 0)  # the archive's index
        way = rng.integers(5)
        if way == 0:
            content[place : place + n] = rng.bytes(len(content[place : place + n]))
        elif way == 1:
            del content[place : place + n]
        elif way == 2:
            content[place:place] = rng.bytes(n)
        elif way == 3:
            content[place:place] = content[place : place + n]
        elif rng.random() < 0.3:
            del content[place:]
        elif place < len(content):
            content[place] ^= 1 << int(rng.integers(8))
    return bytes(content)


def places_in(value):
    """Every object or list inside a value, with each of its keys."""
    if isinstance(value, (dict, list)):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from places_in(value[key])


def harm_json(rng, header):
    """One value of the header changed, left out, added or put elsewhere."""
    places = list(places_in(header))
    if not places:
        header["x"] = 1
        return
    holder, key = places[rng.integers(len(places))]
    way = rng.integers(6)
    if way == 0:
        del holder[key]
    elif way == 1 and isinstance(holder, dict):
        holder[str(rng.choice(["x", "a", "callbacks", "__init__", "components_", "stream", "verbose"]))] = odd(rng)
    elif way == 2:
        other, from_key = places[rng.integers(len(places))]
        holder[key] = json.loads(json.dumps(other[from_key]))
    elif way == 3 and type(holder[key]) in (int, float):
        holder[key] = max(min(holder[key], 2**60), -(2**60)) * rng.choice([-1, 2, 0.5, 1e300])
    elif way == 4 and isinstance(holder, list):
        holder.insert(int(rng.integers(len(holder) + 1)), holder[key])
    else:
        holder[key] = odd(rng)


def odd(rng):
    value = ODD[rng.integers(len(ODD))]
    if value == [[[[]]]]:
        for _ in range(int(rng.choice([10, 400]))):
            value = [value]
    return json.loads(json.dumps(value))


def harm_array(rng, arrays, others):
    """One array changed in shape, dtype, order or values, left out, renamed, or taken from another model."""
    name = str(rng.choice(sorted(arrays))) if arrays else "components"
    array = arrays.pop(name, np.ones((3, 11)))
    way = rng.integers(8)
    if way == 0:
        return
    if way == 1:
        name = str(rng.choice(["components", "stream0", "stream1", "stream2", "stream3", "stream10", "param0", "x"]))
    elif way == 2:
        name, array = str(rng.choice(sorted(others))), others.get(name, array)
    elif way == 3:
        with np.errstate(all="ignore"), contextlib.suppress(ValueError):  # text may be no number
            array = array.astype(str(rng.choice(DTYPES[:-1])))
    elif way == 4:
        array = reshaped(rng, array)
    elif array.size and array.dtype.kind == "f":
        array = array.copy()
        with np.errstate(all="ignore"):
            array.reshape(-1)[rng.integers(array.size, size=rng.choice([1, array.size]))] = rng.choice(NUMBERS)
    arrays[name] = array


def reshaped(rng, array):
    """The array turned, flat, or with rows or columns more or less."""
    axis = int(rng.integers(array.ndim)) if array.ndim else 0
    shapes = [
        lambda: array.T, lambda: array.reshape(-1), lambda: array[None], lambda: np.asfortranarray(array),
        lambda: np.concatenate([array, array], axis=axis), lambda: np.delete(array, 0, axis=axis),
        lambda: array[:0], lambda: array[..., :1], lambda: array.reshape(array.shape[::-1]), lambda: np.float64(1.0),
    ]  # fmt: skip
    try:
        return np.asarray(shapes[rng.integers(len(shapes))]())
    except (ValueError, IndexError):
        return array


def harm_npy(rng, array):
    """An array's own file, whose header claims something else."""
    file = io.BytesIO()
    np.save(file, array)
    content = file.getvalue()
    if rng.random() < 0.3:
        return harm_bytes(rng, bytearray(content))
    shape = [
        (10**12,), (2**62, 2**62), (-1,), (0, 10**30), array.shape[::-1], (*array.shape, 1), (array.size,), (True, 2),
        (),
    ][rng.integers(9)]  # fmt: skip
    kind = str(rng.choice(["<f8", ">f8", "<f4", "|O", "|V8", "<U2", "<c16", "<M8[s]", "|S0", "f8,f8"]))
    claims = {"descr": rng.choice([kind, array.dtype.str]), "fortran_order": bool(rng.integers(2)), "shape": shape}
    text = repr({name: str(value) if name == "descr" else value for name, value in claims.items()})
    if rng.random() < 0.1:
        text = str(rng.choice(["(" * 5000, "-" * 9000 + "1", "{", "1", "''", "[" * 150 + "]" * 150]))
    text = text.encode("latin1") + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content[-array.nbytes :]


def verdict(path, model, F):
    """What is wrong with how the file was taken, if anything."""
    try:
        again = CoupledNMF.load(path)
    except ValueError as error:
        return None if str(path) in str(error) else f"the error does not name the file: {error}"
    except RecursionError as error:
        return f"RecursionError: {error}"
    data = X if again.fitted_on_blocks_ else X.to_array()
    if again.layout_ != model.layout_:
        widths = zip(again.layout_.names, again.layout_.sizes, strict=True)
        data = Blocks({name: np.ones((7, size)) for name, size in widths})
        data = data if again.fitted_on_blocks_ else data.to_array()
    return use(again, data, F if same(again, model) else None, path)


def same(again, model):
    """Whether what F depends on is the same."""
    kept = ("beta_loss", "solver", "alpha_F", "l1_ratio", "backend", "precision", "inner_sweeps", "n_components")
    return (
        again.layout_ == model.layout_
        and again.fitted_on_blocks_ == model.fitted_on_blocks_
        and again.components_.dtype == model.components_.dtype
        and np.array_equal(again.components_, model.components_)
        and np.array_equal(again.block_weights_, model.block_weights_)
        and all(getattr(again, name) == getattr(model, name) for name in kept)
    )


def use(again, data, expected, path):
    """Do with a loaded model what can be done with one; say what is wrong."""
    # What a user, too, may ask for in vain: hours, a GPU, penalties that overflow.
    again.set_params(n_jobs=1, verbose=0, max_iter=5, n_init=1, backend="auto", inner_sweeps=2)
    again.set_params(alpha_F=min(again.alpha_F, 1e3), alpha_H="same")
    try:
        F = again.transform(data)
    except ValueError as error:
        return f"transform refuses what the model was fitted on: {error}" if expected is not None else None
    if not (np.isfinite(F).all() and F.min() >= 0):
        return "F is not finite, or negative"
    if expected is not None and not np.array_equal(F, expected):
        return "the same model gives another F"
    again.inverse_transform(F)
    for step in (lambda: again.score(data), lambda: again.save(path), lambda: again.partial_fit(data)):
        try:
            step()
        except ValueError:
            continue
    return None if np.isfinite(again.components_).all() else "partial_fit leaves components that are not finite"
