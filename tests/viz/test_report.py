"""The report as a file: it names no other, holds no markup that it was handed, and is small."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import graphrt_viz
from graphrt_viz import digest_in, picture_of_run, render
from tests.conftest import IN_CI
from tests.viz.exemplars import FLOW, nasty_strings
from tests.viz.runs import long_run, nasty_run
from tests.viz.test_overlay import BRANCHED, COMPLETED

ROOT = Path(graphrt_viz.__file__).parents[2]
BUILT = ROOT / "viz" / "graphrt_viz" / "web"


class _Reader(HTMLParser):
    """Notes what an HTML reader finds."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        (self.scripts if self.inside == "script" else self.texts).append(data)


def _read(content: str) -> _Reader:
    reader = _Reader()
    reader.feed(content)
    return reader


def _data(content: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', content, re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


# ---- the file


def test_a_report_is_one_file_that_names_no_other() -> None:
    """No element that loads anything, no address but the name of SVG; script and style are those that are shipped."""
    content = render(COMPLETED, "html")
    found = _read(content)
    assert {"link", "img", "iframe", "object", "embed", "base", "form"}.isdisjoint(found.tags)
    assert {"src", "href", "action", "data", "xlink:href"}.isdisjoint(name for name, _ in found.attributes)
    assert set(re.findall(r"https?://[^\s\"'<)]+", content)) == {"http://www.w3.org/2000/svg"}
    assert content.count("<script") == 2
    assert (BUILT / "report.js").read_text("utf-8") in content


def test_the_policy_lets_the_shipped_script_run_and_nothing_else() -> None:
    """Everything is forbidden but one script and one style sheet, by their hashes; no attribute holds code."""
    content = render(COMPLETED, "html")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', content)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy[1]
    names = {name for name, _ in _read(content).attributes}
    assert not [name for name in names if name.startswith("on") or name == "style"]


def test_the_title_tells_reports_apart() -> None:
    """Flow, run and how it stands, for whoever has several open."""
    assert "<title>support · run 7f3a12bc · completed</title>" in render(COMPLETED, "html")
    assert f"<title>{FLOW.title}</title>" in render(FLOW, "html")


def test_a_report_carries_the_digest_of_its_picture() -> None:
    """A committed report can be told to be out of date like any other picture."""
    assert digest_in(render(COMPLETED, "html").encode()) == picture_of_run(COMPLETED).digest
    assert digest_in(render(FLOW, "html").encode()) == FLOW.digest


def test_the_script_is_small() -> None:
    """Script and style together are well below 60 kB."""
    assert sum((BUILT / name).stat().st_size for name in ("report.js", "report.css")) < 60_000


def test_equal_runs_have_equal_reports() -> None:
    """The same bytes each time."""
    assert render(BRANCHED, "html") == render(BRANCHED, "html")


@pytest.mark.slow
def test_a_report_of_ten_thousand_steps_is_made_in_seconds_and_stays_small() -> None:
    """At most 5 MB; and the time for each step does not grow with their number."""
    spent: list[float] = []
    for steps in (1000, 10_000):
        trace = long_run(steps)
        began = time.process_time()
        content = render(trace, "html")
        spent.append(time.process_time() - began)
        assert len(content.encode()) <= 5_000_000
        assert len(_data(content)["steps"]) >= steps
    assert spent[1] < 30 * spent[0]


def test_no_text_becomes_markup() -> None:
    """Names, values and errors that look like HTML come out as text: the page has the elements of a tame one."""
    texts = [text for text in nasty_strings() if text.isprintable() or text.isascii()]
    tame = set(_read(render(nasty_run(*["tame"] * 3), "html")).tags)
    for first in range(0, len(texts), 120):
        part = texts[first : first + 120]
        content = render(nasty_run(*part), "html")
        found = _read(content)
        assert set(found.tags) == tame
        assert found.tags.count("script") == 2
        steps = _data(content)["steps"]
        for text, step in zip(part[:-1], steps[:-1], strict=True):
            assert json.loads(step["wr"]["draft"]) == text
        assert " ".join(part[-1].split()) in steps[-1]["x"]


# ---- the build


def test_the_shipped_script_is_what_its_sources_build_to() -> None:
    """Whoever changes the sources builds them; a machine that cannot build says so."""
    web = ROOT / "viz" / "web"
    node = shutil.which("node")
    if node is None or not (web / "node_modules" / "esbuild").is_dir():
        assert not IN_CI, "CI builds the script again; .ci/run runs `make check-web` before the tests"
        pytest.skip("needs node and `npm install` in viz/web")
    done = subprocess.run([node, "build.mjs", "--check"], cwd=web, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
