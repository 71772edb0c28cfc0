"""The command line as a user meets it: what it prints, its exit codes, and one clear line for everything that fails."""

import errno
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tinygrad_lstm import tasks
from tinygrad_lstm.cli import main
from tinygrad_lstm.exchange import from_torch, read
from tinygrad_lstm.training.model import load_model

COURSE = Path(__file__).resolve().parents[1] / "tutorials"
SMALL = ("--hidden", "8", "--batch", "4", "--steps", "3")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in, with a text and a table."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "song.txt").write_text("row, row, row your boat, gently down the stream.\n" * 80, encoding="utf-8")
    waves = "\n".join(f"{k},{np.sin(k / 3):.4f}" for k in range(400))
    (tmp_path / "waves.csv").write_text(f"time,height\n{waves}\n", encoding="utf-8")
    return tmp_path


def run(capsys, *words):
    """(exit code, stdout, stderr) of a command."""
    code = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return code, out, err


def process(*words, **kw):
    return subprocess.run(
        [sys.executable, "-m", "tinygrad_lstm", *map(str, words)], capture_output=True, text=True, timeout=60, **kw
    )


# — train ——————————————————————————————————————————————————————————————————————————————————————————————————


def test_train_a_task(here, capsys):
    code, out, err = run(capsys, "train", "copying", *SMALL, "--global-clipnorm", "0.01", "--set", "delay=4")
    assert (code, err) == (0, "")
    assert "lstm with 8 units" in out and "global_clipnorm=0.01: 3 of 3 steps clipped (100%)" in out
    for word in ("step 3: loss", "training  loss", "held out  loss", "accuracy", "right:", "model:", "saved in model"):
        assert word in out
    model, task = load_model("model.safetensors")
    assert task == tasks.copying(delay=4) and model.config()["hidden"] == 8
    assert sorted(os.listdir()) == ["model.safetensors", "song.txt", "waves.csv"]


@pytest.mark.parametrize(
    ("words", "name", "said"),
    [
        (("song.txt", "--chunk", "16"), "text", "bits a character"),
        ((".", "--chunk", "16", "--cell", "gru"), "text", "What the model writes"),
        (("waves.csv", "--column", "height", "--chunk", "12"), "series", "nothing changes has loss"),
        (("series",), "series", "right:"),
        (("adding", "--cell", "rnn", "--activation", "relu", "--optimizer", "sgd", "--lr", "0.01"), "adding", "SGD("),
        (("reber", "--forget-bias", "3", "--recurrent-activation", "hard_sigmoid"), "reber", "held out"),
        (("temporal_order", "--layers", "2", "--embedding", "5", "--seed", "4"), "temporal_order", "by distance"),
    ],
)
def test_train_other_sources(here, capsys, words, name, said):
    code, out, err = run(capsys, "train", *words, *SMALL, "--out", "m")
    assert (code, err) == (0, "") and said in out
    assert load_model("m")[1].name == name


def test_train_stdlib_for_a_time(here, capsys):
    words = ("--hidden", "8", "--seconds", "0.5", "--set", "max_bytes=40000")
    code, out, err = run(capsys, "train", "stdlib", *words)
    assert (code, err) == (0, "") and "characters" in out and "a second" in out


@pytest.mark.parametrize("source", ["song.txt", "copying"])
def test_resume_is_bit_exact(here, capsys, source):
    words = ("--hidden", "8", "--batch", "4", "--clipnorm", "0.1", "--lr", "0.02")
    assert run(capsys, "train", source, *words, "--steps", "7", "--out", "whole")[0] == 0
    assert run(capsys, "train", source, *words, "--steps", "4", "--out", "part")[0] == 0
    assert run(capsys, "train", source, *words, "--steps", "7", "--resume", "part", "--out", "more")[0] == 0
    assert run(capsys, "train", "--steps", "7", "--resume", "part")[0] == 0  # all that is needed, saved in its place
    whole, *others = (read(name).arrays for name in ("whole", "more", "part"))
    for arrays in others:
        assert arrays.keys() == whole.keys()
        assert all(np.array_equal(arrays[name], whole[name], equal_nan=True) for name in whole)


def test_ctrl_c_saves_and_says_how_to_go_on(here, capsys, monkeypatch):
    draw, drawn = tasks.Copying._batch, []

    def pressed(self, *args):
        drawn.append(1)
        if len(drawn) == 5:
            signal.raise_signal(signal.SIGINT)
        return draw(self, *args)

    monkeypatch.setattr(tasks.Copying, "_batch", pressed)
    code, out, err = run(capsys, "train", "copying", "--hidden", "8", "--steps", "50", "--out", "my model")
    assert code == 130 and "held out" not in out
    again = "tinygrad-lstm train --resume 'my model' --steps 50"
    assert err == f"stopped after step 5, saved in my model; go on with: {again}\n"
    assert len(read("my model").arrays["history/loss"]) == 5


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent in another way on Windows")
def test_ctrl_c_in_a_real_process(here):
    command = [sys.executable, "-m", "tinygrad_lstm", "train", "copying", "--hidden", "8", "--seconds", "50"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert "copying" in child.stdout.readline() and "8 units" in child.stdout.readline()
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=30)
    assert child.returncode == 130 and err.startswith("stopped after step ") and err.count("\n") == 1
    assert load_model("model.safetensors")[1] == tasks.copying()


# — what fails —————————————————————————————————————————————————————————————————————————————————————————————

WRONG_USE = [
    (("train",), "which SOURCE"),
    (("train", "pronouns", "--nope"), "--nope"),
    (("train", "pronouns", "--hidden", "many"), "--hidden"),
    (("train", "pronouns", "--hidden", "0"), "hidden must be at least 1"),
    (("train", "pronouns", "--cell", "elman"), "cell 'elman' is unknown"),
    (("train", "pronouns", "--cell", "gru", "--forget-bias", "1"), "has no forget_bias"),
    (("train", "pronouns", "--clipvalue", "1", "--clipnorm", "1"), "one clip at a time"),
    (("train", "pronouns", "--global-clipnorm", "-1"), "global_clipnorm must be"),
    (("train", "pronouns", "--lr", "0"), "lr must be"),
    (("train", "pronouns", "--optimizer", "lion"), "optimizer 'lion' is unknown"),
    (("train", "pronouns", "--chunk", "9"), "--chunk is for texts"),
    (("train", "pronouns", "--column", "x"), "--column is for CSV"),
    (("train", "pronouns", "--set", "length=3"), "no setting 'length'"),
    (("train", "pronouns", "--set", "length"), "NAME=VALUE"),
    (("train", "pronouns", "--steps", "-1"), "steps must be"),
    (("train", "song.txt", "--chunk", "100000"), "gives no chunk"),
    (("tasks", "chess"), "no task 'chess'"),
    (("fly",), "fly"),
]


@pytest.mark.parametrize(("words", "message"), WRONG_USE, ids=[" ".join(words) for words, _ in WRONG_USE])
def test_wrong_use(here, capsys, words, message):
    code, _, err = run(capsys, *words)
    assert code == 2 and message in err
    assert err.startswith("tinygrad-lstm: ") and err.count("\n") == 1
    assert sorted(os.listdir()) == ["song.txt", "waves.csv"]


FILES = {
    "empty.txt": b"",
    "latin.txt": "caf\xe9 au lait, caf\xe9 noir".encode("latin-1"),
    "holes.csv": b"a,b\n1,2\n,3\n4,5\n",
    "thesis.txt": b"do not lose me",
    "words.csv": b"a\nx\ny\n",
}
FAILURES = [
    (("train", "nothing.txt"), "nothing.txt: there is no such file"),
    (("train", "empty.txt"), "empty.txt: has no text"),
    (("train", "latin.txt"), "latin.txt: not UTF-8, byte 0xe9 at offset 3"),
    (("train", "holes.csv", "--column", "a"), "has no number in row 3"),
    (("train", "holes.csv"), "which column?"),
    (("train", "holes.csv", "--column", "z"), "no column 'z'"),
    (("train", "words.csv"), "holds no numbers but text"),
    (("train", "copying", "--out", "no/m"), "there is no such folder"),
    (("train", "copying", "--out", "."), "is a folder"),
    (("train", "copying", "--out", "/dev/null"), "no ordinary file"),
    (("train", "copying", "--out", "thesis.txt"), "would be overwritten"),
    (("train", "--resume", "thesis.txt"), "thesis.txt: damaged"),
    (("train", "--resume", "nothing"), "nothing: cannot be read"),
    (("train", "adding", "--optimizer", "sgd", "--lr", "1e7", "--cell", "rnn", "--activation", "relu"), "loss is nan"),
]


@pytest.mark.parametrize(("words", "message"), FAILURES, ids=[" ".join(words) for words, _ in FAILURES])
def test_failures(here, capsys, words, message):
    for name, data in FILES.items():
        (here / name).write_bytes(data)
    before = sorted(os.listdir())
    code, _, err = run(capsys, *words)
    assert code == 1 and message in err
    assert err.startswith("tinygrad-lstm: ") and err.count("\n") == 1
    written = ["model.safetensors"] if "loss is nan" in message else []  # the last good parameters
    assert sorted(os.listdir()) == sorted(before + written)
    assert all((here / name).read_bytes() == data for name, data in FILES.items())


def test_full_disk_keeps_the_old_model(here, capsys, monkeypatch):
    assert run(capsys, "train", "copying", *SMALL, "--out", "m")[0] == 0
    before = (here / "m").read_bytes()

    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    code, _, err = run(capsys, "train", "copying", *SMALL, "--seed", "1", "--out", "m")
    line = "tinygrad-lstm: m: cannot be written (No space left on device); nothing was saved there\n"
    assert (code, err) == (1, line)
    assert (here / "m").read_bytes() == before and sorted(os.listdir()) == ["m", "song.txt", "waves.csv"]


def test_resume_with_other_settings(here, capsys):
    assert run(capsys, "train", "copying", *SMALL, "--out", "m")[0] == 0
    for words, message in (
        (("--hidden", "9"), "--hidden 9: the file was trained with 8"),
        (("--lr", "1"), "--lr 1.0: the file was trained with 0.01"),
        (("--clipnorm", "1"), "--clipnorm 1.0: the file was trained with None"),
        (("--batch", "5"), "--batch 5"),
        (("--optimizer", "sgd"), "trained with adam"),
        (("reber",), "was trained on copying"),
    ):
        code, _, err = run(capsys, "train", *words, "--resume", "m")
        assert code == 2 and message in err and err.count("\n") == 1


def test_debug_shows_the_traceback(here):
    with pytest.raises(ValueError, match="cell 'elman'"):
        main(["train", "pronouns", "--cell", "elman", "--debug"])


def test_what_should_not_happen_is_still_one_line(here, capsys, monkeypatch):
    monkeypatch.setattr("tinygrad_lstm.training.model.SequenceModel.for_task", lambda *a, **k: {}["gone"])
    code, _, err = run(capsys, "train", "copying")
    assert code == 1 and "KeyError: 'gone' (this should not happen; --debug shows where" in err and err.count("\n") == 1


# — the rest ———————————————————————————————————————————————————————————————————————————————————————————————


def test_help_and_version(here, capsys):
    code, out, _ = run(capsys, "--help")
    assert code == 0 and all(name in out for name in ("train", "tasks", "doctor"))
    code, out, _ = run(capsys, "train", "--help")
    options = (
        "cell hidden layers steps seconds batch lr optimizer clipvalue clipnorm global-clipnorm activation "
        "recurrent-activation forget-bias seed out resume embedding chunk column"
    )
    assert code == 0 and all(f"--{name} " in out for name in options.split())
    assert run(capsys, "doctor", "--help")[0] == run(capsys, "tasks", "--help")[0] == 0
    code, _, err = run(capsys)
    assert code == 2 and err.count("\n") == 1
    code, out, _ = run(capsys, "--version")
    assert code == 0 and out.startswith("tinygrad-lstm ")


def test_tasks(here, capsys):
    code, out, _ = run(capsys, "tasks")
    assert code == 0 and all(name in out for name in tasks.TASKS)
    for name in tasks.TASKS:
        code, out, err = run(capsys, "tasks", name)
        assert code == 0 and out.startswith(name) and not err
    assert "delay = 10" in run(capsys, "tasks", "copying")[1]


def test_doctor_tells_good_from_bad(here, capsys, monkeypatch):
    _, out, _ = run(capsys, "doctor")
    for word in ("python", "numpy 2", "BLAS", "gradients", "drawing engine", "test picture"):
        assert word in out
    assert "ok    gradients" in out and "ok    saving" in out
    monkeypatch.setenv("TMPDIR", str(here / "nowhere"))
    monkeypatch.setattr("tinygrad_lstm.testing.gradcheck", lambda *a, **k: 1 / 0)
    code, out, _ = run(capsys, "doctor")
    assert code == 1 and "FAIL  gradients       ZeroDivisionError" in out


def test_as_a_module_with_a_warning_and_in_a_pipe(here):
    done = process("train", "copying", *SMALL, "--recurrent-activation", "relu")
    assert done.returncode == 0 and done.stderr.count("\n") == 1
    assert "warning: recurrent_activation='relu': a gate says how much" in done.stderr
    read_end, write_end = os.pipe()
    os.close(read_end)  # nobody reads: every print fails
    with os.fdopen(write_end, "w") as nobody:
        command = [sys.executable, "-m", "tinygrad_lstm", "tasks"]
        done = subprocess.run(command, stdout=nobody, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.stderr == "" and done.returncode == 1


def test_importing_the_package_imports_no_command_line():
    code = "import sys, tinygrad_lstm; print([m for m in ('typer', 'rich', 'safetensors') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# — tutorials ——————————————————————————————————————————————————————————————————————————————————————————————


@pytest.fixture
def course(here, monkeypatch):
    """The notebooks of the checkout, as its wheel would have them."""
    from tinygrad_lstm.cli import tutorials

    monkeypatch.setattr(tutorials, "folders", lambda: [COURSE])


def test_tutorials_are_listed(course, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    code, out, err = run(capsys, "tutorials")
    assert (code, err) == (0, "")
    assert "A tensor remembers" in out and "How does the gradient find its way back?" in out


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("wide", [80, 60])
def test_the_list_of_tutorials_is_whole_and_fits_the_terminal(course, capsys, monkeypatch, lang, wide):
    from tinygrad_lstm.cli import tutorials
    from tinygrad_lstm.spoken import columns

    monkeypatch.setenv("COLUMNS", str(wide))
    code, out, err = run(capsys, "tutorials", "--lang", lang)
    assert (code, err) == (0, "") and "…\n" not in out
    assert max(map(columns, out.splitlines()[:-1])) <= wide
    told = re.sub(r"\s", "", out)
    for path in tutorials.notebooks(lang).values():
        words = tutorials.wrapped(tutorials._head(path)[1], 20)
        assert all(re.sub(r"\s", "", word) in told for word in words[:1])
        assert not any(re.match("[，。：；、？！”）]", line) for line in words)


def test_no_assert_of_a_copy_tells_what_a_prediction_asks():
    from tinygrad_lstm.cli import tutorials
    from tinygrad_lstm.course import book

    for lang in ("en", "zh"):
        for path in tutorials.notebooks(lang).values():
            cells = [cell["source"] for cell in json.loads(tutorials.cleared(path, lang))["cells"]]
            asked = [text for text in cells if "quiz.reveal(" in text]
            assert asked and not any(re.search("(?m)^assert", text) for text in asked), path.name
    kept = 'x = 1\nassert (\n    x == 1\n)\nquiz.reveal(my_guess, x)\nfor k in (1,):\n    assert k\nprint(x)'
    assert book.unclaimed(kept) == "x = 1\nquiz.reveal(my_guess, x)\nfor k in (1,):\n    assert k\nprint(x)"
    assert book.unclaimed("assert 1") == "assert 1"


def test_a_tutorial_is_copied_out_to_work_on(here, course, capsys):
    code, out, err = run(capsys, "tutorials", "1", "--out", "work")
    assert (code, err) == (0, "") and 'pip install "tinygrad-lstm[course]" && jupyter lab work' in out
    made = here / "work" / "01_a_tensor_remembers.ipynb"
    cells = json.loads(made.read_text(encoding="utf-8"))["cells"]
    assert cells and not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
    made.write_text("mine", encoding="utf-8")
    code, _, err = run(capsys, "tutorials", "1", "--out", "work")
    assert code == 2 and "is there already; --force overwrites it" in err and made.read_text() == "mine"
    code, out, _ = run(capsys, "tutorials", "1", "--out", "work", "--lang", "zh")
    assert code == 0 and made.read_text() == "mine", "the one in Chinese stands beside it"
    assert (here / "work" / "01_a_tensor_remembers.zh.ipynb").exists()
    zh = ("--lang", "zh")
    for words, said in (((), "C (`tinygrad-lstm tutorials 5`)"), (zh, "（`tinygrad-lstm tutorials 5 --lang zh`）")):
        assert run(capsys, "tutorials", "9", "--out", "alone", *words)[0] == 0
        (copy,) = (here / "alone").glob("09_*.zh.ipynb" if words else "09_*_practice.ipynb")
        text = copy.read_text(encoding="utf-8")
        assert said in text and not re.search(r"\]\([^)]*\.ipynb\)", text), "a link to what is not there"
    assert run(capsys, "tutorials", "1", "--out", "work", "--force")[0] == 0 and made.read_text() != "mine"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tutorials", "77"), "there is no tutorial 77 in 'en'; there are 0, 1, "),
        (("tutorials", "--lang", "de"), "--lang must be en or zh, not 'de'"),
        (("tutorials", "one"), "Invalid value for 'number'"),
    ],
)
def test_a_tutorial_that_there_is_not(course, capsys, words, said):
    code, out, err = run(capsys, *words)
    assert (code, out, err.count("\n")) == (2, "", 1) and said in err


def test_without_tutorials_one_line_says_so(here, capsys, monkeypatch):
    from tinygrad_lstm.cli import tutorials

    monkeypatch.setattr(tutorials, "folders", list)
    code, out, err = run(capsys, "tutorials")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "the tutorials are not here: pip install tinygrad-lstm-course, or, in a clone of the project," in err
    (here / "zh").mkdir()
    (here / "zh" / "01_x.ipynb").write_text("{}")
    monkeypatch.setattr(tutorials, "folders", lambda: [here])
    assert "there are no tutorials in 'en' here, only in: zh" in run(capsys, "tutorials")[2]


def test_where_the_tutorials_are(here, monkeypatch):
    """Their own wheel comes first; a folder `tutorials` that one stands in counts if it is the project's."""
    from tinygrad_lstm.cli import tutorials

    def of(*languages):
        return [[path.name for path in tutorials.notebooks(one).values()] for one in languages]

    monkeypatch.setattr(tutorials, "__file__", str(here / "site" / "tinygrad_lstm" / "cli" / "tutorials.py"))
    assert tutorials.folders() == [here / "site" / "tutorials"] and of("en", "zh") == [[], []]
    (here / "tutorials" / "en").mkdir(parents=True)
    (here / "tutorials" / "en" / "01_theirs.ipynb").write_text("{}")
    assert of("en") == [[]], "somebody else's folder"
    (here / "tutorials" / "pyproject.toml").write_text((COURSE / "pyproject.toml").read_text(encoding="utf-8"))
    assert of("en") == [["01_theirs.ipynb"]]
    for name in ("en/02_installed.ipynb", "zh/02_installed.ipynb", "en/notes.ipynb"):
        place = here / "site" / "tinygrad_lstm_course" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("{}")
    monkeypatch.syspath_prepend(here / "site")
    assert of("en", "zh") == [["02_installed.ipynb"], ["02_installed.ipynb"]]


def test_two_wheels_of_one_version():
    """What a browser has to install is small, and needs nothing that has no build for it."""
    from packaging.requirements import Requirement

    files = (COURSE.parent / "pyproject.toml", COURSE / "pyproject.toml")
    package, course = (tomllib.loads(file.read_text(encoding="utf-8")) for file in files)
    assert package["project"]["version"] == course["project"]["version"]
    assert course["tool"]["hatch"]["build"]["targets"]["wheel"]["sources"].keys() == {"en", "zh"}
    needs = [Requirement(text) for text in package["project"]["dependencies"]]
    inside = {one.name for one in needs if not one.marker or one.marker.evaluate({"sys_platform": "emscripten"})}
    assert inside == {"numpy", "graphviz"}
    assert {one.name for one in needs} - inside == {"graphviz-pure", "safetensors", "typer", "rich"}


# — trace ——————————————————————————————————————————————————————————————————————————————————————————————————


def test_two_models_are_traced_beside_each_other(here, capsys):
    for cell in ("rnn", "lstm"):
        assert run(capsys, "train", "pronouns", "--cell", cell, "--out", f"{cell}.safetensors", *SMALL)[0] == 0
    words = ("trace", "rnn.safetensors", "--beside", "lstm.safetensors", "--text", "mary lost her box", "--out")
    code, out, err = run(capsys, *words, "two.html")
    assert (code, err) == (0, "") and out.count("the model expects") == 2 and "picture: two.html" in out
    facts = json.loads(re.search(r'"data">(.*?)</script>', (here / "two.html").read_text("utf-8"), re.DOTALL)[1])
    assert [sheet["name"] for sheet in facts["sheets"]] == ["rnn", "lstm"], "the kind of cell is said once"
    first = re.findall(r"the model expects: '(.*?)' ([\d.]+)%", out)
    assert [sheet["answer"][:2] for sheet in facts["sheets"]] == [["“box” →", f"{word} {p} %"] for word, p in first]
    assert run(capsys, *words, "two.svg", "--view", "strip")[0] == 2
    assert run(capsys, "train", "copying", "--out", "other.safetensors", *SMALL)[0] == 0
    code, _, err = run(capsys, "trace", "rnn.safetensors", "--beside", "other.safetensors", "--text", "mary lost",
                       "--out", "x.html")  # fmt: skip
    assert code == 2 and err.count("\n") == 1 and not (here / "x.html").exists()


def test_steps_are_counted_from_one(here, capsys):
    assert run(capsys, "train", "pronouns", "--out", "m.safetensors", *SMALL)[0] == 0
    words = ("trace", "m.safetensors", "--text", "mary lost her box", "--out", "x.svg", "--at")
    for at, word in (("1", "mary"), ("3", "her"), ("-1", "box"), ("-4", "mary")):
        code, out, _ = run(capsys, *words, at)
        t = int(at) % 5
        assert code == 0 and out.startswith(f"after t = {t}, '{word}', the model") and f"\n{t:>4}  {word}" in out
    for at in ("0", "5", "-5"):
        code, out, err = run(capsys, *words, at)
        assert (code, out) == (2, "") and "t = 1 to 4" in err


def test_pictures_for_slides_and_papers(here, capsys):
    assert run(capsys, "train", "pronouns", "--out", "m.safetensors", *SMALL)[0] == 0
    words = ("trace", "m.safetensors", "--text", "emma came home and john quietly opened", "--for", "slide", "--out")
    code, out, err = run(capsys, *words, "x.png")
    assert (code, out) == (2, "") and "--steps 1-6" in err and not (here / "x.png").exists()
    assert run(capsys, *words, "x.png", "--steps", "5-7")[0] == 0 and (here / "x.png").stat().st_size > 10_000
    assert "--steps 5: give the first and the last step" in run(capsys, *words, "x.png", "--steps", "5")[2]
    draw = ("draw", "--steps", "2", "--forward", "--for", "slide", "--no-legend", "--transparent", "--out", "f.png")
    assert run(capsys, *draw, "--light", "f", "--scale", "2")[0] == 0
    assert "--light q is no gate" in run(capsys, *draw, "--light", "q")[2]


def test_a_long_table_is_shortened_and_has_dates(here, capsys):
    rows = [f"2024-{k // 28 + 1:02}-{k % 28 + 1:02},{k % 7 + k / 100:g}" for k in range(140)]
    (here / "days.csv").write_text("\n".join(["day,value", *rows]), "utf-8")
    assert run(capsys, "train", "days.csv", "--column", "value", "--out", "m.safetensors", *SMALL)[0] == 0
    code, out, _ = run(capsys, "trace", "m.safetensors", "--csv", "days.csv", "--out", "days.html")
    lines = [line for line in out.splitlines() if re.match(r" +\d+  ", line)]
    assert code == 0 and 30 < len(lines) <= 42 and out.startswith("after t = 140 (2024-05-28) the model predicts")
    assert lines[0].split()[:2] == ["140", "2024-05-28"] and lines[-1].split()[0] == "0"
    assert [int(line.split()[0]) for line in lines][:20] == [*range(140, 120, -1)]
    assert "2024-05-28" in (here / "days.html").read_text("utf-8")


@pytest.mark.parametrize("task", ["pronouns", "copying", "reber", "series", "song.txt", "waves.csv", "adding"])
def test_the_last_line_of_a_training_says_what_to_do_next(here, capsys, task):
    column = ("--column", "height") if task == "waves.csv" else ()
    code, out, _ = run(capsys, "train", task, *column, "--out", "my model.safetensors", *SMALL)
    last = out.splitlines()[-1]
    assert code == 0
    if task == "adding":  # numbers that no command reads
        assert last == "look inside, in Python: model, task = tl.load_model('my model.safetensors')"
    else:
        command = shlex.split(last.removeprefix("look inside: "))
        assert command[:3] == ["tinygrad-lstm", "trace", "my model.safetensors"]
        assert run(capsys, *command[1:])[0] == 0 and (here / "trace.html").exists()


def test_a_closed_pipe_loses_no_picture(here, capsys):
    assert run(capsys, "train", "pronouns", "--out", "m.safetensors", *SMALL)[0] == 0
    command = [sys.executable, "-m", "tinygrad_lstm", "trace", "m.safetensors", "--text", "mary lost her box",
               "--out", "x.svg"]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=here) as process:
        process.stdout.close()
        process.stderr.read()
    assert (here / "x.svg").stat().st_size > 1000


def test_compiled_steps_that_are_not_there_are_told_before_training_begins(here, capsys, monkeypatch):
    words = ("train", "adding", "--compiled", *SMALL)
    for name in ("numba_loops", "tiles_numba", "numba_cache"):
        monkeypatch.setitem(sys.modules, f"tinygrad_lstm.compile.{name}", None)
        monkeypatch.delattr(f"tinygrad_lstm.compile.{name}", raising=False)
    monkeypatch.setattr("tinygrad_lstm.compile.program._programs", {})
    code, out, err = run(capsys, *words)
    assert (code, out) == (1, "") and err.endswith('compiled steps need numba: pip install "tinygrad-lstm[fast]"\n')
    assert not (here / "model.safetensors").exists()


# — a file of another framework, by the command ————————————————————————————————————————————————————————————————


def test_trace_reads_a_state_dict(here, capsys):
    """Embedding, LSTM and head are found by their kinds; tokens by a list, or as numbers."""
    rng, letters = np.random.default_rng(0), list("abcdef ")
    state = {"emb.weight": rng.normal(size=(7, 3)), "rnn.weight_ih_l0": rng.normal(size=(16, 3)),
             "rnn.weight_hh_l0": rng.normal(size=(16, 4)), "rnn.bias_ih_l0": rng.normal(size=16),
             "rnn.bias_hh_l0": rng.normal(size=16), "head.weight": rng.normal(size=(7, 4)),
             "head.bias": np.zeros(7)}  # fmt: skip
    state = {name: x.astype(np.float32) for name, x in state.items()}
    save_file(state, here / "m.safetensors")
    (here / "letters.json").write_text(json.dumps(letters))
    words = ("trace", "m.safetensors", "--from", "torch", "--out", "x.html", "--text")
    code, out, err = run(capsys, *words, "bad cafe", "--config", "letters.json")
    assert (code, err) == (0, "") and out.startswith("after t = 8, 'e', the model expects: ")
    net = from_torch(state)
    logits = net.head(net.rnn(net.emb(np.array([[letters.index(c) for c in "bad cafe"]]))).h).numpy()[0, -1]
    assert f"expects: {letters[logits.argmax()]!r}" in out and (here / "x.html").exists()
    code, out, _ = run(capsys, *words, "1 0 3 6")
    assert code == 0 and out.startswith("after t = 4, '6', the model expects: ")
    for more, match in (
        (("1 9",), "'9' is no token of this model; it should be a --config"),
        (("xyz", "--config", "letters.json"), "'x' is no token of this model; it should be one of"),
        (("", "--config", "letters.json"), "nothing to read"),
        (("1", "--config", "gone.json"), "gone.json: cannot be read"),
    ):
        assert match in run(capsys, *words, *more)[2]
    (here / "few.json").write_text('["a"]')
    assert "has 1 tokens, and the model's embedding 7 rows" in run(capsys, *words, "a", "--config", "few.json")[2]
    assert "--from jax: it is torch, keras, onnx" in run(capsys, *words[:3], "jax", *words[4:], "1")[2]
    more = {"more.weight": np.ones((2, 2), np.float32), "more.bias": np.ones(2, np.float32)}
    save_file(state | more, here / "two.safetensors")
    assert "2 linear ones" in run(capsys, "trace", "two.safetensors", *words[2:], "1")[2]


def test_trace_reads_a_layer_alone(here, capsys):
    rng = np.random.default_rng(0)
    state = {"weight_ih_l0": rng.normal(size=(12, 2)), "weight_hh_l0": rng.normal(size=(12, 4))}
    save_file({name: x.astype(np.float32) for name, x in state.items()}, here / "gru.safetensors")
    np.savetxt(here / "two.csv", rng.normal(size=(6, 2)), delimiter=",")
    words = ("trace", "gru.safetensors", "--from", "torch", "--out", "x.svg", "--csv")
    code, out, err = run(capsys, *words, "two.csv")
    assert (code, err) == (0, "") and out.startswith("after t = 6 (6); traced: the sum of h, ")
    (here / "three.csv").write_text("1,2,3\n")
    assert "has 3 columns, and the model reads 2 features" in run(capsys, *words, "three.csv")[2]
    (here / "words.csv").write_text("a,b\n")
    assert "is no table of numbers alone" in run(capsys, *words, "words.csv")[2]
