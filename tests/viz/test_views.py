"""The views of runs: unrolled, in time, state by state, compared, and many at once."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

from graphrt.graph import Edge, Graph, Node, Retry
from graphrt.inputs import Limits, Started
from graphrt.trace import Trace
from graphrt_viz import (
    FORMATS,
    VIEWS,
    FormatError,
    Picture,
    PictureError,
    chronicle_of,
    difference_of,
    difference_of_runs,
    from_json,
    looks,
    picture_of,
    picture_of_heat,
    render,
    save,
    to_json,
)
from graphrt_viz.theme import LIGHT
from graphrt_viz.views.difference import whole_changes
from graphrt_viz.views.heat import edges_of, heat_of, level_of, percentile, whole_steps
from graphrt_viz.views.timeline import MOST_LANES, timeline_of
from graphrt_viz.views.unrolled import unrolled
from tests.viz.exemplars import RUN
from tests.viz.measure import measured
from tests.viz.runs import FIELDS, RESEARCH, RESEARCH_RESULTS, SUPPORT, compared, trace_of
from tests.viz.test_chronicle import CANCELLED, FAILED, TRACES, WAITING
from tests.viz.test_exporters import DRAWN, SVG
from tests.viz.test_overlay import BRANCHED, COMPLETED

RUNS = [COMPLETED] * 6 + [FAILED, WAITING, CANCELLED]


def _named(picture: Picture, name: str) -> int:
    return next(i for i, n in enumerate(picture.nodes) if n.name == name)


# ---- unrolled


@pytest.mark.parametrize("trace", TRACES.values(), ids=list(TRACES))
def test_unrolled_has_each_visit_once_and_leads_from_its_causes(trace: Trace) -> None:
    """A node or a frame for each visit; an edge from each cause but where a frame says it."""
    chronicle = chronicle_of(trace)
    picture = unrolled(chronicle)
    visits = {s.visit for s in chronicle.steps if s.what != "arrival"}
    assert {n.id for n in picture.nodes} | {c.id for c in picture.clusters} == visits | {"//"}
    causes = {(chronicle.steps[c].visit, s.visit) for s in chronicle.steps for c in s.causes}
    expected = {(a, b) for a, b in causes if a != b and not b.startswith(f"{a}/")} - {
        (a, b) for a, b in causes if any(s.what == "arrival" and s.visit == b for s in chronicle.steps) and a == b
    }
    assert {(e.source, e.target) for e in picture.edges if e.source != "//"} == expected


def test_unrolled_shows_forks_joins_items_and_loops() -> None:
    """Three branches meet in one join; each says its item; a loop is drawn out, visit after visit."""
    picture = unrolled(chronicle_of(BRANCHED))
    into = [e for e in picture.edges if e.target == "1"]
    assert [e.source for e in into] == ["0.0-0.0", "0.0-1.0", "0.0-2.0"]
    assert [e.mark.steps for e in into if e.mark is not None] == [("3",), ("6",), ("5",)]
    items = [e.mark.values for e in picture.edges if e.mark is not None and e.source == "0"]
    assert items == ['item = "a"', 'item = "b"', 'item = "c"']
    names = [n.name for n in unrolled(chronicle_of(COMPLETED)).nodes]
    assert names[3:7] == ["draft", "review", "draft #2", "review #2"]


def test_unrolled_frames_have_the_sums_of_what_ran_inside() -> None:
    """An agent has no attempts of its own: its frame says how long those inside took; and edges are as they are."""
    picture = unrolled(chronicle_of(BRANCHED))
    write = next(c for c in picture.clusters if c.name == "write")
    inside = [n.mark for n in picture.nodes if n.cluster == write.id and n.mark is not None]
    assert write.mark is not None
    assert write.mark.good_s == pytest.approx(sum(m.good_s for m in inside))
    assert write.mark.good_s > 0
    looped = unrolled(chronicle_of(COMPLETED))
    back = next(e for e in looped.edges if e.guard == "score < 0.8")
    assert (back.number, back.action, back.bound) == (None, "rounds = rounds + 1", 3)


def test_failed_and_good_time_differ_without_colour() -> None:
    """In a bar the failed time is striped and the good time is whole; a tool that failed says so in words."""
    drawn = looks.node_look(next(n for n in RUN.nodes if n.id == "billing"), looks.Context(LIGHT, "run")).cell
    assert drawn is not None
    bar = re.findall(r'<TD WIDTH="\d+" HEIGHT="5" FIXEDSIZE="TRUE" BGCOLOR="(#\w+)">', drawn.html)
    assert bar.count(LIGHT.bad.stroke) > 3
    assert bar.count(LIGHT.tools.stroke) == 1
    assert "refund ×2, 1 failed" in str(render(RUN, "svg"))


def test_a_frame_says_that_it_failed() -> None:
    """Drawn open, a failed node is as red as when it is closed, and its word says so."""
    failed = trace_of(RESEARCH, {**RESEARCH_RESULTS, "format": ValueError("no")})
    drawn = str(render(failed, "svg"))
    frame = drawn[drawn.index('class="cluster"') :]
    assert LIGHT.bad.stroke.lower() in frame[: frame.index("</g>")].lower()
    assert "SUBGRAPH · FAILED" in drawn


def test_unrolled_draws_the_first_of_very_many() -> None:
    """A run too long to be followed is cut, and the picture says where."""
    picture = unrolled(chronicle_of(COMPLETED), most=3)
    assert len(picture.nodes) == 4
    assert picture.subtitle.endswith("the first 3 visits of 8")


# ---- timeline


@pytest.mark.parametrize("trace", TRACES.values(), ids=list(TRACES))
def test_on_a_timeline_nothing_goes_back_and_lanes_do_not_overlap(trace: Trace) -> None:
    """Positions lie between 0 and 1 and keep the order of times; on one lane one step ends before the next begins."""
    chronicle = chronicle_of(trace)
    line = timeline_of(chronicle)
    assert len(line.bars) == len(chronicle.steps)
    by_time = sorted((chronicle.steps[b.step].started, b.begin) for b in line.bars)
    assert [place for _, place in by_time] == sorted(place for _, place in by_time)
    lanes: dict[int, float] = {}
    for bar in sorted(line.bars, key=lambda b: (b.begin, b.end)):
        assert 0 <= bar.begin <= bar.end <= 1
        if bar.begin < bar.end:
            assert bar.begin >= lanes.get(bar.lane, 0.0) - 1e-9
            lanes[bar.lane] = bar.end


def test_time_in_which_nothing_ran_is_folded_and_says_how_long_it_was() -> None:
    """Six minutes of waiting take less room than the seconds of work around them."""
    line = timeline_of(chronicle_of(COMPLETED))
    (fold,) = line.folds
    assert fold.seconds == 372.0
    assert fold.end - fold.begin < 0.05
    assert "6 m 12 s" in render(COMPLETED, "svg", view="timeline")


def test_branches_have_lanes_with_their_items() -> None:
    """A lane for each branch, called after what it is for; what runs inside a node stands below it."""
    lanes = [(lane.name, lane.depth) for lane in timeline_of(chronicle_of(BRANCHED)).lanes]
    assert lanes[:4] == [("main line", 0), ('search · "a"', 0), ('search #2 · "b"', 0), ('search #3 · "c"', 0)]
    assert ("inside write", 1) in lanes


def test_a_lane_inside_a_branch_is_called_after_the_branch_and_not_after_its_join() -> None:
    """What ran inside a node that then arrived at a join stands "inside" that node."""
    chronicle = chronicle_of(BRANCHED)
    arrival = next(s for s in chronicle.steps if s.what == "arrival")
    inner = replace(
        next(s for s in chronicle.steps if s.visit == arrival.visit), visit=f"{arrival.visit}/0", name="model"
    )
    names = [lane.name for lane in timeline_of(replace(chronicle, steps=(*chronicle.steps, inner))).lanes]
    assert "inside search" in names
    assert f"inside {arrival.name}" not in names


@pytest.mark.parametrize(
    ("item", "called"),
    [
        ('"a"', '"a"'),
        ('{"id": 7, "text": "long"}', "7"),
        ('{"parts": []}', "1 field"),
        ("[1, 2]", "2 items"),
        ('{"cut…', '{"cut…'),
    ],
)
def test_a_lane_names_an_item_in_words(item: str, called: str) -> None:
    """A lane is not called after the JSON of its item."""
    chronicle = chronicle_of(BRANCHED)
    steps = tuple(replace(s, item=item) if s.item else s for s in chronicle.steps)
    names = [lane.name for lane in timeline_of(replace(chronicle, steps=steps)).lanes]
    assert f"search · {called}" in names


def test_very_many_branches_share_lanes() -> None:
    """Of hundreds of branches those that do not meet in time share a lane, and none lies on another."""
    chronicle = chronicle_of(COMPLETED)
    model = chronicle.steps[1]
    steps = tuple(
        replace(model, visit=f"0.0-{i}.0", label=str(i), started=i * 0.5, ended=i * 0.5 + 1.4, causes=())
        for i in range(200)
    )
    line = timeline_of(replace(chronicle, steps=steps, lasted=102.0))
    assert len(line.lanes) <= 4 < MOST_LANES
    assert all("branches" in lane.name for lane in line.lanes)
    until: dict[int, float] = {}
    for bar in line.bars:
        assert bar.begin >= until.get(bar.lane, 0.0) - 1e-9
        until[bar.lane] = bar.end


def test_a_timeline_is_whole_xml_with_every_step() -> None:
    """Each step has its bar or dot under an id of its own, in a file that holds no link and no script."""
    chronicle = chronicle_of(BRANCHED)
    root = ET.fromstring(VIEWS["timeline"].writes["svg"](chronicle, LIGHT))
    ids = {e.get("id") for e in root.iter() if e.tag in {f"{SVG}rect", f"{SVG}circle"}} - {None}
    assert ids == {f"t{i}" for i in range(1, len(chronicle.steps) + 1)}
    assert {e.tag.removeprefix(SVG) for e in root.iter()} <= {
        "svg", "title", "desc", "rect", "g", "path", "text", "circle",
    }  # fmt: skip


# ---- perfetto


@pytest.mark.parametrize("trace", TRACES.values(), ids=list(TRACES))
def test_trace_events_are_what_perfetto_reads(trace: Trace) -> None:
    """Complete slices in microseconds on one thread a branch, none overlapping; arrows start before they end."""
    data = json.loads(render(trace, "perfetto"))
    events = data["traceEvents"]
    chronicle = chronicle_of(trace)
    assert sum(e["ph"] in {"X", "i"} for e in events) == len(chronicle.steps)
    threads = {e["tid"] for e in events if e["name"] == "thread_name"}
    until: dict[int, int] = {}
    for e in sorted((e for e in events if e["ph"] == "X"), key=lambda e: e["ts"]):
        assert e["tid"] in threads
        assert e["ts"] >= until.get(e["tid"], 0)
        until[e["tid"]] = e["ts"] + e["dur"]
    starts = {e["id"]: e["ts"] for e in events if e["ph"] == "s"}
    assert all(starts[e["id"]] <= e["ts"] for e in events if e["ph"] == "f")
    assert data["otherData"]["digest"] == f"graphrt-picture sha256:{chronicle.picture.digest}"


def test_a_definition_has_no_times() -> None:
    """What only a run has is refused for a definition, with the reason."""
    with pytest.raises(FormatError, match="a definition has no times"):
        render(SUPPORT, "perfetto")
    with pytest.raises(FormatError, match="a definition has no visits"):
        render(SUPPORT, "svg", view="timeline")


# ---- states


def test_states_tell_what_changed_at_each_step() -> None:
    """Set by an edge, written, handed to a reducer: each with its field and value, in all three formats."""
    text = render(COMPLETED, "text", view="states")
    assert "5 review · good · 1.2 s\n  = score = 0.62\n\n6 draft #2 · good · 1.2 s\n  → rounds = 1\n" in text
    assert '  + facts = "invoice"' in text
    data = json.loads(render(COMPLETED, "json", view="states"))
    assert data["steps"][5]["changes"] == [
        {"how": "set", "field": "rounds", "value": "1"},
        {"how": "wrote", "field": "draft", "value": '"b"'},
    ]
    assert "| 6 | draft \\#2 | good | 1.2 s |" in render(COMPLETED, "markdown", view="states")


# ---- all views


@pytest.mark.parametrize("form", DRAWN)
@pytest.mark.parametrize("view", VIEWS)
def test_each_view_is_drawn_or_says_what_it_can_be(view: str, form: str, tmp_path: Path) -> None:
    """A view that is a picture comes in every format; another names its formats to who asks for one more."""
    writes = VIEWS[view].writes
    if VIEWS[view].draw is not None or form in writes:
        ending = FORMATS[form].endings[0] if FORMATS[form].endings else ""
        if ending:
            assert save(BRANCHED, tmp_path / f"x{ending}", view=view).read_bytes()
        else:
            assert render(BRANCHED, form, view=view)
    else:
        with pytest.raises(FormatError, match=f"choose one of {', '.join(writes)}"):
            render(BRANCHED, form, view=view)


def test_an_unknown_view_is_named() -> None:
    """The message holds what there is."""
    with pytest.raises(FormatError, match="view 'globe' is unknown; choose one of run, unrolled, timeline, states"):
        render(COMPLETED, "svg", view="globe")


# ---- difference of definitions


def _other() -> Graph:
    """Return the support flow with one of each: a node renamed, one changed, an edge changed, one new."""
    nodes = list(SUPPORT.nodes)
    nodes[2] = msgspec.structs.replace(nodes[2], name="bugs")
    nodes[3] = msgspec.structs.replace(nodes[3], retry=Retry(attempts=5, on=("TimeoutError",), jitter=0.0))
    loop = msgspec.structs.replace(nodes[4].edges[0], when=compared("score", "<", 0.9), at_most=2)
    nodes[4] = msgspec.structs.replace(nodes[4], edges=(loop, nodes[4].edges[1]))
    nodes.append(Node(8, "polish", "agent", edges=(Edge(8, 5, 0),)))
    nodes[1] = msgspec.structs.replace(nodes[1], edges=(Edge(1, 8, 0),))
    return replace(SUPPORT, nodes=tuple(nodes))


def test_two_definitions_on_one_picture() -> None:
    """New, gone and changed parts are marked, and what changed stands in words; the rest is left alone."""
    picture = difference_of(SUPPORT, _other())
    changes = {n.name: n.change for n in picture.nodes if n.change}
    assert changes == {"known_bugs": "removed", "bugs": "added", "draft": "changed", "polish": "added"}
    assert picture.nodes[_named(picture, "draft")].notes == ("retry: attempts default → 5",)
    loop = next(e for e in picture.edges if e.bound == 2)
    assert (loop.change, loop.notes) == ("changed", ("guard: score < 0.8 → score < 0.9", "bound: 3 → 2"))
    retry = next(e for e in picture.edges if e.retry)
    assert (retry.change, retry.notes) == ("changed", ("bound: 2 → 4",))
    gone = [(e.source, e.target) for e in picture.edges if e.change == "removed"]
    assert gone == [("triage", "known_bugs"), ("invoice", "draft"), ("known_bugs", "draft")]
    assert "4 added" not in picture.subtitle
    assert "sha" in picture.subtitle


def test_a_definition_does_not_differ_from_itself() -> None:
    """Nothing is marked, and it says so."""
    for graph in (SUPPORT, _other()):
        picture = difference_of(graph, graph)
        assert not [n for n in picture.nodes if n.change]
        assert not [e for e in picture.edges if e.change]
        assert picture.subtitle.endswith("no difference")


def test_limits_that_change_are_named() -> None:
    """Two definitions that differ in their limits or their name alone say so, each with both values."""
    other = replace(SUPPORT, name="help", limits=Limits(visits=5))
    assert whole_changes(SUPPORT, other) == ["name: support → help", "limits: visits none → 5"]
    assert difference_of(SUPPORT, other).subtitle.endswith("name: support → help · limits: visits none → 5")


def test_long_texts_show_where_they_part() -> None:
    """Instructions that differ at their end only are not told with two equal beginnings."""
    said: list[Graph] = []
    for end in ("Be brief.", "Be kind."):
        draft = msgspec.structs.replace(SUPPORT.nodes[3], about={"instructions": "Answer the customer. " * 20 + end})
        said.append(replace(SUPPORT, nodes=(*SUPPORT.nodes[:3], draft, *SUPPORT.nodes[4:])))
    picture = difference_of(said[0], said[1])
    (note,) = picture.nodes[_named(picture, "draft")].notes
    was, now = note.removeprefix("about instructions: ").split(" → ")
    assert was.endswith("Be brief.")
    assert now.endswith("Be kind.")


# ---- difference of runs


def test_two_runs_part_where_they_first_differ() -> None:
    """The visit, what each run has there, and the state at the end; the ways of both on one picture."""
    found = difference_of_runs(COMPLETED, FAILED)
    assert found.divergence is not None
    assert (found.divergence.name, found.divergence.first, found.divergence.second) == (
        "triage", "answers billing", "answers bug",
    )  # fmt: skip
    assert ("topic", '"billing"', '"bug"') in found.state
    sides = {n.name: n.change for n in found.picture.nodes if n.kind != "start"}
    assert sides == {
        "triage": "parted", "invoice": "first", "known_bugs": "second", "draft": "both", "review": "first",
        "approve": "first", "sent": "first", "gave up": "second",
    }  # fmt: skip
    parted = next(n for n in found.picture.nodes if n.name == "triage")
    assert parted.notes[:2] == ("first: answers billing", "second: answers bug")
    other = next(e for e in found.picture.edges if e.on == "other")
    assert other.change == "neither"
    assert found.lines[0] == "first difference at triage (visit 0):"


def test_a_run_does_not_differ_from_itself() -> None:
    """No divergence, no difference of state, and all it did is done by both."""
    for trace in TRACES.values():
        found = difference_of_runs(trace, trace)
        assert found.divergence is None
        assert found.state == ()
        assert {n.change for n in found.picture.nodes} <= {"both", "neither"}
        assert found.lines == (
            "both runs went the same way with the same results",
            "the state at the end is the same",
        )


def test_runs_that_began_with_other_values_say_so() -> None:
    """Where every visit did the same and the state differs, the words do not claim that the results are the same."""
    trace = TRACES["completed"]
    first, *others = trace.records
    given = first.input
    assert isinstance(given, Started)
    begun = msgspec.structs.replace(given, state={**given.state, "message": "another ticket"})
    other = msgspec.structs.replace(trace, records=(msgspec.structs.replace(first, input=begun), *others))
    found = difference_of_runs(trace, other)
    assert found.divergence is None
    assert found.lines[:2] == (
        "both runs went the same way, and each visit did the same",
        "the state at the end differs, as what they began with does:",
    )
    assert "same results" not in found.picture.subtitle


def test_runs_that_only_wrote_differently_differ() -> None:
    """The same way with another value is a difference, at the visit that wrote it."""
    other = trace_of(
        SUPPORT,
        {"triage": {"topic": "bug"}, "draft": ValueError("no YAML")},
    )
    found = difference_of_runs(FAILED, other).divergence
    assert found is not None
    assert (found.name, found.first, found.second) == ("draft", "ValueError: no JSON", "ValueError: no YAML")


def test_values_that_differ_beyond_what_is_shown_differ() -> None:
    """Long texts and long lists are compared in full, and what is shown of them shows the difference."""
    long = "x" * 5000
    for one, other in ((f"{long}A", f"{long}B"), (0.12345678, 0.12345679)):
        key = "topic" if isinstance(one, str) else "score"
        found = difference_of_runs(*(trace_of(_WRITER, {"write": {key: value}}) for value in (one, other)))
        assert found.divergence is not None
        assert found.divergence.first != found.divergence.second
        ((name, first, second),) = found.state
        assert name == key
        assert first != second
        assert len(first) <= 400
        notes = next(n.notes for n in found.picture.nodes if n.name == "write")
        assert notes[0].removeprefix("first: ") != notes[1].removeprefix("second: ")


def test_lists_that_differ_in_their_first_items_differ() -> None:
    """Of a long list the last items are shown; that an earlier one differs is told all the same."""
    items = [str(i) for i in range(30)]
    found = difference_of_runs(*(trace_of(_WRITER, {"write": {"queries": [x, *items]}}) for x in ("a", "b")))
    ((_, first, second),) = found.state
    assert first.startswith('["a"')
    assert second.startswith('["b"')


_WRITER = Graph("writer", FIELDS, (Node(0, "write", "task", writes=("topic", "score", "queries")),))


# ---- heat


def test_heat_counts_every_run() -> None:
    """Visits, shares, percentiles, failures, tokens and money, summed over the runs, beside each colour."""
    picture = picture_of_heat(RUNS, by="visits")
    triage = picture.nodes[_named(picture, "triage")]
    assert triage.notes == ("×9 · in 100 % of runs", "p50 1.2 s · p95 1.2 s", "3 780 tok · $0.0108")
    draft = picture.nodes[_named(picture, "draft")]
    assert draft.notes[0] == "×14 · in 89 % of runs"
    assert draft.notes[2] == "1 failure, 7 failed attempts"
    assert (draft.level, triage.level) == (4, 3)
    bug = next(e for e in picture.edges if e.on == "bug")
    assert bug.notes == ("×3 · 33 %",)
    assert picture.subtitle.startswith(
        "9 runs · 1 cancelled · 6 completed · 1 failed · 1 suspended · coloured by visits"
    )


def test_a_heat_map_says_what_its_colours_mean() -> None:
    """Each colour with the numbers that it stands for, and no number in two of them or in none."""
    picture = picture_of_heat(RUNS, by="failures")
    assert [(s.of, s.title) for s in picture.scales] == [
        ("node", "nodes, by failures and failed attempts"),
        ("edge", "ways, by how often they were gone"),
    ]
    assert picture.scales[0].steps == ((0, "0–1"), (1, "2–3"), (2, "4"), (3, "5–6"), (4, "7–8"))
    assert picture.scales[1].steps == ((0, "1–2"), (1, "3–5"), (2, "6–7"), (3, "8–10"), (4, "11–13"))
    by_time = picture_of_heat(RUNS, by="time").scales[0]
    assert by_time.steps == ((0, "< 4.3 s"), (1, "< 8.6 s"), (2, "< 12.9 s"), (3, "< 17.2 s"), (4, "≤ 21.5 s"))
    assert picture_of_heat([COMPLETED], by="visits").scales[0].steps == ((2, "1"), (4, "2"))
    for step in (*picture.scales[0].steps, *picture.scales[1].steps):
        assert f">{step[1]}</text>" in render(picture, "svg")
    assert from_json(to_json(picture)) == picture


@pytest.mark.parametrize("least", [0, 1])
@pytest.mark.parametrize("most", [1, 2, 3, 4, 5, 6, 13, 100, 12_345])
def test_every_whole_number_has_its_colour(least: int, most: int) -> None:
    """The numbers beside the colours follow each other from the least to the most, as the colours do."""
    ends = [
        (int(text.split("–")[0].replace(" ", "")), int(text.split("–")[-1].replace(" ", "")))
        for _, text in whole_steps(least, most)
    ]
    assert ends[0][0] == least
    assert ends[-1][1] == most
    assert all(one[1] + 1 == other[0] for one, other in pairwise(ends))
    for (level, _), (low, high) in zip(whole_steps(least, most), ends, strict=True):
        assert level_of(low, most) == level_of(high, most) == level


def test_the_share_of_a_fork_is_of_the_visits_of_its_source() -> None:
    """Branches are taken beside each other: each of them each time, and not one half each."""
    picture = picture_of_heat([BRANCHED])
    forked = {e.target: e.notes for e in picture.edges if e.source == "gather"}
    assert forked["write"] == ("×1",)
    assert forked["illustrate"] == ("×1",)
    shares = {e.target: share for e, _, _, share in edges_of(picture_of(RESEARCH), heat_of([BRANCHED], RESEARCH))}
    assert (shares["write"], shares["illustrate"], shares["translate"]) == ("100 %", "100 %", "0 %")


def test_what_still_waits_has_not_waited_for_nothing() -> None:
    """An open question has no time yet, so it does not pull the percentiles down."""
    asked = heat_of([WAITING], SUPPORT).nodes["approve"]
    assert (asked.visits, asked.seconds) == (1, [])


def test_waiting_makes_nothing_hot() -> None:
    """Coloured by time, work counts; the waiting of a person is told and not coloured."""
    picture = picture_of_heat(RUNS, by="time")
    approve = picture.nodes[_named(picture, "approve")]
    assert approve.level == 0
    assert approve.notes[1] == "waited p50 6 m 12 s · p95 6 m 12 s"
    assert max(n.level for n in picture.nodes if n.level is not None) == 4


def test_what_no_run_reached_is_cold() -> None:
    """Ghosts have no level, and are drawn as ghosts in every format."""
    picture = picture_of_heat([COMPLETED])
    cold = {n.name for n in picture.nodes if n.level is None}
    assert cold == {"known_bugs", "gave up"}
    assert "known_bugs · task · not visited" in render(picture, "text")


def test_runs_of_another_definition_count_where_they_agree() -> None:
    """An older run counts on the nodes and edges that are still there, and the picture says how many there are."""
    later = trace_of(_other(), {"triage": {"topic": "other"}, "draft": {"draft": "a"}, "review": {"score": 1.0}})
    picture = picture_of_heat([COMPLETED, later])
    assert "1 of another definition" in picture.subtitle
    assert picture.nodes[_named(picture, "triage")].notes[0] == "×2 · in 100 % of runs"
    assert next(e for e in picture.edges if e.guard == "score < 0.9").level is None


def test_no_runs_make_no_heat() -> None:
    """An empty list is refused in words."""
    with pytest.raises(PictureError, match="at least one"):
        picture_of_heat([])


@pytest.mark.parametrize(
    ("values", "share", "expected"), [([1], 0.5, 1), ([3, 1, 2], 0.5, 2), (range(1, 101), 0.95, 95)]
)
def test_percentiles_are_values_that_occurred(values: list[float], share: float, expected: float) -> None:
    """The nearest rank, so that a reader finds the run behind it."""
    assert percentile(list(values), share) == expected


@pytest.mark.parametrize(
    "picture",
    [
        unrolled(chronicle_of(BRANCHED)),
        picture_of_heat(RUNS),
        difference_of(SUPPORT, _other()),
        difference_of_runs(COMPLETED, FAILED).picture,
    ],
    ids=["unrolled", "heat", "definitions", "runs"],
)
def test_comparisons_keep_the_rules_of_pictures(picture: Picture) -> None:
    """Nothing overlaps, all text stays in its box."""
    found = measured(picture)
    assert (found.overlaps(), found.loose_texts()) == ([], [])
