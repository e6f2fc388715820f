"""`graphrt why`: every edge that was tried, what its guard read, and the winner."""

from __future__ import annotations

import asyncio
import json

import pytest
from pydantic import BaseModel

from graphrt import Agent, Flow, tool
from graphrt.account import account
from graphrt.cli.commands.why import reasons
from graphrt.cli.verdicts import scores_of
from graphrt.runtime import answer
from graphrt.stores.memory import MemoryStore
from graphrt.testing import ScriptedModel, Turn
from tests.cli import scenes
from tests.cli.calling import Program, same_as_golden


@pytest.mark.parametrize("visit", ["triage", "invoice", "review", "review #1", "approve"])
def test_a_visit_tells_why_it_was_left_so(program: Program, visit: str) -> None:
    """Where it came from, what it read and wrote, each attempt, and the verdict on each edge with the values read."""
    ran = program("why", program.file("run.jsonl", scenes.suspended()), visit)
    assert (ran.code, ran.err) == (0, "")
    same_as_golden(f"why-{visit.replace(' ', '-').replace('#', '')}.txt", ran.out)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("suspended", "approve (step 8, visit 6) in run desk  ? waits for an answer"),
        ("failed", "known_bugs (step 2, visit 1) in run broken  ✗ failed"),
        ("completed", "approve (step 8, visit 6) in run sent  ✓ send"),
        ("cut_off", "review (step 5, visit 3) in run crashed  ✓ completed"),
    ],
)
def test_without_a_visit_it_tells_of_the_one_that_says_most(program: Program, name: str, first: str) -> None:
    """Where the run failed or waits, else the last visit that was left by an edge."""
    ran = program("why", program.file("run.jsonl", getattr(scenes, name)()))
    assert ran.out.splitlines()[0] == first


def test_an_edge_that_is_used_up_says_so(program: Program) -> None:
    """Beside what the guard would have read stands how often the edge had been crossed, and how often it may."""
    script = scenes.GOOD | {"review": ({"score": 0.1},)}
    trace = scenes.support_run(script=script).trace
    ran = program("why", program.file("run.jsonl", trace), "review")
    assert "  1  → draft    score < 0.8  used up  3 of 3 used" in ran.out


def test_json_has_the_verdicts_and_what_came_next(program: Program) -> None:
    """Programs get the verdicts with values, and the visits that followed."""
    told = json.loads(program("why", program.file("run.jsonl", scenes.suspended()), "3", "--json").out)
    assert (told["run"], told["visit"], told["next"]) == ("desk", "3", ["4"])
    assert told["edges"] == [
        {
            "to": "draft",
            "trigger": "score < 0.8",
            "result": "taken",
            "values": {"score": 0.62},
            "count": 0,
            "step": "6",
            "at_most": 3,
        },
        {
            "to": "approve",
            "trigger": "always",
            "result": "not tried",
            "values": {},
            "count": None,
            "step": None,
            "at_most": None,
        },
    ]


def test_a_router_tells_of_the_edges_that_were_not_asked(program: Program) -> None:
    """Edges for other answers stand behind the one taken, as text and as JSON, so that every edge has its verdict."""
    run = program.file("run.jsonl", scenes.suspended())
    out = program("why", run, "triage").out
    assert "  2  → known_bugs  bug      not for this outcome (billing)" in out
    told = json.loads(program("why", run, "triage", "--json").out)
    assert [edge["result"] for edge in told["edges"]] == ["taken", *["not for this outcome (billing)"] * 2]


def test_a_conflict_of_writes_is_told_first_with_its_writers(program: Program) -> None:
    """The run failed and no visit did: its error comes first, names who wrote, and a writer is told of."""
    program.flow("forgotten_join.py")
    assert program("run", "forgotten_join.py", "--run-id", "lost").code == 1
    first, error, _, visit, *_ = program("why", "lost").out.splitlines()
    assert first.startswith("run lost  ✗ failed")
    assert "by 'a' (visit 0.0.0) and by 'b' (visit 0.1.0), which never meet at a join" in error
    assert "GR304" in error
    assert visit.startswith("a (step 2, visit 0.0.0)")


def test_a_router_tells_the_scores_of_its_choice() -> None:
    """The scores that the request inside a router left on record, the highest first."""
    told = account(scenes.suspended())
    triage = told.visits["0"]
    assert scores_of(told, triage) == {}
    triage.notes = {"scores": {"bug": 0.1, "billing": 0.9}}
    assert list(scores_of(told, triage).items()) == [("billing", 0.9), ("bug", 0.1)]
    assert "  scores      billing 0.90, bug 0.10" in list(reasons(told, triage))


def test_a_call_is_found_by_the_name_of_its_tool(program: Program) -> None:
    """What a tool was called with is told where its name is asked for, also behind the consent of a person."""

    class Note(BaseModel):
        text: str = ""
        reply: str = ""

    @tool(approval="always")
    def mend(title: str) -> str:
        """Mend a title."""
        return f"mended {title}"

    flow = Flow("clerk", Note)
    s = flow.state
    flow.agent("clerk", Agent("Help.", tools=[mend]), reads=s.text, writes=s.reply)
    model = ScriptedModel([Turn.call("mend", title="T"), "Done."])
    store = MemoryStore()
    asked = flow.run_sync(Note(text="Help!"), resources=[model], store=store, run_id="r1")
    asyncio.run(answer(store, "r1", asked.questions[0].visit, "approve", graph=flow.freeze()))
    asyncio.run(flow.resume("r1", store=store, resources=[model]))
    ran = program("why", program.file("run.jsonl", store.trace("r1")), "mend")
    assert ran.code == 0
    assert '  called      mend(title="T")\n' in ran.out
    assert "  told        the model: mended T\n" in ran.out
