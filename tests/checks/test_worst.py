"""Bounds on what a run can do: exact on small shapes, infinite with a reason where nothing bounds it."""

from __future__ import annotations

import math
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from graphrt import Agent, Flow, Limits, extend
from graphrt.checks import Settings, check
from graphrt.checks.worst import worst
from tests.driving import build, each, subgraph, when

INNER = build([("x", "y"), ("y", "x", {"at_most": 1})], name="inner")


@pytest.mark.parametrize(
    ("edges", "forks", "joins", "visits"),
    [
        ([("a", "b"), ("b", "c")], "", "", 3),
        ([("a", "b"), ("a", "c"), ("c", "d"), ("d", "e")], "", "", 4),
        ([("a", "b"), ("a", "c"), ("b", "j"), ("c", "j"), ("j", "d")], "a", "j", 5),
        ([("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")], "a", "", 5),
        ([("a", "b"), ("b", "a", {"at_most": 3}), ("b", "c")], "", "", 9),
        ([("a", "b", {"each": each()}), ("b", "c"), ("c", "j")], "", "j", 12),
        ([("a", "b"), ("b", "c", {"on_error": "ValueError"}), ("c", "d")], "", "", 4),
        (
            [("a", "b", {"each": each()}), ("b", "j"), ("j", "a", {"at_most": 2}), ("j", "z")],
            "",
            "j",
            1 + 3 * (2 + 5),
        ),
    ],
)
def test_small_shapes(edges: list[tuple[Any, ...]], forks: str, joins: str, visits: int) -> None:
    """Sequences, choices, forks, loops, fan-outs of five items, and a fan-out inside a loop."""
    assert worst(build(edges, forks=forks, joins=joins), "visits", items=5).most == visits


def test_what_is_inside_counts() -> None:
    """A visit of a node with a graph inside is one visit, and those inside it."""
    graph = build([("a", "b"), ("b", "c")], nodes={"b": subgraph(INNER, "note")})
    assert worst(graph, "visits").most == 3 + 4


def test_a_cycle_without_a_bound_is_named() -> None:
    """What nothing bounds is infinite, and the reason names the cycle, or the list."""
    graph = build([("a", "b"), ("b", "a", {"when": when("n", "<", 3)}), ("b", "c")])
    bound = worst(graph, "visits")
    assert math.isinf(bound.most)
    assert bound.unbounded == ("nothing bounds the cycle a → b → a",)
    listed = worst(build([("a", "b", {"each": each()})]), "visits")
    assert listed.unbounded == ("the list 'items' may have any length",)


def test_limits_of_the_flow_bound_it() -> None:
    """A flow that stops after so many visits makes no more."""
    graph = build([("a", "b"), ("b", "a", {"when": when("n", "<", 3)}), ("b", "c")], limits=Limits(visits=40))
    assert worst(graph, "visits").most == 40


class Topic(BaseModel):
    """A flow with agents."""

    text: str
    questions: list[str] = Field([], max_length=4)
    question: str = ""
    answers: Annotated[list[str], extend] = []


def look_up(word: str) -> str:
    """Look something up."""
    return word


def research() -> Flow[Topic]:
    """Return a flow of one request, and at most four branches of an agent with at most three turns."""
    flow = Flow("topic", Topic)
    s = flow.state
    ask = flow.agent("ask", Agent("List questions."), reads=s.text, writes=s.questions)
    search = flow.agent("search", Agent("Answer.", tools=[look_up], max_turns=3), reads=s.question, writes=s.answers)
    known = flow.join("known")
    flow.each(ask, search, item=s.question, of=s.questions)
    flow.edge(search, known)
    return flow


def test_requests_to_models_are_counted_by_turns() -> None:
    """An agent with tools makes as many requests as it has turns, once per item of a list whose length is bounded."""
    graph = research().freeze()
    plain = worst(graph.nodes[0].graph, "requests").most if graph.nodes[0].graph else 0
    assert worst(graph, "requests").most >= 1 + 4 * 3
    assert not math.isinf(worst(graph, "requests").most)
    assert math.isinf(worst(graph, "visits").most), "a model may ask for any number of calls in one turn"
    assert plain == 0, "what a graph inside means is known to the node that it stands in"


def test_a_budget_is_held_against_the_worst_case() -> None:
    """A budget that the bound keeps is no finding; one that it exceeds says by how much and where it comes from."""
    graph = build([("a", "b"), ("b", "a", {"at_most": 9}), ("b", "c")])
    assert check(graph, select=["GR5"], settings=Settings(max_visits=21)) == []
    (found,) = check(graph, select=["GR5"], settings=Settings(max_visits=20))
    assert "may make 21 visits, more than the 20 of the budget: 20 of them in the loop a → b → a" in found.message
    assert check(research(), select=["GR5"], settings=Settings(max_requests=100)) == []
    (found,) = check(research(), select=["GR5"], settings=Settings(max_visits=100))
    assert "any number of visits" in found.message
    assert "the list 'calls' may have any length, inside 'search'" in found.message
