"""The report in a browser: opened from a file, it asks nobody, runs nothing that it was handed, and can be walked."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pytest

import graphrt_viz
from graphrt.graph import Edge, Graph, Node
from graphrt.trace import Trace
from graphrt_viz import chronicle_of, difference_of_runs, digest_in, picture_of_heat, picture_of_run, render
from graphrt_viz.exporters.html import report
from graphrt_viz.picture import PEdge, Picture, PNode
from graphrt_viz.theme import AUTO
from graphrt_viz.wording import visible
from tests.viz.exemplars import FLOW, nasty_pictures, nasty_strings
from tests.viz.runs import FIELDS, Result, long_run, trace_of
from tests.viz.test_chronicle import CANCELLED, FAILED, WAITING
from tests.viz.test_overlay import BRANCHED, COMPLETED

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Dialog, Error, Page, Request

ROOT = Path(graphrt_viz.__file__).parents[2]
BUILT = ROOT / "viz" / "graphrt_viz" / "web"
CHROMIUM = next((found for name in ("chromium", "google-chrome") if (found := shutil.which(name))), "")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
in_browser = [
    pytest.mark.slow,
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(not CHROMIUM, reason="needs Chromium on the PATH (apt-get install chromium)"),
    pytest.mark.skipif(
        importlib.util.find_spec("playwright") is None, reason="needs playwright (pip install playwright)"
    ),
]


class Open(Protocol):
    """Opens a report, at a place of it."""

    def __call__(self, content: str, place: str = "") -> Page:
        """Return the page."""
        ...


Test = TypeVar("Test", bound=Callable[..., None])


def browsed(test: Test) -> Test:
    """Mark a test that needs a browser."""
    for mark in in_browser:
        test = mark(test)
    return test


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


def _nasty_run(*texts: str) -> Trace:
    """Return a run in which strings stand as names, instructions, values, and, of the last, as an error."""
    names = [f"{text} {i}" for i, text in enumerate(texts)]
    nodes = tuple(
        Node(
            i,
            name,
            "agent",
            writes=("draft",),
            edges=(Edge(i, i + 1, 0),) if i + 1 < len(names) else (),
            about={"instructions": texts[i], "tools": [texts[i]]},
        )
        for i, name in enumerate(names)
    )
    results: dict[str, Result | list[Result]] = {name: {"draft": texts[i]} for i, name in enumerate(names[:-1])}
    return trace_of(Graph(texts[0], FIELDS, nodes), results | {names[-1]: ValueError(texts[-1])})


def test_no_text_becomes_markup() -> None:
    """Names, values and errors that look like HTML come out as text: the page has the elements of a tame one."""
    texts = [text for text in nasty_strings() if text.isprintable() or text.isascii()]
    tame = set(_read(render(_nasty_run(*["tame"] * 3), "html")).tags)
    for first in range(0, len(texts), 120):
        part = texts[first : first + 120]
        content = render(_nasty_run(*part), "html")
        found = _read(content)
        assert set(found.tags) == tame
        assert found.tags.count("script") == 2
        steps = _data(content)["steps"]
        for text, step in zip(part[:-1], steps[:-1], strict=True):
            assert step["wr"]["draft"].rstrip("…") in json.dumps(text, ensure_ascii=False)
            assert len(step["wr"]["draft"]) == min(2000, len(json.dumps(text, ensure_ascii=False)))
        assert " ".join(part[-1].split()) in steps[-1]["x"]


# ---- in the browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Return a headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: Browser, tmp_path: Path) -> Iterator[Open]:
    """Return a function that opens a report from a file; no request may leave and no error may be logged."""
    context = chromium.new_context(viewport={"width": 1400, "height": 900})
    requests: list[str] = []
    said: list[str] = []

    def asked(request: Request) -> None:
        requests.append(request.url)

    def heard(message: ConsoleMessage) -> None:
        said.append(message.text)

    def failed(error: Error) -> None:
        said.append(str(error))

    def interrupted(dialog: Dialog) -> None:
        said.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def open_(content: str, place: str = "") -> Page:
        file = tmp_path / "report.html"
        file.write_text(content, "utf-8")
        page = context.new_page()
        page.on("request", asked)
        page.on("console", heard)
        page.on("pageerror", failed)
        page.on("dialog", interrupted)
        page.goto(f"{file.as_uri()}{place}")
        return page

    yield open_
    context.close()
    assert {url.partition("#")[0] for url in requests} <= {(tmp_path / "report.html").as_uri()}
    assert said == []


def _current(page: Page) -> str:
    found: str = page.evaluate("document.querySelector('#steps [aria-current] .label')?.textContent ?? ''")
    return found


@browsed
def test_a_run_is_walked_with_the_keyboard(opened: Open) -> None:
    """Forward, back, to the end, to the next failure and back to the whole; the address follows each step."""
    page = opened(render(COMPLETED, "html"))
    assert _current(page) == ""
    for key, label in (
        ("ArrowRight", "1"), ("ArrowRight", "2"), ("ArrowLeft", "1"), ("n", "3"), ("End", "9"), ("N", "3"),
        ("Home", "1"), ("Escape", ""),
    ):  # fmt: skip
        page.keyboard.press(key)
        assert _current(page) == label
        assert page.evaluate("location.hash") == (f"#step={label}" if label else "")


@browsed
def test_a_step_is_marked_on_the_flow_and_told_beside_it(opened: Open) -> None:
    """The node of the step glows, the edges in and out are drawn out; why and what changed stand beside."""
    page = opened(render(COMPLETED, "html"), "#step=5")
    titles = "[...document.querySelectorAll('.definition .now title')].map(e => e.textContent.split('\\n')[0])"
    assert page.evaluate(titles) == ["review (agent)"]
    assert page.evaluate("document.querySelectorAll('.definition .in').length") == 1
    assert page.evaluate("document.querySelectorAll('.definition .out').length") == 1
    panel = page.inner_text("#panel")
    for said in (
        "review",
        "step 5 of 9",
        "score < 0.8 / rounds = rounds + 1 ≤ 3",
        "taken",
        "score = 0.62",
        "0.0",
        "0.62",
    ):
        assert said in panel


@browsed
def test_a_step_can_be_clicked_wherever_it_is_seen(opened: Open) -> None:
    """In the list, on the bar at the foot, as a node, on the timeline, among all visits."""
    page = opened(render(COMPLETED, "html"))
    page.click("#steps button >> nth=3")
    assert _current(page) == "4"
    page.click(".segment >> nth=1")
    assert _current(page) == "2"
    page.click(".definition .node.ask")
    assert _current(page) == "8"
    page.keyboard.press("2")
    page.click("[data-view=timeline] [data-k=t5]")
    assert _current(page) == "5"
    page.keyboard.press("3")
    page.click("[data-view=unrolled] .node.tool_agent >> nth=1")
    assert _current(page) == "6"


@browsed
def test_a_link_leads_to_its_step_and_view(opened: Open) -> None:
    """Opened with an address, and after the address changed, the page shows that step in that view."""
    page = opened(render(BRANCHED, "html"), "#step=7/2&view=timeline")
    assert _current(page) == "7/2"
    assert page.is_visible("[data-view=timeline] .now")
    page.evaluate("location.hash = '#step=2.2'")
    page.wait_for_function("document.querySelector('#steps [aria-current] .label').textContent === '2.2'")
    assert page.is_visible(".definition .now")
    assert "ConnectionError: index is down" in page.inner_text("#panel")


@browsed
def test_searching_leaves_the_steps_that_were_found(opened: Open) -> None:
    """By name, error, answer or value; Enter goes from one to the next, and the keys walk among them."""
    page = opened(render(COMPLETED, "html"))
    page.keyboard.press("/")
    page.keyboard.type("timeout")
    assert page.inner_text("#found") == "1 of 9 steps"
    page.fill("#search", "draft")
    page.keyboard.press("Enter")
    first = _current(page)
    page.keyboard.press("Enter")
    assert first
    assert _current(page) != first


@browsed
def test_the_state_at_each_step_is_whole(opened: Open) -> None:
    """All fields on demand, with what changed marked: what was, and what is."""
    page = opened(render(COMPLETED, "html"), "#step=6")
    assert "draft" in page.inner_text(".state")
    assert page.inner_text(".state del >> nth=0") == '"a"'
    assert page.inner_text(".state ins >> nth=0") == '"b"'
    page.click("#panel .small")
    fields = page.evaluate("[...document.querySelectorAll('.state th')].map(e => e.textContent)")
    assert fields == [f.name for f in FIELDS]


@browsed
def test_light_and_dark_can_be_chosen_and_follow_the_system(chromium: Browser, tmp_path: Path) -> None:
    """The drawings change with the page: as the system says, or as the reader wants."""
    file = tmp_path / "report.html"
    file.write_text(render(COMPLETED, "html"), "utf-8")
    ground = "getComputedStyle(document.querySelector('.view:not([hidden]) svg:not([class=definition]) rect')).fill"
    seen: list[str] = []
    for scheme in ("light", "dark"):
        context = chromium.new_context(color_scheme=scheme)
        page = context.new_page()
        page.goto(file.as_uri())
        seen.append(page.evaluate(ground))
        page.keyboard.press("t")
        seen.append(page.evaluate(ground))
        page.keyboard.press("t")
        seen.append(page.evaluate(ground))
        context.close()
    light, dark = "rgb(255, 255, 255)", "rgb(15, 20, 27)"
    assert seen == [light, light, dark, dark, light, dark]


@browsed
def test_no_text_leaves_its_box_with_the_fonts_of_this_machine(opened: Open) -> None:
    """Every text of a node lies inside the node, as the browser lays it out."""
    page = opened(render(BRANCHED, "html"))
    loose = page.evaluate(
        """[...document.querySelectorAll('.asrun .node')].flatMap(g => {
            const shape = g.querySelector('path,polygon,ellipse').getBoundingClientRect();
            return [...g.querySelectorAll('text')].filter(t => {
              const b = t.getBoundingClientRect();
              return b.left < shape.left - 1 || b.right > shape.right + 1;
            }).map(t => t.textContent);
        })"""
    )
    assert loose == []


@browsed
def test_nodes_do_not_move_while_stepping(opened: Open) -> None:
    """The run and the bare definition that is stepped through have the same places."""
    page = opened(render(COMPLETED, "html"))
    boxes = """(which) => [...document.querySelectorAll(which + ' .node')].map(g => {
        const b = g.querySelector('path,polygon,ellipse').getBoundingClientRect();
        return [b.left, b.top, b.width, b.height].map(Math.round);
    })"""
    before = page.evaluate(boxes, ".asrun")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(boxes, ".definition") == before


@browsed
def test_comparisons_stand_in_the_same_file(opened: Open) -> None:
    """With other runs at hand the report has a view of what differs and one of all runs."""
    heat = picture_of_heat([COMPLETED] * 3 + [FAILED, WAITING, CANCELLED])
    page = opened(report(chronicle_of(COMPLETED), AUTO, heat=heat, difference=difference_of_runs(COMPLETED, FAILED)))
    page.keyboard.press("d")
    assert "first difference at triage" in page.inner_text(".said")
    page.keyboard.press("5")
    assert page.is_visible("[data-view=heat] .heat4")
    assert page.evaluate("location.hash") == "#view=heat"


@browsed
def test_stepping_through_ten_thousand_steps_is_quick(opened: Open) -> None:
    """Going to any step of a very long run takes far less than what an eye notices as waiting."""
    page = opened(render(long_run(10_000), "html"))
    page.wait_for_selector("body.ready")
    took = page.evaluate(
        """async () => {
            const times = [];
            for (let i = 0; i < 20; i++) {
              const slider = document.querySelector('#scrubber input');
              slider.value = 500 * (i + 1);
              const began = performance.now();
              slider.dispatchEvent(new Event('input'));
              document.body.offsetHeight;
              times.push(performance.now() - began);
            }
            return times.sort((a, b) => a - b)[10];
        }"""
    )
    assert took < 250  # five times what it should be, for a machine that is busy with other things


@browsed
def test_no_nasty_text_runs_in_a_browser(opened: Open) -> None:
    """Strings that attack pages stand in pictures and runs as text: nothing runs, nothing is asked for."""
    for picture in nasty_pictures(60)[:9]:
        page = opened(render(picture, "html"))
        shown = page.evaluate("document.querySelector('h1').textContent")
        assert shown.strip() == visible(picture.title).strip()
        page.close()
    text = "</script><img src=x onerror=alert(1)><svg onload=alert(1)>{{7*7}}"
    page = opened(render(_nasty_run(text), "html"), "#step=1")
    assert text in page.inner_text("#panel")
    trap = Picture(text, text, (PNode("a", "task", text, tooltip=text),), (PEdge("a", "a", guard=text),))
    opened(render(trap, "html"))


@browsed
def test_a_report_prints_the_picture_and_the_steps(opened: Open) -> None:
    """On paper: the flow, the list of steps, and none of what is only for the screen."""
    page = opened(render(COMPLETED, "html"))
    page.emulate_media(media="print")
    assert page.is_visible(".asrun")
    assert page.is_visible("#steps")
    assert not page.is_visible("#scrubber")
    assert page.pdf().startswith(b"%PDF")


# ---- the build


def test_the_shipped_script_is_what_its_sources_build_to() -> None:
    """Whoever changes the sources builds them; a machine that cannot build says so."""
    web = ROOT / "viz" / "web"
    node = shutil.which("node")
    if node is None or not (web / "node_modules" / "esbuild").is_dir():
        pytest.skip("needs node and `npm install` in viz/web")
    done = subprocess.run([node, "build.mjs", "--check"], cwd=web, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
