"""Every kernel compiles for the devices that matter, without a warning, and keeps what is in registers there."""

import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from coupled_nmf.backends.cuda.kernels import CONTROL, KERNELS, WIDTHS, WITH_WIDTH, options, width_for

nvrtc = pytest.importorskip("cupy_backends.cuda.libs.nvrtc", reason="CuPy, which brings NVRTC, is not installed")

try:
    nvrtc.getVersion()
except Exception as error:  # of CuPy's own, if the library is nowhere
    pytest.skip(f"NVRTC cannot be loaded: {error}", allow_module_level=True)

ARCHITECTURES = ("sm_80", "sm_90")
FILES = sorted(path.name for path in KERNELS.glob("*.cu"))


def compile_kernels(name, architecture, dtype, width):
    """The binary, or the text for a "compute" architecture, and the log with what each kernel uses."""
    program = nvrtc.createProgram((KERNELS / name).read_text(encoding="utf-8"), name, [], [])
    try:
        added = [f"--gpu-architecture={architecture}", "--ptxas-options=-v", "-ftz=true"]  # the last by CuPy, unasked
        arguments = [*options(dtype, width), *added]
        nvrtc.compileProgram(program, arguments)
        get = nvrtc.getPTX if architecture.startswith("compute") else nvrtc.getCUBIN
        return get(program), nvrtc.getProgramLog(program)
    except nvrtc.NVRTCError as error:
        pytest.fail(f"{name} for {architecture}, {dtype}, width {width}: {error}\n{nvrtc.getProgramLog(program)}")
    finally:
        nvrtc.destroyProgram(program)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", FILES)
def test_compiles_without_warnings_and_spills(name, architecture):
    widths = (None,)
    if name in WITH_WIDTH:  # all of them for the newest, and the ends for the others, whose registers are as many
        widths = (0, *WIDTHS) if architecture == ARCHITECTURES[-1] else (0, WIDTHS[0], WIDTHS[-1])
    variants = [(dtype, width) for dtype in (np.float32, np.float64) for width in widths]
    with ThreadPoolExecutor(2) as threads:
        compiled = list(threads.map(lambda variant: compile_kernels(name, architecture, *variant), variants))
    for (dtype, width), (binary, log) in zip(variants, compiled, strict=True):
        where = f"{name} for {architecture}, {dtype.__name__}, width {width}:\n{log}"
        assert len(binary) > 0, where
        assert "warning" not in log, where
        frames = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", log)
        assert len(frames) == log.count("Compiling entry function") > 0, where
        assert {number for frame in frames for number in frame} == {"0"}, where


def test_a_look_at_x_takes_no_small_number_for_zero():
    """CuPy compiles with -ftz=true, by which float32 numbers below 1e-38 are read as zeros."""
    text = str(compile_kernels("scan.cu", "compute_90", np.float32, None)[0])
    scan = text[text.index(".entry scan") : text.index(".entry count_gaps")]
    assert "cvt.f64.f32" in scan
    assert ".ftz" not in scan


def test_the_least_width_that_holds_a_rank():
    assert [width_for(k) for k in (1, 8, 9, 63, 64, 65, 1000)] == [8, 8, 16, 64, 64, 0, 0]


def test_places_in_control_are_read_from_the_header():
    assert CONTROL["COUNT"] == 0
    assert CONTROL["FLOOR"] == 15
    assert sorted(CONTROL.values()) == list(range(CONTROL["N_CONTROL"] + 1))
