"""What may go wrong around a training: signals, pipes, full disks, terminals, damaged and forged files."""

import contextlib
import dataclasses
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import tinygrad_lstm as tl
from tinygrad_lstm import exchange, tasks
from tinygrad_lstm.cli import main
from tinygrad_lstm.cli.console import PLAIN
from tinygrad_lstm.exchange import CheckpointError
from tinygrad_lstm.exchange.checkpoint import _digest
from tinygrad_lstm.exchange.files import write
from tinygrad_lstm.habits import visible
from tinygrad_lstm.training.fit import Interrupted, fit
from tinygrad_lstm.training.model import SequenceModel, load_model, save_model

COMMAND = [sys.executable, "-m", "tinygrad_lstm"]
SMALL = ["--hidden", "8", "--batch", "4"]
posix = pytest.mark.skipif(os.name != "posix", reason="signals and pipes of POSIX")


@pytest.fixture
def here(tmp_path, tmp_path_factory, monkeypatch):
    """A folder with a text, where the notebooks are found as if their wheel were installed."""
    site = tmp_path_factory.mktemp("site")
    (site / "tinygrad_lstm_course").symlink_to(Path(__file__).parents[1] / "tutorials", target_is_directory=True)
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")])))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "song.txt").write_text("row, row, row your boat, gently down the stream.\n" * 80, encoding="utf-8")
    return tmp_path


def small(task) -> SequenceModel:
    return SequenceModel.for_task(task, hidden=4, seed=0)


def run(*words, **kw):
    return subprocess.run([*COMMAND, *map(str, words)], capture_output=True, timeout=120, check=False, **kw)


# — a training's end ———————————————————————————————————————————————————————————————————————————————————————


@posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_a_training_after_it_was_saved(here, name):
    child = subprocess.Popen(
        [*COMMAND, "train", "copying", "--seconds", "100", *SMALL], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, preexec_fn=lambda: signal.signal(getattr(signal, name), signal.SIG_DFL),  # ignored under nohup
    )  # fmt: skip
    child.stdout.readline()  # it says what it trains, so the handler is near
    time.sleep(1)
    child.send_signal(getattr(signal, name))
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130 and "saved in model.safetensors; go on with" in err
    assert load_model("model.safetensors")[1] == tasks.copying()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_during_the_last_save_loses_nothing(tmp_path, monkeypatch, name):
    task, path = tasks.copying(), tmp_path / "m"
    real = exchange.files.write

    def slow(*arguments):
        signal.raise_signal(getattr(signal, name))
        real(*arguments)

    monkeypatch.setattr("tinygrad_lstm.exchange.checkpoint.write", slow)
    with pytest.raises(Interrupted, match="stopped after step 2: saved in"):
        fit(small(task), task, steps=2, batch=2, progress=False, path=path)
    assert exchange.read(path).meta["training"]


def test_it_is_saved_on_the_way(tmp_path):
    task, path, seen = tasks.copying(), tmp_path / "m", []

    def look(history):
        seen.append(path.exists() and len(exchange.read(path).arrays["history/loss"]))

    fit(small(task), task, steps=4, batch=2, progress=False, path=path, save_every=0, on_step=look)
    assert seen == [False, 1, 2, 3]
    with pytest.raises(ValueError, match="save_every must be at least 0, not nan"):
        fit(small(task), task, steps=1, path=path, save_every=float("nan"))


def test_a_disk_that_is_full_for_a_while_costs_no_training(tmp_path, monkeypatch):
    task, path, real, count = tasks.copying(), tmp_path / "m", exchange.files.write, iter(range(9))

    def sometimes(*arguments):
        if next(count) == 1:
            raise OSError(28, "No space left on device")
        real(*arguments)

    monkeypatch.setattr("tinygrad_lstm.exchange.checkpoint.write", sometimes)
    with pytest.warns(UserWarning, match="No space left on device; the training goes on"):
        fit(small(task), task, steps=4, batch=2, progress=False, path=path, save_every=0)
    assert len(exchange.read(path).arrays["history/loss"]) == 4


def test_it_is_saved_whatever_went_wrong(tmp_path):
    task, path = tasks.copying(), tmp_path / "m"

    def fails(history):
        if len(history) == 3:
            raise MemoryError("somewhere else")

    model = small(task)
    with pytest.raises(MemoryError):
        fit(model, task, steps=9, batch=2, progress=False, path=path, on_step=fails)
    kept = exchange.read(path)
    assert len(kept.arrays["history/loss"]) == 3
    np.testing.assert_array_equal(kept.arrays["head.W"], model.head.W.numpy())


@posix
@pytest.mark.parametrize("shell", ["{} | head -1", "{} > /dev/full", "{} >&-", "{} >&- 2>&-", "nohup {} | true"])
def test_no_print_costs_a_training(here, shell):
    command = f"{sys.executable} -m tinygrad_lstm train copying --steps 20 {' '.join(SMALL)}"
    subprocess.run(["bash", "-c", shell.format(command)], capture_output=True, timeout=120, check=False)
    assert len(exchange.read("model.safetensors").arrays["history/loss"]) == 20


@pytest.mark.parametrize("encoding", ["ascii", "gbk", "cp1252", "cp437", "latin1", "cp932", "utf-8"])
def test_any_terminal_will_do(here, encoding):
    env = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = run("train", "song.txt", "--steps", 2, *SMALL, env=env)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"saved in model.safetensors" in done.stdout
    done = run("trace", "model.safetensors", "--text", "row, row", "--out", "t.svg", env=env)
    assert (done.returncode, done.stderr) == (0, b"") and os.path.exists("t.svg")
    assert "|∂L/∂C|" in done.stdout.decode(encoding) or b"|dL/dC|" in done.stdout
    assert run("tutorials", "--lang", "zh", env=env).returncode == 0


def test_plain_signs_are_plain():
    assert all(sign.isascii() for sign in PLAIN.values())


@posix
def test_a_file_name_that_is_no_text(here):
    name = os.fsdecode(b"m\xff.safetensors")
    done = run("train", "copying", "--steps", 2, *SMALL, "--out", name)
    assert done.returncode == 0 and os.path.exists(name)


# — resuming ————————————————————————————————————————————————————————————————————————————————————————————————


def test_resuming_what_is_already_done(here, capsys):
    assert main(["train", "song.txt", "--steps", "5", "--out", "m", *SMALL]) == 0
    assert main(["train", "--resume", "m", "--steps", "5"]) == 0
    assert "5 steps" in capsys.readouterr().out and len(exchange.read("m").arrays["history/loss"]) == 5
    assert main(["train", "--resume", "m", "--steps", "3"]) == 0
    assert main(["train", "--resume", "m", "--steps", "7"]) == 0
    assert len(exchange.read("m").arrays["history/loss"]) == 7


def test_resuming_with_other_data_behind_the_path(here, capsys):
    assert main(["train", "song.txt", "--steps", "2", "--out", "m", *SMALL]) == 0
    (here / "song.txt").write_text("row, row, row your boat, gently down the street.\n" * 80, encoding="utf-8")
    assert main(["train", "--resume", "m", "--steps", "4"]) == 1
    assert "m: was trained on other data than now stand in song.txt" in capsys.readouterr().err


def test_resuming_where_the_data_are_gone(here, capsys):
    assert main(["train", "song.txt", "--steps", "2", "--out", "m", *SMALL]) == 0
    os.unlink("song.txt")
    assert main(["train", "--resume", "m", "--steps", "4"]) == 1
    assert "song.txt: cannot be read (No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seconds", "x"), ("answers", None), ("position", -1), ("generators", [1]), ("state", 5),
        ("engine", float("nan")),
        ("optimizer", "adam"), ("optimizer", {"kind": "Adam", "settings": {}, "counts": {"times": 1}}),
        ("optimizer", {"kind": "Adam", "settings": {}, "counts": {"clipped": [1]}}), ("batch", True),
        ("chunk", 0), ("data", 5), ("state", ["C"]), ("generators", [{}]),
    ],
)  # fmt: skip
def test_a_forged_training_is_refused_and_changes_nothing(tmp_path, name, value):
    task, path = tasks.copying(), tmp_path / "m"
    fit(small(task), task, steps=2, batch=2, progress=False, path=path)
    saved = exchange.read(path)
    claims = saved._replace(meta=saved.meta | {"training": saved.meta["training"] | {name: value}})
    model = small(task)
    before = {key: array.copy() for key, array in model.state_dict().items()}
    with pytest.raises(CheckpointError, match=r"its training|other sources of random numbers"):
        fit(model, task, steps=3, batch=2, progress=False, resume=claims)
    assert all(np.array_equal(array, before[key]) for key, array in model.state_dict().items())
    with (
        pytest.raises(CheckpointError, match=f"its training says no {name}")
        if name not in ("engine", "data")
        else (contextlib.nullcontext())
    ):
        less = {key: part for key, part in saved.meta["training"].items() if key != name}
        fit(model, task, steps=3, batch=2, progress=False, resume=saved._replace(meta=saved.meta | {"training": less}))


def test_another_engine_is_told(tmp_path):
    task, path = tasks.copying(), tmp_path / "m"
    fit(small(task), task, steps=2, batch=2, progress=False, path=path)
    model = small(task)
    model.rnn.fused = True
    with pytest.warns(UserWarning, match="was trained step by step and goes on fused: the last digits will differ"):
        fit(model, task, steps=3, batch=2, progress=False, resume=path)


# — files ————————————————————————————————————————————————————————————————————————————————————————————————————


def forged(path: Path, **claims) -> Path:
    """A file with a valid digest whose settings claim something else."""
    saved = exchange.read(path)
    meta = saved.meta | {"model": saved.meta["model"] | claims}
    text = json.dumps(meta, ensure_ascii=False, sort_keys=True)
    header = {"format": "tinygrad_lstm", "version": "1", "meta": text, "digest": _digest(saved.arrays, text)}
    save_file(saved.arrays, path, header)
    return path


@pytest.mark.parametrize(
    "claims",
    [
        {"hidden": 20000}, {"layers": 10**5}, {"embedding": 10**7}, {"inputs": 10**9}, {"outputs": 10**9},
        {"hidden": -1}, {"inputs": -(10**9)}, {"outputs": 0}, {"hidden": "8"}, {"hidden": 3.5},
        {"layers": [1]}, {"cell": "none"},
        {"task": {"name": "text", "path": "/"}},
        {"vocabulary": 5}, {"dropout": 7},
    ],
)  # fmt: skip
def test_forged_sizes_are_refused_before_anything_is_built(tmp_path, claims):
    save_model(tmp_path / "m", small(tasks.copying()))
    start = time.process_time()
    with pytest.raises(CheckpointError, match="m: ") if "task" not in claims else pytest.raises(Exception):
        model, task = load_model(forged(tmp_path / "m", **claims))
        fit(model, task, steps=1, batch=2, progress=False)
    assert time.process_time() - start < 5


@posix
def test_a_pipe_is_no_file(here):
    os.mkfifo("pipe")
    for words in (("train", "pipe"), ("train", "--resume", "pipe"), ("trace", "pipe", "--text", "a", "--out", "t.svg")):
        done = run(*words)
        assert done.returncode == 1 and b"is no ordinary file" in done.stderr
    assert b"it is no ordinary file" in run("train", "--resume", "/dev/zero").stderr


@posix
def test_what_killed_programs_left_is_removed(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = tmp_path / f".m.{dead.pid}.0123abcd.tmp"
    mine = tmp_path / f".m.{os.getpid()}.0123abcd.tmp"
    others = [tmp_path / f".n.{dead.pid}.0123abcd.tmp", tmp_path / ".m.tmp", tmp_path / ".m.backup.tmp"]
    for path in (left, mine, *others):
        path.write_bytes(b"x")
    write(tmp_path / "m", b"whole")
    assert not left.exists() and mine.exists() and all(path.exists() for path in others)
    assert (tmp_path / "m").read_bytes() == b"whole"


def test_damaged_files_are_refused_in_one_line(tmp_path):
    rng, path = np.random.default_rng(0), tmp_path / "m"
    save_model(path, small(tasks.copying()))
    whole, refused = path.read_bytes(), 0
    for _ in range(100):
        data = bytearray(whole)
        for at in rng.integers(len(data), size=rng.integers(1, 4)):
            data[at] ^= int(rng.integers(1, 256))
        path.write_bytes(bytes(data[: rng.integers(1, len(data) + 1)] if rng.random() < 0.3 else data))
        try:
            load_model(path)
        except CheckpointError as exc:
            refused += 1
            assert "\n" not in str(exc)
    assert refused == 100 or load_file(path)  # a change within the header's padding alone would be harmless


# — what must not command a terminal ————————————————————————————————————————————————————————————————————————


def test_control_characters_are_shown():
    assert visible("a\x1b[31mb\x07\n\tc\x7f\x9b\u202e") == "a␛[31mb␇\n\tc␡\\x9b\\u202e"
    assert visible("汉字　é😀") == "汉字　é😀"


@pytest.mark.parametrize("name", ["\ud800", "a\udfffb", "\x1b[31m\x07\x9b", "\x00", "\u202eabc", "\ufffe"])
def test_names_that_no_file_may_hold_are_drawn_with_signs_for_them(tmp_path, name):
    loss = tl.nn.LSTM(2, 3, rng=0)(tl.Tensor(np.ones((1, 2, 2)), name=name)).last.h.sum().named(name)
    for view in ("time", "ops"):
        drawing = tl.draw(loss, view=view, labels=None if view == "ops" else [name, "b"])
        ElementTree.fromstring(drawing.svg().encode())
        drawing.dot.encode()
        repr(drawing).encode()
    tl.draw(loss, labels=[name, "b"]).save(tmp_path / "page.html")
    assert not any(sign in (tmp_path / "page.html").read_text(encoding="utf-8") for sign in name if ord(sign) > 122)


def test_a_text_of_escapes_reaches_no_terminal(here, capsys):
    (here / "evil.txt").write_text("ab\x1b[31m\x07\x9b" * 200, encoding="utf-8")
    assert main(["train", "evil.txt", "--steps", "2", "--out", "m", *SMALL]) == 0
    assert main(["trace", "m", "--text", "ab\x1b[31m\x07", "--out", "t.svg"]) == 0
    assert main(["train", "\x1b[2Jnone"]) == 1
    captured = capsys.readouterr()
    for text in (captured.out, captured.err):
        assert not any(sign in text for sign in "\x1b\x07\x9b")
    assert "␛" in captured.out and "␛" in captured.err
    assert "\x1b" not in tl.Tensor([1.0], name="\x1b[2J").describe()


def test_a_setting_of_any_kind_is_an_error_and_no_surprise(here):
    """Every setting of every task with values of many kinds: a task that can be used and kept, or one clear line."""
    values = (5, -1, 2.5, np.inf, np.nan, True, None, "x", "", [], [1], ["a", "b"], {"a": 1}, "\ud800", "a\0", [[1, 2]])
    (here / "t.csv").write_text("v\n" + "".join(f"{k % 7}\n" for k in range(200)), encoding="utf-8")
    paths = {"text": "song.txt", "words": "song.txt", "series": "t.csv"}
    for name, (kind, _) in tasks.TASKS.items():
        base = {"name": name} | ({"path": paths[name]} if name in paths else {})
        for setting in [field.name for field in dataclasses.fields(kind) if field.init]:
            for value in values if name != "stdlib" or setting in ("encoding", "vocabulary") else ():
                try:
                    task = tasks.from_config(base | {setting: value})
                    task.batch(2, np.random.default_rng(0))
                    json.dumps([task.config(), task.digest(), task.notes(), task.asking()])
                except tasks.TaskError as exc:
                    assert "\n" not in str(exc), (name, setting, value)


# — wrong use ————————————————————————————————————————————————————————————————————————————————————————————————

WRONG = [
    "train copying --batch 0", "train copying --seconds nan", "train copying --seconds -1", "train copying --steps -1",
    "train copying --set path=x", "train copying --set length", "train copying --save-every nan", "train",
    "train song.txt --set encoding=utf-99", "train song.txt --set rare=0", "train nothing.csv", "train copying --lr 0",
    "compare --nets rnn,rnn --out c.svg", "compare --nets nothing --out c.svg", "compare --out x.jpg",
    "trace none --text a --out x.jpg", "draw none --out x.jpg", "train copying --hidden 0", "train copying --layers 0",
    "train copying --cell none", "train copying --activation none", "train copying --optimizer none",
    "train copying --clipnorm -1", "train copying --clipnorm 1 --clipvalue 1", "train adding --column 1",
    "train copying --chunk 5", "nothing", "tutorials 99", "train song.txt --chunk 100000", "source --cell none",
    "train copying --seed -1", "train copying --batch 1000000000", "train copying --forget-bias nan",
    "train copying --set name=words", "train copying --words", "train copying --encoding gbk",
    "train song.txt --set vocabulary=5",
    "train song.txt --set encoding=5", "trace song.txt --text a --out t.svg --config c.json",
    "trace song.txt --text a --out t", "draw --out x.jpg", "draw --out x.svg --steps 100000",
    "draw --out x.svg --steps 3000", "draw --out x.png --scale nan", "draw --out x.png --scale 0",
    "draw --out x.svg --seed -1", "draw --out x.svg --view none", "draw --out x.svg --light q",
    "compare --nets lstm:nan --out c.svg", "compare --seed -1 --out c.svg", "compare --train 3 --out c.svg",
    "demo --sentences 0", "demo --steps -1", "demo --seed -1", "tutorials 1 --lang de", "tasks none", "--debug",
    "source --hidden 0", "train --resume song.txt --lr nan",
]  # fmt: skip


@pytest.mark.parametrize("line", WRONG)
def test_wrong_use_is_one_line_and_no_work(here, capsys, line):
    start = time.process_time()
    code = main(line.split())
    captured = capsys.readouterr()
    missing = "nothing.csv" in line or "--resume song.txt" in line  # a failure, and not wrong use
    assert code == (1 if missing else 2) and captured.err.count("\n") == 1, captured.err
    assert "should not happen" not in captured.err and "Traceback" not in captured.err
    assert sorted(os.listdir()) == ["song.txt"] and time.process_time() - start < 10


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("demo --out song.txt", "song.txt: File exists"),
        ("tutorials 1 --out song.txt/x", "song.txt/x: Not a directory"),
        ("draw --out no/x.svg", "no/x.svg: cannot be written (there is no such folder"),
    ],
)  # fmt: skip
def test_a_failure_of_the_system_is_told_in_its_words_and_with_the_place(here, capsys, line, told):
    assert main(line.split()) == 1 and told in capsys.readouterr().err


@posix
def test_a_full_disk_behind_stderr_changes_no_exit_code(here):
    assert subprocess.run(["bash", "-c", f"{' '.join(COMMAND)} train 2> /dev/full"], check=False).returncode == 2


@pytest.fixture
def model(here):
    (here / "t.csv").write_text("v\n" + "".join(f"{k % 7}\n" for k in range(12000)), encoding="utf-8")
    task = tasks.series("t.csv", window=8)
    save_model("m", small(task))
    return task


def test_what_is_too_long_is_refused_before_the_work_with_a_way_out(model, capsys):
    words = ["trace", "m", "--csv", "t.csv", "--out", "t.svg"]
    start = time.process_time()
    assert main(words) == 2 and "12,000 steps are too many to look into; --last 200 reads" in capsys.readouterr().err
    assert time.process_time() - start < 2 and not os.path.exists("t.svg")
    assert main([*words, "--at", "3000"]) == 2
    assert "too many for --view time at once. Draw a window of steps, --steps 1-50" in capsys.readouterr().err
    assert main([*words, "--at", "11000", "--last", "20"]) == 0 and model.asking() == [
        "--csv",
        "t.csv",
        "--last",
        "200",
    ]
    out = capsys.readouterr().out
    assert "read: the last 20 of 11,000 steps; here they are t = 1 to 20" in out and "after t = 20 (2)" in out


def test_a_layer_that_is_not_there(model, capsys):
    assert main(["trace", "m", "--csv", "t.csv", "--last", "5", "--layer", "3", "--out", "t.svg"]) == 2
    assert "--layer 3: there are 1, the first is 1" in capsys.readouterr().err


def test_characters_that_a_model_does_not_know_are_told(here, capsys):
    save_model("m", small(tasks.text("song.txt")))
    assert main(["trace", "m", "--text", "Row, ROW", "--out", "t.svg"]) == 0
    assert "4 of 8 are not in the model's vocabulary: to it they are all '�'" in capsys.readouterr().out


def test_a_demo_that_has_learned_nothing_keeps_what_it_has(here, capsys, monkeypatch):
    def nothing(*arguments, **settings):
        raise ValueError("survey: the model answers none of the sentences rightly, so there is nothing to erase.")

    monkeypatch.setattr("tinygrad_lstm.training.erasure.survey", nothing)
    assert main(["demo", "--steps", "1", "--sentences", "1"]) == 0
    assert "answers none of the sentences rightly" in capsys.readouterr().out
    assert sorted(os.listdir("demo")) == ["graph.png", "graph.svg", "model.safetensors", "strip.svg"]


def test_a_text_in_another_encoding(here, capsys):
    (here / "poem.txt").write_bytes("床前明月光，疑是地上霜。\n".encode("gbk") * 60)
    assert main(["train", "poem.txt", "--steps", "1", *SMALL]) == 1
    assert "encoding=" in capsys.readouterr().err
    assert main(["train", "poem.txt", "--encoding", "gbk", "--steps", "1", *SMALL]) == 0
    assert "明月光" in capsys.readouterr().out and load_model("model.safetensors")[1].encoding == "gbk"


def test_the_end_of_a_file_is_no_ctrl_c(here, capsys, monkeypatch):
    def ends(*arguments, **settings):
        raise EOFError("Ran out of input")

    monkeypatch.setattr("tinygrad_lstm.training.model.load_model", ends)
    assert main(["trace", "m", "--text", "a", "--out", "t.svg"]) == 1
    assert "tinygrad-lstm: a file ends too early (Ran out of input)\n" in capsys.readouterr().err


# — numba's cache ———————————————————————————————————————————————————————————————————————————————————————————


def twice(x):
    return 2 * x


@pytest.fixture
def compiled(tmp_path, monkeypatch):
    pytest.importorskip("numba", reason='compiled steps need numba: pip install ".[fast]"')
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))
    return importlib.import_module("tinygrad_lstm.compile.numba_cache").compiled


@pytest.mark.parametrize(("ending", "size"), [("nbc", 100), ("nbc", 0), ("nbi", 0), ("nbi", 60)])
def test_a_damaged_cache_is_made_anew(compiled, tmp_path, ending, size):
    assert compiled(twice)(3) == 6
    (damaged,) = tmp_path.rglob(f"*.{ending}")
    os.truncate(damaged, size)
    with pytest.warns(UserWarning, match=r"compiled steps: the cache in .* cannot be used .*; they are compiled again"):
        assert compiled(twice)(3) == 6
    again = compiled(twice)  # without a warning
    assert again(3) == 6 and sum(again.stats.cache_hits.values()) == 1


def test_a_cache_that_cannot_be_written_costs_no_result(compiled, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile._save_index", full)
    with pytest.warns(UserWarning, match="No space left on device"):
        assert compiled(twice)(3) == 6


def test_the_text_that_is_compiled_is_kept_where_it_can_be(compiled, tmp_path, monkeypatch):
    kept = importlib.import_module("tinygrad_lstm.compile.numba_cache").kept_text
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    path = kept("x = 1", "A", "1")
    assert Path(path).read_text() == "x = 1" and Path(path).parent.parent == tmp_path
    before = os.stat(path).st_mtime_ns
    assert kept("x = 1", "A", "1") == path and os.stat(path).st_mtime_ns == before, "what numba goes by"
    assert len({path, kept("x = 1", "A", "2"), kept("x = 2", "A", "1")}) == 3
    assert not list(tmp_path.rglob("*.tmp"))
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    assert kept("x = 1", "A", "1") == "<A>"
    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: Path("/proc/none"))
    assert kept("x = 1", "A", "1") == "<A>"


def test_no_place_for_a_cache_is_told(compiled, monkeypatch):
    monkeypatch.setattr("numba.core.caching.CacheImpl._locator_classes", [])
    with pytest.warns(UserWarning, match="there is no folder to keep them in.*NUMBA_CACHE_DIR names one"):
        assert compiled(twice)(3) == 6
