"""The device: what it is, how long a call takes on it, how fast it copies and multiplies."""

import gc
import subprocess
import time

import cupy
import torch

COPIED, SQUARE = 2**27, 8192  # float32 numbers that are copied; height of the matrices that are multiplied


def describe():
    """Name, memory, compute capability, versions of the driver and of CUDA; None without a device."""
    if not cupy.cuda.is_available():
        return None
    device = cupy.cuda.Device()
    properties = cupy.cuda.runtime.getDeviceProperties(device.id)
    return {
        "name": properties["name"].decode(),
        "memory_gigabytes": properties["totalGlobalMem"] / 1e9,
        "compute_capability": int(device.compute_capability),
        "driver": driver(),
        "cuda_of_driver": dotted(cupy.cuda.runtime.driverGetVersion()),
        "cuda_runtime": dotted(cupy.cuda.get_local_runtime_version()),
    }


def driver():
    """Release of the driver, where nvidia-smi tells: CUDA itself knows only the version of its interface."""
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found[0] if found else "unknown"


def dotted(version):
    """13000 as 13.0."""
    return f"{version // 1000}.{version % 1000 // 10}"


def seconds(call):
    """Seconds until all that a call put on the device is done, and what it returns."""
    device = cupy.cuda.Device()
    device.synchronize()
    began = time.perf_counter()
    found = call()
    device.synchronize()
    return time.perf_counter() - began, found


def event_seconds(call, repeats):
    """Seconds of one call on the device, without the time that the host takes to launch it."""
    start, stop = cupy.cuda.Event(), cupy.cuda.Event()
    call()
    start.record()
    for _ in range(repeats):
        call()
    stop.record()
    stop.synchronize()
    return cupy.cuda.get_elapsed_time(start, stop) / 1000 / repeats


def copy_rate():
    """Bytes a second, read and written, when device memory is copied."""
    source = cupy.ones(COPIED, cupy.float32)
    target = cupy.empty_like(source)
    return 2 * source.nbytes / event_seconds(lambda: cupy.copyto(target, source), 10)


def sgemm_rate():
    """Operations a second of a product of large float32 matrices, in full precision."""
    left, right = (cupy.ones((SQUARE, SQUARE), cupy.float32) for _ in range(2))
    product = cupy.empty_like(left)
    return 2 * SQUARE**3 / event_seconds(lambda: cupy.matmul(left, right, out=product), 5)


def free_bytes():
    """Free memory of the device, once CuPy and PyTorch have given back what they keep for later."""
    gc.collect()
    cupy.get_default_memory_pool().free_all_blocks()
    torch.cuda.empty_cache()
    return cupy.cuda.Device().mem_info[0]
