"""Tasks which read files: texts and tables, whole, torn and wrong."""

import os
import re
import shutil
import sys
import tracemalloc
from collections import Counter
from importlib.util import find_spec

import numpy as np
import pytest

from tinygrad_lstm import tasks
from tinygrad_lstm.tasks import TaskError
from tinygrad_lstm.tasks.reading import read

TEXT = sys.modules["tinygrad_lstm.tasks.text"]  # the package's `text` is the task


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture
def write(tmp_path):
    def write(content: str | bytes, name: str = "file.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    return write


PROSE = "".join(chr(97 + (i * i + i // 7) % 26) for i in range(1000))


# text


@pytest.mark.parametrize("characters", [31, 32, 33, 64, 65, 66])
def test_chunks_are_counted_to_the_character(write, characters):
    """The target of the last character is one more, so 32 steps take 33 characters."""
    task = tasks.text(write(PROSE[:characters]), steps=32, held_out=0, rare=1)
    expected = max(0, characters - 1) // 32
    assert task.chunk_count(1, 32) == expected and task.chunk_count(2, 32) == (characters - 1) // 2 // 32
    if expected:
        batches = list(task.chunks(1, 32))
        assert (
            len(batches) == expected
            and task.decode(batches[-1].target[0]) == PROSE[32 * expected - 31 : 32 * expected + 1]
        )
        task.batch(3, generator())


@pytest.mark.parametrize("skipped", [1, 5, 6, 9])
def test_files_that_were_passed_over_are_named_up_to_five(write, skipped):
    for k in range(skipped):
        write(b"\x80\x81" * 9, f"folder/bad{k}.bin")
    folder = write("to and fro " * 50, "folder/good.txt").parent
    (told,) = [note for note in tasks.text(folder).notes() if "passed over" in note]
    named = ", ".join(f"bad{k}.bin" for k in range(min(skipped, 5)))
    assert told.endswith(f": {named}" + (f" and {skipped - 5} more" if skipped > 5 else ""))


@pytest.mark.parametrize(("window", "fits"), [(9, True), (10, False), (11, False)])
def test_each_part_of_a_series_is_one_longer_than_its_window(write, window, fits):
    table = write("".join(f"{k % 7}\n" for k in range(20)), "t.csv")  # ten of them are held out
    if fits:
        for split in ("train", "test"):
            assert (
                tasks.series(table, window=window, held_out=0.5).batch(2, generator(), split=split).x.shape[1] == window
            )
    else:
        with pytest.raises(TaskError, match=rf"20 values are too few for window={window}"):
            tasks.series(table, window=window, held_out=0.5).batch(1, generator())
    with pytest.raises(TaskError, match="20 values are too few for window=20"):
        tasks.series(table, window=20, held_out=0).batch(1, generator())
    whole = tasks.series(table, window=19, held_out=0)
    assert whole.batch(1, generator()).x.shape[1] == 19


def test_without_a_guess_the_setting_is_named(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "charset_normalizer", None)
    with pytest.raises(TaskError, match=r"say how it is encoded: --set encoding=NAME .*pip install .*encodings"):
        tasks.text(write("caf\xe9 ".encode("latin-1") * 50))


def test_two_characters_are_a_text_and_one_is_none(write):
    assert tasks.text(write("ab"), steps=1, held_out=0, rare=1).text == "ab"
    with pytest.raises(TaskError, match="at least two characters"):
        tasks.text(write("a", "one.txt"))


def test_what_guessing_evenly_takes_is_said_in_bits(write):
    task = tasks.text(write("abcd" * 50), rare=1)  # four characters and the unknown one
    assert task.baseline(2 * np.log(2)) == "2.00 bits a character, where guessing evenly takes 2.32"


def test_a_path_becomes_text_that_json_can_hold(write):
    table = write("".join(f"{k % 7}\n" for k in range(200)), "t.csv")
    for task in (tasks.series(table), tasks.text(table)):
        assert task.config()["path"] == str(table) and type(task.config()["path"]) is str


def test_bytes_are_told_from_another_encoding(write):
    with pytest.raises(TaskError, match="holds NUL characters, as no text does; it is probably utf-16-le"):
        tasks.text(write("to and fro ".encode("utf-16-le") * 50))
    with pytest.raises(TaskError) as caught:
        tasks.text(write("caf\xe9\n\n\n\t\n\n".encode("latin-1") * 50, "latin.txt"))
    assert "it is no text" not in str(caught.value) and "not UTF-8, byte 0xe9 at offset 3" in str(caught.value)


@pytest.mark.parametrize(("held_out", "split"), [(0.95, "train"), (0.05, "test")])
def test_a_part_that_is_too_short_says_so_and_which(tmp_path, held_out, split):
    (tmp_path / "t.txt").write_text("to and fro " * 10, encoding="utf-8")  # 110 characters
    task = tasks.text(tmp_path / "t.txt", steps=20, held_out=held_out, rare=1)
    n = len(task._part(split))
    with pytest.raises(TaskError, match=rf"the {split} part of {n} characters is too short for steps=20; take fewer"):
        task.batch(2, np.random.default_rng(0), split=split)
    with pytest.raises(
        TaskError, match=rf"the {split} part of {n} characters gives no chunk of batch=1 times steps=20"
    ):
        task.chunks(1, 20, split=split)
    exact = tasks.text(tmp_path / "t.txt", steps=n - 1, held_out=held_out, rare=1)
    assert exact.batch(2, np.random.default_rng(0), split=split).x.shape == (2, n - 1)


def test_vocabulary_comes_from_the_training_part(write):
    task = tasks.text(write("aaabbbcx" * 10 + "z" * 20), held_out=0.2, rare=2)
    assert task.vocabulary == ("�", "a", "b", "c", "x")
    assert task.encode("abz").tolist() == [1, 2, 0] and task.decode([1, 2, 0]) == "ab�"
    assert tasks.text(write("aab" * 5 + "c"), held_out=0, rare=2).vocabulary == ("�", "a", "b")
    assert tasks.text(write("aab�" * 5), held_out=0).vocabulary == ("�", "a", "b")
    assert task.inputs == task.outputs == 5


def test_windows_are_pieces_of_their_part(write):
    task = tasks.text(write(PROSE), steps=20, held_out=0.25)
    assert task.text == PROSE
    for split, part in (("train", PROSE[:750]), ("test", PROSE[750:])):
        batch = task.batch(30, generator(), split=split)
        for x, target in zip(batch.x, batch.target, strict=True):
            assert task.decode(x) in part
            assert task.decode(x) + task.decode(target)[-1] in part and (x[1:] == target[:-1]).all()
        assert batch.mask.all()
    batch.x[:] = 0
    assert batch.target.any()  # input and target are not two views of one array


def test_chunks_go_on_where_they_ended(write):
    task = tasks.text(write(PROSE), held_out=0.1)
    chunks = list(task.chunks(4, 16))
    assert len(chunks) == task.chunk_count(4, 16) == 899 // 4 // 16
    for row in range(4):
        whole = "".join(task.decode(chunk.x[row]) for chunk in chunks)
        start = row * (899 // 4)
        assert whole == PROSE[start : start + len(whole)]
        assert "".join(task.decode(chunk.target[row]) for chunk in chunks) == PROSE[start + 1 : start + 1 + len(whole)]
    for one, two in zip(list(task.chunks(4, 16, start=5)), chunks[5:], strict=True):
        np.testing.assert_array_equal(one.x, two.x)
    assert list(task.chunks(4, 16, start=len(chunks))) == []
    assert task.decode(next(task.chunks(1, 10, split="test")).x[0]) == PROSE[900:910]
    assert task.chunk_count(1, 999 - 100) == 1  # not one character is wasted
    with pytest.raises(TaskError, match=r"no chunk 15; the train part has 14"):
        task.chunks(4, 16, start=15)
    with pytest.raises(TaskError, match="100 characters gives no chunk of batch=50 times steps=16"):
        task.chunks(50, 16, split="test")
    for batch, steps in ((0, 16), (4, 0), (-1, 5)):
        with pytest.raises(TaskError, match="at least 1"):
            task.chunks(batch, steps)


def test_a_folder(write, tmp_path):
    write("second ", "b/2.txt")
    write("first ", "a.txt")
    write("third", "b/c/3.md")
    write("hidden", ".git/x.txt")
    write("hidden", "b/.hidden")
    write(b"caf\xe9", "b/latin.txt")
    write(bytes(range(256)), "b/z.bin")
    task = tasks.text(tmp_path)
    assert task.text == "first second third" and task.skipped == ("b/latin.txt", "b/z.bin")
    assert tasks.text(tmp_path, max_bytes=9).text == "first sec"


def test_what_is_empty_is_not_opened(write, tmp_path, monkeypatch):
    """Files of no length may be the system's (/proc), from which reading may never end."""
    write("one two ", "a.txt")
    (tmp_path / "b.txt").touch()
    opened: list[str] = []
    monkeypatch.setattr(TEXT, "read", lambda path, most: opened.append(path.name) or read(path, most))
    assert tasks.text(tmp_path, rare=1).text == "one two " and opened == ["a.txt"]


def test_no_more_of_a_folder_is_looked_at_than_said(write, tmp_path, monkeypatch):
    monkeypatch.setattr(TEXT, "MOST", 100)
    for k in range(9):
        write(b"\xff" * 40, f"{k}.bin")
    for most in (None, 30):
        with pytest.raises(TaskError, match=r"holds more than .*; give a smaller folder, or take the first part of it"):
            tasks.text(tmp_path, max_bytes=most)


def test_line_ends_and_byte_order_mark(write):
    assert tasks.text(write("\ufeffone\r\ntwo\n")).text == "one\ntwo\n"


@pytest.mark.parametrize("most", range(2, 12))
def test_no_character_is_torn(write, most):
    text = "aé漢😀b"
    path = write(text)
    got = read(path, most).decode("utf-8")
    assert text.startswith(got) and most - 4 < len(got.encode("utf-8")) <= most


def test_not_utf8_names_file_and_offset(write):
    path = write(("é" * 8).encode() + b"caf\xe9 noir", "menu.txt")
    with pytest.raises(TaskError, match=r"menu\.txt: not UTF-8, byte 0xe9 at offset 19; ") as caught:
        tasks.text(path)
    assert "\n" not in str(caught.value)


POEM = "床前明月光，疑是地上霜。\n举头望明月，低头思故乡。\n" * 3
needs_guess = pytest.mark.skipif(
    find_spec("charset_normalizer") is None, reason='guessing needs pip install "tinygrad-lstm[encodings]"'
)


WRITTEN = [
    (POEM, "gb18030"), (POEM[:14], "gb18030"), (POEM * 3000, "gb18030"), ("明月光，低頭思故鄉。\n" * 9, "big5"),
    ("Fußgänger überqueren die Straße; naïve café. " * 20, "cp1252"),
    ("Le café était fermé à midi. Où êtes-vous allés cet été ?\n" * 6, "cp1252"),
    ("Мороз и солнце; день чудесный! Ещё ты дремлешь, друг прелестный.\n" * 6, "cp1251"),
    ("Мороз и солнце; день чудесный! Ещё ты дремлешь, друг прелестный.\n" * 6, "koi8_r"),
    ("古池や蛙飛びこむ水の音。閑さや岩にしみ入る蝉の声。\n" * 6, "cp932"),
    ("나 보기가 역겨워 가실 때에는 말없이 고이 보내 드리오리다.\n" * 6, "cp949"),
    (POEM, "utf-16-le"), (POEM, "utf-16-be"), ("Où êtes-vous ?\n" * 9, "utf-16-le"),
]  # fmt: skip


@needs_guess
@pytest.mark.parametrize(("text", "encoding"), WRITTEN)
def test_what_is_no_utf8_is_named(write, text, encoding):
    path, start = write(text.encode(encoding), "t.txt"), " ".join(text.split())[:14]
    with pytest.raises(
        TaskError, match=rf"probably {encoding} \(“{re.escape(start)}.*: say so by --set encoding={encoding}"
    ):
        tasks.text(path)
    with pytest.raises(TaskError, match=rf"it is probably {encoding}"):
        tasks.words(path=path)
    assert tasks.text(path, encoding=encoding).text == text


@pytest.mark.parametrize("encoding", ["gb18030", "big5", "utf-16-le", "utf-16-be", "cp936"])
def test_an_encoding_that_is_said(write, encoding):
    text = POEM if encoding != "big5" else "明月光" * 20
    path = write(text.encode(encoding), "t.txt")
    assert tasks.text(path, encoding=encoding, rare=1).text == text
    assert tasks.words(path=path, encoding=encoding).digest() == tasks.words(text).digest()
    with pytest.raises(TaskError):
        tasks.text(path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_says_the_encoding(write, encoding):
    assert tasks.text(write(POEM.encode(encoding), "t.txt")).text == POEM
    table = "值\n" + "".join(f"{k % 7}\n" for k in range(80))
    assert tasks.series(write(table.encode(encoding), "t.csv"), window=4).values[:3].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK\x03\x04" + bytes(range(256)), r"Excel workbook \(\.xlsx\): save the sheet as CSV"),
        (b"%PDF-1.7\n\xff\xfe", "it is a PDF"),
        ("中文".encode("utf-16-le") * 9, "NUL|no text|probably"),
        (b"\x1f\x8b\x08\x00\xff", "gzip"),
    ],
)
@pytest.mark.parametrize("kind", [tasks.text, lambda path: tasks.words(path=path), lambda path: tasks.series(path)])
def test_what_is_no_text_is_named(write, data, message, kind):
    if b"\x00" not in data and data.startswith("中".encode("utf-16-le")):
        data += "a".encode("utf-16-le")
    with pytest.raises(TaskError, match=message):
        kind(write(data, "file"))


def test_an_unknown_encoding(write):
    with pytest.raises(TaskError, match=r"there is no encoding 'utf-9'; there are gb18030"):
        tasks.text(write(PROSE), encoding="utf-9")
    with pytest.raises(TaskError, match="not encoded as ascii, see the byte at offset 0"):
        tasks.text(write(POEM), encoding="ascii")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs on this system")
def test_nothing_waits_for_a_pipe(write, tmp_path):
    write("one two " * 20, "b.txt")
    os.mkfifo(tmp_path / "a.txt")
    task = tasks.text(tmp_path)
    assert task.text == "one two " * 20 and task.skipped == ("a.txt",)
    for kind in (tasks.text, lambda path: tasks.words(path=path), tasks.series):
        with pytest.raises(TaskError, match="is no ordinary file"):
            kind(tmp_path / "a.txt")


def test_notes_say_what_is_not_told_apart(write, tmp_path):
    poem = "床前明月光，疑是地上霜。举头望明月，低头思故乡。"
    (note,) = tasks.text(write(poem, "p.txt"), held_out=0).notes()
    seen = Counter(poem)
    assert note.startswith(f"{sum(n for n in seen.values() if n < 2) / len(poem):.1%} of the characters occur fewer")
    assert "--set rare=1" in note
    assert tasks.text(write(poem, "p.txt"), held_out=0, rare=1).notes() == []
    write(b"\xff\xff", "bad.bin")
    assert any("bad.bin" in note for note in tasks.text(tmp_path, rare=1).notes())
    (note,) = tasks.words("a b. a c. a d. a b.", rare=2, held_out=0).notes()
    assert note.startswith("16.7% of the words")


def test_a_digest_tells_other_data_apart(write):
    for kind in (tasks.text, lambda path: tasks.words(path=path), lambda path: tasks.series(path, window=2)):
        one = kind(write("1\n2\n3\n1\n2\n4\n2\n5\n6\n7\n" * 3, "one")).digest()
        assert one == kind(write("1\n2\n3\n1\n2\n4\n2\n5\n6\n7\n" * 3, "two")).digest()
        assert one != kind(write("1\n2\n3\n1\n2\n4\n2\n5\n6\n8\n" * 3, "three")).digest()
    assert tasks.adding().digest() == ""


def test_texts_that_cannot_be_learnt(write, tmp_path):
    with pytest.raises(TaskError, match=r"file\.txt: has no text to learn from; give"):
        tasks.text(write(""))
    with pytest.raises(TaskError, match=r"nowhere\.txt: cannot be read \(No such file"):
        tasks.text(tmp_path / "nowhere.txt")
    write(b"\xff\xff", "bad/x.txt")
    with pytest.raises(TaskError, match=r"bad: has no text to learn from \(1 files are not UTF-8\)"):
        tasks.text(tmp_path / "bad")
    with pytest.raises(TaskError, match="train part of 18 characters is too short for steps=64"):
        tasks.text(write("x" * 20)).batch(1, generator())
    with pytest.raises(TaskError, match="vocabulary must be different single characters"):
        tasks.text(write("abc" * 9), vocabulary=["a", "b"])
    with pytest.raises(TaskError, match="max_bytes must be"):
        tasks.text(write("abc" * 9), max_bytes=0)


def test_a_known_vocabulary_needs_no_file(write):
    path = write(PROSE)
    config = tasks.text(path).config()
    path.unlink()
    task = tasks.from_config(config)
    assert task.decode(task.encode("hello")) == "hello"
    with pytest.raises(TaskError, match="cannot be read"):
        task.batch(1, generator())


def test_stdlib():
    task = tasks.stdlib(max_bytes=50_000)
    assert 45_000 < len(task.text) <= 50_000 and "import" in task.text
    assert task.inputs < 120 and task.batch(2, generator(), split="test").x.shape == (2, 64)
    assert "path" not in task.config()
    folders = {part for file in task._files(task._top()) for part in file.relative_to(task._top()).parts[:-1]}
    assert "json" in folders and not folders & {"test", "tests", "site-packages", "__pycache__"}


# series


def test_sunspots():
    task = tasks.series()
    assert len(task.values) == 309 and task.values[:3].tolist() == [5, 11, 16] and task.values[-1] == 2.9
    assert task.values[1957 - 1700] == task.values.max() == 190.2
    train = task.values[:247]
    assert task.mean == pytest.approx(train.mean()) and task.std == pytest.approx(train.std())
    np.testing.assert_allclose(task.decode(task.encode(task.values)), task.values, atol=1e-4)


def test_windows_of_a_series(write):
    task = tasks.series(write("t\n" + "\n".join(map(str, range(50))), "t.csv"), window=5, held_out=0.2)
    for split, first, count in (("train", 0, 35), ("test", 40, 5)):
        batch = task.windows(split=split)
        assert batch.x.shape == batch.target.shape == (count, 5, 1) and batch.mask.shape == (count, 5)
        want = first + np.arange(count)[:, None] + np.arange(5)
        np.testing.assert_allclose(task.decode(batch.x), want, atol=1e-4)
        np.testing.assert_allclose(task.decode(batch.target), want + 1, atol=1e-4)
        drawn = task.batch(200, generator(), split=split)
        assert set(np.round(task.decode(drawn.x[:, 0])).astype(int)) == set(range(first, first + count))
        np.testing.assert_allclose(task.decode(drawn.target) - task.decode(drawn.x), 1, atol=1e-4)
    assert len(task.windows(stride=5).x) == 7
    scaled = task.encode(np.arange(40))
    assert abs(scaled.mean()) < 1e-6 and scaled.std() == pytest.approx(1)


TABLE = "day; temp ;7\n" + "".join(f"{d};{d % 5}.5;{d * d}\n" for d in range(60))


@pytest.mark.parametrize(("column", "third"), [("temp", 2.5), (1, 2.5), ("1", 2.5), ("7", 4.0), ("day", 2.0), (0, 2.0)])
def test_columns(write, column, third):
    values = tasks.series(write(TABLE, "t.csv"), column=column, delimiter=";", window=4).values
    assert len(values) == 60 and values[2] == third


def test_a_file_without_header(write):
    assert tasks.series(write("1\n2\n\n4\n5\n", "t.csv"), window=1, held_out=0).values.tolist() == [1, 2, 4, 5]
    assert tasks.series(write("7,x\n1,2\n", "t.csv"), window=1, held_out=0, column=0).values.tolist() == [7, 1]
    assert tasks.series(write("x\n1\n2\n4\n", "t.csv"), window=1, held_out=0).values.tolist() == [1, 2, 4]


LONG = "".join(f"{i},{i % 7}\n" for i in range(40))
WRONG = [
    ("", {}, r"t\.csv: is empty"),
    ("a,b\n" + LONG, {}, r"t\.csv: which column\? it has 'a', 'b'; name one, or its number from 0"),
    ("a,b\n" + LONG, {"column": "c"}, "no column 'c'; it has 'a', 'b'"),
    ("a,b\n" + LONG, {"column": 2}, "no column 2; it has 'a', 'b'"),
    ("a,b\n" + LONG, {"column": -1}, "no column -1"),
    ("a,b\n1,2\n2,\n3\n4,NaN\n5,1e999\n6,six\n7,8\n", {"column": "b"}, "'b' has no number in row 6, 7: '1e999'; mend"),
    ("a,b\n" + "1,?\n" * 20, {"column": "b"}, "row 2, 3, 4, 5, 6, 7, 8, 9 and 12 more; --set fill=linear"),
    ("a,b\n" + "1,x\n" * 20, {"column": "b"}, "no numbers but text, 'x' in row 2; choose another column"),
    ("a\n" + "1,5\n2,5\n" * 20, {"delimiter": ";"}, "has a decimal comma: --set decimal=,"),
    ("a\n" + "1\n1.234,5\n3\n" * 20, {"delimiter": ";"}, "--set decimal=, --set thousands=."),
    ("a\n" + "1\n1,234.5\n3\n" * 20, {"delimiter": ";"}, "',' between thousands: --set thousands=','"),
    ("a\n" + "1\n5 %\n3\n" * 20, {}, "take the unit out of the column"),
    *[("a\n" + f"1\n{cell}\n3\n" * 20, {}, "take the unit out") for cell in ("$5", "5 €", "5 EUR", "5元", "(5)")],
    ("a\n" + "1\n1'234\n3\n" * 20, {}, "has \"'\" between thousands"),
    ("a\n" + "1\n1.234\n3\n" * 20, {"delimiter": ";", "decimal": ","}, "has '.' between thousands: --set thousands=."),
    ("a\n" + "1\n1.5\n3\n" * 20, {"delimiter": ";", "decimal": ","}, "has a decimal point: leave out decimal=,"),
    ("a\n" + "1\n1,5\n3\n" * 20, {"delimiter": ";", "thousands": ","}, "'1,5' has a decimal comma"),
    ("a;b\n" + "1;2\n" * 20, {}, "'1;2'. Is ';' between the columns\\? --set delimiter=';'"),
    ("a;b\n" + "1;2\n" * 20, {"column": "b"}, "Is ';' between its columns\\? --set delimiter=';'"),
    ("a\tb\n" + "1\t2\n" * 20, {"column": "b"}, "--set delimiter=tab"),
    (",".join(f"c{k}" for k in range(10000)) + "\n1\n", {}, "'c11' and 9988 more; name one"),
    ("a\n" + "3\n" * 200, {}, "std must be above 0"),
    ("a\n" + "0.1\n" * 200, {}, "std must be above 0"),
    ("a\n" + "123456.78\n" * 200, {}, "a constant column teaches nothing"),
    ("a\n1\n2\n3\n", {}, "3 values are too few for window=24 and held_out=0.2; each part needs 25"),
    ("a\n", {}, "0 values are too few"),
    ("a\n" + "1\n2\n" * 30, {"held_out": 0.1}, "too few"),
    ("a,b\n" + LONG, {"column": "a", "delimiter": "::"}, "delimiter must be one character"),
    ("a,b\n" + LONG, {"column": "a", "window": 0}, "window must be"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "settings", "message"), WRONG)
def test_tables_that_cannot_be_learnt(write, content, settings, message):
    with pytest.raises(TaskError, match=message) as caught:
        tasks.series(write(content, "t.csv"), **settings)
    assert "\n" not in str(caught.value)


def test_unreadable_tables(write, tmp_path):
    with pytest.raises(TaskError, match=r"none\.csv: cannot be read"):
        tasks.series(tmp_path / "none.csv")
    with pytest.raises(TaskError, match="byte 0xfc at offset 2"):
        tasks.series(write(b"f\xc3\xfcr\n1\n".replace(b"\xc3", b"_"), "t.csv"))
    with pytest.raises(TaskError, match="is a folder; give a file"):
        tasks.series(tmp_path)


def test_numbers_written_in_other_ways(write):
    table = write("d;v\n" + "".join(f"2020-01-{k % 28 + 1:02};1.{k:03},5\n" for k in range(60)), "t.csv")
    task = tasks.series(table, column="v", delimiter=";", decimal=",", thousands=".", window=4)
    assert task.values[:2].tolist() == [1000.5, 1001.5] and task.dates[1] == "2020-01-02"
    assert tasks.from_config(task.config()).values.tolist() == task.values.tolist()
    other = write("v;w\n" + "3,5;1\n4,5;1\n", "o.csv")
    x, words = task.read_table(other)
    np.testing.assert_allclose(task.decode(x), [3.5, 4.5], rtol=1e-5)
    assert words == ["3.5", "4.5"]


@pytest.mark.parametrize(
    ("cell", "settings", "number"),
    [
        ("−5", {}, -5), ("1,234", {"thousands": ","}, 1234), ("12,34,567.5", {"thousands": ","}, 1234567.5),
        ("1 234,5", {"thousands": " ", "decimal": ","}, 1234.5), ("1,5e3", {"decimal": ","}, 1500), ("1e3", {}, 1000),
        ("999", {"thousands": ","}, 999), ("-1.234.567", {"thousands": ".", "decimal": ","}, -1234567),
    ],
)  # fmt: skip
def test_a_number_is_read_as_it_is_written(write, cell, settings, number):
    path = write(f"v;w\n{cell};1\n7;1\n", "t.csv")
    assert tasks.series(path, column="v", delimiter=";", window=1, held_out=0, **settings).values.tolist() == [
        number,
        7,
    ]


@pytest.mark.parametrize("mark", ["\t", "tab", "\\t"])
def test_a_tab_may_be_written_as_a_word(write, mark):
    task = tasks.series(write("v\tw\n1\t2\n3\t4\n", "t.csv"), column="w", delimiter=mark, window=1, held_out=0)
    assert task.values.tolist() == [2, 4] and task.config()["delimiter"] == "\t"


@pytest.mark.parametrize(("fill", "expected"), [("linear", [1, 1, 2, 3, 4, 4]), ("previous", [1, 1, 1, 1, 4, 4])])
def test_gaps_are_filled_as_said(write, fill, expected):
    path = write("a,b\n0,\n0,1\n0,NA\n0,\n0,4\n0\n", "t.csv")
    assert tasks.series(path, column="b", window=1, held_out=0, fill=fill).values.tolist() == expected


def test_a_large_table_is_not_held_whole(write):
    row = ",".join(["x" * 40] * 20)
    path = write("".join(f"{k % 9},{row}\n" for k in range(10_000)), "big.csv")  # 8 MB
    tracemalloc.start()
    assert len(tasks.series(path, column=0, window=4).values) == 10_000
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 4e6


def test_a_known_scale_needs_no_file(write, tmp_path):
    path = write("a\n" + LONG.replace(",", "."), "t.csv")
    task = tasks.series(path, window=3)
    shutil.move(path, tmp_path / "away.csv")
    again = tasks.from_config(task.config())
    np.testing.assert_array_equal(again.encode([1.0, 2.0]), task.encode([1.0, 2.0]))
    with pytest.raises(TaskError, match="cannot be read"):
        again.batch(1, generator())
