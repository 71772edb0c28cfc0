"""What no test has time for: `python tests/campaign.py` (ten minutes), `--write` keeps its table in CAMPAIGN.md.

Kills at random moments, damaged and forged files, hostile names in a browser, threads, memory. Every line says how many
cases there were and how many went wrong; the exit code is 1 where any did. `--share 0.1` takes a tenth of the cases.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import io
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from safetensors.numpy import save_file

import tinygrad_lstm as tl
from tinygrad_lstm import exchange, nn, tasks
from tinygrad_lstm.cli import main as command
from tinygrad_lstm.exchange import CheckpointError
from tinygrad_lstm.exchange.checkpoint import _digest
from tinygrad_lstm.training.fit import fit
from tinygrad_lstm.training.model import SequenceModel, load_model

RESULTS = Path(__file__).with_name("CAMPAIGN.md")
SECONDS, GIGABYTES = 10.0, 4  # that one file may take
NAMES = [
    "</script><script>globalThis.owned=1</script>", "<img src=x onerror=\"globalThis.owned=1\">",
    "<!--", "<svg onload=alert(1)>", "javascript:alert(1)", "\"quotes' \\N \\\" `${1}`", "{{script}}", "&amp;&#x3c;",
    "\ud800", "a\udfffb", "\u202eabc\u202c", "שלום", "a\u2028b\u2029]]>", "\x1b[31m\x07\x9b", "\x00", "%s%n", "t=3",
    "x" * 5000, "e\u0301" * 50, "😀👩\u200d👧",
]  # fmt: skip
Finding = tuple[int, list[str], str]  # cases, what went wrong, what else is worth knowing


def kills(count: int, rng: random.Random, here: Path) -> Finding:
    """SIGKILL at a random moment: the file is whole or not there, and the next training removes what is left."""
    wrong, whole, torn = [], 0, 0
    words = [sys.executable, "-m", "tinygrad_lstm", "train", "copying", "--hidden", "200", "--batch", "1"]
    path = here / "m"
    for k in range(count):
        line = (
            [*words[:4], "--resume", str(path), "--steps", "1000000"] if path.exists() else [*words, "--seconds", "99"]
        )
        child = subprocess.Popen([*line, "--save-every", "0.05", "--out", str(path)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()  # it begins
        time.sleep(rng.uniform(0, 1))
        child.kill()
        child.communicate()
        torn += len(list(here.glob(".*.tmp")))
        if path.exists():
            try:
                load_model(path)
                whole += 1
            except CheckpointError as exc:
                wrong.append(f"kill {k}: {exc}")
        if k % 25 == 24:
            path.unlink(missing_ok=True)
    subprocess.run([*words, "--steps", "1", "--out", str(path)], stdout=subprocess.DEVNULL, check=True)
    left = [name for name in os.listdir(here) if name != "m"]
    wrong += [f"left behind: {name}" for name in left]
    return count, wrong, f"{whole} times a file was there; {torn} times in the midst of a save"


SWEEP = """
import sys, time, pathlib, random, tinygrad_lstm as tl
folder, path, backend = sys.argv[1:]
def count(seed):
    pathlib.Path(folder, f"{seed}.{random.SystemRandom().randrange(10**12)}").touch()
    time.sleep(0.02)
    return seed
tl.sweep(count, {}, seeds=1000, path=path, backend=backend, workers=2, name="count", progress=False)
"""


def sweeps(count: int, rng: random.Random, here: Path) -> Finding:
    """SIGKILL of a sweep, sometimes of one of two on the same file: it goes on, and what is a row never runs again."""
    wrong, torn, path, kept = list[str](), 0, here / "rows", dict[int, int]()
    (folder := here / "calls").mkdir()
    for k in range(count):
        words = [sys.executable, "-W", "ignore", "-c", SWEEP, str(folder), str(path), ("threading", "loky")[k % 2]]
        children = [subprocess.Popen(words, stderr=subprocess.DEVNULL) for _ in range(1 + (k % 5 == 4))]
        size, until = path.stat().st_size if path.exists() else 0, time.perf_counter() + 30
        while time.perf_counter() < until and not (path.exists() and path.stat().st_size > size):
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.3))
        for child in children:
            child.kill()
        for child in children:
            child.wait()
        data, rows = path.read_bytes(), tl.Sweep.read(path).rows
        torn += not data.endswith(b"\n")
        calls = Counter(int(file.name.split(".")[0]) for file in folder.iterdir())
        kept |= {row.seed: calls[row.seed] for row in rows if row.seed not in kept}
        again = [seed for seed, times in kept.items() if calls[seed] != times]
        wrong += [f"kill {k}: seed {seed} ran again" for seed in again]
        if len(rows) != data.count(b"\n"):
            wrong.append(f"kill {k}: {data.count(bytes([10]))} lines, {len(rows)} trials")
    code = subprocess.run([*words[:-1], "threading"], stderr=subprocess.DEVNULL).returncode
    seeds = sorted(row.seed for row in tl.Sweep.read(path).rows)
    wrong += [f"it ends with code {code}, {len(seeds)} of 1000 trials"] * (code != 0 or seeds != list(range(1000)))
    calls = Counter(int(file.name.split(".")[0]) for file in folder.iterdir())
    wrong += [f"seed {seed} ran again" for seed, times in kept.items() if calls[seed] != times]
    cut = sum(calls.values()) - 1000
    told = f"{len(kept)} rows before the last kill; {cut} runs were cut off and ran again; {torn} torn lines"
    return count, wrong, told


def trained(here: Path) -> Path:
    """A small file of a training, to damage and to forge."""
    (here / "t.txt").write_text("row, row, row your boat, gently down the stream.\n" * 40, encoding="utf-8")
    task = tasks.text(here / "t.txt", steps=16)
    model = SequenceModel.for_task(task, hidden=6, layers=2, dropout=0.1)
    fit(model, task, steps=2, batch=2, record=1, progress=False, path=here / "m")
    return here / "m"


def damaged(count: int, rng: random.Random, here: Path) -> Finding:
    """Bytes changed, cut, doubled and put in: refused in one line, or the very same contents."""
    wrong, refused, path = [], 0, trained(here)
    whole, same = path.read_bytes(), exchange.read(path)
    for k in range(count):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 5)):
            a, b = sorted(rng.randrange(len(data)) for _ in range(2))
            b = min(b, a + 64)
            kind = rng.randrange(4)
            if kind == 0:
                data[a] ^= rng.randrange(1, 256)
            elif kind == 1:
                del data[a:b]
            elif kind == 2:
                data[a:a] = data[a:b]
            else:
                data[a:b] = rng.randbytes(b - a)
        path.write_bytes(data)
        code, told = resumed(path)
        if code == 0 and exchange.read(path).meta != same.meta:
            wrong.append(f"damage {k}: accepted")
        elif code != 0:
            refused += 1
            wrong += [f"damage {k}: {told}"] * (code not in (1, 2) or unclear(told))
    return count, wrong, f"{refused} refused, the others had the same contents"


def resumed(path: Path) -> tuple[int | str, str]:
    """The exit code of going on for a step, and what was told; the name of the error where one came out."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code: int | str = command(["train", "--resume", str(path), "--steps", "3", "--out", f"{path}.out"])
        except BaseException as exc:
            return type(exc).__name__, str(exc)
    return code, err.getvalue()


def unclear(told: str) -> bool:
    lines = [line for line in told.splitlines() if not line.startswith("tinygrad-lstm: warning:")]
    return len(lines) != 1 or "should not happen" in told or "not enough memory" in told


def forged(count: int, rng: random.Random, here: Path) -> Finding:
    """Settings, arrays and states changed, with a valid digest: refused in a line, or it trains; soon and in bounds."""
    wrong, accepted, slowest, path = [], 0, 0.0, trained(here)
    saved = exchange.read(path)
    for k in range(count):
        meta = json.loads(json.dumps(saved.meta))
        arrays = dict(saved.arrays)
        changes = [
            (forge_meta(meta, rng) if rng.random() < 0.8 else forge_array(arrays, rng)) for _ in range(1 + k % 2)
        ]
        text = json.dumps(meta, ensure_ascii=False, sort_keys=True)
        header = {"format": "tinygrad_lstm", "version": "1", "meta": text, "digest": _digest(arrays, text)}
        try:
            save_file(arrays, path, header)
        except (UnicodeError, ValueError):  # safetensors cannot write it
            continue
        start = time.perf_counter()
        code, told = resumed(path)
        slowest = max(slowest, spent := time.perf_counter() - start)
        accepted += code == 0
        if code not in (0, 1, 2) or (code != 0 and unclear(told)) or spent > SECONDS:
            wrong.append(f"forgery {k}, {'; '.join(changes)}: {code} after {spent:.1f} s: {told.strip()[:300]}")
    return count, wrong, f"{accepted} accepted; the slowest took {slowest:.1f} s"


VALUES = [
    0, -1, 1, 7, 10**9, 10**30, -(10**9), 2.5, 1e308, float("nan"), float("inf"), True, None, "", "x", "x" * 10**5,
    "..", "/", "/dev/zero", "\x1b[2J", "a\nb", "\ud800", "lstm", "text", "sgd", [], [1], ["a"], [[0] * 3] * 3, {},
    {"a": 1},
]  # fmt: skip


def forge_meta(meta: Any, rng: random.Random) -> str:
    """Change, remove or add one value somewhere in the tree."""
    places: list[tuple[Any, Any, str]] = []

    def walk(node: Any, where: str) -> None:
        keys = node.keys() if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
        for key in keys:
            places.append((node, key, f"{where}.{key}"))
            walk(node[key], f"{where}.{key}")

    walk(meta, "")
    lists = [place for place in places if "vocabulary" in place[2]]
    node, key, where = rng.choice([place for place in places if place not in lists or rng.random() < 0.1] or places)
    if rng.random() < 0.15:
        del node[key]
        return f"{where} removed"
    if rng.random() < 0.1 and isinstance(node, dict):
        node["x" * rng.randrange(5)] = rng.choice(VALUES)
        return f"{where}: one more"
    node[key] = rng.choice(VALUES)
    return f"{where} = {str(node[key])[:20]!r}"


def forge_array(arrays: dict[str, Any], rng: random.Random) -> str:
    """Change one array's shape, dtype, numbers or name."""
    name = rng.choice(sorted(arrays))
    array, kind = arrays[name], rng.randrange(6)
    if kind == 0:
        array = np.zeros((*array.shape, 2), array.dtype)
    elif kind < 3:
        array = array.astype((np.float64, np.int8)[kind - 1])
    elif kind == 3:
        array = np.full_like(array, np.nan)
    elif kind == 4:
        array = array.ravel()[: array.size // 2].copy()
    else:
        del arrays[name]
        name = f"{name}/x" if rng.random() < 0.5 else f"x{name}"
    arrays[name] = np.ascontiguousarray(array)
    return f"{name}: kind {kind}"


def hostile(count: int, rng: random.Random, here: Path) -> Finding:
    """Pages whose tensors, scopes, words and nets have such names: nothing runs, nothing is complained about."""
    try:
        from playwright import sync_api
    except ModuleNotFoundError:
        return 0, [], "left out: needs playwright"
    program = os.environ.get("TINYGRAD_LSTM_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        return 0, [], "left out: needs Chromium"
    wrong: list[str] = []
    with sync_api.sync_playwright() as playwright, contextlib.closing(
        playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--headless"])
    ) as browser:  # fmt: skip
        for k in range(count):
            names = rng.sample(NAMES, 5)
            try:
                text = page(names)
            except ValueError as exc:  # refused, and in one line
                wrong += [f"page {k}, {names}: {exc}"] * ("\n" in str(exc))
                continue
            except Exception as exc:
                wrong.append(f"page {k}, {names}: {type(exc).__name__}: {exc}")
                continue
            file = here / "page.html"
            file.write_text(text, encoding="utf-8")
            tab = browser.new_page()
            for event in ("console", "pageerror", "dialog"):
                tab.on(event, lambda what, k=k, wrong=wrong: wrong.append(f"page {k}: {what}"))
            tab.goto(file.as_uri())
            tab.keyboard.press("ArrowRight")
            runs = tab.evaluate("globalThis.owned") is not None or tab.locator("body img").count() > 0
            wrong += [f"page {k}, {names}: it runs"] * runs
            tab.close()
    return count, wrong, "tensors, scopes, words, nets and answers"


def page(names: list[str]) -> str:
    """A page in which all that users can name has these names."""
    net = nn.LSTM(2, 3, rng=0)
    for k, parameter in enumerate(net.parameters()):
        parameter.name = names[k % len(names)]
    with tl.scope(names[0]):
        out = net(tl.Tensor(np.ones((1, 4, 2)), name=names[1]))
    trace = tl.trace((out.h[:, -1] ** 2).sum().named(names[2]))
    labels = [*names[:3], names[4]]
    for view in ("time", "ops", "strip"):
        ElementTree.fromstring(tl.draw(trace, view=view, labels=None if view == "ops" else labels).svg().encode())
    return tl.draw({names[3]: trace, f"{names[4]}2": trace}, labels=labels).html()


def threads(count: int, rng: random.Random, here: Path) -> Finding:
    """Trainings side by side give the numbers that each gives alone, bit by bit."""

    def train(seed: int) -> list[float]:
        task = tasks.copying(length=3, delay=5)
        model = SequenceModel.for_task(task, hidden=8, seed=seed, cell=("lstm", "gru", "rnn")[seed % 3])
        model.rnn.fused = seed % 2 == 0
        return fit(model, task, steps=40, batch=4, seed=seed, progress=False).loss

    got: dict[int, list[float]] = {}
    workers = [threading.Thread(target=lambda seed=seed: got.update({seed: train(seed)})) for seed in range(count)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    wrong = [f"thread {seed}: other numbers than alone" for seed in range(count) if got.get(seed) != train(seed)]
    return count, wrong, "40 steps each; composed and fused, three cells"


def memory(count: int, rng: random.Random, here: Path) -> Finding:
    """What the process holds does not grow with the steps."""
    wrong, grown = [], []
    for fused in (False, True):
        task = tasks.copying()
        model = SequenceModel.for_task(task, hidden=16)
        model.rnn.fused = fused
        seen: list[float] = []
        fit(model, task, steps=count, batch=8, progress=False, on_step=lambda history, seen=seen: seen.append(held()))
        grown.append(seen[-1] - seen[count // 4])
        wrong += [f"{grown[-1]:.1f} MB more, fused={fused}"] * (grown[-1] > 4)
    return count, wrong, f"MB from a quarter of the steps to the end: {grown[0]:.1f} composed, {grown[1]:.1f} fused"


def held() -> float:
    """Megabytes that the process holds now."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


CAMPAIGN: dict[Callable[[int, random.Random, Path], Finding], int] = {
    memory: 2000, threads: 8, damaged: 2000, forged: 2000, hostile: 40, kills: 200, sweeps: 50,
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="of the cases")
    parser.add_argument("--only", choices=[part.__name__ for part in CAMPAIGN])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help=f"the table to {RESULTS.name}; with --only, that line")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_DATA, (GIGABYTES << 30, resource.RLIM_INFINITY))
    before = RESULTS.read_text(encoding="utf-8").splitlines() if options.only else []
    rows, failed = [], 0
    for part, count in CAMPAIGN.items():
        if options.only not in (None, part.__name__):
            rows += [line for line in before if line.startswith(f"| {part.__name__} |")]
        else:
            with tempfile.TemporaryDirectory() as folder:
                start = time.perf_counter()
                cases, wrong, told = part(
                    max(1, round(count * options.share)), random.Random(options.seed), Path(folder)
                )
            failed += len(wrong)
            print("\n".join(wrong), file=sys.stderr)
            rows.append(f"| {part.__name__} | {cases:,} | {len(wrong)} | {time.perf_counter() - start:.0f} | {told} |")
    about = "\n".join(f"- {part.__name__}: {part.__doc__}" for part in CAMPAIGN)
    table = "\n".join(["| | cases | wrong | seconds | |", "|---|---|---|---|---|", *rows])
    print(table)
    if options.write:
        head = f"# Campaign\n\n`python tests/campaign.py --write`, seed {options.seed}, {datetime.date.today()}"
        RESULTS.write_text(f"{head}\n\n{table}\n\n{about}\n", encoding="utf-8")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
