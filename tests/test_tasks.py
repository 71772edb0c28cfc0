"""The tasks themselves: what they ask for follows from what they show, by rules written here a second time."""

import dataclasses
import json
import re
from collections import Counter

import numpy as np
import pytest

from tinygrad_lstm import tasks
from tinygrad_lstm.tasks import TASKS, Task, TaskError

DRAWN = ["pronouns", "adding", "copying", "reber", "temporal_order"]
WORDS = tasks.pronouns(distance=(2, 20), clauses=(1, 4))


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def make(name: str, tmp_path) -> Task:
    if name != "text":
        return TASKS[name][0]()
    path = tmp_path / "song.txt"
    path.write_text("row, row, row your boat, gently down the stream\n" * 40, encoding="utf-8")
    return tasks.text(path)


@pytest.mark.parametrize("name", TASKS)
def test_contract(name, tmp_path):
    task = make(name, tmp_path)
    for split in ("train", "test"):
        if name == "series":
            task = tasks.series(window=12)
        batch = task.batch(5, generator(), split=split)
        size, time = batch.mask.shape
        assert size == 5 and batch.mask.dtype == bool and batch.mask.any(axis=1).all()
        if batch.x.ndim == 3:
            assert batch.x.shape == (5, time, task.inputs) and batch.x.dtype == np.float32
            assert task.vocabulary is None
        else:
            assert batch.x.shape == (5, time) and batch.x.dtype == np.int64
            assert len(task.vocabulary) == task.inputs > batch.x.max() and batch.x.min() >= 0
        if task.kind == "regress":
            assert batch.target.shape == (5, time, task.outputs) and batch.target.dtype == np.float32
        else:
            assert batch.target.shape == (5, time) and batch.target.dtype == np.int64
            assert len(task.answers) == task.outputs > batch.target.max()
        if batch.lengths is not None:
            assert batch.lengths.max() == time and batch.lengths.dtype == np.int64
            padding = np.arange(time) >= batch.lengths[:, None]
            assert padding.any() and not batch.mask[padding].any() and not batch.x[padding].any()
        assert all(len(fact) == 5 for fact in batch.info.values())


@pytest.mark.parametrize("name", TASKS)
def test_settings_make_the_same_task_again(name, tmp_path):
    task = make(name, tmp_path)
    again = tasks.from_config(json.loads(json.dumps(task.config())))
    assert again == task and type(again) is type(task) and again.config() == task.config()
    one, two = task.batch(4, generator(7)), again.batch(4, generator(7))
    for left, right in zip((one.x, one.target, one.mask), (two.x, two.target, two.mask), strict=True):
        np.testing.assert_array_equal(left, right)
    assert not np.array_equal(one.x, task.batch(4, generator(8)).x)
    assert isinstance(TASKS[name][1], str) and TASKS[name][1]
    assert getattr(tasks, name) is TASKS[name][0]


@pytest.mark.parametrize("name", DRAWN)
def test_parts_share_no_example(name):
    task = tasks.from_config({"name": name, "held_out": 0.3})

    def inputs(split, seed):
        batch = task.batch(400, generator(seed), split=split)
        lengths = batch.lengths if batch.lengths is not None else [batch.x.shape[1]] * 400
        return {row[:length].tobytes() for row, length in zip(batch.x, lengths, strict=True)}

    train, test = inputs("train", 1), inputs("test", 1)
    assert len(train) > 30 and len(test) > 10
    assert not train & test
    assert not train & inputs("test", 2)
    first, second = (task.batch(20, generator(seed), split="test").x.tolist() for seed in (3, 4))
    assert first != second  # drawn, not one fixed set


@pytest.mark.parametrize("name", DRAWN)
def test_share_of_the_test_part(name):
    task, part = (tasks.from_config({"name": name, "held_out": share}) for share in (0.25, 0))
    drawn = [part._draw(generator(seed), "train").x for seed in range(600)]
    kept = sum(np.array_equal(task._draw(generator(seed), "train").x, x) for seed, x in enumerate(drawn))
    assert 0.68 < kept / 600 < 0.82


# pronouns


def test_a_sentence_by_another_reading():
    for seed in range(300):
        said = WORDS.sentence(generator(seed))
        gender, at, found = "", 0, []
        for i, word in enumerate(said.words):
            if word in ("mary", "anna", "emma", "julia", "john", "paul", "peter", "max"):
                assert i in said.subjects
                gender, at = "f" if word in ("mary", "anna", "emma", "julia") else "m", i
            if word in ("her", "his"):
                assert word == {"f": "her", "m": "his"}[gender]
                found.append((i, i - at))
        assert found == list(zip(said.pronouns, said.distances, strict=True))
        assert len(said.subjects) == len(said.pronouns) == len(said.genders) <= 4
        assert all(2 <= d <= 20 for d in said.distances)
        assert said.switch == (len(said.genders) > 1 and said.genders[-1] != said.genders[-2])
        # each clause: a name, words without gender, one pronoun, its noun, and a joining word before the next name
        order = sorted([*said.subjects, *said.pronouns])
        assert order[::2] == list(said.subjects) and order[1::2] == list(said.pronouns)
        assert said.words[-1] == "." and str(said).endswith(".") and " ." not in str(said)


def test_a_sentence_is_english():
    verb, noun = "(lost|sold|found|painted|opened|moved|broke|hid)", "(keys|car|lamp|book|boat|box|clock|coat)"
    adjective = "((old|new|red|small) )?"
    phrase = f"((stood up|came home|{verb} the {adjective}{noun}|{verb} the {noun} near the {noun}) and )*"
    clause = f"[a-z]+ {phrase}((very )?(slowly|quietly|quickly|calmly) )?{verb} (her|his) {adjective}{noun}"
    whole = re.compile(f"{clause}( (and then|but later|while) {clause})*\\.")
    for seed in range(300):
        said = str(WORDS.sentence(generator(seed)))
        assert whole.fullmatch(said), said


def test_pronoun_batch():
    batch = WORDS.batch(64, generator())
    for row in range(64):
        length = batch.lengths[row]
        assert WORDS.vocabulary[batch.target[row, length - 1]] == "."
        np.testing.assert_array_equal(batch.x[row, 1:length], batch.target[row, : length - 1])
        read = WORDS.read(WORDS.decode(batch.x[row, :length]))
        np.testing.assert_array_equal(np.flatnonzero(batch.mask[row]), np.array(read.pronouns) - 1)
        np.testing.assert_array_equal(np.flatnonzero(batch.info["subject"][row]), read.subjects)
        np.testing.assert_array_equal(batch.info["distance"][row][batch.mask[row]], read.distances)
        assert not batch.info["distance"][row][~batch.mask[row]].any()
        assert batch.info["switch"][row] == read.switch
    asked = batch.target[batch.mask]
    assert {WORDS.vocabulary[i] for i in asked} == {"her", "his"}


def test_every_distance_and_gender_comes_up_evenly():
    task = tasks.pronouns(distance=(2, 25), clauses=2)
    batch = task.batch(1500, generator())
    counts = Counter(batch.info["distance"][batch.mask].tolist())
    assert set(counts) == set(range(2, 26)) and min(counts.values()) > 0.6 * 3000 / 24
    her = batch.target[batch.mask] == task.vocabulary.index("her")
    assert 0.45 < her.mean() < 0.55 and 0.45 < batch.info["switch"].mean() < 0.55
    first = her.reshape(-1, 2)[:, 0]  # the pronoun seen must not tell the next one
    assert abs(np.corrcoef(first, her.reshape(-1, 2)[:, 1])[0, 1]) < 0.1


def test_no_other_word_tells_the_gender():
    task = tasks.pronouns(clauses=1)
    batch = task.batch(2000, generator())
    her = (batch.target == task.vocabulary.index("her")).any(axis=1)
    for number, word in enumerate(task.vocabulary):
        present = (batch.x == number).any(axis=1)
        if word not in task.female + task.male + ("her", "his", ".") and present.sum() > 100:
            assert abs(her[present].mean() - her.mean()) < 0.2, word


@pytest.mark.parametrize("switch", [0, 1])
def test_switch_can_be_set(switch):
    batch = tasks.pronouns(clauses=3, switch=switch).batch(20, generator())
    assert (batch.info["switch"] == switch).all()


def test_own_words():
    task = tasks.pronouns(female=["eve"], male=["adam"], nouns=["apple"], verbs=["ate"], clauses=(2, 3))
    assert "apple" in task.vocabulary and "keys" not in task.vocabulary
    assert set(task.sentence(generator()).words) <= set(task.vocabulary)
    assert task.read("Eve ate her apple.").distances == (2,)
    assert task.read(task.decode(task.encode("eve ate"))).subjects == (0,)


# the classics


def test_adding():
    task = tasks.adding(length=31)
    batch = task.batch(200, generator())
    marked = batch.x[..., 1] == 1
    assert (marked.sum(axis=1) == 2).all() and set(np.unique(batch.x[..., 1])) == {0, 1}
    assert (marked[:, :15].sum(axis=1) == 1).all()
    sums = (batch.x[..., 0].astype(np.float64) * marked).sum(axis=1)
    np.testing.assert_allclose(batch.target[:, -1, 0], sums, atol=1e-6)
    assert batch.mask[:, -1].all() and batch.mask.sum() == 200
    np.testing.assert_array_equal(batch.info["distance"][:, -1], 30 - marked.argmax(axis=1))
    assert batch.x.min() >= 0 and batch.x.max() <= 1 and abs(batch.x[..., 0].mean() - 0.5) < 0.03
    assert abs(((batch.target[:, -1] - 1) ** 2).mean() - 1 / 6) < 0.05
    assert task.right(batch, batch.target + 0.079)[batch.mask].all()
    assert not task.right(batch, batch.target - 0.081)[batch.mask].any()


def test_copying():
    task = tasks.copying(symbols=8, length=10, delay=100)
    batch = task.batch(50, generator())
    assert batch.x.shape == (50, 120) and task.inputs == task.outputs == 10
    for row in range(50):
        shown, asked = task.decode(batch.x[row]), task.decode(batch.target[row])
        assert re.fullmatch("[a-h]{10}_{99}[|]_{10}", shown)
        assert asked == "_" * 110 + shown[:10]
    assert batch.mask[:, 110:].all() and batch.mask.sum() == 500
    assert set(batch.info["distance"][batch.mask]) == {110}
    assert set(batch.x[:, :10].ravel()) == set(range(2, 10))


def test_reber():
    # The grammar as a regular expression: T loops S and leaves by X; then either S ends it, or X and the lower part
    # T* V, which P repeats and a second V ends.
    lower = "T*V(PXT*V)*"
    inner = f"B(TS*X(S|X{lower}(PS|V))|P{lower}(PS|V))E"
    whole = re.compile(f"B(T{inner}T|P{inner}P)E")
    task, seen = tasks.reber(), set()
    batch = task.batch(600, generator())
    for row, length in enumerate(batch.lengths):
        string = task.decode([*batch.x[row, :length], batch.target[row, length - 1]])
        assert whole.fullmatch(string), string
        assert string[-2] == string[1] in "TP"
        assert task.decode(batch.target[row, :length]) == string[1:]
        (place,) = np.flatnonzero(batch.info["distance"][row])
        assert place + 1 == length - 1 and batch.info["distance"][row, place] == length - 2
        assert batch.mask[row, :length].all()
        for t in range(length):
            allowed = {task.vocabulary[i] for i in np.flatnonzero(batch.info["legal"][row, t])}
            assert string[t + 1] in allowed
            # what is allowed is what some string of the language goes on with
            seen.add((string[: t + 1], frozenset(allowed)))
    begun = [s for s, _ in seen]
    assert len(begun) == len(set(begun))  # one prefix, one set
    for prefix, allowed in seen:
        for symbol in "BTPSXVE":
            tails = ["E", "TE", "PE", "ETE", "EPE", *(f"{t}E{k}E" for t in TAILS for k in "TP")]
            possible = any(whole.fullmatch(prefix + symbol + tail) for tail in ["", *tails])
            assert possible == (symbol in allowed), (prefix, symbol)


TAILS = ["S", "XS", "V", "VV", "XVV", "XXVV", "XSE", "TVV", "PS", "BPVV", "PVV", "X", "VPS", "BTXS", "TXS"]


def test_reber_counts_every_legal_symbol_as_right():
    task = tasks.reber()
    batch = task.batch(50, generator())
    legal = batch.info["legal"].astype(float)
    assert task.right(batch, legal)[batch.mask].all()
    assert not task.right(batch, 1 - legal)[batch.mask].any()
    target = np.eye(7)[batch.target]
    assert (legal.argmax(-1) != batch.target)[batch.mask].any()  # equality would have called some of these wrong
    by = task.accuracy_by_distance(batch, target)
    assert set(by.values()) == {1.0} and set(by) == set(batch.info["distance"].max(axis=1).tolist())
    wrong = target.copy()
    wrong[batch.info["distance"] > 0] = np.eye(7)[0]
    assert set(task.accuracy_by_distance(batch, wrong).values()) == {0.0}


@pytest.mark.parametrize("marks", [2, 3])
def test_temporal_order(marks):
    task = tasks.temporal_order(length=100, marks=marks)
    batch = task.batch(300, generator())
    classes = {"XX": "Q", "XY": "R", "YX": "S", "YY": "U"}
    if marks == 3:
        orders = ["XXX", "XXY", "XYX", "XYY", "YXX", "YXY", "YYX", "YYY"]
        classes = dict(zip(orders, "QRSUVABC", strict=True))
    spans = [(10, 20), (50, 60)] if marks == 2 else [(10, 20), (33, 43), (66, 76)]
    for row, length in enumerate(batch.lengths):
        string = task.decode(batch.x[row, :length])
        assert re.fullmatch("E[abcdXY]*B", string) and 100 <= length <= 110
        places = [i for i, symbol in enumerate(string) if symbol in "XY"]
        assert len(places) == marks and all(a <= i <= b for i, (a, b) in zip(places, spans, strict=True))
        assert task.answers[batch.target[row, length - 1]] == classes["".join(string[i] for i in places)]
        assert np.flatnonzero(batch.mask[row]).tolist() == [length - 1]
        assert batch.info["distance"][row, length - 1] == length - 1 - places[0]
    asked = Counter(batch.target[batch.mask].tolist())
    assert len(asked) == 2**marks == task.outputs
    assert {100, 110} <= set(batch.lengths.tolist())


def test_right_is_measured_under_the_mask():
    task = tasks.copying()
    batch = task.batch(10, generator())
    good = np.eye(task.outputs)[batch.target]
    assert task.right(batch, good).all() and task.accuracy_by_distance(batch, good) == {13: 1.0}
    assert task.accuracy_by_distance(batch, np.roll(good, 1, axis=-1)) == {13: 0.0}


# wrong use

BAD = [
    ({"name": "juggling"}, "no task 'juggling'; there are pronouns, words, text"),
    ({}, "no task None"),
    ({"name": "adding", "lenght": 3}, "no setting 'lenght'; it has held_out, length"),
    ({"name": "adding", "length": 1}, "length must be a whole number of at least 2, not 1"),
    ({"name": "adding", "length": 2.5}, "not 2.5"),
    ({"name": "adding", "length": "20"}, "not '20'"),
    ({"name": "adding", "length": True}, "not True"),
    ({"name": "adding", "held_out": 1.0}, r"held_out must be a number in \[0, 1\), not 1.0"),
    ({"name": "adding", "held_out": "all"}, "held_out"),
    ({"name": "copying", "symbols": 27}, "symbols must be at most 26"),
    ({"name": "copying", "delay": 0}, "delay must be"),
    ({"name": "temporal_order", "marks": 4}, "marks must be 2 or 3, not 4"),
    ({"name": "temporal_order", "length": 9}, "length must be"),
    ({"name": "pronouns", "distance": (1, 5)}, "distance must be a pair"),
    ({"name": "pronouns", "distance": (6, 5)}, "distance must be a pair"),
    ({"name": "pronouns", "distance": (2, 5, 8)}, "distance must be a pair"),
    ({"name": "pronouns", "distance": "25"}, "distance must be a pair"),
    ({"name": "pronouns", "distance": None}, "distance must be a pair"),
    ({"name": "pronouns", "clauses": 0}, "clauses must be a pair"),
    ({"name": "pronouns", "switch": 1.5}, "switch must be"),
    ({"name": "pronouns", "female": []}, "female must be a list of single words"),
    ({"name": "pronouns", "female": "mary"}, "female must be a list of single words"),
    ({"name": "pronouns", "nouns": ["teddy bear"]}, "nouns must be a list of single words"),
    ({"name": "pronouns", "nouns": ["NOUN"]}, "in lower case"),
    ({"name": "pronouns", "female": ["alex"], "male": ["alex"]}, "alex: stands twice"),
    ({"name": "pronouns", "adverbs": ["home"]}, "home: stands twice"),
    ({"name": "pronouns", "nouns": ["her"]}, "her: stands twice"),
    ({"name": "text"}, "path is missing"),
    ({"name": "text", "path": None}, "path must be"),
    ({"name": "series", "path": 5}, "path must be"),
    ({"name": "series", "mean": "1"}, "mean must be a number"),
    ({"name": "text", "vocabulary": ["�", 1]}, "vocabulary must be"),
]  # fmt: skip


@pytest.mark.parametrize(("config", "message"), BAD)
def test_bad_settings(config, message):
    with pytest.raises(TaskError, match=message) as caught:
        tasks.from_config(config)
    assert "\n" not in str(caught.value)


def test_defaults_are_those_of_the_papers_and_the_docs():
    expected = {
        tasks.adding: {"length": 20}, tasks.copying: {"symbols": 8, "length": 3, "delay": 10}, tasks.reber: {},
        tasks.temporal_order: {"length": 30, "marks": 2},
        tasks.series: {"path": None, "column": None, "window": 24, "delimiter": ",", "decimal": "."},
    }  # fmt: skip
    for task, settings in expected.items():
        config = task().config()
        assert {name: config[name] for name in settings} == settings
        assert config["held_out"] == (0.2 if task is tasks.series else 0.1)
    said = tasks.pronouns()
    assert (said.clauses, said.distance, said.switch) == ((1, 2), (2, 10), 0.5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tasks.copying(symbols=1), "symbols"), (lambda: tasks.copying(symbols=27), "at most 26"),
        (lambda: tasks.copying(length=0), "length"), (lambda: tasks.copying(delay=0), "delay"),
        (lambda: tasks.temporal_order(marks=1), "marks"), (lambda: tasks.temporal_order(marks=4), "2 or 3"),
        (lambda: tasks.temporal_order(length=9), "length"), (lambda: tasks.adding(length=1), "length"),
    ],
)  # fmt: skip
def test_the_smallest_settings_are_the_last_that_are_taken(make, message):
    with pytest.raises(TaskError, match=message):
        make()
    for least in (
        tasks.copying(symbols=2, length=1, delay=1, held_out=0), tasks.copying(symbols=26),
        tasks.temporal_order(length=10, marks=3), tasks.adding(length=2),
    ):  # fmt: skip
        assert least.batch(2, generator()).mask.any()


@pytest.mark.parametrize("name", [name for name in TASKS if name not in ("text", "words", "stdlib")])
def test_every_task_is_frozen_and_checks_what_all_have(name):
    with pytest.raises(TaskError, match="held_out must be a number"):
        TASKS[name][0](held_out=1.5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        TASKS[name][0]().held_out = 0.5


@pytest.mark.parametrize("name", TASKS)
def test_settings_are_keywords(name):
    with pytest.raises(TypeError, match="positional argument"):
        TASKS[name][0]("a", "b", "c")


def test_words_are_frozen_too():
    words = tasks.words()
    with pytest.raises(dataclasses.FrozenInstanceError):
        words.held_out = 0.5
    assert words == tasks.words() and hash(words) == hash(tasks.words())


def test_a_subclass_is_known_by_its_own_name_alone():
    from tinygrad_lstm.tasks.base import KINDS

    before = dict(KINDS)
    try:

        class Longer(tasks.Adding):
            pass

        assert before == KINDS
        named = type("Named", (tasks.Adding,), {"name": "adding of one's own"})
        assert before | {"adding of one's own": named} == KINDS and KINDS["adding"] is tasks.Adding
        assert type(tasks.from_config({"name": "adding of one's own", "length": 4})) is named
    finally:
        KINDS.clear()
        KINDS.update(before)


def test_distances_and_subjects_stand_where_the_pronoun_is_asked_for():
    batch = WORDS.batch(30, generator())
    distance, subject, words = batch.info["distance"], batch.info["subject"], WORDS.vocabulary
    assert distance.shape == subject.shape == batch.x.shape
    for row in range(30):
        asked = np.flatnonzero(batch.mask[row])
        assert {words[token] for token in batch.target[row, asked]} <= {"her", "his"}
        for at in asked:
            name = max(k for k in np.flatnonzero(subject[row]) if k <= at)
            assert at + 1 - name == distance[row, at]
        assert not distance[row][~batch.mask[row]].any()


def test_wrong_use_of_a_task():
    task = tasks.adding()
    with pytest.raises(TaskError, match="default_rng"):
        task.batch(3, 0)
    with pytest.raises(TaskError, match="size must be at least 1, not 0"):
        task.batch(0, generator())
    with pytest.raises(TaskError, match="'train' or 'test', not 'valid'"):
        task.batch(3, generator(), split="valid")
    with pytest.raises(TaskError, match="no test part"):
        tasks.adding(held_out=0).batch(3, generator(), split="test")
    with pytest.raises(TaskError, match="no example for the test part"):
        tasks.copying(symbols=2, length=1, held_out=0.01).batch(1, generator(), split="test")
    with pytest.raises(TaskError, match="does not know 'Q'; it knows B T P S X V E"):
        tasks.reber().encode("BTQ")
    with pytest.raises(TaskError, match="does not know 'zebra'"):
        tasks.pronouns().encode("mary lost her zebra")
    with pytest.raises(TaskError, match="'her' stands before any name"):
        tasks.pronouns().read("her keys")
    with pytest.raises(TaskError, match="measure the error"):
        tasks.series().right(tasks.series().batch(1, generator()), np.zeros((1, 24, 1)))


def test_settings_cannot_change_under_a_task():
    with pytest.raises(AttributeError):
        tasks.adding().length = 5
    assert tasks.adding(length=np.int64(7)).config() == {"name": "adding", "held_out": 0.1, "length": 7}
    assert issubclass(TaskError, ValueError)


# — a task says what it is —


def test_the_documentation_is_run():
    from doctest import DocTestFinder, DocTestRunner

    runner = DocTestRunner()
    for test in DocTestFinder(recurse=False).find(tasks, "tinygrad_lstm.tasks"):
        runner.run(test)
    assert runner.tries > 8 and runner.failures == 0


def test_nobody_asks_which_class_a_task_is():
    import re
    from pathlib import Path

    house = Path(tasks.__file__).parent.parent
    asks = re.compile(r"(isinstance|issubclass|hasattr)\((self\.)?(task|factory|kind|some_task)\b|task\.name ==")
    for path in [*(house / "training").glob("*.py"), *(house / "cli").glob("*.py")]:
        assert not asks.search(path.read_text(encoding="utf-8")), path.name


@pytest.mark.parametrize("name", [name for name in TASKS if name not in ("text", "stdlib")])
def test_every_task_shows_and_reads_an_example(name):
    task = TASKS[name][0]()
    batch = task.batch(2, generator(0))
    shown = task.show(batch, np.zeros((*batch.x.shape[:2], task.outputs)))
    assert shown.startswith("input:\n") and "\nright: " in shown and "\nmodel: " in shown
    assert task.is_stream == (task.chunk is not None) and task.usual_batch() == 32
    if task.vocabulary is None:
        with pytest.raises(TaskError, match="reads numbers, no text; give it a table"):
            task.read_text("words")
    else:
        with pytest.raises(TaskError, match="reads no tables; give it a text"):
            task.read_table("x.csv")
    if not task.is_stream:
        with pytest.raises(TaskError, match="is drawn, example by example"):
            task.chunks(2, 4)
    assert np.isnan(task.accuracy(batch, np.zeros((*batch.x.shape[:2], task.outputs)))) == (not task.is_graded)
