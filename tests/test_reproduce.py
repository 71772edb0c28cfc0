"""`tinygrad-lstm reproduce`: a table of what was published and what one gets, and runs that go on where they were."""

import json
from dataclasses import replace

import pytest

from tinygrad_lstm.cli import main
from tinygrad_lstm.published import results, shelf
from tinygrad_lstm.published.row import Budget, Claim, Published, Told, said

TEXT = Told("text", "文字")


def toy(seeds, *, net, steps):
    """Nets that have learned after a number of steps that is known."""
    CALLS.append((net, tuple(seeds)))
    if net == "broken":
        raise ZeroDivisionError("no such net")
    good = net == "good"
    return [
        {
            "solved": good or seed == 0, "share": 0.25 * seed, "steps": (seed + 1) * steps if good else None,
            "curve": [4, 2, 1],
        }
        for seed in seeds
    ]


CALLS = []
ROW = Published(
    name="toy", title=Told("A toy", "玩具"), source="Somebody 1999, table 1", criterion=TEXT, differs=TEXT, run=toy,
    value="steps", curve="curve", also=("share", Told("nearly right", "几乎对")),
    quick=Budget({"steps": 1000}, 3), full=Budget({"steps": 1000}, 5),
    claims=[
        Claim("good", {"net": "good"}, "4,100", count=4100, solved=(0.9, 1.0)),
        Claim("bad", {"net": "bad"}, solved=(0.0, 0.1)),
        Claim("broken", {"net": "broken"}),
    ],
)  # fmt: skip


@pytest.fixture
def here(tmp_path, monkeypatch):
    pytest.importorskip("joblib", reason='sweeps need joblib: pip install ".[sweep]"')
    pytest.importorskip("cloudpickle")
    pytest.importorskip("threadpoolctl")
    CALLS.clear()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shelf, "ROWS", {"toy": ROW})
    return tmp_path


def run(capsys, *words):
    code = main(["reproduce", *words])
    out, err = capsys.readouterr()
    return code, out, err


def cells(out, net):
    (line,) = [line for line in out.splitlines() if line.startswith(f"| {net} ")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_table_has_what_was_published_and_what_came_of_it(here, capsys):
    code, out, _ = run(capsys, "--quick", "--workers", "1")
    assert code == 0 and out.startswith("## toy: A toy\n")
    assert cells(out, "good")[1:5] == ["4,100", "2,000 [1,000, 3,000]", "3 / 3", "0–2"]
    assert cells(out, "good")[-1] == "not reproduced: off by more than a factor of two"
    assert cells(out, "bad")[1:5] == ["–", "–", "1 / 3", "0–2"] and cells(out, "bad")[-1] == "not reproduced"
    assert cells(out, "broken")[2:5] == ["–", "0 / 0 (3 ✗)", "0–2"]  # what fails is told, too
    assert "- nearly right:\n  - good: 25.0 % [0.0 %, 50.0 %]\n" in out
    assert "Somebody 1999, table 1." in out and "  - good: 4 █▅▃ 1" in out and "Not run" not in out


def test_what_is_there_is_not_run_again_and_a_larger_run_takes_it_over(here, capsys):
    run(capsys, "--quick", "--workers", "1")
    assert [seeds for net, seeds in CALLS if net == "good"] == [(0, 1, 2)]
    run(capsys, "--quick", "--workers", "1")
    out = run(capsys, "toy", "--workers", "1")[1]
    assert [seeds for net, seeds in CALLS if net == "good"] == [(0, 1, 2), (3, 4)]
    assert cells(out, "good")[2:5] == ["3,000 [1,000, 5,000]", "5 / 5", "0–4"]
    assert cells(out, "good")[-1] == "within a factor of two"
    lines = (here / "reproduced.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 15 and json.loads(lines[0])["name"] == "toy"


def test_the_table_alone_runs_nothing_and_says_what_is_missing(here, capsys):
    code, out, _ = run(capsys, "--table")
    assert code == 0 and not CALLS and "Not run, or not to its end, at this size: toy." in out
    assert cells(out, "good")[-1] == "not run yet" and not (here / "reproduced.jsonl").exists()
    run(capsys, "--quick", "--workers", "1")
    out = run(capsys, "--table", "--lang", "zh")[1]
    assert "此规模尚未运行或未完成：toy。" in out and "## toy: 玩具" in out and "相差超过两倍" in out
    assert "此规模" not in run(capsys, "--table", "--quick", "--lang", "zh")[1]


def test_another_version_of_a_row_does_not_take_the_results_of_the_old_one(here, capsys, monkeypatch):
    run(capsys, "--quick", "--workers", "1")
    monkeypatch.setattr(shelf, "ROWS", {"toy": replace(ROW, version=2)})
    assert cells(run(capsys, "--table", "--quick")[1], "good")[-1] == "not run yet"


def test_wrong_use_is_told_in_one_line(here, capsys, monkeypatch):
    assert run(capsys, "nothing") == (2, "", "tinygrad-lstm: there is no row 'nothing'; there are toy\n")
    assert run(capsys, "--lang", "fr") == (2, "", "tinygrad-lstm: --lang fr: it is en or zh\n")
    (here / "bad.jsonl").write_text("{}\n")
    code, _, err = run(capsys, "--table", "--results", "bad.jsonl")
    assert code == 2 and "bad.jsonl, line 1" in err and err.count("\n") == 1
    needy = replace(ROW, name="needy", needs="no_such_module")
    monkeypatch.setattr(shelf, "ROWS", {"needy": needy, "toy": ROW})
    code, out, err = run(capsys, "--quick", "--workers", "1")  # the others are run all the same
    told = "tinygrad-lstm: needy: needs no_such_module. Install it: pip install 'tinygrad-lstm[data]'\n"
    assert code == 0 and told in err and cells(out.split("## toy")[1], "good")[3] == "3 / 3"
    assert "at this size: needy." in out
    assert run(capsys, "needy", "--quick")[0] == 1


def test_numbers_and_columns():
    assert results.spread([0.95, 0.9], percent=True) == "92.5 % [90.0 %, 95.0 %]"
    assert results.spread([12345.6, 1e6]) == "506,173 [12,346, 1,000,000]" and results.spread([]) == "–"
    assert results.sparkline([0, 0]) == "0 ▁▁ 0" and results.sparkline([1, 0.5, 0]) == "1 █▅▁ 0"
    lines = results._aligned([["网络", "a"], ["b", "C̃"]])
    assert lines == ["| 网络 | a |", "|------|---|", "| b    | C̃ |"]
    assert results._seeds([1, 3]) == "1, 3" and results._seeds([0]) == "0"


def test_every_row_is_told_in_both_languages():
    for row in shelf.ROWS.values():
        for lang in ("en", "zh"):
            out = results.table(row, [], quick=True, lang=lang)
            assert out.startswith(f"## {row.name}: {row.title.said(lang)}") and said(row.source, lang) in out
            full = results.table(row, [], quick=False, lang=lang)
            names = {said(claim.name, lang): claim.long for claim in row.claims}
            assert all((f"| {name} " in out) is not long and f"| {name} " in full for name, long in names.items())
            assert len(names) == len(row.claims) and ("解决" in out or lang == "en")
    assert results.missing([ROW], [], quick=True, lang="en") == "Not run, or not to its end, at this size: toy."


def test_what_is_shipped_has_whole_rows_and_fits_into_one_small_table():
    lines = results.every_line([*shelf.ROWS.values()], results.kept(results.SHIPPED), quick=True)
    assert {len(found) for row, _, found in lines if len(found) != row.quick.seeds} <= {0}  # whole, or not run
    tables = {lang: results.overview(lines, lang).splitlines() for lang in ("en", "zh")}
    for table in tables.values():
        assert sum(" / " in line for line in table) == len(lines) and max(map(results._width, table)) <= 80
        assert [name for name in shelf.ROWS if any(line.startswith(f"{name} ·") for line in table)] == [*shelf.ROWS]
    assert "1997 年的 LSTM" in "".join(tables["zh"])
