"""Sweeps on Dask and on Ray, where they are installed: the numbers of one process, and a scheduler that is killed."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.sweeps.outcomes import Sweep

pytest.importorskip("joblib", reason='sweeps need joblib: pip install ".[sweep]"')

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.filterwarnings("default")  # theirs are not ours


def trained(seed, hidden, wait=0.0):
    import time  # a worker knows this function by its code alone

    import tinygrad_lstm as tl

    time.sleep(wait)
    task = tl.tasks.adding(length=5)
    model = tl.SequenceModel.for_task(task, hidden=hidden, seed=seed)
    return {"loss": tl.fit(model, task, steps=2, batch=4, seed=seed, progress=False).loss[-1]}


def alone(grid, seeds):
    found = tl.sweep(trained, grid, seeds=seeds, backend="sequential", progress=False)
    return [row.result for row in found.rows]


@pytest.fixture
def by_code(monkeypatch):
    """Workers that are started by hand do not find this file: the function is sent as its code."""
    import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


class Cluster:
    """A scheduler at a port of its own and two workers, as processes: to be killed and started again."""

    def __init__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = str(free.getsockname()[1])
        self.address = f"tcp://127.0.0.1:{self.port}"

    def start(self):
        here = ["--host", "127.0.0.1", "--no-dashboard"]
        worker = ["dask_worker", self.address, "--nthreads", "1", "--no-nanny", *here]
        path = {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
        self.processes = [
            subprocess.Popen([sys.executable, "-m", f"distributed.cli.{words[0]}", *words[1:]],
                             env={**os.environ, **path}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for words in (["dask_scheduler", "--port", self.port, *here], worker, worker)
        ]  # fmt: skip

    def kill(self, count=3):
        """The scheduler first, then its workers."""
        for process in self.processes[:count]:
            process.send_signal(signal.SIGKILL)
            process.wait()


@pytest.fixture
def cluster():
    pytest.importorskip("distributed", reason='a cluster of Dask needs it: pip install ".[dask]"')
    made = Cluster()
    made.start()
    yield made
    made.kill()


def test_a_scheduler_is_killed_and_started_again(cluster, tmp_path, by_code):
    """Two workers; in the midst of the sweep its scheduler goes, and comes back with two others."""
    path, grid = tmp_path / "x.jsonl", {"hidden": [3, 4], "wait": [0.1]}
    before = []

    def kill():
        until = time.perf_counter() + 60
        while time.perf_counter() < until and not (path.exists() and path.read_bytes().count(b"\n") >= 6):
            time.sleep(0.05)
        cluster.kill(1)
        time.sleep(2)
        cluster.kill()
        before.append(path.read_bytes())
        cluster.start()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    found = tl.sweep(trained, grid, seeds=20, path=path, backend="dask", address=cluster.address, progress=False)
    killer.join()
    assert 6 <= before[0].count(b"\n") < 40 and path.read_bytes().startswith(before[0])
    assert path.read_bytes().count(b"\n") == len({row.key for row in Sweep.read(path).rows}) == 40
    assert [row.result for row in found.rows] == alone({**grid, "wait": [0.0]}, 20)


def test_no_scheduler_is_told(tmp_path):
    pytest.importorskip("distributed", reason='a cluster of Dask needs it: pip install ".[dask]"')
    with pytest.raises(RuntimeError, match=r"the engine 'dask' fails \(OSError: Timed out.*it goes on"):
        tl.sweep(trained, {"hidden": [3]}, backend="dask", address="tcp://127.0.0.1:9", progress=False)


def test_dask_on_this_machine():
    pytest.importorskip("distributed", reason='a cluster of Dask needs it: pip install ".[dask]"')
    grid = {"hidden": [3, 4]}
    found = tl.sweep(trained, grid, seeds=3, backend="dask", workers=2, progress=False)
    assert [row.result for row in found.rows] == alone(grid, 3)


def test_ray(by_code):
    pytest.importorskip("ray", reason='Ray is an extra: pip install ".[ray]"')
    grid = {"hidden": [3, 4]}
    found = tl.sweep(trained, grid, seeds=3, backend="ray", workers=2, progress=False)
    assert [row.result for row in found.rows] == alone(grid, 3)
