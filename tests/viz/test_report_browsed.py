"""The report in a browser: opened from a file, it asks nobody, runs nothing that it was handed, and can be walked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel

from graphrt import Agent, Flow, append
from graphrt.agents.prompts import prompts
from graphrt.codec import decode_trace
from graphrt.events import VisitWaiting
from graphrt.testing import ScriptedModel, Turn
from graphrt.trace import Trace
from graphrt_viz import chronicle_of, difference_of_runs, picture_of_heat, render
from graphrt_viz.exporters.html import report
from graphrt_viz.picture import PEdge, Picture, PNode
from graphrt_viz.theme import AUTO
from graphrt_viz.wording import visible
from tests.viz.browser import Open, browsed
from tests.viz.exemplars import ALL_TOPOLOGIES, nasty_pictures, topology
from tests.viz.runs import FIELDS, SUPPORT, long_run, nasty_run, trace_of
from tests.viz.test_chronicle import CANCELLED, FAILED, WAITING
from tests.viz.test_overlay import BRANCHED, COMPLETED

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TALKED = decode_trace((Path(__file__).parents[2] / "graphs" / "runs" / "magentic.jsonl").read_bytes())
"""A run in which agents talk with models, call tools, and ask whether they may."""
ASKED = Trace(
    TALKED.header,
    TALKED.records[: 1 + next(r.seq for r in TALKED.records if any(isinstance(e, VisitWaiting) for e in r.events))],
)
"""The same, up to the question."""


def _current(page: Page) -> str:
    found: str = page.evaluate("document.querySelector('#steps [aria-current] .label')?.textContent ?? ''")
    return found


def _wait_until(page: Page, condition: str) -> None:
    """Wait until something holds; the policy of the page forbids the browser's own way of looking again."""
    for _ in range(100):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{condition} does not hold after ten seconds")


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
    page = opened(render(BRANCHED, "html"), "#step=7/2.1&view=timeline")
    assert _current(page) == "7/2.1"
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
def test_a_conversation_is_told_as_one(opened: Open) -> None:
    """Who says what, which tool is called with which arguments, what came back; what is new stands apart."""
    page = opened(render(TALKED, "html"), "#step=2/4")
    assert page.evaluate(_BUBBLES) == ["system", "user", "assistant", "tool", "assistant"]
    asked = page.inner_text(".bubble.assistant >> nth=0")
    for said in ("search", "words", "tea leaves made"):
        assert said in asked
    assert "{" not in asked
    assert page.inner_text(".chat .rule") == "new in this step"
    assert "Find out what the order wants" in page.inner_text(".bubble.system")
    page.evaluate("location.hash = '#step=2/1'")
    _wait_until(page, "document.querySelector('#panel h2').textContent.startsWith('model ')")
    assert page.evaluate(_BUBBLES) == ["system", "user", "assistant"]
    page.evaluate("location.hash = '#step=1/1'")
    _wait_until(page, "document.querySelector('.bubble.assistant').textContent.startsWith('answer')")
    assert page.evaluate(_BUBBLES) == ["system", "user", "assistant"]
    assert "Write what tea is to tea.txt" in page.inner_text(".bubble.user")
    assert "Find out what tea is." in page.inner_text(".bubble.assistant")


class Enquiry(BaseModel):
    question: str = "How do tea and coffee compare, and which of them was drunk first? " * 5
    findings: Annotated[list[str], append] = []
    report: str = ""


def _looked_up() -> Trace:
    """Return a run whose requests repeat long texts and a conversation, which its trace only names."""

    def look_up(subject: str) -> str:
        """Look a subject up."""
        return f"{subject} is a drink"

    flow = Flow("enquiry", Enquiry)
    s = flow.state
    find = flow.agent("find", Agent("Look things up. " * 20, tools=[look_up]), reads=s.question, writes=s.findings)
    report = flow.agent("report", Agent("Answer this: {question}"), reads=(s.question, s.findings), writes=s.report)
    flow.start(find)
    flow.edge(find, report)
    called = [Turn.call("look_up", subject=subject) for subject in ("tea", "coffee")]
    return flow.run_sync(Enquiry(), resources=[ScriptedModel([*called, "Both are drinks.", "Tea was first."])]).trace


@browsed
def test_a_request_is_shown_as_it_was_sent(opened: Open) -> None:
    """Instructions with the fields filled in, and all of the conversation, though the trace only names what it has."""
    trace = _looked_up()
    labels = {step.visit: step.label for step in chronicle_of(trace).steps}
    page = opened(render(trace, "html"))
    sent = list(prompts(trace))
    assert [len(prompt.request.messages) for prompt in sent] == [1, 3, 5, 1]
    for prompt in sent:
        page.evaluate(f"location.hash = '#step={labels[prompt.visit]}'")
        _wait_until(
            page, f"document.querySelector('#steps [aria-current] .label').textContent === '{labels[prompt.visit]}'"
        )
        roles = [message.role for message in prompt.request.messages]
        assert page.evaluate(_BUBBLES) == ["system", *roles, "assistant"]
        shown = "document.querySelector('.bubble.system .text').textContent"
        assert page.evaluate(shown) == prompt.request.instructions
        said = page.evaluate("document.querySelector('.bubble.user .text').textContent")
        assert said == prompt.request.messages[0].text


@browsed
def test_who_answers_sees_what_is_asked_about(opened: Open) -> None:
    """A question stands with the values it showed: the call with its arguments, and what can be answered."""
    page = opened(render(ASKED, "html"), "#step=5/4")
    card = page.inner_text(".question")
    for said in (
        "May 'files' call write_file",
        "write_file",
        "tea.txt",
        "Tea is made from leaves.",
        "approve",
        "decline",
    ):
        assert said in card
    page = opened(render(TALKED, "html"), "#step=5/4")
    assert "approve" in page.inner_text(".question b >> nth=-1")


@browsed
def test_a_long_text_opens_where_it_stands(opened: Open) -> None:
    """Of 90 000 characters the beginning is shown, and all of them on demand."""
    long = "One line of many. " * 5000
    page = opened(render(trace_of(SUPPORT, {"triage": {"topic": "bug"}, "draft": {"draft": long}}), "html"), "#step=3")
    assert len(page.inner_text(".state ins")) < 1000
    page.click(".state .small")
    assert len(page.inner_text(".state ins .text")) >= len(long.strip())


@browsed
def test_the_back_button_leads_back(opened: Open) -> None:
    """A jump is a place to come back to; steps one after the other are not."""
    page = opened(render(COMPLETED, "html"))
    page.click("#steps button >> nth=3")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.click("#steps button >> nth=8")
    page.go_back()
    _wait_until(page, "document.querySelector('#steps [aria-current] .label')?.textContent === '6'")
    page.go_back()
    _wait_until(page, "document.querySelector('#steps [aria-current]') === null")


@browsed
def test_buttons_are_pressed_by_key(opened: Open) -> None:
    """Whoever walks with the tab key reaches all; the space bar presses what has the focus and plays nothing."""
    page = opened(render(COMPLETED, "html"))
    page.focus("#help")
    page.keyboard.press("Space")
    assert page.is_visible("#keys")
    page.keyboard.press("Escape")
    assert not page.is_visible("#keys")
    page.focus("#steps button >> nth=2")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    assert _current(page) == "4"
    assert page.evaluate("document.activeElement.closest('[aria-current]') !== null")
    page.focus("#tab-flow")
    page.keyboard.press("ArrowRight")
    assert page.is_visible("[data-view=timeline]")
    assert page.evaluate("document.activeElement.id") == "tab-timeline"


@browsed
def test_what_is_dimmed_can_still_be_read(opened: Open) -> None:
    """Beside a step, texts of nodes that the run has not reached keep a contrast of 4.5, light and dark."""
    page = opened(render(COMPLETED, "html"), "#step=1")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found: list[float] = page.evaluate(_CONTRASTS)
        assert len(found) > 10
        assert min(found) >= 4.5, scheme


@browsed
def test_edges_not_taken_are_not_drawn_as_if_they_were(opened: Open) -> None:
    """At a step the way that was taken is solid; those looked at and not tried are broken lines."""
    page = opened(render(COMPLETED, "html"), "#step=5")
    dashes = """(which) => [...document.querySelectorAll('.definition ' + which + ' > path[stroke-width]')].map(
        (line) => getComputedStyle(line).strokeDasharray)"""
    assert page.evaluate(dashes, ".out") == ["none"]
    assert page.evaluate(dashes, ".refused") == ["5px, 3px"]


@browsed
def test_a_phone_shows_one_pane_at_a_time(opened: Open) -> None:
    """Picture, step and list by the buttons at the foot; choosing in the list leads to the step; nothing sticks out."""
    page = opened(render(TALKED, "html"))
    page.set_viewport_size({"width": 390, "height": 844})
    for pane, shown in (("picture", "main"), ("step", "#panel"), ("list", "#side")):
        page.click(f"#panes [data-pane={pane}]")
        assert [s for s in ("main", "#panel", "#side") if page.is_visible(s)] == [shown]
        assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.click("#steps button >> nth=4")
    assert page.is_visible("#panel")
    assert "2/1" in page.inner_text(".where")
    page.click(".player button >> nth=3")
    assert "2/2" in page.inner_text(".where")


@browsed
def test_the_state_at_each_step_is_whole(opened: Open) -> None:
    """All fields on demand, with what changed marked: what was, and what is."""
    page = opened(render(COMPLETED, "html"), "#step=6")
    assert "draft" in page.inner_text(".state")
    assert page.inner_text(".state del >> nth=0") == '"a"'
    assert page.inner_text(".state ins >> nth=0") == '"b"'
    page.click("#panel .small")
    fields = page.evaluate("[...document.querySelectorAll('.state th')].map(e => e.firstChild.textContent)")
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


_BUBBLES = "[...document.querySelectorAll('#panel .bubble')].map((b) => b.className.split(' ')[1])"
_CONTRASTS = """() => {
    const channel = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const light = (colour) => {
      const [r, g, b] = colour.match(/\\d+/g).map((v) => channel(v / 255));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const fill = (e) => getComputedStyle(e).fill;
    const page = light(getComputedStyle(document.body).backgroundColor);
    return [...document.querySelectorAll('.definition :is(.node, .transition) text')].map((text) => {
      const at = text.getBoundingClientRect();
      const around = (e) => {
        const box = e.getBoundingClientRect();
        const across = box.left <= at.left + 1 && box.right >= at.right - 1;
        return across && box.top <= at.top + 4 && box.bottom >= at.bottom - 4;
      };
      const shapes = [...text.parentNode.querySelectorAll('path, polygon, ellipse')];
      const under = shapes.filter((e) => fill(e) !== 'none' && around(e)).pop();
      const [a, b] = [light(fill(text)), under ? light(fill(under)) : page];
      return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    });
}"""
_LOOSE = """(which) => [...document.querySelectorAll(which + ' .node')].flatMap(g => {
    const shape = g.querySelector('path,polygon,ellipse').getBoundingClientRect();
    return [...g.querySelectorAll('text')].filter(t => {
      const b = t.getBoundingClientRect();
      return b.left < shape.left - 1 || b.right > shape.right + 1;
    }).map(t => t.textContent);
})"""


@browsed
def test_no_text_leaves_its_box_with_the_fonts_of_this_machine(opened: Open) -> None:
    """Every text of a node lies inside the node, as the browser lays it out."""
    page = opened(render(BRANCHED, "html"))
    assert page.evaluate(_LOOSE, ".asrun") == []


@browsed
def test_a_drawing_opens_whole_or_says_where_more_of_it_lies(opened: Open) -> None:
    """On a small screen a report opens with all of a drawing that can be read then; of a larger one it says so."""
    whole = """(() => { const shown = document.querySelector('.view:not([hidden])');
        const [sheet, view] = [shown.querySelector('.sheet'), shown].map(part => part.getBoundingClientRect());
        return sheet.right <= view.right && sheet.bottom <= view.bottom && sheet.left >= view.left; })()"""
    more = "document.querySelector('.view:not([hidden]) .more').textContent"
    page = opened(render(TALKED, "html"))
    page.set_viewport_size({"width": 1280, "height": 800})
    page.click("[data-view=timeline][role=tab]")
    _wait_until(page, whole)
    page.keyboard.press("+")
    page.keyboard.press("+")
    page.keyboard.press("+")
    _wait_until(page, f"{more}.startsWith('more')")
    page.keyboard.press("0")
    _wait_until(page, f"{more} === ''")


@browsed
def test_no_text_leaves_its_box_with_other_fonts(opened: Open) -> None:
    """Nor with fonts that are wider, narrower, or have serifs: every text is as wide as its box was made for."""
    content = render(topology("dify-38-c"), "svg")
    for family in ("'DejaVu Sans Mono'", "'Noto Serif CJK JP'", "cursive", "fantasy", "serif"):
        worn = re.sub('font-family="[^"]+"', f'font-family="{family}"', content)
        page = opened(f"<!doctype html><meta charset=utf-8><body>{worn}")
        assert page.evaluate(_LOOSE, "svg") == [], family
        page.close()


@browsed
def test_every_topology_is_whole_in_a_browser(opened: Open) -> None:
    """Each opens without a word in the console or a request, each name can be read, and no text leaves its box."""
    for name in ALL_TOPOLOGIES:
        picture = topology(name)
        page = opened(render(picture, "html"))
        words = """Object.fromEntries([...document.querySelectorAll('.view .node')].map(
            g => [g.dataset.k, [...g.querySelectorAll('text')].map(t => t.textContent).join('')]))"""
        shown: dict[str, str] = page.evaluate(words)
        for place, node in enumerate(picture.nodes, 1):
            said, found = (re.sub(r"\s", "", text) for text in (node.name, shown[f"n{place}"]))
            assert node.kind == "start" or said in found or ("…" in found and said[:20] in found)
        assert page.evaluate(_LOOSE, ".view") == []
        page.close()


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


_STEPPED = """async (jump) => {
    const painted = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    const slider = document.querySelector('#scrubber input');
    for (let i = 0; i < 20; i++) {
      if (jump) {
        slider.value = String(((i * 2477) % 10000) + 1);
        slider.dispatchEvent(new Event('input'));
      } else dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight' }));
      await painted();
    }
}"""


@browsed
def test_stepping_through_ten_thousand_steps_is_quick(opened: Open) -> None:
    """A key, or a jump anywhere, takes at most 50 ms from the event to the paint: script, style, layout, painting.

    What is measured is the time that the page's thread was on a processor, since a test may run on a busy machine.
    """
    page = opened(render(long_run(10_000), "html"))
    page.wait_for_selector("body.ready")
    watch: Any = page.context.new_cdp_session(page)
    watch.send("Performance.setTimeDomain", {"timeDomain": "threadTicks"})
    watch.send("Performance.enable")

    def spent() -> float:
        found: list[dict[str, Any]] = watch.send("Performance.getMetrics")["metrics"]
        return next(float(m["value"]) for m in found if m["name"] == "TaskDuration")

    for view in ("flow", "timeline"):
        page.evaluate(f"location.hash = '#step=5000&view={view}'")
        _wait_until(page, "document.querySelector('#steps [aria-current] .label')?.textContent === '5000'")
        for jump in (False, True):
            rounds: list[float] = []
            while len(rounds) < 10 and min(rounds, default=1.0) > 0.050:  # neighbours slow a processor down, too
                before = spent()
                page.evaluate(_STEPPED, jump)
                rounds.append((spent() - before) / 20)
            assert 0 < min(rounds) <= 0.050, (view, jump, rounds)


@browsed
def test_holding_a_key_down_does_not_flood_the_address(opened: Open) -> None:
    """Browsers refuse many writes a second; the address comes to rest at the step that is shown."""
    page = opened(render(long_run(400), "html"))
    page.evaluate(
        """window.writes = 0;
        const put = history.replaceState.bind(history);
        history.replaceState = (...given) => { window.writes++; put(...given); };
        for (let i = 0; i < 300; i++) dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight' }));"""
    )
    _wait_until(page, "location.hash === '#step=300'")
    assert page.evaluate("window.writes") < 60


@browsed
def test_no_nasty_text_runs_in_a_browser(opened: Open) -> None:
    """Strings that attack pages stand in pictures and runs as text: nothing runs, nothing is asked for."""
    for picture in nasty_pictures(60)[:9]:
        page = opened(render(picture, "html"))
        shown = page.evaluate("document.querySelector('h1').textContent")
        assert shown.strip() == visible(picture.title).strip()
        page.close()
    text = "</script><img src=x onerror=alert(1)><svg onload=alert(1)>{{7*7}}"
    page = opened(render(nasty_run(text), "html"), "#step=1")
    assert text in page.inner_text("#panel")
    trap = Picture(text, text, (PNode("a", "task", text, tooltip=text),), (PEdge("a", "a", guard=text),))
    opened(render(trap, "html"))


@browsed
def test_a_report_prints_a_page_for_each_view(opened: Open) -> None:
    """On paper: every drawing whole, then the step that is shown and the list; none of what is for the screen."""
    page = opened(render(COMPLETED, "html"))
    page.emulate_media(media="print")
    assert page.is_visible(".asrun")
    assert page.is_visible("[data-view=timeline] svg")
    assert page.is_visible("[data-view=unrolled] svg")
    assert page.is_visible("#steps")
    assert not page.is_visible("#scrubber")
    assert not page.is_visible("#panel")
    page.keyboard.press("Home")
    assert page.is_visible("#panel")
    tops = "['header', 'main', '#panel', '#side'].map((s) => document.querySelector(s).getBoundingClientRect().top)"
    assert sorted(page.evaluate(tops)) == page.evaluate(tops)
    printed = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 5
