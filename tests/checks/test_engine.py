"""Running the rules: selections, order, flows inside flows, flows that cannot be frozen, what is ignored on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel

from graphrt import Flow, append, let
from graphrt.checks import RULES, Settings, check, rule_named
from graphrt.checks.table import rules_of
from graphrt.errors import UseError
from graphrt.flow import Ignore
from graphrt.graph import graph_from_json
from tests.driving import build, each, when


class Ticket(BaseModel):
    message: str
    topic: Literal["billing", "bug"] | None = None
    facts: Annotated[list[str], append] = []
    draft: str = ""
    score: float = 0.0
    spare: int = 0


def gap(ignore: Ignore = ()) -> Flow[Ticket]:
    """Return a flow with a gap at `grade`, and an unused field."""
    flow = Flow("support", Ticket)
    s = flow.state

    @flow.task(writes=(s.score, s.draft, s.facts, s.topic), ignore=ignore)
    def grade(message: str, draft: str | None) -> tuple[float, str, str, Literal["bug"]]:
        raise NotImplementedError

    low, high = flow.end("low"), flow.end("high")
    flow.edge(grade, low, when=s.score < 0.4)
    flow.edge(grade, high, when=s.score > 0.4)
    return flow


def topic_of(message: str) -> Literal["billing", "bug"]:
    """Sort a message."""
    return "bug" if "bug" in message else "billing"


def codes(flow: Flow[Ticket], select: Sequence[str] = (), ignore: Sequence[str] = ()) -> list[str]:
    """Return the codes of the findings."""
    return [f.code for f in check(flow, select=select, ignore=ignore)]


def test_findings_come_in_the_order_of_the_definition() -> None:
    """What is about the whole graph comes first, then node by node."""
    found = check(gap())
    assert [(f.code, f.node) for f in found] == [("GR303", None), ("GR201", "grade")]
    assert check(gap()) == found


def test_rules_can_be_selected_and_left_out() -> None:
    """A code, the beginning of one, or a name selects; what is left out wins."""
    assert codes(gap(), select=["GR2"]) == ["GR201"]
    assert codes(gap(), select=["guard-gap"]) == ["GR201"]
    assert codes(gap(), ignore=["GR3"]) == ["GR201"]
    assert codes(gap(), select=["GR2"], ignore=["GR201"]) == []
    assert [f.code for f in check(gap(), settings=Settings(select=("GR303",)))] == ["GR303"]


def test_a_selection_that_names_nothing_is_refused() -> None:
    """A misspelt code is told, with a proposal, instead of finding nothing."""
    with pytest.raises(UseError, match=r"there is no rule 'guard-gab'\. Did you mean 'guard-gap'?"):
        check(gap(), select=["guard-gab"])
    with pytest.raises(UseError, match="there is no rule 'GR999'"):
        check(gap(), ignore=["GR999"])


def test_every_rule_can_be_named() -> None:
    """Code and name lead to the same rule, in any case of letters."""
    for rule in RULES:
        assert rule_named(rule.code.lower()) is rule_named(rule.name) is rule
    assert rules_of([], []) == RULES


def test_a_node_can_ignore_a_rule_for_a_reason() -> None:
    """What a node ignores is not reported there; the digest does not know of it."""
    quiet = gap(ignore=("GR201", "scores are never round"))
    assert codes(quiet) == ["GR303"]
    assert codes(gap(ignore=[("guard-gap", "scores are never round")])) == ["GR303"]
    assert quiet.freeze().digest == gap().freeze().digest


def test_an_ignore_that_keeps_nothing_quiet_is_told() -> None:
    """An entry for a rule that finds nothing here, or for no rule, is told; for a rule that did not run it is not."""
    flow = gap(ignore=[("GR201", "scores are never round"), ("GR202", "old"), ("GR998", "no such rule")])
    found = check(flow, ignore=["GR303"])
    assert [f.code for f in found] == ["GR001", "GR001"]
    assert "GR202 (old), which finds nothing here" in found[0].message
    assert "GR998 (no such rule), which is no rule" in found[1].message
    assert codes(flow, ignore=["GR202", "GR303"]) == ["GR001"]


@pytest.mark.parametrize("ignore", ["GR201", ("GR201",), ("GR201", ""), [("GR201", 3)], [["GR201"]]])
def test_an_ignore_without_a_reason_is_refused(ignore: list[tuple[str, str]]) -> None:
    """Nobody silences the checker without saying why."""
    flow = gap(ignore=ignore)
    assert [m.code for m in flow.check()] == ["ignore"]


def test_a_flow_that_cannot_be_frozen_gives_its_mistakes() -> None:
    """Mistakes come as findings, of the rule that stands for them or of their own code, whatever is selected."""
    flow = gap()
    s = flow.state
    triage = flow.router("triage", topic_of, writes=s.topic)
    flow.edge(triage, triage, on="billing", set=let(s.spare).be("x"), at_most=0)  # type: ignore[arg-type]  # the mistake
    found = check(flow, select=["GR1"])
    assert {("GR209", "unanswered-choice"), ("GR305", "assignment-type"), ("count", "count")} <= {
        (f.code, f.name) for f in found
    }
    assert all(f.severity == "error" and f.graph == "support" for f in found)


def test_flows_inside_are_checked_once_and_named() -> None:
    """A flow used twice is checked once, under the names that lead to it."""
    outer = Flow("outer", Ticket)
    inner = gap()
    first = outer.subflow("first", inner, outputs=let(outer.state.draft).be(inner.state.draft))
    second = outer.subflow("second", inner, outputs=let(outer.state.draft).be(inner.state.draft))
    outer.edge(first, second)
    assert [(f.code, f.graph) for f in check(outer, select=["GR2"])] == [("GR201", "outer/first")]


def test_a_graph_read_from_json_is_checked_as_well() -> None:
    """What needs no code is found in a graph from a trace; it has no places."""
    graph = graph_from_json(gap().freeze().json)
    found = check(graph)
    assert [(f.code, f.node, f.place) for f in found] == [("GR303", None, None), ("GR201", "grade", None)]
    assert found[1].witness == {"score": 0.4}


def test_a_finding_prints_its_place_first() -> None:
    """Printed, a finding reads like a compiler's message."""
    (found,) = check(gap(), select=["GR2"])
    assert str(found).startswith("tests/checks/test_engine.py:")
    assert " GR201 score = 0.4: no edge of 'grade' matches" in str(found)
    assert (found.edge, found.nodes, found.severity) == (None, ("grade",), "error")


@pytest.mark.parametrize(
    ("edges", "forks", "joins", "expected"),
    [
        ([("a", "b"), ("b", "a", {"when": when("n", "<", 3)}), ("b", "c")], "", "", []),
        ([("a", "b"), ("a", "c"), ("b", "j"), ("c", "j")], "a", "j", ["GR304"]),
        ([("a", "b", {"each": each()}), ("b", "j")], "", "j", ["GR304"]),
    ],
)
def test_shapes(edges: list[tuple[object, ...]], forks: str, joins: str, expected: list[str]) -> None:
    """Small shapes and what is found in them; nodes write every field."""
    graph = build(edges, forks=forks, joins=joins)
    found = check(graph, select=["GR1", "GR304"])
    assert sorted({f.code for f in found}) == expected
