"""Sentences of one's own, word by word: splitting in any script, the two parts, the vocabulary, bad input."""

import numpy as np
import pytest

from tinygrad_lstm import tasks
from tinygrad_lstm.tasks import TaskError, Words


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Mary's dog (3.5 kg) didn't bark.", ["mary's", "dog", "(", "3.5", "kg", ")", "didn't", "bark", "."]),
        ("well-known; 1,000 – no", ["well-known", ";", "1,000", "–", "no"]),
        ("你好，世界！", ["你", "好", "，", "世", "界", "！"]),
        ("ありがとう", list("ありがとう")),
        ("안녕하세요 세계", ["안녕하세요", "세계"]),
        ("مرحبا بالعالم؟", ["مرحبا", "بالعالم", "؟"]),
        ("नमस्ते दुनिया।", ["नमस्ते", "दुनिया", "।"]),
        ("cafe\u0301 na\u0308ive", ["café", "nä" + "ive"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("a\u202eb\x00c \x1b[31m", ["a", "b", "c", "[", "31m"]),
        ("  \t ", []),
        ("🙂🙂 ok", ["🙂", "🙂", "ok"]),
        ("Straße ΣΑΣ", ["straße", "σας"]),
    ],
)
def test_words_of_any_script(text, words):
    assert Words(text="a b").split(text) == words


def test_chinese_by_given_segmentation_and_letters_as_they_are():
    assert Words(text="a", segmented=True).split("我 喜欢 你。") == ["我", "喜欢", "你", "。"]
    assert Words(text="a", lower=False).split("Mary Lost") == ["Mary", "Lost"]


def test_sentences_and_what_is_asked():
    task = Words(text="Mary lost her keys. John lost his.\nnobody knows\n\n我爱你。他爱我！", held_out=0)
    said = [" ".join(words) for words in task._parts["train"]]
    assert said == ["mary lost her keys .", "john lost his .", "nobody knows", "我 爱 你 。", "他 爱 我 ！"]
    batch = task.batch(40, rng())
    assert batch.x.shape == batch.target.shape == batch.mask.shape and batch.lengths is not None
    row = int(np.argmax(batch.lengths))
    assert task.decode(batch.x[row]) == "mary lost her keys ."
    assert [task.vocabulary[k] for k in batch.target[row]] == ["lost", "her", "keys", ".", "¶"]
    assert batch.mask[row].all() and not batch.mask[np.arange(5) >= batch.lengths[:, None]].any()
    assert task.decode([2, 3, 1, 4]) == f"{task.vocabulary[2]} {task.vocabulary[3]}", "nothing after the end"


@pytest.mark.parametrize("held_out", [0.1, 0.3, 0.9])
def test_no_sentence_is_in_both_parts_whatever_stands_twice(held_out):
    lines = [f"the {k} th sentence" for k in range(10)]
    task = Words(text="\n".join(lines + lines[:5]), held_out=held_out)
    train, test = set(task._parts["train"]), set(task._parts["test"])
    assert train and test and not train & test and len(train | test) == 10
    assert len(test) == round(10 * held_out)
    assert Words(text="\n".join(reversed(lines)), held_out=held_out)._parts["test"][0] in test, "by content, not place"
    assert set(task.vocabulary[2:]) == {word for words in train for word in words}


def test_what_is_too_little_is_said():
    one = Words(text="only one sentence")
    assert one.batch(2, rng()).x.shape == (2, 3)
    with pytest.raises(TaskError, match="nothing can be held out; give at least two"):
        one.batch(2, rng(), split="test")
    with pytest.raises(TaskError, match="words: has no words; write a sentence a line"):
        Words(text=" \n\t ")
    with pytest.raises(TaskError, match="left out where text= is given"):
        Words(text="a", path="b")
    with pytest.raises(TaskError, match="vocabulary must be different words"):
        Words(text="a", vocabulary=("a", "b"))


def test_files_unknown_words_and_settings(tmp_path):
    path = tmp_path / "own.txt"
    path.write_text("\ufeffAnna came.\r\nPaul went.\r\n", encoding="utf-8")
    task = Words(path=path)
    again = tasks.from_config(task.config())
    assert again == task and again.vocabulary == task.vocabulary
    path.unlink()
    assert tasks.from_config(task.config()).encode("Anna xyzzy").tolist()[-1] == 0, "a file is opened when it is needed"
    with pytest.raises(TaskError, match="cannot be read"):
        tasks.from_config(task.config()).batch(1, rng())
    path.write_bytes(b"caf\xe9")
    with pytest.raises(TaskError, match="not UTF-8, byte 0xe9 at offset 3"):
        Words(path=path)
    tokens, labels = task.read_text("Paul came here")
    assert labels[:1] in (["paul"], ["�"]) and len(tokens) == 3
    with pytest.raises(TaskError, match="nothing to read"):
        task.read_text("  ")
    assert "guessing evenly has" in task.baseline(1.0)
