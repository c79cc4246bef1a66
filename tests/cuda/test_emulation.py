"""The emulation finds what a GPU would not forgive, and launches have the threads that the kernels count on."""

from __future__ import annotations

import re

import numpy as np
import pytest
from emulation import COMPILER, EmulationError, compile_module
from launches import NULL, launch

from coupled_nmf.backends.cuda import control as cuda_control
from coupled_nmf.backends.cuda import device, moves
from coupled_nmf.backends.cuda import gaps as cuda_gaps
from coupled_nmf.backends.cuda import kullback_leibler as cuda_kl
from coupled_nmf.backends.cuda import matrix as cuda_matrix
from coupled_nmf.backends.cuda import scan as cuda_scan
from coupled_nmf.backends.cuda.kernels import KERNELS, options

pytestmark = pytest.mark.skipif(COMPILER is None, reason="g++, which compiles the emulation, is not installed")


FAULTY = """
extern "C" __global__ void diverging(int* out) {
  if (threadIdx.x < 3) __syncthreads();
  out[threadIdx.x] = 1;
}
extern "C" __global__ void two_barriers(int* out) {
  if (threadIdx.x < 3) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  out[threadIdx.x] = 1;
}
extern "C" __global__ void unset(double* out) {
  __shared__ double room[4];
  out[threadIdx.x] = room[threadIdx.x];
  __syncthreads();
  room[threadIdx.x] = 0;
}
extern "C" __global__ void exchange(int* out) {
  __shared__ int room[4];
  room[threadIdx.x] = 10 * blockIdx.x + threadIdx.x;
  __syncthreads();
  out[4 * blockIdx.x + threadIdx.x] = room[3 - threadIdx.x];
}
"""


def test_sums_over_a_block_follow_one_another(tmp_path):
    (tmp_path / "twice.cu").write_text(
        '#include "block_sum.cuh"\n'
        'extern "C" __global__ void twice(double* out) {\n'
        "  for (int i = 0; i < 2; ++i) {\n"
        "    const double values[3] = {double(threadIdx.x), double(i), double(i * threadIdx.x)};\n"
        "    const double total = sum_over_block<64>(values);\n"
        "    if (threadIdx.x < 3) out[3 * i + threadIdx.x] = total;\n"
        "  }\n"
        "}\n"
    )
    module = compile_module(tmp_path / "twice.cu", options(np.float64))
    found = launch(module.get_function("twice"), 1, 64, np.zeros(6))[0]
    np.testing.assert_array_equal(found, [2016, 0, 0, 2016, 64, 2016])


def test_the_emulation_finds_faults(tmp_path):
    path = tmp_path / "faulty.cu"
    path.write_text(FAULTY)
    module = compile_module(path, ("-std=c++17",))
    for name in ("diverging", "two_barriers"):
        with pytest.raises(EmulationError, match="barrier that not all threads"):
            launch(module.get_function(name), 1, 4, np.zeros(4, np.int32))
    assert np.isnan(launch(module.get_function("unset"), 2, 4, np.zeros(4))[0]).all()
    found = launch(module.get_function("exchange"), 2, 4, np.zeros(8, np.int32))[0]
    np.testing.assert_array_equal(found, [3, 2, 1, 0, 13, 12, 11, 10])
    with pytest.raises(EmulationError, match="another number"):
        module.get_function("unset")((1,), (4,), [NULL, NULL])
    with pytest.raises(EmulationError, match="argument 0, which has 4"):
        module.get_function("unset")((1,), (4,), [np.int32(0)])
    path.write_text("nonsense")
    with pytest.raises(EmulationError, match="nonsense"):
        compile_module(path, ())


def test_launches_have_the_threads_that_the_kernels_count_on():
    def of(file, name):
        return int(re.search(rf"\b{name} = (\d+)", (KERNELS / file).read_text(encoding="utf-8"))[1])

    assert of("rows.cuh", "ROWS_PER_BLOCK") == device.THREADS
    assert of("decide.cu", "THREADS") == cuda_control.DECIDING
    assert cuda_gaps.FILLING == cuda_matrix.EXPANDING == of("fill.cu", "THREADS")
    assert of("scan.cu", "THREADS") == cuda_scan.LOOKING
    assert moves.SUMMING == of("sums.cu", "THREADS") == of("sums.cu", "ENTRIES") * of("sums.cu", "SLICES")
    assert (of("sums.cu", "SIDE"), of("sums.cu", "ENTRIES")) == (moves.SQUARE, moves.REDUCED)
    assert of("divergence.cu", "THREADS") == moves.SIMPLE
    assert of("divergence.cu", "ROW_THREADS") == cuda_kl.DIVIDING
