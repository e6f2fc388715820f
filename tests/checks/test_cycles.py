"""Cycles: which of them nothing bounds, and which are their author's to judge."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from graphrt import Agent, Flow, Limits, let
from graphrt.checks import check


class Page(BaseModel):
    text: str = ""
    count: int = 0
    done: bool = False


def read(text: str) -> str:
    """Read on."""
    return text


def judge(text: str) -> bool:
    """Say whether it is enough."""
    return bool(text)


def codes(flow: Flow[Any]) -> dict[str, str]:
    """Return what is found about cycles and edges: code to message."""
    return {f.code: f.message for f in check(flow, ignore=("GR3",))}


def two(name: str = "two", limits: Limits | None = None) -> tuple[Flow[Page], Any, Any]:
    """Return a flow of two tasks, of which the second is the last."""
    flow = Flow(name, Page, limits=limits)
    first = flow.task(name="a", writes=flow.state.text)(read)
    second = flow.task(name="b", writes=flow.state.done)(judge)
    flow.start(first)
    flow.edge(first, second)
    return flow, first, second


def test_a_cycle_without_an_exit_is_found_whatever_is_selected() -> None:
    """Two nodes that lead to each other are found by a plain check."""
    flow, a, b = two()
    flow.edge(b, a)
    assert "no edge leaves the cycle a → b → a" in codes(flow)["GR103"]


def test_the_second_of_two_edges_without_a_condition_is_found() -> None:
    """Only the first is ever taken; the node that the second leads to is named."""
    flow, a, _ = two()
    flow.edge(a, flow.task(name="c", writes=flow.state.text)(read))
    assert "edge 2 ('a' -> 'c') is never taken: edge 1" in codes(flow)["GR202"]
    assert "so 'c' is never reached" in codes(flow)["GR202"]
    assert "to start both at once write flow.fork(a, [b, c])" in codes(flow)["GR202"]


def test_a_cycle_that_only_an_error_ends_has_no_bound() -> None:
    """A loop that runs until something fails has no end that anybody planned; limits of the flow are one."""
    for limits in (None, Limits(visits=20)):
        flow, a, b = two(limits=limits)
        flow.edge(b, a)
        flow.edge(b, flow.end("failed", failure=True), on=ValueError)
        assert ("GR105" in codes(flow)) is (limits is None)


def test_an_error_that_leads_back_goes_round_as_long_as_it_lasts() -> None:
    """Directly or by way of another node; with a bound, a condition, or a choice on the way it is a plan."""
    flow, a, b = two()
    flow.edge(b, flow.end("done"))
    flow.edge(a, a, on=ConnectionError)
    assert "as long as 'a' fails with ConnectionError, the run goes round a → a" in codes(flow)["GR105"]
    flow, a, b = two()
    flow.edge(b, flow.end("done"))
    flow.edge(b, a, on=ValueError)
    assert "as long as 'b' fails with ValueError, the run goes round b → a → b" in codes(flow)["GR105"]
    flow, a, b = two()
    flow.edge(b, flow.end("done"))
    flow.edge(a, a, on=ConnectionError, at_most=3)
    assert codes(flow) == {}
    flow, a, b = two()
    flow.edge(b, flow.end("done"))
    flow.edge(a, a, on=ConnectionError, when=flow.state.count < 3, set=let(flow.state.count).be(flow.state.count + 1))
    assert codes(flow) == {}


@pytest.mark.parametrize("by_model", [True, False])
def test_whether_a_cycle_ends_is_for_code_to_say_but_not_for_a_model_alone(by_model: bool) -> None:
    """A guard over a field that code writes anew in each round is a bound; over one that a model writes it is none."""
    flow = Flow("loop", Page)
    s = flow.state
    a = flow.task(name="a", writes=s.text)(read)
    b = flow.agent("b", Agent("Enough?"), reads=s.text, writes=s.done) if by_model else two()[2]
    if not by_model:
        b = flow.task(name="b", writes=s.done)(judge)
    flow.start(a)
    flow.edge(a, b)
    flow.edge(b, flow.end("done"), when=s.done)
    flow.edge(b, a)
    assert ("GR105" in codes(flow)) is by_model
