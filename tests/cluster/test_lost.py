"""Workers and clients that die, data that are lost, and Ctrl-C: the same bits, or one error, and nothing runs on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from clusters import PLAIN, K, N, cluster_of, digest, fitted, spread, wait_until

from coupled_nmf import Blocks, CoupledNMF
from coupled_nmf.backends.dask.sources import let_go, mapped, open_rows
from coupled_nmf.fit import checkpoint

da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")


@pytest.fixture
def often(monkeypatch):
    """A checkpoint after every third iteration."""
    monkeypatch.setattr(checkpoint, "ITERATIONS", 3)
    monkeypatch.setattr(checkpoint, "SHARE", 1e9)


def pids_of(client):
    return list(client.run(os.getpid, on_error="ignore").values())


def test_a_cluster_that_loses_its_last_worker_is_given_up(X, monkeypatch):
    monkeypatch.setattr("coupled_nmf.backends.dask.cluster.PATIENCE", 0.5)
    with cluster_of(1, processes=False) as cluster, distributed.Client(cluster):

        def retire(info):
            if info.iteration == 3:
                cluster.scale(0)

        with pytest.raises(RuntimeError, match=r"has had no worker that runs for 0\.5 s"):
            CoupledNMF(**PLAIN | {"callbacks": retire, "max_iter": 500}).fit(spread(X, 150))
    with (
        cluster_of(0, processes=False) as cluster,
        distributed.Client(cluster),
        pytest.raises(RuntimeError, match="has no worker; start one"),
    ):
        CoupledNMF(2).fit(spread(X, 150))


def test_workers_that_are_killed_change_no_bit(X):
    expected = digest(*fitted(spread(X, 100)))
    with cluster_of(2) as cluster, distributed.Client(cluster) as client:

        def kill(n):
            for process in list(client.run(os.getpid, on_error="ignore").values())[:n]:
                os.kill(process, signal.SIGKILL)

        for plan in ({4: 1}, {6: 2}, {2: 1, 5: 1, 8: 1, 11: 1}):
            told = [lambda info, plan=plan: kill(plan.get(info.iteration, 0)) and None]
            assert digest(*fitted(spread(X, 100), callbacks=told)) == expected, plan


def test_what_is_missing_is_known_to_those_who_take_over(X):
    blocks = {name: np.array(X[name]) for name in X.names}
    blocks["a"][np.random.default_rng(0).uniform(size=blocks["a"].shape) < 0.1] = np.nan
    blocks["b"][::3] = np.nan
    there = Blocks({name: da.from_array(block, chunks=(100, 20)) for name, block in blocks.items()})
    with cluster_of(2, processes=False) as cluster, distributed.Client(cluster):
        expected = digest(*fitted(there, init="random"))

        def close(info):
            if info.iteration == 4:
                cluster.scale(1)

        assert digest(*fitted(there, init="random", callbacks=close)) == expected


def test_what_failed_keeps_nothing_on_the_workers(X):
    array = np.array(X.to_array())
    array[611, 3] = -1
    with cluster_of(1, processes=False) as cluster, distributed.Client(cluster):
        for _ in range(2):
            with pytest.raises(ValueError, match="Negative values") as kept:
                CoupledNMF(2).fit(da.from_array(array, chunks=(100, 50)))
        deadline = time.monotonic() + 10
        while cluster.scheduler.tasks and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not cluster.scheduler.tasks, kept


def test_data_that_are_lost_are_named(X):
    with cluster_of(2, processes=False) as cluster, distributed.Client(cluster) as client:
        scattered = [client.scatter(np.asarray(X["a"])[i : i + 100]) for i in range(0, N, 100)]
        there = da.concatenate([da.from_delayed(one, (100, 30), float) for one in scattered])

        def close(info):
            if info.iteration == 4:
                cluster.scale(0)
                cluster.scale(1)

        with pytest.raises(RuntimeError, match="lost data that it cannot make again"):
            fitted(there, init="random", callbacks=close, max_iter=300)


def test_ctrl_c_leaves_the_model_fitted_and_nothing_running(X, client):
    def interrupt(info):
        if info.iteration == 5:
            signal.raise_signal(signal.SIGINT)

    with pytest.warns(UserWarning, match="interrupted, and is fitted to iteration 5"):
        model, F = fitted(spread(X, 100), callbacks=interrupt, max_iter=500)
    assert model.n_iter_ == 5
    assert F.shape == (N, K)
    assert not any(client.processing().values())


def test_a_fit_with_checkpoints_repeats_what_came_after_the_last_one(X, tmp_path, often):
    """Of a worker that is gone with all that it held."""
    expected, done = digest(*fitted(spread(X, 100), init="random")), []
    for folder in (tmp_path, None):
        with cluster_of(2, processes=False) as cluster, distributed.Client(cluster):
            counted = Counted(cluster.scheduler)

            def close(info, counted=counted, cluster=cluster):
                if info.iteration == 11:
                    counted.n = 0
                    cluster.scale(1)

            assert digest(*fitted(spread(X, 100), init="random", checkpoint=folder, callbacks=close)) == expected
        done.append(counted.n)
    # Two or three iterations again, one more, the last solve and the last checkpoint, each a task or two a group.
    assert 5 < done[0] <= 40
    assert done[1] > 10, "without, the eleven iterations of that worker"


class Counted(distributed.diagnostics.plugin.SchedulerPlugin):
    """How many tasks of passes were done."""

    def __init__(self, scheduler):
        self.n = self.most = 0
        self._scheduler = scheduler
        scheduler.add_plugin(self)

    def transition(self, key, start, finish, *args, **kwargs):
        self.n += str(key).startswith("run") and finish == "memory"
        self.most = max(self.most, len(self._scheduler.tasks))


def test_the_scheduler_keeps_no_more_of_a_long_fit_than_of_its_last_iterations(X, tmp_path, often):
    with cluster_of(2, processes=False) as cluster, distributed.Client(cluster):
        counted, most = Counted(cluster.scheduler), {}

        def look(info):
            most[info.iteration], counted.most = counted.most, 0

        fitted(spread(X, 350), init="random", checkpoint=tmp_path, callbacks=look, max_iter=60)
    # Without checkpoints they would be five times as many; when Dask forgets what is released is its own affair.
    assert max(most[i] for i in range(40, 61)) <= 2 * max(most[i] for i in range(5, 20))


FIT = """
import sys, time
import numpy as np
import distributed
from clusters import PLAIN, spread
from coupled_nmf import Blocks, CoupledNMF
from coupled_nmf.fit import checkpoint

def main():
    checkpoint.ITERATIONS, checkpoint.SHARE = 3, 1e9
    address, data, folder, die_in_write = sys.argv[1:]
    X = np.load(data)
    if int(die_in_write):
        write, n = checkpoint.write_manifest, []
        def dies(*arguments):
            n.append(1)
            if len(n) == int(die_in_write):
                print("waits", flush=True)
                time.sleep(1000)
            write(*arguments)
        checkpoint.write_manifest = dies
    def wait(info):
        if info.iteration == 8:
            print("waits", flush=True)
            time.sleep(1000)
    with distributed.Client(address):
        there = spread(Blocks({name: X[name] for name in X.files}), 100)
        CoupledNMF(**PLAIN, checkpoint=folder, callbacks=wait).fit(there)

main()
"""


@pytest.mark.parametrize(("die_in_write", "left"), [(0, 6), (2, 9)])
def test_a_client_that_is_killed_is_gone_on_from(X, tmp_path, often, die_in_write, left):
    """Between two checkpoints, and when workers have written what no manifest names yet."""
    expected = digest(*fitted(spread(X, 100)))
    np.savez(tmp_path / "X.npz", **{name: np.asarray(X[name]) for name in X.names})
    with cluster_of(2) as cluster, distributed.Client(cluster):
        scheduler, before = cluster.scheduler, len(cluster.scheduler.tasks)
        command = [sys.executable, "-c", FIT, cluster.scheduler_address]
        command += [tmp_path / "X.npz", tmp_path / "folder", str(die_in_write)]
        paths = os.pathsep.join([str(Path(__file__).parents[1] / "support"), str(Path(__file__).parents[2])])
        client = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": paths}, stdout=subprocess.PIPE, text=True)
        assert client.stdout.readline() == "waits\n"
        assert len(scheduler.tasks) > before
        client.kill()
        client.wait()
        client.stdout.close()
        wait_until(lambda: len(scheduler.tasks) == before, 20, scheduler.tasks)
        seen = []
        told = lambda info: seen.append(info.iteration) and None  # noqa: E731
        assert digest(*fitted(spread(X, 100), checkpoint=tmp_path / "folder", callbacks=told)) == expected
        assert len(seen) == left


def test_a_folder_that_workers_do_not_share_is_refused(X):
    with (
        cluster_of(1) as cluster,
        distributed.Client(cluster),
        pytest.raises(ValueError, match=r"checkpoint='memory://here' is not what the worker tcp://.* finds there"),
    ):
        fitted(spread(X, 100), checkpoint="memory://here")


class Deadly:
    """A store whose rows end whoever reads them."""

    ndim, shape, dtype = 2, (200, 20), np.dtype(float)

    def __getitem__(self, rows):
        os._exit(1)


def test_workers_that_die_of_a_task_again_and_again_are_not_asked_for_ever():
    with (
        cluster_of(1) as cluster,
        distributed.Client(cluster),
        pytest.raises(RuntimeError, match="died again and again of the same task"),
    ):
        CoupledNMF(2, backend="dask").fit(Deadly())


def resident(path):
    """Kilobytes of a file that count as this process's memory."""
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    return sum(int(next(one for one in lines if one.startswith("Rss")).split()[1]) for line in lines if path in line)


@pytest.mark.skipif(not os.path.exists("/proc/self/smaps"), reason="only Linux says what counts")
def test_pages_of_a_file_that_was_mapped_count_no_more(tmp_path):
    path = tmp_path / "X.npy"
    np.save(path, np.ones((1000, 2000)))
    rows = open_rows(mapped(np.load(path, mmap_mode="r")[100:]), None)
    assert rows.sum() == 900 * 2000
    assert resident(str(path)) > 10_000
    let_go(rows)
    assert resident(str(path)) < 1000
    written = np.load(path, mmap_mode="c")
    written[:] = 2
    let_go(written)
    assert written.sum() == 2 * 1000 * 2000, "what somebody else has mapped is theirs"


def test_files_that_are_gone_when_workers_need_them_again_begin_the_fit_anew(X, tmp_path, often):
    fitted(spread(X, 100), init="random", checkpoint=tmp_path, max_iter=6)
    next(tmp_path.glob("*-F-000002.npy")).unlink()
    with pytest.warns(UserWarning, match=r"-F-000002.npy is missing; the fit is made anew"):
        model, F = fitted(spread(X, 100), init="random", checkpoint=tmp_path)
    assert digest(model, F) == digest(*fitted(spread(X, 100), init="random"))


SLOW = """
import os, signal, sys, threading, time, warnings
import numpy as np
import distributed
from coupled_nmf import CoupledNMF

class Slow:
    ndim, shape, dtype, chunks = 2, (4000, 100), np.dtype("f8"), (100, 100)
    def __getitem__(self, rows):
        time.sleep(float(os.environ["SECONDS_A_TILE"]))
        return np.random.default_rng(rows.start).random((rows.stop - rows.start, 100))

def main():
    from clusters import cluster_of
    when, whom = int(sys.argv[1]), sys.argv[2]
    os.setpgrp()
    pressed = []

    def press():
        time.sleep(0.5)
        pressed.append(time.monotonic())
        os.killpg(0, signal.SIGINT) if whom == "group" else os.kill(os.getpid(), signal.SIGINT)

    def tell(info):
        if info.iteration == when:
            threading.Thread(target=press, daemon=True).start()

    with cluster_of(2) as cluster, distributed.Client(cluster) as client:
        if when == 0:
            threading.Thread(target=press, daemon=True).start()
        model = CoupledNMF(2, max_iter=30, tol=0, init="random", random_state=0, backend="dask", callbacks=tell)
        warnings.simplefilter("ignore")
        try:
            F = model.fit_transform(Slow())
            print("fitted", F.shape)
            assert 2 <= model.n_iter_ < 30
        except KeyboardInterrupt:
            print("interrupted")
        running = lambda: any(client.run(lambda dask_worker: len(dask_worker.active_threads)).values())
        while running() or cluster.scheduler.tasks:
            time.sleep(0.05)
            assert time.monotonic() - pressed[0] < 20, list(cluster.scheduler.tasks)
        print(time.monotonic() - pressed[0])

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("whom", ["client", "group"])
@pytest.mark.parametrize(("when", "said"), [(0, "interrupted"), (2, "fitted (4000, 2)")])
def test_ctrl_c_at_a_terminal(whom, when, said, tmp_path):
    """Which reaches workers of this machine, too: a pass ends between two tiles, or one more finds F."""
    script = tmp_path / "slow.py"
    script.write_text(SLOW)
    paths = os.pathsep.join([str(Path(__file__).parents[1] / "support"), str(Path(__file__).parents[2])])
    environment = {**os.environ, "PYTHONPATH": paths, "SECONDS_A_TILE": "1" if when == 0 else "0.02"}
    command = [sys.executable, script, str(when), whom]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    how, seconds = done.stdout.splitlines()
    assert how == said
    assert float(seconds) < 10, "it takes one or two, but where all is slow"
