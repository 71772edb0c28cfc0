#!/usr/bin/env python3
"""Builds the site, English and 中文: python tutorials/site/build.py OUT [--pyodide DIR] [--lab DIR]

The notebooks are shown as they are committed; the microscope and the gallery are run here; the reference is made from
the docstrings. --pyodide names the folder that tests/pyodide/prepare.sh has laid: with it, each notebook runs in its
page. --lab names the folder that `tinygrad-lstm lab --build` has written: it becomes OUT/lab. A dead link, or anything
that a page would load from elsewhere, ends the build.

Needs: pip install ".[site]"
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
COURSE = HERE.parent
sys.path.insert(0, str(COURSE.parent))  # the package of this clone, whichever is installed

import pictures
import reference
import runner
from links import dead
from notebooks import Notebook, Prose

LANGUAGES = {"en": "English", "zh": "中文"}
FEATURES = [
    "navigation.tabs",
    "navigation.top",
    "navigation.footer",
    "search.highlight",
    "content.code.copy",
    "toc.follow",
]
POLICY = (  # also for what a page would fetch later: its own origin, and nobody else
    "default-src 'self' data: blob: 'unsafe-inline' 'wasm-unsafe-eval'; object-src 'none'; base-uri 'none'; form-action 'none'"
)


class SiteError(Exception):
    """A site that cannot be built, and why."""


class Site:
    """One build of the site.

    Args:
        out: where it is written; the folder must be empty or not there.
        work: a folder for what is written on the way.
        runs: whether notebooks run in their pages.
        lab: whether there is a lab to link to.
    """

    def __init__(self, out: Path, work: Path, *, runs: bool, lab: bool) -> None:
        self.out, self.work, self.runs, self.lab = out, work, runs, lab
        self.words = tomllib.loads((HERE / "words.toml").read_text(encoding="utf-8"))
        self.made: dict[str, Path] = {}

    def pictures(self) -> None:
        """Run the microscope and the gallery."""
        folder = self.out / "pictures"
        folder.mkdir()
        self.made = {stem: pictures.Picture.read(stem).make(folder) for stem in pictures.ORDER}
        with tempfile.TemporaryDirectory(dir=self.work) as scratch:
            pictures.microscope(Path(scratch))
            shutil.copy(Path(scratch) / "microscope.html", folder)

    def language(self, language: str) -> None:
        """Write the pages of one language as Markdown, and have them rendered."""
        words, docs = self.words[language], self.work / language / "docs"
        shutil.copytree(HERE / "pages" / language, docs)
        shutil.copytree(HERE / "assets", docs / "assets")
        up = "" if language == "en" else "../"
        lab = f"[{words['lab']}](lab.md){{ .md-button }}" if self.lab else ""
        shown = pictures.frame(f"{up}pictures/microscope.html#lang={language}", words["name"])
        values = {"sentence": pictures.SENTENCE, "microscope": shown, "lab": lab, "lab_page": f"{up}lab/index.html"}
        for page in (docs / "index.md", docs / "lab.md"):
            text = page.read_text(encoding="utf-8")
            page.write_text(re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], text), encoding="utf-8")
        if not self.lab:
            (docs / "lab.md").unlink()
        (docs / "gallery.md").write_text(pictures.gallery(language, self.made, words), encoding="utf-8")
        course = self._course(language, docs, words)
        nav = [
            {words["home"]: "index.md"},
            {words["course"]: course},
            *([{words["lab"]: "lab.md"}] if self.lab else []),
            {words["gallery"]: "gallery.md"},
            {words["reference"]: self._reference(docs, words)},
        ]
        self._render(language, nav)

    def _course(self, language: str, docs: Path, words: dict[str, str]) -> list[dict[str, str]]:
        into, source = docs / "course", COURSE / language
        root = "../run/" if language == "en" else "../../run/"
        books = [Notebook(path, into, words, root) for path in sorted(source.glob("[0-9][0-9]_*.ipynb"))]
        for book in books:
            book.write(runs=self.runs)
        guide = Prose().page((source / "teachers.md").read_text(encoding="utf-8"))
        (into / "teachers.md").write_text(guide + "\n", encoding="utf-8")
        items = [*((book.title, f"{book.path.stem}.md") for book in books), (words["teachers"], "teachers.md")]
        listed = "\n".join(f"- [{title}]({name})" for title, name in items)
        (into / "index.md").write_text(f"# {words['course']}\n\n{words['course_lead']}\n\n{listed}\n", encoding="utf-8")
        return [{words["course"]: "course/index.md"}, *({title: f"course/{name}"} for title, name in items)]

    def _reference(self, docs: Path, words: dict[str, str]) -> list[dict[str, str]]:
        index, *rooms = reference.write(docs / "reference", words)
        named = [{words[f"room_{path.stem}"]: f"reference/{path.name}"} for path in rooms]
        return [{words["reference"]: f"reference/{index.name}"}, *named]

    def _render(self, language: str, nav: object) -> None:
        folder = self.work / language
        config = folder / "zensical.toml"
        words = self.words[language]
        others = [{"name": name, "link": key, "lang": key} for key, name in LANGUAGES.items()]
        palette = "".join(
            f'[[project.theme.palette]]\nmedia = "(prefers-color-scheme: {kind})"\nscheme = "{scheme}"\n'
            f'toggle.icon = "lucide/{icon}"\ntoggle.name = {_toml(words[kind])}\n'
            for kind, scheme, icon in (("light", "default", "sun"), ("dark", "slate", "moon"))
        )
        config.write_text(
            f'[project]\nsite_name = "{words["name"]}"\ndocs_dir = "docs"\nsite_dir = "site"\nuse_directory_urls = false\n'
            f'extra_css = ["assets/site.css"]\nextra_javascript = [{{path = "assets/run.js", type = "module"}}]\n'
            f"nav = {_toml(nav)}\n[project.extra]\nalternate = {_toml(others)}\n"
            f'[project.theme]\nlanguage = "{language}"\nfont = false\nfeatures = {_toml(FEATURES)}\n{palette}',
            encoding="utf-8",
        )
        said = subprocess.run(
            [sys.executable, "-m", "zensical", "build", "--strict", "-f", str(config)],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if said.returncode:
            raise SiteError(f"zensical, {language}: {(said.stdout + said.stderr).strip()[-2000:]}")
        target = self.out if language == "en" else self.out / language
        shutil.copytree(folder / "site", target, dirs_exist_ok=True)

    def finish(self) -> None:
        """What the tool leaves to do: a policy in each page, and a link to the same page in the other language."""
        for path in self.out.rglob("404.html"):
            path.unlink()  # its addresses begin at a server's root, and a site may lie in a folder of one
        for language in LANGUAGES:
            root = self.out if language == "en" else self.out / language
            for path in _pages(root, without=() if language != "en" else ("zh", "lab", "pictures")):
                text = path.read_text(encoding="utf-8")
                text = text.replace(
                    "<head>", f'<head>\n<meta http-equiv="Content-Security-Policy" content="{POLICY}">', 1
                )
                path.write_text(self._switched(text, path.relative_to(root), language), encoding="utf-8")

    def _switched(self, text: str, page: Path, language: str) -> str:
        up = "../" * (len(page.parts) - 1)
        places = {"en": up + ("" if language == "en" else "../"), "zh": up + ("zh/" if language == "en" else "")}
        for key, place in places.items():
            text = re.sub(
                rf'<link rel="alternate" href="[^"]*" hreflang="{key}">', "", text
            )  # the theme looks beside it
            pattern = rf'<a href="[^"]*" hreflang="{key}"'
            text, count = re.subn(pattern, f'<a href="{place}{page.as_posix()}" hreflang="{key}"', text)
            if not count:
                raise SiteError(f"{page} ({language}): no link to {key}: the theme has changed, see _switched")
        return text


def _pages(root: Path, *, without: tuple[str, ...]) -> list[Path]:
    return [path for path in sorted(root.rglob("*.html")) if path.relative_to(root).parts[0] not in without]


def _toml(value: object) -> str:
    """A value of lists, tables and text as TOML writes it in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(key)} = {_toml(own)}" for key, own in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def build(out: Path, *, pyodide: Path | None = None, lab: Path | None = None) -> None:
    """Write the site into a folder. Raises SiteError, PictureError, and ValueError for a formula; see `main`."""
    if out.exists() and any(out.iterdir()):
        raise SiteError(f"{out} is not empty: name a new folder, or empty this one")
    if lab is not None and not (lab / "index.html").exists():
        raise SiteError(f"{lab} has no index.html: write it with `tinygrad-lstm lab --build {lab}`")
    out.mkdir(parents=True, exist_ok=True)
    if lab is not None:
        shutil.copytree(lab, out / "lab")
    if pyodide is not None:
        runner.lay(pyodide, out / "run", out / "lab" / "py")
    with tempfile.TemporaryDirectory() as work:
        site = Site(out, Path(work), runs=pyodide is not None, lab=lab is not None)
        site.pictures()
        for language in LANGUAGES:
            site.language(language)
        site.finish()
    if found := dead(out):
        raise SiteError("\n".join([f"{len(found)} dead links:", *found]))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder to write")
    parser.add_argument("--pyodide", type=Path, metavar="DIR", help="what tests/pyodide/prepare.sh has laid")
    parser.add_argument("--lab", type=Path, metavar="DIR", help="what `tinygrad-lstm lab --build` has written")
    given = parser.parse_args(arguments)
    try:
        build(given.out, pyodide=given.pyodide, lab=given.lab)
    except (SiteError, pictures.PictureError, runner.RunnerError, ValueError) as exc:
        print(f"site: {exc}", file=sys.stderr)
        return 1
    size = sum(path.stat().st_size for path in given.out.rglob("*") if path.is_file())
    print(f"{given.out}/index.html: {len(list(given.out.rglob('*.html')))} pages, {size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
