"""The course: its notebooks run and say the same again, and its exercises are judged rightly."""

import ast
import importlib
import importlib.util
import io
import re
import sys
import tokenize
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tinygrad_lstm.course import quiz
from tinygrad_lstm.course.solutions import Solution, solutions
from tinygrad_lstm.spoken import speaking

HERE = Path(__file__).parent
COURSE = HERE.parent / "tutorials"
PAIRS = sorted((path.stem, path.parent.name) for path in COURSE.glob("*/[0-9][0-9]_*.py"))
STEMS = sorted({stem for stem, _ in PAIRS})
SECONDS = 60  # the longest that a notebook may take

needed = ("jupytext", "nbclient", "ipykernel", "matplotlib")
lacking = [name for name in needed if importlib.util.find_spec(name) is None]
builder = pytest.mark.skipif(bool(lacking), reason=f'{", ".join(lacking)} missing: pip install ".[tutorials]"')
each_text = pytest.mark.parametrize(("stem", "language"), PAIRS, ids=[f"{lang}/{stem}" for stem, lang in PAIRS])
each_tutorial = pytest.mark.parametrize("stem", STEMS)


def module(path):
    """A script as a module, whatever its folder."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.fixture(scope="module")
def build():
    return module(COURSE / "build.py")


@pytest.fixture(scope="module")
def rules():
    return module(COURSE / "rules.py")


# — the notebooks ——————————————————————————————————————————————————————————————————————————————————————————


@builder
@each_tutorial
def test_both_languages_have_the_same_code(build, stem):
    assert build.languages(stem) == list(build.LANGUAGES)
    assert not build.differences(stem)


@builder
@each_text
def test_a_notebook_is_what_its_source_says(build, stem, language):
    _, wrong = build.placed(stem, language)
    assert not wrong


@builder
@each_text
def test_a_number_in_prose_comes_from_the_code(build, rules, stem, language):
    assert not rules.complaints(build.cells(stem, language), f"{language}/{stem}.py")


@builder
@each_tutorial
def test_chinese_prose_keeps_to_its_terms_and_signs(build, rules, stem):
    prose = [cell.text for cell in build.cells(stem, "zh") if cell.kind == "markdown"]
    assert [line for text in prose for line in rules.awkward(text, stem)] == []


@builder
@each_tutorial
def test_chinese_comments_and_outputs_keep_to_them_too(build, rules, stem):
    """What a learner reads in the code of a cell: all but the shapes of arrays, which are written as in English."""
    told = []
    for cell in build.cells(stem, "zh"):
        if cell.kind == "code":
            tokens = tokenize.generate_tokens(io.StringIO(cell.text).readline)
            told += [token.string for token in tokens if token.type == tokenize.COMMENT]
            told += [node.value for node in ast.walk(ast.parse(cell.text)) if isinstance(node, ast.Constant)]
    shapes = re.compile(r"\([^\W\d_]+(, [^\W\d_]+)+\)")
    texts = [shapes.sub("∙", text) for text in told if isinstance(text, str) and HAN.search(text)]
    assert [line for text in texts for line in rules.awkward(text, stem)] == []


PACKAGE = HERE.parent / "tinygrad_lstm"
HAN = re.compile("[\u4e00-\u9fff]")


def _spoken_by(folder):
    """The texts in Chinese of a folder's programs and pages: of each, where it stands and what it says."""
    for path in sorted(folder.rglob("*.py")):
        texts = [node.value for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Constant)]
        yield from ((path, text) for text in texts if isinstance(text, str) and HAN.search(text))
    for path in sorted([*folder.rglob("*.js"), *folder.rglob("*.html")]):
        for text in re.findall(r"\"[^\"\n]*\"|`[^`\n]*`|>[^<>\n]+<", path.read_text("utf-8")):
            if HAN.search(text):
                yield path, re.sub(r"\$\{[^{}]*\}", "∙", text)
    for path in sorted([*folder.rglob("*.md"), *folder.rglob("*.toml")]):
        yield from ((path, line) for line in path.read_text("utf-8").splitlines() if HAN.search(line))


@pytest.mark.parametrize(
    "folder", ["tinygrad_lstm", "tutorials/site", ".github/README.zh.md", "tutorials/zh/teachers.md"]
)
def test_whatever_else_is_chinese_keeps_to_the_terms_and_signs(rules, folder):
    place = HERE.parent / folder
    texts = [(place, place.read_text("utf-8"))] if place.is_file() else list(_spoken_by(place))
    assert any(HAN.search(text) for _, text in texts)
    prose = [(path, text) for path, text in texts if not re.match(r"\w+\(.*\)$", text) and "(?:" not in text]  # code
    assert [line for path, text in prose for line in rules.awkward(text, f"{path.name}: {text[:40]}")] == []


def _in_both_languages():
    """A sentence of the package in English and the same in Chinese, wherever they stand side by side."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            sides = [node.args[:2]] if isinstance(node, ast.Call) else []
            sides = zip(node.keys, node.values, strict=True) if isinstance(node, ast.Dict) else sides
            for side in sides:
                said = [part.value for part in side if isinstance(part, ast.Constant) and isinstance(part.value, str)]
                if len(said) == 2 and HAN.search(said[1]) and not (HAN.search(said[0]) or said[0].isidentifier()):
                    yield said
    for path in sorted(PACKAGE.rglob("words.js")):
        yield from re.findall(r"\[\s*\"([^\"]*)\",\s*\"([^\"]*)\",?\s*\]", path.read_text("utf-8"))


def test_a_cell_is_never_a_unit_in_chinese():
    """单元 is what most books call both: here it is a unit, and 元胞 a cell."""
    pairs = list(_in_both_languages())
    assert len(pairs) > 500
    for en, zh in pairs:
        words = set(re.findall(r"(?<!\.)\b[a-z]+", en.lower()))  # nn.Cell is a name
        assert not re.search("单元(?!格)", zh) or words & {"unit", "units"}, (en, zh)
        assert not words & {"cell", "cells"} or re.search("元胞|单元格", zh), (en, zh)


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("元胞状态（cell state）在 `f(x)中`，形状为 (3,) 的数组。", 0),
        ("细胞状态", 1),
        ("遗忘门(forget gate)管", 2),
        ("门 (2000) 打开", 1),
        ("（1997; 遗忘门 2000）", 0),
        ("LSTM (1997; 遗忘门 2000)", 1),
        ("ReLU 接通时，像站在刀刃上", 2),
        ("常误差传送带（CEC）", 0),
        ("输入,输出", 1),
        ("遗忘偏置为 1，遗忘门偏置为 3", 1),
        ("决定*留下多少*，而 **不是** *BIT* 16", 1),
    ],
)
def test_what_chinese_prose_may_not_hold(rules, text, broken):
    assert len(rules.awkward(text, "zh")) == broken


SENTENCE = re.compile(r"(?:\b[A-Za-z]{2,}[ ,;]+){3}[a-z]{2,}")
OF_OTHERS = re.compile(
    r"print\(.*\b(?:error|exc)\b|warning\.message|getsource|tl\.source|judged|verdict|text\.text|generate|kind\.__name__"
)
NO_WORDS = {"03_the_plain_rnn", "11_mistake_hunt"}  # a circle; names of functions and of gates


@builder
@each_tutorial
def test_no_english_sentence_is_left_in_a_chinese_notebook(build, stem):
    """Exceptions stay in English, as Python's own do; so do code, and texts that a net reads or writes."""
    import nbformat

    en, zh = (nbformat.read(build.notebook(stem, language), as_version=4).cells for language in ("en", "zh"))
    for k, (one, other) in enumerate(zip(en, zh, strict=True)):
        for mine, theirs in zip(other.get("outputs", ()), one.get("outputs", ()), strict=True):
            data = mine.get("data", {})
            said = mine.get("text", "") + data.get("text/plain", "")
            assert OF_OTHERS.search(other.source) or not SENTENCE.search(said), (k + 1, said)
            assert not said.startswith("Drawing(") or re.search("[\u4e00-\u9fff]", said), (k + 1, said)
            same = "image/png" in data and data["image/png"] == theirs["data"]["image/png"]
            assert not same or stem in NO_WORDS, f"cell {k + 1}: the picture is the English one"


@builder
@each_text
def test_a_tutorial_has_its_parts(build, rules, stem, language):
    assert not rules.missing(build.cells(stem, language), f"{language}/{stem}.py")


@builder
@each_text
def test_a_tutorial_says_truly_how_long_it_takes(build, rules, stem, language):
    assert not rules.time_told(build.cells(stem, language), f"{language}/{stem}.py")


@builder
@pytest.mark.parametrize(
    ("kind", "text", "minutes"),
    [
        ("markdown", "word " * 400, 2.0),
        ("markdown", "字" * 400, 1.0),
        ("markdown", "$$" + "x " * 900 + "$$", 0.05),
        ("markdown", "word " * 100 + "\n\n## References\n\n" + "word " * 900, 0.5),
        ("code", "x = 1\n\n" * 15, 2.0),
        ("code", "quiz.reveal(my_guess, 1)", 1.5 + 8 / 60),
        ("code", 'answer = None\nquiz.check("5.1", answer)', 5 + 16 / 60),
    ],
)
def test_how_long_a_cell_takes(build, rules, kind, text, minutes):
    assert rules.minutes([build.Cell(kind, text)]) == pytest.approx(minutes)


@builder
@pytest.mark.parametrize(
    ("told", "wrong"),
    [("15 minutes", False), ("20 minutes", False), ("大约 15 分钟", False), ("17 minutes", True), ("25 minutes", True),
     ("10 分钟", True), ("", True)],
)  # fmt: skip
def test_a_claim_of_time_is_held_against_the_model(build, rules, told, wrong):
    cells = [build.Cell("markdown", f"# 5 · C\n\n{told}"), build.Cell("code", 'quiz.check("5.1", x)\n' * 3)]
    assert bool(rules.time_told(cells, "en/05_c.py")) is wrong


@builder
@each_tutorial
def test_references_are_of_one_style(build, stem):
    """Authors (year). Title: of everything that has a year in parentheses."""
    prose = "\n\n".join(cell.text for cell in build.cells(stem, "en") if cell.kind == "markdown")
    cited = re.split(r"(?m)^## References$", prose)[1]
    years = re.findall(r"\(\d{4}\)(.{0,6})", cited, re.DOTALL)
    assert years and all(re.match(r"\.\s+[*\w]", after) for after in years), years


INNER = ast.FunctionDef | ast.ClassDef | ast.Lambda | ast.comprehension


def bound(nodes, inside):
    """The names that statements give a value to; `inside` functions, classes and comprehensions, too, or not."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.ExceptHandler):
            names.add(node.name)
        if isinstance(node, ast.alias):
            names.add((node.asname or node.name).split(".")[0])
        if isinstance(node, ast.arg):
            names.add(node.arg)
        if inside or not isinstance(node, INNER):
            names |= bound(ast.iter_child_nodes(node), inside)
    return names


@builder
@each_tutorial
def test_no_cell_needs_what_another_makes_only_after_its_guess(build, stem):
    """Who leaves out one prediction can still go on: what comes after `reveal` in a cell is that cell's own."""
    safe, late = set(), set()
    for body in (ast.parse(cell.text).body for cell in build.cells(stem, "en") if cell.kind == "code"):
        asked = [k for k, node in enumerate(body) if "quiz.reveal(" in ast.unparse(node)]
        first = asked[0] if asked else len(body)
        inner = [node for each in body for node in ast.walk(each)]
        used = {node.id for node in inner if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        assert not (used & late) - safe - bound(body, inside=True)
        safe, late = safe | bound(body[:first], inside=False), late | bound(body[first + 1 :], inside=False)


@builder
@each_text
def test_an_answer_is_neither_printed_nor_told_before_the_guess(build, stem, language):
    cells = build.cells(stem, language)
    revealing = [k for k, cell in enumerate(cells) if cell.kind == "code" and "quiz.reveal(" in cell.text]
    for k in revealing:
        before, told = cells[k].text.partition("quiz.reveal(")[0], cells[k + 1].text
        assert not re.search(r"(?m)^ *(print|tl\.draw|plt\.)|\.(plot|draw)\(", before), k
        assert re.match(r"<details><summary>.+</summary>\n\n", told) and told.count("\n\n</details>") == 1, k
        assert not re.search(r"(?m)^#|\*\*(Predict|先?猜|预测)", told.partition("</details>")[0]), k


@builder
@each_text
def test_a_notebook_shows_its_pictures_and_nothing_of_the_machine(build, stem, language):
    import nbformat

    book = nbformat.read(build.notebook(stem, language), as_version=4)
    nbformat.validate(book)
    assert not build.blemishes(book, stem)
    code = "\n".join(cell.source for cell in book.cells if cell.cell_type == "code")
    outputs = [output for cell in book.cells for output in cell.get("outputs", ())]
    shown = any("image/png" in output.get("data", {}) for output in outputs)
    assert shown or not re.search(r"\btl\.(draw|compare)\(|\.plot\(", code)


@builder
@pytest.mark.filterwarnings("default")  # those of the libraries that run notebooks are not ours
@each_tutorial
def test_a_notebook_runs_and_says_the_same_again(build, stem):
    found, seconds = build.check(stem)
    assert not found
    assert seconds < SECONDS


@builder
def test_what_the_builder_says_of_a_broken_tutorial(build, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "HERE", tmp_path)
    for language in ("en", "zh"):
        (tmp_path / language).mkdir()

    def write(en, zh):
        (tmp_path / "en" / "01_a.py").write_text(en, encoding="utf-8")
        (tmp_path / "zh" / "01_a.py").write_text(zh, encoding="utf-8")

    write("# %%\nx = 1\n", "# %%\nx = 2\n")
    with pytest.raises(build.BuildError, match="01_a: the code of cell 1 differs between en and zh: 'x = 1' / 'x = 2'"):
        build.execute("01_a", "en")
    with pytest.raises(build.BuildError, match="there is no tutorial 07; there are 01"):
        build.chosen(["7"])
    assert build.chosen([]) == build.chosen(["1"]) == ["01_a"]


@builder
@pytest.mark.parametrize(
    ("en", "zh", "same"),
    [
        ("x = 1  # one", "x = 1  # 一", True),
        ("x = 1", "import tinygrad_lstm as tl\nx = 1", False),
        ("x = 1", "tl.language('zh')\nx = 1", True),
        ("print('one', x)", "print('一', x)", True),
        ("print('one', x)", "print('two', x)", False),  # a word in English is a key, or a name
        ("print('one', x)", "print('一', y)", False),
        ("print(f'{a} of {b:>4}')", "print(f'{b:>3} 个中的 {a}')", True),
        ("print(f'{a} of {b}')", "print(f'{b} 个中的 {c}')", False),
        ("print(f'{a} of {b}')", "print(f'{b} of {a}')", False),
        ("print(f'{n} step{\"s\" if n else \"\"}')", "print(f'{n} 步')", True),
        ("x = 1\ny = 2", "x = 1", False),
    ],
)
def test_what_the_code_of_two_languages_may_differ_in(build, en, zh, same):
    assert (build._difference(en, zh) == "") is same


@builder
@pytest.mark.filterwarnings("default")
def test_the_builder_fills_both_languages(build, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "HERE", tmp_path)
    code = "# %%\nx = 2 / 3\nprint('ran')\n"
    shown = "\n# %%\nimport tinygrad_lstm as tl\n\ntl.compare('rnn', steps=3)\n"
    for language, prose in (("en", "It is {{x:.2f}}, {{ x:.0%}}."), ("zh", "是 {{x:.3f}}。")):
        (tmp_path / language).mkdir()
        (tmp_path / language / "01_a.py").write_text(f"{code}\n# %% [markdown]\n# {prose}\n{shown}", encoding="utf-8")
    paths, _ = build.build("01_a")
    first = [path.read_text(encoding="utf-8") for path in paths]
    assert "It is 0.67, 67%." in first[0] and "是 0.667。" in first[1]
    assert all('"image/png"' in text and "svg" not in text for text in first)
    assert not any("_evaluate" in text or "_portable" in text for text in first)
    found, seconds = build.check("01_a")
    assert found == [] and 0.2 < seconds < 60, "of a processor"
    build.build("01_a")
    assert [path.read_text(encoding="utf-8") for path in paths] == first
    paths[0].write_text(first[0].replace("0.67,", "0.77,"), encoding="utf-8")
    assert build.check("01_a")[0] == ["01_a.ipynb (en), cell 2: the prose says '0.77', a run gives '0.67'"]
    paths[0].write_text(first[0].replace("It is", "It was"), encoding="utf-8")
    assert "cell 2 is not what its source says" in build.check("01_a")[0][0]


@builder
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    ("code", "prose", "said"),
    [
        ("1 / 0", "{{x}}", r"cell 1 \(code\) raised:\n1 / 0\n(.|\n)*ZeroDivisionError"),
        ("x = 1", "{{y}}", r"01_a \(en\), cell 2: the placeholder {{y}} failed: NameError"),
        ("x = 1", "{{x:.2q}}", "cell 2: the placeholder"),
        ("x = 1", "{{ {1: x}[1] }}", "a placeholder holds no braces"),
    ],
)
def test_what_the_builder_says_of_a_cell_that_fails(build, tmp_path, monkeypatch, code, prose, said):
    monkeypatch.setattr(build, "HERE", tmp_path)
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "01_a.py").write_text(f"# %%\n{code}\n\n# %% [markdown]\n# {prose}\n", "utf-8")
    with pytest.raises(build.BuildError, match=said):
        build.execute("01_a", "en")


@builder
@pytest.mark.parametrize(
    ("old", "new", "tolerance", "same"),
    [
        ("0.67", "0.67", "EXACT", True),
        ("0.667", "0.668", "EXACT", True),  # the last digit may flip
        ("0.667", "0.669", "EXACT", False),
        ("25", "26", "EXACT", False),  # a count may not
        ("2,905", "2,906", "EXACT", True),
        ("91%", "84%", "TRAINED", True),
        ("91%", "71%", "TRAINED", False),
        ("1.0e-03", "1.1e-03", "TRAINED", True),
        ("2.2e-16", "0.0e+00", "EXACT", True),
        ("3 of 4", "3 in 4", "TRAINED", False),
        ("2.1 bits", "4.2 bits", "FREE", True),
        ("2.1 bits", "4.2 nats", "FREE", False),
    ],
)
def test_when_two_numbers_say_the_same(build, old, new, tolerance, same):
    assert build.agree(old, new, getattr(build, tolerance)) is same


@builder
@pytest.mark.parametrize(
    ("prose", "wrong"),
    [
        ("It keeps {{kept:.1e}} of it, in `2.5` and $10^{-3}$, in 30 minutes, on Python 3.11.", []),
        ("In 2015, after 100 steps, 12 units; exercise 5.1.", []),
        ("in float64, h_25 and C₁₀₀", []),
        ("It keeps 2.5 of it", ["2.5"]),
        ("about 7 % more", ["7 %"]),
        ("only 10⁻³ or 1e-3", ["10⁻³", "1e-3"]),
        ("after 25 steps", ["25"]),
        ("在25步之后", ["25"]),
        ("## References\nGreff, 2017, eq. 3.14, 17 pages", []),
    ],
)
def test_which_numbers_prose_may_hold(build, rules, prose, wrong):
    cells = [build.Cell("markdown", prose), build.Cell("code", "steps = 100")]
    found = rules.complaints(cells, "en/05_follow_c.py")
    assert [re.search("'(.+?)'", line)[1] for line in found] == wrong


def test_the_page_for_teachers_is_whole_in_both_languages():
    def shape(path):
        """Of each line that is not plain prose: what it begins with, the notebooks it names, the keys of exercises."""
        lines = path.read_text(encoding="utf-8").splitlines()
        found = [(re.match(r"#+|```|\||- ", line), line) for line in lines]
        return [(start[0], re.findall(r"\d\d_\w+\.ipynb|\b\d\d?\.\d\b", line)) for start, line in found if start]

    en, zh = (shape(COURSE / language / "teachers.md") for language in ("en", "zh"))
    assert en == zh


@builder
@pytest.mark.parametrize("path", sorted(COURSE.glob("*/teachers.md")), ids=lambda path: path.parent.name)
def test_the_numbers_for_teachers_are_those_of_the_notebooks(build, rules, path):
    import nbformat

    for line in path.read_text(encoding="utf-8").splitlines():
        names = re.findall(r"\]\((\d\d_\w+\.ipynb)\)", line)
        assert all(name.removesuffix(".ipynb") in STEMS for name in names)
        wanted = [found[0] for found in rules.WRONG.finditer(rules.FREE.sub("∙", line)) if found.lastgroup != "integer"]
        if names and not re.match(r"\| \d+ \|", line):  # not the plan, whose numbers are those of exercises
            cells = [cell for name in names for cell in nbformat.read(path.parent / name, as_version=4).cells]
            said = [cell.source for cell in cells if cell.cell_type == "markdown"]
            said += [output.get("text", "") for cell in cells for output in cell.get("outputs", ())]
            there = {found[0] for text in said for found in re.finditer(r"\d+(?:[.,]\d+)*(?:e[-+]?\d+)?%?", text)}
            assert not [number for number in wanted if number.replace(" ", "") not in there], line


# — the exercises ——————————————————————————————————————————————————————————————————————————————————————————


SOLUTIONS = sorted((HERE / "course_solutions").glob("s[0-9][0-9].py"))
each_solution = pytest.mark.parametrize("path", SOLUTIONS, ids=[path.stem for path in SOLUTIONS])


def test_every_tutorial_has_its_solutions():
    assert [path.stem[1:] for path in SOLUTIONS] == [stem[:2] for stem in STEMS]


@each_solution
def test_the_right_answers_are_right(path):
    right = module(path).RIGHT
    assert {f"{int(path.stem[1:])}.{k}" for k in (1, 2, 3)} <= set(right)
    for key, answer in right.items():
        assert quiz.judge(key, None).kind == "missing"
        assert quiz.judge(key, lambda *args, **kw: None).kind in ("missing", "wrong", "failed")
        verdict = quiz.judge(key, answer)
        assert verdict.kind == "right", (key, verdict)


def alike(answer, right):
    """Whether an answer is of the kind that is wanted, so that it deserves a hint of its own."""
    kinds = (bool, int | float | np.number, str, dict, np.ndarray | list | tuple)
    both = (answer, right)
    return all(map(callable, both)) or any(all(isinstance(value, kind) for value in both) for kind in kinds)


@each_solution
def test_a_wrong_answer_gets_a_hint_and_never_the_answer(path):
    solutions = module(path)
    assert set(solutions.WRONG) == set(solutions.RIGHT)
    for key, answers in solutions.WRONG.items():
        assert answers
        for answer in answers:
            kind, hint = quiz.judge(key, answer)
            own = kind in ("wrong", "raised") or (kind == "failed" and not alike(answer, solutions.RIGHT[key]))
            assert own, (key, answer, kind, hint)
            assert kind == "raised" or max(map(len, hint)) <= 160, (key, hint)
            assert re.search(r"[\u4e00-\u9fff]", hint.zh), (key, hint)
            if isinstance(solutions.RIGHT[key], float):
                assert f"{solutions.RIGHT[key]:.3g}" not in hint.en, (key, hint)


@each_solution
def test_an_answer_that_fits_one_case_alone_is_not_right(path):
    for key, right in module(path).RIGHT.items():
        if callable(right):
            first = []

            def learned_by_heart(*args, right=right, first=first):
                first.append(right(*args))
                return first[0]

            assert quiz.judge(key, learned_by_heart).kind != "right", key
            assert len(first) > 1


@each_solution
def test_a_rounded_answer_is_right_or_near(path):
    for key, right in module(path).RIGHT.items():
        if isinstance(right, float):
            for digits in (2, 3):
                kind, hint = quiz.judge(key, float(f"{right:.{digits}g}"))
                assert kind == "right" or hint == quiz.MORE or "near" in hint.en.lower(), (key, digits, hint)


@pytest.mark.parametrize(
    ("key", "answer"), [("1.2", 59000), ("5.1", 0.17), ("5.3", 3.7), ("6.1", 38), ("8.2", 0.83), ("10.1", 2450)]
)
def test_near_is_said_or_it_is_right(key, answer):
    kind, hint = quiz.judge(key, answer)
    assert kind == "right" if key == "6.1" else (kind, hint) == ("wrong", quiz.MORE)


def test_the_hint_for_pairs_counted_once_names_it():
    answers = module(SOLUTIONS[0].with_name("s10.py"))
    assert "np.add.at" in quiz.judge("10.2", answers.each_pair_once).hint.en


@pytest.mark.parametrize(
    ("key", "wrong", "named"),
    [
        ("2.2", lambda dy, a, b: (dy / b, -dy * a / b**2), "unbroadcast"),
        ("2.2", lambda dy, a, b: dy / b, "two shares"),
        ("3.2", [[0.0, 100.0], [0.0, 0.0]], "eigenvalues near 0.9"),
        ("10.1", 2.45, "one character"),
        ("11.1", "b", "whole top row"),
    ],
)
def test_a_hint_names_what_is_missing(key, wrong, named):
    assert named in quiz.judge(key, wrong).hint.en


@pytest.mark.parametrize("answer", ["c", " C", "c)", "(c)"])
def test_a_letter_is_read_however_it_is_written(answer):
    assert quiz.judge("11.1", answer).kind == "right"


def test_the_hint_for_what_a_step_hands_on_names_both_ways():
    answers = module(SOLUTIONS[0].with_name("s11.py"))
    for lost in answers.WRONG["11.3"][0], answers.WRONG["11.3"][2]:
        assert "through h and along C" in quiz.judge("11.3", lost).hint.en


@each_solution
def test_the_printed_solutions_are_right(path):
    """The code runs where the notebook would have it: after NumPy and the library."""
    for key, right in module(path).RIGHT.items():
        made = {}
        exec(f"import numpy as np\nimport tinygrad_lstm as tl\n{solutions()[key].code}", made)
        answer = made["answer"] if "answer" in made else [*made.values()][-1]
        assert callable(answer) == callable(right)
        assert quiz.judge(key, answer).kind == "right", key
        assert re.search(r"[\u4e00-\u9fff]", solutions()[key].zh)
        assert not re.search(r"[\u4e00-\u9fff]", solutions()[key].en)


@builder
def test_a_printed_solution_defines_what_the_notebook_asks_for(build):
    for stem in STEMS:
        code = [cell.text for cell in build.cells(stem, "en") if "quiz.check(" in cell.text]
        for text in code:
            key, name = re.search(r'quiz\.check\("([\d.]+)", (\w+)\)', text).groups()
            own = solutions()[key].code
            assert own.startswith("answer = " if name == "answer" else re.search(r"def .*", text)[0]), key


# — the quiz ———————————————————————————————————————————————————————————————————————————————————————————————


@pytest.fixture
def exercises(monkeypatch):
    monkeypatch.setattr(quiz, "_checks", {})

    @quiz.exercise("90.1")
    def share(answer: float) -> quiz.Hint | None:
        return None if quiz.close(answer, 0.5) else quiz.Hint("Half of it.", "一半。")

    @quiz.exercise("90.2")
    def double(answer) -> quiz.Hint | None:
        return None if answer(2) == 4 else quiz.Hint("Twice.", "两倍。")


def test_what_check_says(exercises, capsys, monkeypatch):
    monkeypatch.setattr(quiz, "_tried", quiz.Counter())
    quiz.check("90.1", None)
    quiz.check("90.1", 0.5)
    quiz.check("90.1", 0.4)
    quiz.check("90.1", "half")
    quiz.check("90.2", lambda x: None)
    quiz.check("90.2", lambda x: 2 * x)
    quiz.check("90.2", lambda x: x["y"])
    quiz.check("90.2", lambda: 4)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["· 90.1: not answered yet", "✓ 90.1: right", "✗ 90.1: Half of it."]
    assert lines[3] == "✗ 90.1: A number is wanted here, not 'half'."
    assert lines[4:6] == ["· 90.2: not answered yet", "✓ 90.2: right"]
    assert lines[6].startswith("✗ 90.2: Your function raised TypeError: 'int' object is not subscriptable")
    assert lines[7].startswith("✗ 90.2: Your function raised TypeError") and len(lines) == 8
    quiz.check("90.1", 0.4)
    quiz.check("90.1", 0.4)
    assert capsys.readouterr().out.count('quiz.solution("90.1")') == 1
    with speaking("zh"):
        quiz.check("90.1", None)
        quiz.check("90.1", 0.4)
        quiz.check("90.1", "half")
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["· 90.1：尚未作答", "✗ 90.1：一半。", "✗ 90.1：这里需要一个数，不是 'half'。"]


def test_a_solution_is_shown_after_three_tries_or_when_it_is_found(exercises, capsys, monkeypatch):
    known = {key: Solution("Half.", "一半。", "answer = 1 / 2") for key in ("90.1", "90.2")}
    monkeypatch.setattr(quiz, "solutions", lambda: known)
    monkeypatch.setattr(quiz, "_tried", quiz.Counter())
    monkeypatch.setattr(quiz, "_solved", set())
    quiz.check("90.1", None)  # no try
    for left in (3, 2, 1):
        quiz.solution("90.1")
        out = capsys.readouterr().out
        assert f"{left} more" in out and "1 / 2" not in out
        with speaking("zh"):
            quiz.solution("90.1")
        assert capsys.readouterr().out == f"· 90.1：请先再试 {left} 次，每次都有提示。\n"
        quiz.check("90.1", 0.4)
    capsys.readouterr()
    quiz.solution("90.1")
    assert capsys.readouterr().out == "90.1: Half.\n\nanswer = 1 / 2\n"
    with speaking("zh"):
        quiz.solution("90.1")
    assert capsys.readouterr().out == "90.1：一半。\n\nanswer = 1 / 2\n"
    quiz.check("90.2", lambda x: 2 * x)
    quiz.solution("90.2")
    assert "1 / 2" in capsys.readouterr().out
    with pytest.raises(LookupError, match=r"no exercise '90\.3'"):
        quiz.solution("90.3")


@pytest.mark.parametrize("answer", [[0.5], "0.5", True, np.array([0.5]), None, (0.5,), np.True_])
def test_a_number_is_a_number(exercises, answer):
    assert quiz.judge("90.1", answer).kind == ("missing" if answer is None else "failed")


@pytest.mark.parametrize("answer", [[3.0], "3", np.array([3.0])])
def test_a_list_of_one_number_is_not_the_right_one(answer):
    assert quiz.judge("1.1", answer).hint.en.startswith("A number is wanted here, not ")


@pytest.mark.parametrize("answer", [0.5, np.float32(0.5), np.array(0.5), Fraction(1, 2)])
def test_numbers_of_any_kind_are_taken(exercises, answer):
    assert quiz.judge("90.1", answer).kind == "right"


@pytest.mark.parametrize("key", ["90.3", "5", 5.1, "77.1"])
def test_an_unknown_exercise_is_named(exercises, key):
    with pytest.raises(LookupError, match=r"there is no exercise .*There are: 90\.1, 90\.2\."):
        quiz.check(key, 1.0)


def test_a_key_belongs_to_one_exercise(exercises):
    with pytest.raises(ValueError, match=r"'90.1' is taken by"):
        quiz.exercise("90.1")(lambda answer: None)


@pytest.mark.parametrize(
    ("guess", "measured", "said"),
    [
        (0.5, 0.25, "measured: 0.25, your guess: 0.5, 2 times too large"),
        (1e-3, np.float32(0.1), "100 times too small"),
        (0.25, 0.25, "exact"),
        (0.26, 0.25, "less than 5 % off"),
        (1, 0.0, "off by 1"),
        (-1, 1.0, "off by -2"),
        ("much", 1.0, "A number is wanted"),
        ("Yes", "yes", "✓ measured: yes"),
        (False, True, "✗ measured: True"),
    ],
)
def test_what_reveal_says(capsys, guess, measured, said):
    assert quiz.reveal(guess, measured) is None
    out = capsys.readouterr().out
    assert said in out and not re.search(r"[\u4e00-\u9fff]", out)
    with speaking("zh"):
        quiz.reveal(guess, measured)
    assert re.search(r"[\u4e00-\u9fff]", capsys.readouterr().out)


def test_a_missing_guess_ends_the_cell_in_one_line(capsys, monkeypatch):
    monkeypatch.setattr(quiz, "_asks", True)
    with pytest.raises(quiz.MissingGuess, match=r"guess is still missing") as caught:
        quiz.reveal(None, 0.25)
    assert caught.value._render_traceback_() == [str(caught.value)] and "0.25" not in str(caught.value)
    quiz.ask(False)
    quiz.reveal(None, 0.25)
    assert capsys.readouterr().out == f"{caught.value}\n"


@builder
@pytest.mark.filterwarnings("default")
def test_nothing_of_a_cell_is_shown_before_its_prediction(build, tmp_path):
    """In a learner's kernel: the guess is missing, the one line is all that there is, and no later cell runs."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    code = ("from tinygrad_lstm import quiz", "quiz.reveal(None, 0.25)\nprint('the answer')", "print('later')")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in code])
    with pytest.raises(CellExecutionError):
        NotebookClient(book, resources={"metadata": {"path": str(tmp_path)}}, timeout=60).execute()
    (output,) = book.cells[1].outputs
    assert output.output_type == "error" and output.traceback == [output.evalue]
    assert book.cells[2].outputs == []


@pytest.mark.parametrize(
    ("annotation", "wanted"),
    [
        (float, "A number"),
        (Callable[[str], int], "A function"),
        (tuple[int, ...], "A tuple"),
        ("Callable[[Array], Array]", "A function"),
        ("list[float] | None", "A list"),
        (np.ndarray, "An array"),
        (object, "Another kind of answer"),
    ],
)
def test_the_kind_that_is_wanted_stands_first(monkeypatch, annotation, wanted):
    def check(answer):
        raise TypeError("no use")

    check.__annotations__["answer"] = annotation
    monkeypatch.setattr(quiz, "_checks", {"90.1": check})
    kind, hint = quiz.judge("90.1", object())
    assert kind == "failed" and hint.en.startswith(f"{wanted} is wanted here")
    assert hint.en.endswith(". TypeError: no use") != (wanted == "A number")  # that is seen without calling the check


def test_close_compares_shapes_too():
    assert quiz.close([1, 2], [1.0005, 2]) and not quiz.close([1, 2], [1, 2.1]) and not quiz.close(1, [1, 1])
    assert quiz.close(0.0, 0.0) and not quiz.close(1e-30, 0.0)


def test_quiz_is_found_where_it_is_promised():
    import tinygrad_lstm as tl

    assert tl.quiz is quiz is importlib.import_module("tinygrad_lstm").quiz
    assert "tinygrad_lstm.course.quiz" in sys.modules
