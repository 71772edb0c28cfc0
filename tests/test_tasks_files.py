"""Tasks which read files: texts and tables, whole, torn and wrong."""

import shutil

import numpy as np
import pytest

from tinygrad_lstm import tasks
from tinygrad_lstm.tasks import TaskError
from tinygrad_lstm.tasks.base import read


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
    assert task.text == "first second third" and task.skipped == 2
    assert tasks.text(tmp_path, max_bytes=9).text == "first sec"


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
    with pytest.raises(TaskError, match=r"menu\.txt: not UTF-8, byte 0xe9 at offset 19; save it.*iconv") as caught:
        tasks.text(path)
    assert "\n" not in str(caught.value)


def test_texts_that_cannot_be_learnt(write, tmp_path):
    with pytest.raises(TaskError, match=r"file\.txt: has no text to learn from; give"):
        tasks.text(write(""))
    with pytest.raises(TaskError, match=r"nowhere\.txt: cannot be read \(No such file"):
        tasks.text(tmp_path / "nowhere.txt")
    write(b"\xff\xfe", "bad/x.txt")
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
    ("a,b\n1,2\n2,\n3\n4,NaN\n5,1e999\n6,six\n7,8\n", {"column": "b"}, "'b' has no number in row 3, 4, 5, 6, 7; fill"),
    ("a,b\n" + "1,?\n" * 20, {"column": "b"}, "row 2, 3, 4, 5, 6, 7, 8, 9 and 12 more"),
    ("a\n" + "3\n" * 200, {}, "std must be above 0"),
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
    with pytest.raises(TaskError, match="cannot be read"):
        tasks.series(tmp_path)


def test_a_known_scale_needs_no_file(write, tmp_path):
    path = write("a\n" + LONG.replace(",", "."), "t.csv")
    task = tasks.series(path, window=3)
    shutil.move(path, tmp_path / "away.csv")
    again = tasks.from_config(task.config())
    np.testing.assert_array_equal(again.encode([1.0, 2.0]), task.encode([1.0, 2.0]))
    with pytest.raises(TaskError, match="cannot be read"):
        again.batch(1, generator())
