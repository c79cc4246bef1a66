"""A fit of more than any worker's memory holds, on a cluster of this machine, of which a worker is killed on the way.

`make demo-dask` runs it: 1.6 GB in a file, two workers that may take 500 MB each. It shows where the cluster can be
watched, and how far the fit is; kills a worker; and compares the factors with those of a fit that nobody disturbed, bit
by bit, and with those of a fit in one process, by J.
"""

import os
import signal
import tempfile
import time
import warnings
from pathlib import Path

import distributed
import numpy as np
from tqdm import tqdm

from coupled_nmf import Blocks, CoupledNMF

ROWS, COLUMNS, RANK, ITERATIONS = 100_000, {"pixels": 1000, "layer1": 3000}, 8, 20
LIMIT = "500MB"  # of a worker
KILL_AT = 8  # iteration


def write_data(folder: Path) -> Blocks:
    """Blocks with a common factor, each in a file that is mapped, and never read here."""
    rng, blocks = np.random.default_rng(0), {}
    H = {name: rng.gamma(0.5, size=(RANK, width)).astype(np.float32) for name, width in COLUMNS.items()}
    files = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float32, (ROWS, width))
        for name, width in COLUMNS.items()
    }
    for start in range(0, ROWS, 10_000):
        F = rng.gamma(0.5, size=(10_000, RANK)).astype(np.float32)
        for name, file in files.items():
            file[start : start + 10_000] = F @ H[name] * rng.uniform(0.8, 1.2, H[name].shape[1]).astype(np.float32)
    for name, file in files.items():
        file.flush()
        blocks[name] = np.load(folder / f"{name}.npy", mmap_mode="r")
    return Blocks(blocks)


def fit(X: Blocks, what: str, killed_at: int | None = None, **params) -> tuple[CoupledNMF, np.ndarray]:
    """A fit with a bar; at one iteration a worker is killed."""
    with tqdm(total=ITERATIONS, desc=what, unit="iteration") as bar:

        def tell(info) -> None:
            bar.update()
            bar.set_postfix(J=f"{info.objective:.4g}")
            if info.iteration == killed_at:
                process = next(iter(distributed.default_client().run(os.getpid).values()))
                bar.write(f"... kill -9 {process}, a worker, after iteration {killed_at}")
                os.kill(process, signal.SIGKILL)

        params = {"max_iter": ITERATIONS, "tol": 0, "init": "random", "random_state": 0, "callbacks": tell} | params
        model = CoupledNMF(RANK, **params)
        return model, model.fit_transform(X)


def main() -> None:
    """Fit, kill, compare."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        X = write_data(folder)
        size = sum(path.stat().st_size for path in folder.iterdir())
        print(f"{size / 1e9:.2g} GB in {len(X.names)} files; each of two workers may take {LIMIT}.")
        with (
            distributed.LocalCluster(n_workers=2, threads_per_worker=1, memory_limit=LIMIT, silence_logs=50) as cluster,
            distributed.Client(cluster) as client,
        ):
            print(f"The cluster is to be seen at {client.dashboard_link}")
            calm, F = fit(X, "undisturbed", backend="dask")
            began = time.perf_counter()
            model, again = fit(X, "with a kill", KILL_AT, backend="dask", checkpoint=folder / "checkpoint")
            print(f"{time.perf_counter() - began:.1f} s, with what the worker that died had to do again")
        same = np.array_equal(model.components_, calm.components_) and np.array_equal(again, F)
        print(f"The factors have {'the same bits' if same else 'OTHER BITS'} as those of the undisturbed fit.")
        here, _ = fit(X, "in this process", backend="numpy")
        one, other = model.reconstruction_err_**2, here.reconstruction_err_**2
        print(f"J {one:.6g} on the cluster, {other:.6g} in this process: {abs(one / other - 1):.1g} of it apart.")
        if not same or abs(one / other - 1) > 1e-5:
            raise SystemExit("That is not as it should be.")


if __name__ == "__main__":
    main()
