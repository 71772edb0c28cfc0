"""What the repository says of itself elsewhere: its workflows, its version in five places, its citation."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml", reason='PyYAML missing: pip install ".[site]"')

ROOT = Path(__file__).parents[1]
GITHUB = ROOT / ".github"
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in GITHUB.glob("workflows/*.yml")}
STEPS = [
    (name, key, step) for name, flow in WORKFLOWS.items() for key, job in flow["jobs"].items() for step in job["steps"]
]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def test_there_are_tests_a_release_and_the_site():
    assert {*WORKFLOWS} == {"tests", "release", "site"}
    assert any(step.get("run") == "bash .ci/run" for name, _, step in STEPS if name == "tests")


@pytest.mark.parametrize("name", sorted(WORKFLOWS))
def test_a_job_may_no_more_than_it_must(name):
    flow = WORKFLOWS[name]
    assert flow["permissions"] == {"contents": "read"}
    asked = {key: job["permissions"] for key, job in flow["jobs"].items() if "permissions" in job}
    allowed = {
        "release": {"publish": {"id-token": "write"}},
        "site": {"deploy": {"pages": "write", "id-token": "write"}},
    }
    assert asked == allowed.get(name, {})
    assert "pull_request_target" not in flow[True], "YAML reads `on` as true"
    assert all("timeout-minutes" in job for job in flow["jobs"].values())
    checkouts = [step for n, _, step in STEPS if n == name and "checkout" in step.get("uses", "")]
    assert checkouts and all(step["with"]["persist-credentials"] is False for step in checkouts)


@pytest.mark.parametrize(("name", "text"), [(name, step["run"]) for name, _, step in STEPS if "run" in step])
def test_a_step_is_a_script_whose_files_and_extras_are_there(name, text):
    assert "${{" not in text, "what comes from outside reaches a script by its environment"
    if bash := shutil.which("bash"):
        assert subprocess.run([bash, "-n"], input=text, text=True, capture_output=True, check=False).stderr == ""
    for path in re.findall(r"(?:bash|python) ((?:\.ci|tests|tutorials)/\S+)|pytest -q (tests/\S+)", text):
        assert (ROOT / "".join(path)).exists()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert {*re.findall(r'"\.\[(\w+)\]"', text)} <= {*extras}


def test_both_wheels_are_published_and_nothing_secret_is_needed():
    build, publish = WORKFLOWS["release"]["jobs"]["build"], WORKFLOWS["release"]["jobs"]["publish"]
    assert any(step.get("run", "").endswith(". ./tutorials") for step in build["steps"])
    assert publish["needs"] == "build" and publish["environment"] == "pypi"
    assert publish["steps"][-1]["uses"].startswith("pypa/gh-action-pypi-publish@")
    assert "secrets." not in "".join(path.read_text(encoding="utf-8") for path in GITHUB.glob("workflows/*.yml"))


def test_one_version_stands_everywhere():
    course = tomllib.loads((ROOT / "tutorials" / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    cited = yaml.safe_load((GITHUB / "CITATION.cff").read_text(encoding="utf-8"))["version"]
    logged = re.search(r"(?m)^## (\S+), (.+)$", (GITHUB / "CHANGELOG.md").read_text(encoding="utf-8"))
    assert {VERSION, course, cited, logged[1]} == {VERSION}
    if release := os.environ.get("RELEASE"):  # set where a tag is being released
        assert release == VERSION
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", logged[2]), "the changelog must date what is released"


def test_the_citation_has_what_its_format_asks_for():
    cited = yaml.safe_load((GITHUB / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["cff-version"] == "1.2.0" and cited["message"] and cited["authors"] and cited["title"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert cited["license"] == project["license"]


def test_the_guide_for_contributors_names_what_is_there():
    text = (GITHUB / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:tinygrad_lstm|tests|tutorials|\.ci|\.github)/[\w./]+)`", text)
    assert len(named) > 5
    for path in named:
        assert (ROOT / path).exists(), path
