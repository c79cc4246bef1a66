"""This project and torchnmf on one device: whole fits to the same loss."""

import cupy
import torch

from benchmarks.gpu_data import loss_of
from benchmarks.gpu_device import free_bytes, seconds
from benchmarks.workload import spread
from coupled_nmf import CoupledNMF

WITHIN, LONGEST, MOST = 1.01, 2.0, 4000  # of the best known loss; seconds and iterations from which no more are given


def torchnmf(workload, rank, n_iter):
    """A fit that waits to be run; it shares the array's memory."""
    from torchnmf.nmf import NMF

    V = torch.from_dlpack(workload.array)
    torch.manual_seed(0)
    model = NMF(V.shape, rank=rank).to(V.device)

    def run():
        model.fit(V, beta=2, tol=-1, max_iter=n_iter)
        return cupy.from_dlpack(model.H.detach()), cupy.from_dlpack(model.W.detach()).T

    return run


def coupled_nmf(workload, rank, n_iter):
    model = CoupledNMF(rank, random_state=0, max_iter=n_iter)
    return lambda: (model.fit_transform(workload.X), model.components_)


def reach(tool, workload, rank, goal):
    """Iterations and loss of the first run of 1, 2, 4, ... iterations that reaches the goal, or of the last one."""
    n_iter = 1
    while True:
        took, factors = seconds(tool(workload, rank, n_iter))
        loss = loss_of(workload.array, *factors)
        if loss <= goal or took > LONGEST or n_iter > MOST:
            return n_iter, loss
        n_iter *= 2


def best_known(workload, rank):
    """The lowest loss of three long fits."""
    models = [CoupledNMF(rank, random_state=seed, max_iter=workload.longest, tol=1e-6) for seed in range(3)]
    return min(loss_of(workload.array, model.fit_transform(workload.X), model.components_) for model in models)


def to_same_loss(workload, rank):
    """Seconds of both, in turns, at the iterations that each needs; or why torchnmf could not be run."""
    if not torch.cuda.is_available():
        return {"rank": rank, "skipped": "PyTorch finds no CUDA device"}
    best = best_known(workload, rank)
    free_bytes()
    try:
        peer_iterations, peer_loss = reach(torchnmf, workload, rank, WITHIN * best)
        goal = max(peer_loss, WITHIN * best)
        n_iter, loss = reach(coupled_nmf, workload, rank, goal)
        rounds = [
            [seconds(tool(workload, rank, n))[0] for tool, n in ((coupled_nmf, n_iter), (torchnmf, peer_iterations))]
            for _ in range(workload.rounds)
        ]
    except (torch.cuda.OutOfMemoryError, cupy.cuda.memory.OutOfMemoryError):
        return {"rank": rank, "skipped": "torchnmf and this project together ran out of memory"}
    finally:
        free_bytes()
    return {
        "rank": rank,
        "seconds": spread([ours for ours, _ in rounds]),
        "peer_seconds": spread([theirs for _, theirs in rounds]),
        "ratio": spread([theirs / ours for ours, theirs in rounds]),
        "iterations": n_iter,
        "peer_iterations": peer_iterations,
        "loss_over_best": loss / best,
        "peer_loss_over_best": peer_loss / best,
        "arrived": bool(loss <= goal),
        "peer_arrived": bool(peer_loss <= WITHIN * best),
    }
