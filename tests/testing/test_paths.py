"""A path that a test expects: what fits, and what a person is told where a run went another way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Literal

import pytest
from pydantic import BaseModel

from graphrt import Agent, Flow, UseError, append, let
from graphrt.runtime import run
from graphrt.testing import ScriptedModel, Turn, assert_path

if TYPE_CHECKING:
    from graphrt.runtime import Result

pytestmark = pytest.mark.anyio


class Ticket(BaseModel):
    message: str = "m"
    topic: Literal["billing", "bug"] | None = None
    reply: str = ""
    rounds: int = 0
    items: list[int] = [1, 2]
    item: int = 0
    log: Annotated[list[str], append] = []


def look() -> str:
    """Look."""
    return "seen"


def desk() -> Flow[Ticket]:
    """Return a flow that sorts, works in branches, and reviews at most twice."""
    flow = Flow("desk", Ticket)
    s = flow.state
    triage = flow.router("triage", Agent("Sort."), reads=s.message, writes=s.topic)
    billing = flow.agent("billing", Agent("Answer.", tools=[look]), reads=s.message, writes=s.reply)

    @flow.task(writes=s.log)
    async def slow() -> str:
        for _ in range(20):
            await asyncio.sleep(0)
        return "slow"

    @flow.task(writes=s.log)
    async def more() -> str:
        return "more"

    @flow.task(writes=s.log)
    async def quick() -> str:
        return "quick"

    @flow.task()
    def review() -> None:
        return

    join = flow.join("join")
    flow.edge(triage, billing, on="billing")
    bug = flow.task(name="bug")(lambda: None)
    flow.edge(triage, bug, on="bug")
    flow.fork(bug, [slow, quick])
    flow.edge(slow, more)
    flow.edge([more, quick], join)
    flow.edge(join, review)
    flow.edge(review, review, when=s.rounds < 2, set=let(s.rounds).be(s.rounds + 1), at_most=5)
    flow.edge(review, flow.end("done"))
    return flow


async def ran(*turns: Turn | str) -> Result[Ticket]:
    """Run it."""
    return await run(desk().freeze(), Ticket(), run_id="r", resources=[ScriptedModel(turns)])


async def test_the_way_is_told_in_an_order_that_depends_on_no_timing() -> None:
    """A branch stands as a whole, the first one first, although the second was quicker; loops stand unrolled."""
    result = await ran(Turn.choose("bug"))
    whole = ("triage", "bug", "slow", "more", "quick", "join", "review", "review", "review", "done")
    assert_path(result, *whole)
    assert_path(result.trace, *whole)
    assert_path(result, "triage", ..., "join", ..., "done")
    assert_path(result, ...)
    assert_path(result, ..., "review", "done")


async def test_the_way_inside_an_agent() -> None:
    """The visits inside one are a path of their own."""
    result = await ran(Turn.choose("billing"), Turn.call("look"), "done")
    assert_path(result, "triage", "billing")
    assert_path(result, "model", "tool", "results", "model", "answered", inside="billing")
    with pytest.raises(AssertionError, match="step 2: expected answered"):
        assert_path(result, "model", "answered", inside="billing")


async def test_a_failure_says_where_and_why() -> None:
    """The step, what was expected, what there was, and the verdict of each edge that could have been taken."""
    result = await ran(Turn.choose("bug"))
    with pytest.raises(AssertionError) as failed:
        assert_path(result, "triage", "billing")
    assert str(failed.value).splitlines() == [
        "run r of 'desk' took another way, at step 2: expected billing",
        "    1  triage",
        "→   2  bug",
        "     … 8 steps after",
        "triage (outcome bug) was left so:",
        "     → bug: bug → taken",
    ]
    with pytest.raises(AssertionError) as failed:
        assert_path(result, ..., "review", "review", "review", "review", ...)
    told = str(failed.value)
    assert "at step 10: expected review" in told
    assert "     → review: rounds < 2 → false (rounds = 2)" in told
    with pytest.raises(AssertionError, match="at step 11: expected join") as failed:
        assert_path(result, ..., "done", "join")
    assert str(failed.value).splitlines()[-1] == "→  11  nothing more, the run is completed"
    with pytest.raises(AssertionError, match="at step 10: expected the end"):
        assert_path(result, "triage", "bug", "slow", "more", "quick", "join", "review", "review", "review")


async def test_a_run_that_failed_says_with_what() -> None:
    """The error stands behind the way, for it is most often the reason."""
    result = await ran(Turn.fail(LookupError("the disk is full")))
    with pytest.raises(AssertionError, match="the run failed with LookupError: the disk is full"):
        assert_path(result, "triage", "bug", ...)


async def test_a_name_that_the_flow_does_not_have_is_no_failure_but_a_mistake() -> None:
    """A typo must not look like a difference, nor hide behind an ellipsis."""
    result = await ran(Turn.choose("bug"))
    with pytest.raises(UseError, match=r"'desk' has no node 'biling'.*did you mean 'billing'"):
        assert_path(result, ..., "biling")
    with pytest.raises(UseError, match="has no visit 'billing' with others inside; it has: triage"):
        assert_path(result, "model", inside="billing")
