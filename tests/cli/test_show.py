"""`graphrt show`: the steps of a run, its state, and what can be done next."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings

from graphrt.account import account
from graphrt.cli.family import family
from graphrt.graph import Graph
from graphrt.trace import Trace
from tests.cli import scenes
from tests.cli.calling import Program, same_as_golden
from tests.cli.test_steps import traced
from tests.strategies import ORDERS, WILD, World, graphs, worlds

SECOND = ("0.0-1.0", "0.0-1.0/0", "0.0-1.0/1", "0.0-1.1")
"""The visits of the second branch of the run `researched`."""
SCENES: dict[str, Callable[[], Trace]] = {
    "suspended": scenes.suspended,
    "completed": scenes.completed,
    "failed": scenes.failed,
    "cancelled": scenes.cancelled,
    "cut-off": scenes.cut_off,
    "resumed": scenes.resumed,
    "researched": scenes.researched,
}


@pytest.mark.parametrize("name", SCENES)
def test_a_stored_run_is_shown_step_by_step(program: Program, name: str) -> None:
    """Each visit with what came of it, its time and what it wrote; at the end why it stands so, and what to type."""
    program.keep(SCENES[name]())
    ran = program("show", "latest")
    assert (ran.code, ran.err) == (0, "")
    same_as_golden(f"show-{name}.txt", ran.out)


def test_a_file_is_shown_without_what_only_a_store_can_do(program: Program) -> None:
    """Of a trace file the steps are the same; nothing is proposed that needs it in a store."""
    file = program.file("run.jsonl", scenes.failed())
    ran = program("show", file)
    assert ran.out.splitlines()[-1] == f"why: graphrt why {file}"
    assert "resume" not in ran.out
    assert "answer:" not in program("show", program.file("two.jsonl", scenes.suspended())).out


def test_proposed_commands_name_the_store(program: Program) -> None:
    """Who named a store is told commands with that store."""
    file = program.file("run.jsonl", scenes.suspended())
    assert program("import", file, "--store", "other/").code == 0
    assert "answer: graphrt answer desk 6 send|drop --store other/" in program("show", "desk", "--store", "other/").out


def test_depth_leaves_the_inside_of_nodes_out(program: Program) -> None:
    """`--depth 0` shows the flow itself; what runs inside nodes is counted and not listed."""
    file = program.file("run.jsonl", scenes.researched())
    assert " search " in program("show", file).out
    assert " search " not in program("show", file, "--depth", "0").out


@pytest.mark.parametrize("name", ["researched", "suspended"])
def test_a_tree_has_the_visits_branch_by_branch(program: Program, name: str) -> None:
    """`--tree` puts branches below what they left and what is inside below its node; the rest is as without it."""
    ran = program("show", program.file("run.jsonl", SCENES[name]()), "--tree")
    assert (ran.code, ran.err) == (0, "")
    same_as_golden(f"show-tree-{name}.txt", ran.out)


def test_a_tree_has_each_visit_once() -> None:
    """All visits of a run are in its tree, in the order of their starts on every branch; depth leaves some out."""
    told = account(scenes.researched())
    rows = [row.twig.visit.id for row in family(told) if row.twig.visit is not None]
    assert sorted(rows) == sorted(told.visits)
    assert rows == ["0", "0.0-0.0", "0.0-0.0/0", "0.0-0.1", *SECOND, "1", "1.0.0", "1.1.0"]
    flat = [row.twig.visit.id for row in family(told, 0) if row.twig.visit is not None]
    assert flat == [v for v in rows if "/" not in v]


@given(graphs(WILD), worlds(), ORDERS)
@settings(max_examples=60)
def test_every_run_has_a_tree(graph: Graph, world: World, order: int) -> None:
    """Whatever a run did, each visit is in its tree once, below the visit that it branched off from or is inside of."""
    told = account(traced(graph, world, order))
    above: list[str] = []
    seen: list[str] = []
    for row in family(told):
        level = len(row.drawn) // 2
        del above[level:]
        own = row.twig.visit.id if row.twig.visit is not None else ""
        if own:
            seen.append(own)
            left = [v for v in above if v]
            assert all(own.startswith((f"{v}.", f"{v}/")) for v in left[-1:])
        above.append(own)
    assert sorted(seen) == sorted(told.visits)


def test_state_is_json(program: Program) -> None:
    """`--state` prints the state that the run has now, in the order of its fields, for programs too."""
    ran = program("show", program.file("run.jsonl", scenes.suspended()), "--state")
    assert list(json.loads(ran.out).items()) == [
        ("message", "I was charged twice"),
        ("topic", "billing"),
        ("facts", ["two charges in March"]),
        ("draft", "Sorry, we pay one charge back."),
        ("score", 0.91),
        ("rounds", 1),
        ("decision", None),
    ]


def test_json_has_all_that_is_known(program: Program) -> None:
    """Visits with attempts, usage, errors and verdicts stand in the JSON, whole."""
    ran = program("show", program.file("run.jsonl", scenes.suspended()), "--json", "--state")
    told = json.loads(ran.out)
    assert (told["run"], told["status"], told["questions"]) == ("desk", "suspended", ["6"])
    invoice = told["visits"][1]
    assert [a["error"]["message"] if a["error"] else None for a in invoice["attempts"]] == ["the ledger is away", None]
    review = told["visits"][3]
    assert [e["result"] for e in review["edges"]] == ["taken", "not tried"]
    assert review["edges"][0]["values"] == {"score": 0.62}
    assert told["state"]["score"] == 0.91


def test_long_errors_are_cut_and_kept_whole_in_json(program: Program) -> None:
    """A page of error text does not push the steps out of sight; JSON has all of it."""
    script = scenes.BAD | {"known_bugs": (RuntimeError("no " * 5000),)}
    file = program.file("run.jsonl", scenes.support_run("broken", script).trace)
    assert max(map(len, program("show", file).out.splitlines())) < 800
    assert json.loads(program("show", file, "--json").out)["error"]["message"] == "no " * 5000


def test_nothing_in_a_run_moves_the_cursor(program: Program) -> None:
    """Control characters and marks that reorder text are printed as escapes, in text and in JSON."""
    script = scenes.GOOD | {
        "draft": ({"draft": "\x1b[2J\u202egnirts\x9b5n"},),
        "review": (RuntimeError("\x1b]0;x\x07"),),
    }
    file = program.file("run.jsonl", scenes.support_run("bad", script).trace)
    for args in (("show", file), ("show", file, "--json"), ("show", file, "--state"), ("why", file), ("replay", file)):
        printed = program(*args).out
        assert not set(printed) & set("\x1b\x07\x9b\u202e"), args
        assert "x1b" in printed or "u001b" in printed


def test_idle_time_is_no_active_time(program: Program) -> None:
    """What a crash and a wait for an answer leave idle is told apart from the time that somebody drove it."""
    program.keep(scenes.cut_off(), scenes.completed())
    resumed = scenes.resumed()
    for trace, active, idle in ((resumed, "2.8 s", "1 h"), (scenes.completed(), "2.8 s", "1 m")):
        ran = program("show", program.file("one.jsonl", trace))
        assert f"{active} active · {idle} idle" in ran.out
        totals = account(trace).totals
        assert totals.wall_s == pytest.approx(totals.driven_s + totals.idle_s)
    assert "2.8 s" in next(row for row in program("runs").out.splitlines() if row.startswith("sent"))
    draft = next(v for v in account(resumed).visits.values() if v.attempts and v.attempts[0].lost)
    assert draft.ended is not None
    assert draft.ended - draft.started > 3600
    assert draft.duration_s is not None
    assert draft.duration_s < 60


def test_a_run_whose_process_is_gone_is_cut_off_everywhere(program: Program) -> None:
    """`runs`, `show`, `why`, `replay` and pictures say the same of it; a program reads it as a fact of its own."""
    program.keep(scenes.cut_off())
    for command in (
        ("runs",),
        ("show", "crashed"),
        ("replay", "crashed"),
        ("render", "crashed"),
        ("why", "crashed", "draft #2"),
    ):
        out = program(*command).out
        assert "cut off" in out, command
        assert "▶ running" not in out, command
    assert json.loads(program("show", "crashed", "--json").out)["cut_off"] is True


def test_the_ends_that_were_reached_are_named(program: Program) -> None:
    """Any end counts, not only one that stops the run; `end` is the only one, and null if there are several."""
    program.keep(scenes.completed())
    found = json.loads(program("show", "sent", "--json").out)
    assert (found["end"], found["ends"]) == ("sent", ["sent"])
    (program.folder / "ends.py").write_text(ENDS)
    for name, end, ends in (("both", None, ["one", "two"]), ("halt", "stop", ["stop"]), ("none", None, [])):
        ran = program("run", f"ends.py:{name}", "--json", "-q")
        found = json.loads(ran.out)
        assert (found["end"], found["ends"]) == (end, ends), name


ENDS = """
from pydantic import BaseModel
from graphrt import Flow


class S(BaseModel):
    n: int = 0


def nothing() -> None: ...


def made(name, *ends):
    flow = Flow(name, S)
    begin = flow.task(name="begin")(nothing)
    flow.fork(begin, [flow.end(e, stop=e == "stop") for e in ends]) if ends else None
    return flow


both, halt, none = made("both", "one", "two"), made("halt", "stop"), made("none")
"""
