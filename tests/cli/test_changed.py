"""What has changed in a flow since a run of it, told where the run cannot go on for that."""

from __future__ import annotations

import re

import pytest

from tests.cli.calling import Program
from tests.cli.scenes import suspended_now
from tests.cli.test_run import write

SEES = "see `graphrt replay desk --verify`; `graphrt resume desk --allow-changed` goes on all the same"
POLISHED = """\
@flow.task(writes=s.draft)
def polish(draft: str) -> str:
    return draft


flow.edge(draft, polish)
flow.edge(polish, review)
"""
SENT = 'sent = flow.end("sent")\n'
DROPPED = 'dropped = flow.end("dropped")\n'
CHANGES = [
    pytest.param(
        ("< 0.8", "< 0.7"),
        "changed review → draft [score < 0.7 / rounds = rounds + 1 ≤ 3] (guard: score < 0.8 → score < 0.7)",
        id="guard",
    ),
    pytest.param(("retry=2", "retry=5"), "changed invoice (retry: attempts 2 → 5)", id="retry, told once"),
    pytest.param(
        ("Send this answer?", r"Send\nit?"),
        r"changed approve (question: Send this answer? → Send\nit?)",
        id="question of two lines",
    ),
    pytest.param(("    rounds: int = 0\n", "    rounds: int = 0\n    tone: str = ''\n"), "fields: +tone", id="field"),
    pytest.param(
        ("flow.edge(draft, review)\n", POLISHED),
        "added polish; added draft → polish; added polish → review; and 1 more",
        id="many",
    ),
    pytest.param(
        (SENT + DROPPED, DROPPED + SENT),
        "only in what `graphrt diff` does not compare, such as the order of its nodes",
        id="order of nodes",
    ),
]


@pytest.mark.parametrize(("change", "says"), CHANGES)
def test_the_first_differences_are_named(program: Program, change: tuple[str, str], says: str) -> None:
    """The line of `resume` and of `answer` says what differs, in the words of `diff`, and what to do."""
    program.flow("support.py", change)
    program.keep(suspended_now())
    before = program.contents()
    for words, behind in (("resume", "desk"), ""), (("answer", "desk", "send"), "; nothing was stored; .*"):
        ran = program(*words)
        assert (ran.code, ran.out) == (2, "")
        head = r"graphrt: flow 'support' has changed since run desk \(then \w{7}, now \w{7}\): "
        assert re.fullmatch(f"{head}{re.escape(f'{says}; {SEES}')}{behind}\n", ran.err), ran.err
    assert program.contents() == before


def test_it_is_compared_with_what_the_run_was_last_driven_under(program: Program) -> None:
    """A run that has gone on under a changed flow is compared with that one, not with the one that it began with."""
    program.flow("support.py", ("< 0.8", "< 0.7"))
    program.flow("support.py", ("< 0.8", "< 0.6"), to="newer.py")
    program.keep(suspended_now())
    assert program("resume", "desk", "--allow-changed").code == 3
    refused = program("resume", "desk", "--target", "newer.py").err
    assert "(guard: score < 0.7 → score < 0.6); see " in refused
    assert "`graphrt replay desk --verify --target newer.py`" in refused
    assert "`graphrt resume desk --allow-changed --target newer.py`" in refused


def test_another_flow_altogether_is_told_in_a_line(program: Program) -> None:
    """However much differs, the line is bounded, and begins with what says most: the name."""
    program.flow("support.py")
    program.flow("research.py")
    program.keep(suspended_now())
    ran = program("answer", "desk", "send", "--target", "research.py:flow")
    assert "): name: support → research; fields: +questions, " in ran.err
    assert re.search(r"; and \d+ more; see ", ran.err)
    assert ran.err.count("\n") == 1
    assert len(ran.err) < 600


def test_a_difference_that_is_long_is_cut(program: Program) -> None:
    """One difference is always told, as far as there is room for it."""
    fields = "".join(f"    field_{n}: int = 0\n" for n in range(100))
    program.flow("support.py", ("    rounds: int = 0\n", f"    rounds: int = 0\n{fields}"))
    program.keep(suspended_now())
    ran = program("resume", "desk")
    assert "): fields: +field_0, +field_1, " in ran.err
    assert "…; see " in ran.err
    assert len(ran.err) < 600


INNER = """\
from pydantic import BaseModel

from graphrt import Agent, Flow
from graphrt.testing import ScriptedModel

graphrt_resources = [ScriptedModel(["Tea is a leaf."])]


class Note(BaseModel):
    text: str
    answer: str = ""
    ok: bool = False


def look(text: str) -> str:
    \"\"\"Look it up.\"\"\"
    return text


inner = Flow("inner", Note)
clerk = Agent("Answer.", tools=[look], max_turns=3)
first = inner.agent("first", clerk, reads=inner.state.text, writes=inner.state.answer)
flow = Flow("outer", Note)
s = flow.state
ready = flow.ask("ready", "Begin?", writes=s.ok)
work = flow.subflow("work", inner)
flow.edge(ready, work)
"""
AGENT = 'first = inner.agent("first", clerk, reads=inner.state.text, writes=inner.state.answer)\n'
TASK = 'first = inner.task(look, name="first", writes=inner.state.answer)\n'
INSIDE = [
    pytest.param(
        ("max_turns=3", "max_turns=5"),
        "changed results → model [2 otherwise ≤ 4] (bound: 2 → 4)",
        id="bound inside an agent inside a subgraph",
    ),
    pytest.param(
        ('Agent("Answer."', 'Agent("Answer briefly."'),
        "changed first (about instructions: Answer. → Answer briefly.)",
        id="instructions inside a subgraph",
    ),
    pytest.param(
        (", tools=[look], max_turns=3", ""),
        'changed first (about tools: ["look"] → none; fields: ',
        id="an agent that differs speaks for what is inside it",
    ),
    pytest.param((AGENT, TASK), "changed first (kind: agent → task; ", id="an agent that is a task now"),
]


@pytest.mark.parametrize(("change", "says"), INSIDE)
def test_what_differs_inside_is_named_where_it_is(program: Program, change: tuple[str, str], says: str) -> None:
    """A graph inside is looked into where its node is the same; a node that differs itself is told, not its parts."""
    write(program, "outer.py", INNER)
    assert program("run", "outer.py:flow", "-i", "tea", "--run-id", "r1", "-q").code == 3
    write(program, "changed.py", INNER.replace(*change))
    ran = program("resume", "r1", "--target", "changed.py:flow")
    assert ran.code == 2
    assert f"): {says}" in ran.err
    assert " more; " not in ran.err
