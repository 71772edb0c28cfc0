"""Sweeps: each trial once, whatever is killed; the same numbers on every engine; what fails is a row."""

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.sweeps.outcomes import Group, Sweep
from tinygrad_lstm.sweeps.seeds_picture import Ruler
from tinygrad_lstm.sweeps.store import TrialFile
from tinygrad_lstm.sweeps.trials import FIRST, Trial

for needed in ("joblib", "cloudpickle", "threadpoolctl"):
    pytest.importorskip(needed, reason='sweeps need joblib: pip install ".[sweep]"')

ROOT = Path(__file__).parents[1]
GRID = {"cell": ["lstm", "rnn"], "offset": [0, 1.0]}


def loss(seed, cell, offset):
    """Training for a step: what a run is."""
    model = tl.SequenceModel.for_task(TASK, cell=cell, hidden=4, seed=seed)
    history = tl.fit(model, TASK, steps=2, batch=4, seed=seed, progress=False)
    return {"loss": history.loss[-1] + offset, "solved": seed % 2 == 0}


TASK = tl.tasks.adding(length=5)


def numbers(found):
    return {(r.seed, *r.settings.values()): r.result for r in found.rows}


def odd(seed, what):
    if what == "raise" and seed == 1:
        raise ValueError("bad luck")
    if what == "exit" and seed == 1:
        sys.exit(3)
    if what == "die" and seed == 1:
        os._exit(9)
    if what == "none":
        return None
    return {"NaN": np.float32("nan"), "inf": [-np.inf, 1], "array": np.arange(3)} if what == "odd" else seed


def threads(seed):
    from threadpoolctl import threadpool_info

    np.ones((3, 3)) @ np.ones((3, 3))
    return {"threads": max([lib["num_threads"] for lib in threadpool_info()], default=1)}


def count(seed, folder):
    """Note every call: a file a call."""
    Path(folder, f"{seed}.{random.SystemRandom().randrange(10**9)}").touch()
    time.sleep(0.02)
    return seed


# — numbers —————————————————————————————————————————————————————————————————————————————————————————————


def test_the_numbers_are_the_same_on_every_engine_and_in_every_order(tmp_path):
    plain = {(s, c, b): loss(s, c, b) for s in range(3) for c in GRID["cell"] for b in GRID["offset"]}
    turned = [{"offset": b, "cell": c} for b in (1, 0) for c in ("rnn", "lstm")]
    for backend, workers, grid in (
        ("sequential", None, GRID), ("threading", 3, GRID), ("loky", 2, GRID), ("loky", 2, turned),
    ):  # fmt: skip
        found = tl.sweep(loss, grid, seeds=3, backend=backend, workers=workers, progress=False)
        assert len(found) == 12
        for row in found.rows:
            assert row.result == plain[row.seed, row.settings["cell"], row.settings["offset"]]


def test_blas_has_one_thread():
    limits = {"OMP_NUM_THREADS": "4", "OPENBLAS_NUM_THREADS": "4"}
    code = (
        "import sys; sys.path.insert(0, 'tests'); import tinygrad_lstm as tl, test_sweep\n"
        "for backend in ('sequential', 'threading', 'loky'):\n"
        "    print([r.result['threads'] for r in tl.sweep(test_sweep.threads, {}, seeds=3, backend=backend, workers=2,"
        " progress=False).rows])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, **limits}, capture_output=True,
                         text=True, timeout=120)  # fmt: skip
    assert run.stdout.split("\n")[:3] == ["[1, 1, 1]"] * 3, run.stderr


def test_seeds_together_are_rows_of_their_own(tmp_path):
    asked = []

    def together(seeds, scale):
        asked.append(seeds)
        return [{"value": scale * seed} for seed in seeds]

    path = tmp_path / "x.jsonl"
    settings = {"path": path, "backend": "sequential", "progress": False, "name": "t"}
    tl.sweep(lambda seed, scale: scale * seed, {"scale": [2]}, seeds=[1, 3], **settings)
    found = tl.sweep(together, {"scale": [2]}, seeds=5, at_once=4, **settings)
    assert asked == [(0, 2), (4,)] and [row.result["value"] for row in found.rows] == [0, 2, 4, 6, 8]
    found = tl.sweep(lambda seeds, scale: [1], {"scale": [3]}, seeds=2, at_once=2, **settings)
    assert [row.error["message"] for row in found.rows] == ["t returned 1 results for 2 seeds; one each is needed."] * 2


# — rows ——————————————————————————————————————————————————————————————————————————————————————————————————


def test_what_is_done_is_not_done_again(tmp_path):
    path = tmp_path / "x.jsonl"

    def go(grid, **more):
        before = Counter(f.name.split(".")[0] for f in tmp_path.glob("[0-9]*"))
        found = tl.sweep(count, grid, path=path, backend="threading", workers=2, progress=False, **more)
        return found, Counter(f.name.split(".")[0] for f in tmp_path.glob("[0-9]*")) - before

    grid = {"folder": [str(tmp_path)]}
    assert go(grid, seeds=2)[1] == {"0": 1, "1": 1}
    whole = path.read_bytes()
    found, ran = go(grid, seeds=3)
    assert ran == {"2": 1} and path.read_bytes().startswith(whole) and len(found) == 3
    assert not go([{"folder": str(tmp_path)}] * 2, seeds=3)[1], "a point twice is one"
    assert go(grid, seeds=1, versions={"run": "2"})[1] == {"0": 1}, "other versions, other numbers"
    assert go(grid, seeds=1, name="other")[1] == {"0": 1}
    assert len(Sweep.read(path)) == 5


def test_an_error_is_a_row(tmp_path):
    path = tmp_path / "x.jsonl"
    found = tl.sweep(odd, {"what": ["fine", "raise", "exit", "none"]}, seeds=2, path=path, workers=2, progress=False)
    rows = {(row.settings["what"], row.seed): row for row in found.rows}
    assert rows["fine", 1].result == {"value": 1}
    error = rows["raise", 1].error
    assert error["type"] == "ValueError" and error["message"] == "bad luck" and "in odd" in error["traceback"]
    assert rows["raise", 0].result == {"value": 0} and rows["exit", 1].error["type"] == "SystemExit"
    assert "returned a NoneType" in rows["none", 0].error["message"]
    assert len(found.errors) == 4 and "1 failed, first with seed 1: ValueError: bad luck" in found.notes()
    assert len(path.read_text().splitlines()) == 8
    tl.sweep(odd, {"what": ["raise"]}, seeds=2, path=path, workers=2, progress=False)
    assert len(path.read_text().splitlines()) == 8, "an error is not tried again"
    tl.sweep(odd, {"what": ["raise"]}, seeds=2, path=path, workers=2, progress=False, retry=True)
    assert len(path.read_text().splitlines()) == 9 and len(Sweep.read(path)) == 8


def test_a_run_that_kills_its_process_is_a_row_and_the_others_go_on():
    found = tl.sweep(odd, {"what": ["fine", "die"]}, seeds=4, workers=2, progress=False)
    assert [(r.settings["what"], r.seed, r.error["type"]) for r in found.errors] == [("die", 1, "WorkerDied")]
    assert sum(row.result is not None for row in found.rows) == 7


def test_what_json_has_no_number_for(tmp_path):
    path = tmp_path / "x.jsonl"
    tl.sweep(odd, {"what": ["odd"]}, seeds=1, path=path, backend="sequential", progress=False)
    json.loads(path.read_text(), parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    (row,) = Sweep.read(path).rows
    assert np.isnan(row.result.pop("NaN")) and row.result == {"inf": [-np.inf, 1], "array": [0, 1, 2]}


def test_a_key_is_what_was_asked():
    a = Trial("f", {"x": 1, "y": [2.0]}, 0, {"numpy": "2"})
    assert a.key == Trial("f", {"y": [2], "x": 1.0}, 0, {"numpy": "2"}, {"loss": 3}, None, 9.0).key
    for other in (Trial("g", a.settings, 0, a.versions), Trial("f", {"x": 1, "y": [3]}, 0, a.versions),
                  Trial("f", a.settings, 1, a.versions), Trial("f", a.settings, 0, {"numpy": "3"})):  # fmt: skip
        assert other.key != a.key
    done = Trial("f", {"x": True}, 3, {}, {"loss": float("inf")})
    assert Trial.of(done.line()) == done and done.line().startswith(FIRST)


# — the file ——————————————————————————————————————————————————————————————————————————————————————————————


@pytest.mark.parametrize("left", [1, 5, 9, 10, 40, -1])
def test_a_torn_last_line_is_mended(tmp_path, left):
    path = tmp_path / "x.jsonl"
    first = tl.sweep(odd, {"what": ["fine"]}, seeds=3, path=path, backend="sequential", progress=False)
    whole = path.read_bytes()
    start = whole.rstrip(b"\n").rindex(b"\n") + 1
    path.write_bytes(whole[: start + left] if left > 0 else whole[:-1])
    assert len(Sweep.read(path)) == 2
    with pytest.warns(UserWarning, match=r"x\.jsonl: its last line was torn by a kill"):
        again = tl.sweep(odd, {"what": ["fine"]}, seeds=3, path=path, backend="sequential", progress=False)
    assert numbers(again) == numbers(first) and path.read_bytes().startswith(whole[:start])
    assert len(path.read_bytes().splitlines()) == 3


def test_a_file_that_is_not_ours_is_left_alone(tmp_path):
    good = Trial("f", {"x": 1}, 0, {}, {"loss": 1}).line()
    for content, told in (
        (b"dear diary", "its last line is none of a sweep's rows"),
        (b"a,b\n1,2\n", "line 1: it is none of a sweep's rows. Remove that line"),
        (good + b'{"key": "0"}\n', "line 2: it is none"),
        (good.replace(b'"x": 1', b'"x": 2'), "line 1: its key does not belong to its settings"),
        (good + b"[" * 100_000 + b"\n", "line 2: it is none"),
    ):
        path = tmp_path / "diary"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"diary.*{told}"):
            tl.sweep(odd, {"what": ["fine"]}, path=path, backend="sequential", progress=False)
        assert path.read_bytes() == content
    with pytest.raises(FileNotFoundError, match="cannot be written"):
        tl.sweep(odd, {"what": ["fine"]}, path=tmp_path / "no" / "x", backend="sequential", progress=False)


def test_a_full_disk_leaves_whole_rows(tmp_path, monkeypatch):
    write = os.write

    def short(file, data):
        return write(file, data[: len(data) // 2])

    with TrialFile(tmp_path / "x") as store:
        store.add([Trial("f", {}, 0, {}, {"value": 0})])
        before = (tmp_path / "x").read_bytes()
        monkeypatch.setattr(os, "write", short)
        with pytest.raises(OSError, match=r"No space left.*its 1 rows are whole.*it goes on"):
            store.add([Trial("f", {}, 1, {}, {"value": 0})])
        assert (tmp_path / "x").read_bytes() == before
        monkeypatch.undo()
        store.add([Trial("f", {}, 1, {}, {"value": 0})])
    assert len(Sweep.read(tmp_path / "x")) == 2
    with TrialFile(tmp_path / "x"), pytest.raises(ValueError, match="a sweep of this process is writing to it"):
        TrialFile(tmp_path / "x")


PROGRAM = """
    import sys, test_sweep, tinygrad_lstm as tl
    path, folder, backend, seeds = sys.argv[1:]
    settings = {"path": path, "backend": backend, "workers": 2, "progress": False}
    tl.sweep(test_sweep.count, {"folder": [folder]}, seeds=int(seeds), **settings)
"""


def started(tmp_path, backend, seeds):
    folder = tmp_path / "calls"
    folder.mkdir(exist_ok=True)
    words = [
        sys.executable,
        "-c",
        textwrap.dedent(PROGRAM),
        str(tmp_path / "x.jsonl"),
        str(folder),
        backend,
        str(seeds),
    ]
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    with open(tmp_path / "told", "a") as told:  # no pipe: workers that outlive their sweep would keep it open
        return subprocess.Popen(words, env={**os.environ, "PYTHONPATH": path}, stderr=told)


def keys(path):
    return [json.loads(line)["key"] for line in path.read_text().splitlines()]


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL and locks are POSIX's")
def test_killed_at_random_moments_it_goes_on(tmp_path):
    """`tests/campaign.py --only sweeps` does it fifty times."""
    rng, path, done = random.Random(0), tmp_path / "x.jsonl", b""
    kept = {}
    for k in range(3):
        child = started(tmp_path, ("threading", "loky")[k % 2], 60)
        until = time.perf_counter() + 20
        while time.perf_counter() < until and not (path.exists() and path.stat().st_size > len(done)):
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.2))
        child.send_signal(signal.SIGKILL)
        child.wait()
        now = path.read_bytes()
        assert now.startswith(done[: done.rfind(b"\n") + 1]), "what was there stays"
        done, called = now, calls(tmp_path)
        kept |= {row.seed: called[row.seed] for row in Sweep.read(path).rows if row.seed not in kept}
    child = started(tmp_path, "threading", 60)
    assert child.wait(60) == 0, (tmp_path / "told").read_text()
    assert sorted(row.seed for row in Sweep.read(path).rows) == list(range(60))
    assert len(path.read_bytes().splitlines()) == 60
    assert len(kept) >= 3 and kept.items() <= calls(tmp_path).items(), "what was in the file has never run again"


def calls(tmp_path):
    """How often each seed has run."""
    return Counter(int(file.name.split(".")[0]) for file in (tmp_path / "calls").iterdir())


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_workers_end_with_the_sweep_that_was_killed(tmp_path):
    code = """if True:
        import os, sys, time, tinygrad_lstm as tl
        def run(seed):
            open(f"{sys.argv[1]}/{os.getpid()}.pid", "w").close()
            time.sleep(600)
        tl.sweep(run, {}, seeds=2, workers=2)"""
    child = subprocess.Popen([sys.executable, "-c", code.replace("sys.argv[1]", repr(str(tmp_path)))], cwd=ROOT)
    until = time.perf_counter() + 60
    while len(pids := [int(file.stem) for file in tmp_path.glob("*.pid")]) < 2 and time.perf_counter() < until:
        time.sleep(0.05)
    child.kill()
    child.wait()
    while pids and (left := [pid for pid in pids if _lives(pid)]) and time.perf_counter() < until:
        time.sleep(0.1)
    assert len(pids) == 2 and not left


def _lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "(zombie)" not in Path(f"/proc/{pid}/status").read_text() if Path(f"/proc/{pid}").exists() else True


@pytest.mark.skipif(os.name != "posix", reason="locks are POSIX's")
def test_two_sweeps_on_one_file_share_the_trials(tmp_path):
    children = [started(tmp_path, backend, 80) for backend in ("threading", "threading", "loky")]
    assert [child.wait(90) for child in children] == [0, 0, 0], (tmp_path / "told").read_text()
    assert len(keys(tmp_path / "x.jsonl")) == len(set(keys(tmp_path / "x.jsonl"))) == 80
    assert len(list((tmp_path / "calls").iterdir())) == 80, "each ran once, here or there"


# — what is said ——————————————————————————————————————————————————————————————————————————————————————————


def test_wrong_use_is_told():
    def go(grid=None, **settings):
        tl.sweep(odd, {"what": ["fine"]} if grid is None else grid, **{"progress": False, **settings})

    for settings, kind, told in (
        ({"grid": {"what": "fine"}}, TypeError, r"grid: 'what' must be a list of values, such as \['fine'\]"),
        ({"grid": {"what": []}}, ValueError, "'what' has no values"),
        ({"grid": []}, ValueError, "there are no points"),
        ({"grid": [3]}, TypeError, "a point is a dict"),
        ({"grid": {"seed": [1]}}, ValueError, "give seeds="),
        ({"grid": {"what": [odd]}}, TypeError, "the value of 'what' is of the type function.*its name"),
        ({"grid": {"what": [float("nan")]}}, ValueError, "'what'.*finite"),
        ({"seeds": 0}, ValueError, "seeds must be"), ({"seeds": [0.5]}, ValueError, "seeds must be"),
        ({"at_once": 0}, ValueError, "at_once must be"), ({"workers": 0}, ValueError, "workers must be"),
        ({"backend": "slurm"}, ValueError, "joblib knows no backend 'slurm'. There are dask, ray, .*loky"),
        ({"address": "tcp://x"}, ValueError, "address= is a cluster's"),
    ):  # fmt: skip
        with pytest.raises(kind, match=told):
            go(**settings)
    with pytest.raises(ValueError, match="has no name"):
        tl.sweep(lambda seed: 1, {})
    lock = __import__("threading").Lock()
    with pytest.raises(TypeError, match=r"cannot be sent to a worker.*backend='threading'"):
        tl.sweep(lambda seed: lock.locked(), {}, name="locked", workers=2)


def test_a_worker_of_other_versions_is_refused(monkeypatch):
    from tinygrad_lstm.sweeps import sweep as place

    monkeypatch.setattr(place, "versions_here", lambda: {"tinygrad_lstm": "9", "numpy": "9"})
    with pytest.raises(RuntimeError, match=r"the worker on .* has .* and the sweep .*'numpy': '9'"):
        tl.sweep(odd, {"what": ["fine"]}, backend="sequential", progress=False)


def made(*trials):
    return Sweep([Trial("f", settings, seed, {}, result, error, 2.0) for settings, seed, result, error in trials], "f")


FOUND = made(
    ({"a": 1, "b": 0}, 0, {"loss": 1.0, "solved": True}, None),
    ({"a": 1, "b": 0}, 1, {"loss": 4.0, "solved": False}, None),
    ({"a": 2, "b": 0}, 0, {"loss": 1.5, "solved": True}, None),
    ({"a": 2, "b": 0}, 1, None, {"type": "ValueError", "message": "no", "traceback": ""}),
)


def test_a_table_says_how_far_the_seeds_lie_apart():
    assert FOUND.table().splitlines() == [
        "a  seeds  solved  loss            seconds   failed",
        "1  2      1/2     2.5 [1, 4]      2 [2, 2]  0",
        "2  2      1/2     1.5 [1.5, 1.5]  2 [2, 2]  1",
    ]
    assert FOUND.notes() == ["1 failed, first with seed 1: ValueError: no"]
    assert [g.spread("loss") for g in FOUND.groups()] == [(2.5, 1, 4), (1.5, 1.5, 1.5)]
    assert FOUND.where(a=2).groups()[0].failed == 1 and len(FOUND.where(a=1, b=0)) == 2
    with pytest.raises(KeyError, match="no trial has a setting 'c'; there are a, b"):
        FOUND.where(c=1)


def test_the_interval_of_a_success_rate():
    """Against values of Newcombe 1998, Statistics in Medicine 17, table I, method 3."""
    for solved, n, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)):
        group = Group({}, [Trial("f", {}, k, {}, {"solved": k < solved}) for k in range(n)])
        np.testing.assert_allclose(group.interval, (low, high), atol=5e-5)


def test_a_data_frame_has_a_line_for_each_trial():
    pandas = pytest.importorskip("pandas", reason="a data frame needs pandas")
    frame = FOUND.frame()
    assert list(frame) == ["a", "b", "seed", "loss", "solved", "seconds", "error"]
    assert frame.groupby("a")["loss"].mean().to_dict() == {1: 2.5, 2: 1.5} and isinstance(frame, pandas.DataFrame)
    assert frame["error"].tolist()[-1] == "ValueError: no"


def test_the_picture():
    svg = FOUND.draw().svg()
    for words in ("solved, with its 95 % interval", "loss: each seed, and the mean", ">1/2<", "a 2, seed 0: 1.5"):
        assert words in svg
    assert "seconds: each seed" in FOUND.draw("seconds").svg()
    with pytest.raises(LookupError, match="no trial has a number 'accuracy'; there are loss, seconds"):
        FOUND.draw("accuracy")
    many = made(*[({"a": k}, 0, {"loss": float(10**k) if k < 300 else np.inf}, None) for k in range(70)])
    assert "the first 60 of 70 settings" in many.draw().svg() and "logarithmic scale" in many.draw().svg()
    assert made(({}, 0, None, {"type": "E", "message": "", "traceback": ""})).draw().svg()


def test_a_ruler_has_round_marks():
    ruler = Ruler.of([1.13, 3.96, np.inf], 10.0)
    assert (ruler.low, ruler.high, ruler.marks()) == (0, 4, [0, 1, 2, 3, 4])
    assert ruler.x(0) == 10 and ruler.x(2) == 200 and ruler.x(np.inf) == ruler.x(4) == 390
    wide = Ruler.of([1.0, 1e4], 0.0)
    assert wide.log and wide.marks() == pytest.approx([1, 10, 100, 1000, 1e4]) and wide.x(100) == pytest.approx(190)
