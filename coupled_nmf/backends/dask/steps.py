"""What is done to a piece of X: see `pieces.run`. Nothing that is given is written to."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coupled_nmf.backends.cpu.backend import NumpyBackend
from coupled_nmf.backends.cpu.shares import Shares
from coupled_nmf.backends.cpu.stand_in import StandInObjective
from coupled_nmf.backends.dask.pieces import Piece, Terms
from coupled_nmf.problem.contracts import Sums
from coupled_nmf.problem.draws import DrawnF, RowSample
from coupled_nmf.problem.problem import patterns_of
from coupled_nmf.problem.sample_weights import NO_WEIGHTS
from coupled_nmf.problem.solvers import Rule
from coupled_nmf.system.folders import Folder
from coupled_nmf.system.kept_files import read_array, write_array

Rows = NDArray[Any]
NOTHING: Sums = ()


def scan(backend: NumpyBackend, piece: Piece) -> tuple[tuple[Rows, Rows], Sums]:
    """Look at the entries; mark what is missing: blocks, and others."""
    absent, scattered, sums = piece.passes(backend).look(piece.X, piece.weights)
    weights = piece.weights if piece.weights.size else np.ones(piece.X.shape[0])
    counts = np.array([np.count_nonzero(weights), weights.sum(), absent.any() or scattered.any()])
    return (absent, scattered), (*sums, counts.astype(np.float64))


def patterns(backend: NumpyBackend, piece: Piece) -> tuple[Rows, Sums]:
    """What samples lack whose weight counts, each once."""
    return patterns_of(piece.absent, piece.weights), NOTHING


def digest(backend: NumpyBackend, piece: Piece) -> tuple[str, Sums]:
    """That of the piece and its weights."""
    return backend.digest(piece.X, piece.weights), NOTHING


def finds(folder: Folder, name: str) -> str | None:
    """What is in the way of reading a file that holds its name; None if nothing is."""
    try:
        with folder.read(name) as file:
            return None if file.read().decode() == name else f"{name} is another file there"
    except (OSError, ImportError) as error:
        return f"{type(error).__name__}: {error}"


def file_of(stem: str, number: int) -> str:
    """Where the rows of a piece are kept."""
    return f"{stem}-{number:06d}.npy"


def keep(backend: NumpyBackend, piece: Piece, V: Rows, folder: Folder, stem: str) -> tuple[str, Sums]:
    """Write rows to a file, and return its digest. Whoever does it again writes the same."""
    return write_array(folder, file_of(stem, piece.number), V), NOTHING


def take(backend: NumpyBackend, piece: Piece, folder: Folder, files: list[tuple[str, str]]) -> tuple[Rows, Sums]:
    """Rows that were kept, and how many they are."""
    name, digest = files[piece.number]
    if name != file_of(name.rsplit("-", 1)[0], piece.number):
        raise ValueError(f"{folder.address}/{name} is not that of piece {piece.number}")
    rows = read_array(folder, name, digest)
    if len(rows) != piece.X.shape[0]:
        raise ValueError(f"{folder.address}/{name} has {len(rows)} rows, not those of its piece")
    return rows, (np.array([float(len(rows))]),)


def begin(backend: NumpyBackend, piece: Piece, drawn: DrawnF | None, k: int) -> tuple[Rows, Sums]:
    """F as it is drawn, or of zeros."""
    if drawn is None:
        return np.zeros((piece.X.shape[0], k), piece.X.dtype), NOTHING
    return drawn.rows(piece.X.rows_of_all(slice(0, piece.X.shape[0]))), NOTHING


def move_f(
    backend: NumpyBackend,
    piece: Piece,
    F: Rows,
    other: Rows,
    in_place: bool,
    terms: Terms,
    rule: Rule,
    point: Any,
    betas: Any,
) -> tuple[Rows, Sums]:
    """The F that is moved to, and what H's move needs."""
    moved = other.copy()
    return moved, piece.objective(terms, backend).move_f(rule, point, moved if in_place else F, moved, betas)


def sums_of(backend: NumpyBackend, piece: Piece, F: Rows, terms: Terms, H: Rows) -> tuple[None, Sums]:
    """What H's move needs of an F that stays."""
    return None, piece.objective(terms, backend).sums_of(F, H)


def solve(backend: NumpyBackend, piece: Piece, terms: Terms, H: Rows) -> tuple[Rows, Sums]:
    """F for a given H, and sums of what is left."""
    return piece.objective(terms, backend).solved(H)


def shares(backend: NumpyBackend, piece: Piece, F: Rows, *given: NDArray[np.float64]) -> tuple[None, Sums]:
    """How much every component explains; given are weights, if there are any, and H."""
    *some, H = given
    weights = some[0] if some else np.ones(len(F))
    return None, backend.sweep(piece.X, Shares(piece.X, H), F.astype(np.float64), weights, piece.X.absent_blocks())


def power_pass(backend: NumpyBackend, piece: Piece, basis: Rows, sample: RowSample) -> tuple[None, Sums]:
    """``basis XᵀX``."""
    return None, (piece.passes(backend).power_pass(piece.X, basis, sample),)


def project(backend: NumpyBackend, piece: Piece, basis: Rows) -> tuple[Rows, Sums]:
    """``X basisᵀ``."""
    return piece.passes(backend).project(piece.X, basis), NOTHING


def move_on_stand_in(
    backend: NumpyBackend,
    piece: Piece,
    Y: Rows,
    F: Rows,
    other: Rows,
    in_place: bool,
    rule: Rule,
    point: Any,
    betas: Any,
) -> tuple[Rows, Sums]:
    """As `move_f`, on the stand-in."""
    moved, Y = other.copy(), np.ascontiguousarray(Y)
    loop = StandInObjective(Y, np.empty((0, Y.shape[1]), Y.dtype), 0.0, backend)
    return moved, loop.move_f(rule, point, moved if in_place else F, moved, betas)


def living(backend: NumpyBackend, piece: Piece, V: Rows) -> tuple[int, Sums]:
    """How many rows are not zero, of this piece and as a sum, and the squares of them all."""
    n, squares = backend.living(V)
    return n, (np.array([float(n)]), np.array([squares]))


def take_living(
    backend: NumpyBackend, piece: Piece, V: Rows, ranks: dict[int, NDArray[np.int64]] | None
) -> tuple[Rows, Sums]:
    """Some rows that are not zero, by their places among those of this piece; None: all."""
    own = None if ranks is None else ranks.get(piece.number, np.empty(0, np.int64))
    return backend.take_living(V, own), NOTHING


def scale(backend: NumpyBackend, piece: Piece, V: Rows, by: float | NDArray[np.float64]) -> tuple[Rows, Sums]:
    """V, or each column of it, times a number."""
    scaled = V.copy()
    backend.scale(scaled, by)
    return scaled, NOTHING


def weigh(backend: NumpyBackend, piece: Piece, V: Rows, power: float) -> tuple[Rows, Sums]:
    """V, each row times a power of its weight."""
    weighed = V.copy()
    backend.weigh(weighed, piece.weights, power)
    return weighed, NOTHING


def gram(backend: NumpyBackend, piece: Piece, V: Rows) -> tuple[None, Sums]:
    """``VᵀV``."""
    return None, (backend.gram(V),)


def signed_squares(backend: NumpyBackend, piece: Piece, V: Rows, W: Rows) -> tuple[None, Sums]:
    """Squares of what is above zero in ``V W``, and of what is below."""
    return None, (backend.signed_squares(V, W),)


def rectified(backend: NumpyBackend, piece: Piece, V: Rows, W: Rows, fill: float) -> tuple[Rows, Sums]:
    """``V W``, with ``fill`` in the place of what is not above zero."""
    return backend.rectified(V, W, fill), NOTHING


def lift(backend: NumpyBackend, piece: Piece, V: Rows, least: NDArray[np.float64]) -> tuple[Rows, Sums]:
    """V, with what is below ``least``, a number for each column, raised to it."""
    lifted = V.copy()
    backend.lift(lifted, least)
    return lifted, NOTHING


def column_sums(backend: NumpyBackend, piece: Piece, V: Rows, weighted: bool) -> tuple[None, Sums]:
    """Sum and squares of each column, of rows with their weights or without."""
    weights = piece.weights if weighted else NO_WEIGHTS
    return None, (backend.column_sums(V, weights), backend.column_squares(V, weights))
