"""What teachers take from the course: slides, films, answer keys, assignments of nbgrader."""

import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest

from tinygrad_lstm import quiz
from tinygrad_lstm.cli import main
from tinygrad_lstm.course import half_life, six_ways
from tinygrad_lstm.course.answer_key import answer_key
from tinygrad_lstm.course.assignments import BEGIN, END, assignments
from tinygrad_lstm.course.book import AskedGuess, Exercise, KeyPicture, contents, read, text_of, title
from tinygrad_lstm.course.film import Film
from tinygrad_lstm.course.slides import formula, plain, slides
from tinygrad_lstm.course.solutions import solutions

COURSE = Path(__file__).resolve().parents[1] / "tutorials"
LANGUAGES = ("en", "zh")
BOOKS = {lang: {int(p.name[:2]): p for p in sorted((COURSE / lang).glob("[0-9]*.ipynb"))} for lang in LANGUAGES}
FILMS = {"six_ways": six_ways.film, "half_life": half_life.film}
each_language = pytest.mark.parametrize("lang", LANGUAGES)
each_film = pytest.mark.parametrize("name", FILMS)
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
browser = pytest.mark.skipif(not (find_spec("playwright") and CHROMIUM), reason="no Chromium that Playwright drives")


# — what a notebook holds ——————————————————————————————————————————————————————————————————————————————————


@each_language
def test_every_prediction_exercise_and_picture_is_found(lang):
    for path in BOOKS[lang].values():
        book = read(path)
        code = [text_of(cell) for cell in book["cells"] if cell["cell_type"] == "code"]
        outputs = [output for cell in book["cells"] for output in cell.get("outputs", ())]
        found = [*contents(book)]
        predictions = [part for part in found if isinstance(part, AskedGuess)]
        assert len(predictions) == sum("quiz.reveal(" in text for text in code), path
        assert all(part.answer and re.search("[?？]|给|多少|几", part.text) for part in predictions), path
        exercises = [part for part in found if isinstance(part, Exercise)]
        assert [part.key for part in exercises] == re.findall(r'quiz\.check\("([\d.]+)"', "\n".join(code))
        assert all(part.text.startswith(f"**{part.key}**") for part in exercises)
        pictures = sum("image/png" in output.get("data", {}) for output in outputs)
        assert sum(isinstance(part, KeyPicture) for part in found) == pictures > 0


# — the answer key —————————————————————————————————————————————————————————————————————————————————————————


@each_language
def test_the_key_has_every_answer_in_one_language(lang):
    key = answer_key(BOOKS[lang], lang)
    for path in BOOKS[lang].values():
        for part in contents(read(path)):
            if isinstance(part, Exercise):
                assert f" {part.key}\n" in key and solutions()[part.key].code in key
            elif isinstance(part, AskedGuess):
                assert part.answer in key
    assert (re.search(r"[\u4e00-\u9fff]", key) is not None) == (lang == "zh")


# — assignments ————————————————————————————————————————————————————————————————————————————————————————————


def cells(lang, number):
    (text,) = (text for name, text in assignments(BOOKS[lang], lang).items() if f"/{number:02}_" in name)
    return json.loads(text)["cells"]


@each_language
@pytest.mark.parametrize("number", BOOKS["en"])
def test_an_assignment_has_a_graded_cell_for_each_exercise_and_a_reason_for_each_prediction(lang, number):
    made = cells(lang, number)
    graded = [cell["metadata"]["nbgrader"] for cell in made if "nbgrader" in cell["metadata"]]
    names = [one["grade_id"] for one in graded]
    assert len({*names}) == len(names) and len({cell["id"] for cell in made}) == len(made)
    found = [*contents(read(BOOKS[lang][number]))]
    keys = [part.key.replace(".", "-") for part in found if isinstance(part, Exercise)]
    assert [name for name in names if name.startswith("test-")] == [f"test-{key}" for key in keys]
    reasons = [one for one in graded if one["grade_id"].startswith("reason-")]
    assert len(reasons) == sum(isinstance(part, AskedGuess) for part in found)
    assert sum(one.get("points", 0) for one in graded) == len(keys) + len(reasons)
    assert all(one["locked"] == one["grade_id"].startswith("test-") for one in graded)
    assert not any(cell.get("outputs") or ".ipynb)" in cell["source"] for cell in made)


@pytest.mark.parametrize("number", BOOKS["en"])
def test_the_teachers_version_passes_and_the_students_does_not(number):
    """As nbgrader makes it: what stands between the two marks becomes a comment."""
    made = cells("en", number)
    for cell, test in pairwise(made):
        if test["metadata"].get("nbgrader", {}).get("grade_id", "").startswith("test-"):
            cut = re.sub(rf"( *){BEGIN}[\s\S]+?{END}", r"\1# your code here", cell["source"])
            for source, passes in ((cell["source"], True), (cut, False)):
                names = {}
                exec(f"import numpy as np\nimport tinygrad_lstm as tl\nfrom tinygrad_lstm import quiz\n{source}", names)
                if passes:
                    exec(test["source"], names)
                else:
                    with pytest.raises(AssertionError):
                        exec(test["source"], names)


@pytest.mark.skipif(find_spec("nbgrader") is None, reason="nbgrader missing: pip install nbgrader")
def test_nbgrader_makes_grades_and_points(tmp_path):
    """Its own commands on tutorial 1: a student with the answers, and one without any."""
    for name, text in assignments({1: BOOKS["en"][1]}, "en").items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    task = BOOKS["en"][1].stem

    def nbgrader(*words):
        command = [sys.executable, "-m", "nbgrader", *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr

    nbgrader("generate_assignment", "--create", task)
    released = tmp_path / "release" / task / f"{task}.ipynb"
    assert "SOLUTION" not in released.read_text(encoding="utf-8")
    assert "# your code here" in released.read_text(encoding="utf-8")
    for student, of in (("right", tmp_path / "source" / task / released.name), ("none", released)):
        (tmp_path / "submitted" / student / task).mkdir(parents=True)
        shutil.copy(of, tmp_path / "submitted" / student / task)
    nbgrader("autograde", "--create", task)
    nbgrader("export")
    table = (tmp_path / "grades.csv").read_text(encoding="utf-8").splitlines()
    head = table[0].split(",")
    scores = {
        row["student_id"]: row["raw_score"] for row in (dict(zip(head, r.split(","), strict=True)) for r in table[1:])
    }
    assert scores == {"right": "3.0", "none": "0.0"}


def test_under_nbgrader_nothing_waits_for_a_guess():
    code = "from tinygrad_lstm import quiz; quiz.reveal(None, 1.0); print('went on')"
    for name, code_out in (("NBGRADER_EXECUTION", 0), ("OTHER", 1)):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={"PATH": "", "PYTHONPATH": str(COURSE.parent), name: "autograde"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == code_out and ("went on" in done.stdout) == (code_out == 0)


# — slides —————————————————————————————————————————————————————————————————————————————————————————————————


@each_language
def test_the_slides_are_whole_and_need_no_other_file(lang):
    deck = slides(BOOKS[lang], lang)
    parts = [part for path in BOOKS[lang].values() for part in contents(read(path))]
    shown = [part for part in parts if not isinstance(part, Exercise)]
    assert deck.count("<section ") == 1 + len(BOOKS[lang]) + len(shown)
    assert all(title(read(path)) in deck for path in BOOKS[lang].values())
    bare = re.sub(r"(?s)<style>.*?</style>|<script>.*?</script>|<code>.*?</code>|base64,[\w+/=]+", "", deck)
    assert not re.search(r"[\\$]|\{\{|https?:|src=\"(?!data:)|href=|\*\*", bare)


@pytest.mark.parametrize(
    ("latex", "html"),
    [
        (r"\partial L/\partial C_{t-1}", "∂L/∂C<sub>t−1</sub>"),
        (r"\tilde C_t=\varphi(u\,h)", "C̃<sub>t</sub>=φ(u h)"),
        (r"\frac{a}{b}", "a / b"),
        (r"10^{-3}", "10<sup>−3</sup>"),
        (r"W^\top", "W<sup>ᵀ</sup>"),
        (r"\tanh(-1)^2", "tanh (−1)<sup>2</sup>"),
        ("a < b", "a &lt; b"),
    ],
)
def test_a_formula_becomes_signs(latex, html):
    assert formula(latex) == html


def test_what_a_slide_cannot_show_is_named():
    with pytest.raises(ValueError, match=r"has a command that no slide can show: 'begin'"):
        formula(r"\begin matrix")


def test_prose_becomes_html():
    assert plain("**Why** `a<b`, *not* [5](05.ipynb)\nat $C_1$?") == (
        "<b>Why</b> <code>a&lt;b</code>, <i>not</i> 5 at C<sub>1</sub>?"
    )


@browser
@each_language
def test_no_slide_is_too_full_and_keys_turn_them(lang, tmp_path):
    from playwright.sync_api import sync_playwright

    path = tmp_path / "slides.html"
    path.write_text(slides(BOOKS[lang], lang), encoding="utf-8")
    with sync_playwright() as drive:
        page = drive.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]).new_page(
            viewport={"width": 1280, "height": 720}
        )
        page.goto(path.as_uri())
        n = page.locator("section").count()
        for k in range(1, n + 1):
            (seen,) = (
                [s for s in page.locator("section").all() if s.is_visible()]
                if k in (1, 2, n)
                else [page.locator(f"[id='{k}']")]
            )
            assert seen.get_attribute("id") == str(k)
            assert seen.evaluate("s => [s.scrollHeight <= s.clientHeight + 1, s.scrollWidth <= s.clientWidth + 1]") == [
                True,
                True,
            ]
            page.keyboard.press("ArrowRight")
        page.keyboard.press("Home")
        assert page.locator("[id='1']").is_visible() and not page.locator("[id='2']").is_visible()
        pdf = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == n and b"/MediaBox [0 0 960 540]" in pdf  # points: 16 : 9


# — films ——————————————————————————————————————————————————————————————————————————————————————————————————


@each_film
def test_a_film_lasts_a_minute_and_is_the_same_in_both_languages(name):
    shapes = []
    for lang in LANGUAGES:
        made = FILMS[name](lang)
        assert 50 < max(made.ends) <= made.seconds == 60
        root = ET.fromstring(made.svg())
        shapes.append([re.sub(r"{.*}", "", element.tag) for element in root.iter()])
        texts = " ".join(element.text or "" for element in root.iter() if element.tag.endswith("text"))
        assert (re.search(r"[\u4e00-\u9fff]", texts) is not None) == (lang == "zh")
        assert not re.search(r"https?:(?!//www\.w3\.org)", made.html()) and made.svg() in made.html()
    assert shapes[0] == shapes[1]


def test_the_six_terms_of_the_film_are_those_of_the_notebook():
    terms, total = six_ways.measured()
    outputs = "".join(str(o.get("text", "")) for c in read(BOOKS["en"][5])["cells"] for o in c.get("outputs", ()))
    assert sum(terms.values()) == pytest.approx(total, abs=1e-12)
    for way, term in terms.items():
        assert f"{term:+.6f}  {way}" in outputs, way
        assert f">{term:+.4f}<" in six_ways.film("en").svg()
    assert min(terms, key=terms.get) == "i"  # as the film says


def test_the_half_lives_of_the_film():
    kept = half_life.measured()
    for bias, left in kept.items():
        f = 1 / (1 + 2.718281828459045**-bias)
        assert left == pytest.approx([f**n for n in range(101)], rel=1e-9)
    assert "after 2.2 steps" in half_life.film("en").svg() and "2.5e-14" in half_life.film("zh").svg()


def test_a_film_that_goes_on_after_its_end_is_refused():
    made = Film("long", "en", seconds=5)
    made.line([(0, 0), (1, 1)], "black", 2, start=4, seconds=3)
    with pytest.raises(ValueError, match="something moves until 7"):
        made.svg()


@browser
@each_film
def test_a_film_shows_one_thing_after_another(name, tmp_path):
    """In Chromium, at stills: what is said is there while it is said, and nothing runs off the stage."""
    from playwright.sync_api import sync_playwright

    seen = """() => [...document.querySelectorAll("svg text")].filter((text) => {
      let shown = 1;
      for (let at = text; at.tagName !== "svg"; at = at.parentNode) shown *= Number(getComputedStyle(at).opacity);
      return shown > 0.9;
    }).map((text) => [text.textContent, text.getBBox().x, text.getBBox().x + text.getBBox().width])"""
    for lang in LANGUAGES:
        made = FILMS[name](lang)
        path = tmp_path / f"{lang}.html"
        path.write_text(made.html(), encoding="utf-8")
        with sync_playwright() as drive:
            page = drive.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]).new_page()
            errors = []
            page.on("pageerror", lambda error, errors=errors: errors.append(error))
            page.goto(f"{path.as_uri()}#t=0")
            stills = {}
            for second in (3, 13, 27, 41, 59):
                page.evaluate(f"film.setCurrentTime({second})")
                stills[second] = page.evaluate(seen)
                assert all(left >= 0 and right <= 1280 for _, left, right in stills[second]), second
            said = {second: [text for text, *_ in still] for second, still in stills.items()}
            page.evaluate("play(true)")
            page.wait_for_function("film.getCurrentTime() > 59.2")
            assert not errors
        begin = (six_ways if name == "six_ways" else half_life).SAID[lang]["begin"].partition("\n")[0]
        assert begin in said[3] and not any(begin in said[second] for second in (13, 27, 41, 59))
        assert len({tuple(texts) for texts in said.values()}) == len(said)


# — the command ————————————————————————————————————————————————————————————————————————————————————————————


@pytest.fixture
def course(tmp_path, monkeypatch):
    from tinygrad_lstm.cli import tutorials

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tutorials, "folders", lambda: [COURSE])
    return tmp_path


@each_language
def test_teach_writes_all_of_it_and_overwrites_nothing(course, capsys, lang):
    assert main(["teach", "--lang", lang]) == 0
    written = sorted(path.name for path in (course / "teaching").iterdir())
    films = [f"{name}.{lang}.{kind}" for name in FILMS for kind in ("html", "svg")]
    assert written == sorted([f"slides.{lang}.html", f"answers.{lang}.md", f"assignments.{lang}", *films])
    assert len(capsys.readouterr().out.splitlines()) == len(written)
    mine = course / "teaching" / f"answers.{lang}.md"
    mine.write_text("mine")
    assert main(["teach", "answers", "--lang", lang]) == 2
    assert "is there already; --force overwrites it" in capsys.readouterr().err and mine.read_text() == "mine"
    assert main(["teach", "answers", "--lang", lang, "--force"]) == 0 and mine.read_text() != "mine"


def test_teach_names_what_there_is(course, capsys):
    assert main(["teach", "posters"]) == 2
    assert "there are slides, films, answers, assignments to write, not 'posters'" in capsys.readouterr().err
    assert main(["teach", "--lang", "de"]) == 2
    assert "--lang must be" in capsys.readouterr().err
    assert quiz and not (course / "teaching").exists()
