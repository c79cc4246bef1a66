"""The compiled module: which instruction set it takes, and what it lets in."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from coupled_nmf.backends.cpu.kernels import compiled
from coupled_nmf.backends.cpu.tile_step import gate
from coupled_nmf.data.blocks import BlockLayout
from coupled_nmf.data.tiled_matrix import SparseRows, TiledMatrix
from coupled_nmf.problem.sample_weights import NO_WEIGHTS

SHOWN = "from coupled_nmf.backends.cpu.kernels import compiled; print(compiled.instructions())"


def imported_with(instructions):
    environment = os.environ | {"COUPLED_NMF_INSTRUCTIONS": instructions}
    return subprocess.run([sys.executable, "-c", SHOWN], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("instructions", compiled.all_instructions())
def test_the_environment_chooses_the_instructions(instructions):
    assert imported_with(instructions).stdout.strip() == instructions


def test_the_best_instructions_are_taken_unasked():
    assert imported_with("").stdout.strip() == compiled.all_instructions()[-1]


def test_instructions_that_are_not_there_are_one_error_that_says_which_are():
    told = imported_with("sse9").stderr.splitlines()[-1]
    assert "COUPLED_NMF_INSTRUCTIONS is 'sse9'" in told
    assert told.endswith(f"they have: {', '.join(compiled.all_instructions())}.")


BAD = {
    "dtype": {"F": np.zeros((4, 2), np.float32)},
    "shape": {"F": np.zeros((3, 2))},
    "columns": {"R": np.zeros((2, 4))},
    "strides": {"F": np.zeros((2, 4)).T},
    "read-only": {"F": np.broadcast_to(0.0, (4, 2))},
    "gram": {"gram": np.zeros((2, 3))},
    "weights": {"weights": np.ones(3)},
    "extras": {"extras": np.ones(1)},
    "solver": {"solver": "newton"},
    "fixed": {"fixed": 3},
    "sums": {"FtX": np.zeros((2, 5), np.float32)},
}


@pytest.mark.parametrize("case", BAD)
def test_compiled_code_is_entered_with_the_arrays_that_it_expects_alone(case):
    x, layout = np.ones((4, 5)), BlockLayout(("a",), (5,))
    F = np.zeros((4, 2))
    good = {
        "solver": "hals", "inner_sweeps": 1, "fixed": 0, "tile": gate(TiledMatrix([x], layout, x.dtype), [x]),
        "R": np.ones((2, 5)), "gram": np.eye(2), "l1": 0.0, "l2": 0.0, "F": F, "other": F, "beta": 0.0,
        "next_beta": 0.0, "weights": NO_WEIGHTS, "FtX": np.zeros((2, 5)), "FtF": np.zeros((2, 2)),
        "extras": np.zeros(2),
    }  # fmt: skip
    compiled.move_tile(**good)
    with pytest.raises((TypeError, ValueError)):
        compiled.move_tile(**good | BAD[case])


def test_a_tile_that_is_not_of_x_does_not_pass_the_gate():
    x, layout = np.ones((4, 5)), BlockLayout(("a",), (5,))
    matrix = TiledMatrix([x], layout, x.dtype)
    for other in (x.astype(np.float32), x[:, :4], x.T.copy().T):
        with pytest.raises(RuntimeError, match="tile"):
            gate(matrix, [other])
    good = SparseRows(np.ones(2), np.zeros(2, np.int32), np.array([0, 1, 1, 2, 2]), 5)
    gate(matrix, [good])
    for change in ({"indptr": np.array([0, 1, 1, 2, 3])}, {"indptr": np.array([0, 2, 1, 2, 2])}, {"width": 4},
                   {"indices": np.zeros(2, np.int64)}):  # fmt: skip
        with pytest.raises(RuntimeError, match="tile"):
            gate(matrix, [replace(good, **change)])
