"""A run that went on under another definition than it began with."""

import asyncio
from typing import Literal

from pydantic import BaseModel

from graphrt import Flow
from graphrt.account import account
from graphrt.cli.pages import PAGES
from graphrt.cli.steps import Step, Walk, walk
from graphrt.graph import Graph
from graphrt.runtime import answer, cancel, resume, run
from graphrt.stores.memory import MemoryStore
from graphrt.trace import Trace
from graphrt_viz import render


class Count(BaseModel):
    n: int = 0
    more: Literal["yes", "no"] | None = None


def counting(most: int) -> Graph:
    """Return a flow that counts while it is told to, below `most`."""
    flow = Flow("counting", Count)
    s = flow.state

    @flow.task(writes=s.n)
    def grow(n: int) -> int:
        return n + 2

    ask = flow.ask("ask", "More?", reads=s.n, writes=s.more)
    flow.start(grow)
    flow.edge(grow, ask)
    flow.edge(ask, grow, on="yes", when=s.n < most, at_most=5)
    flow.edge(ask, flow.end("done"))
    return flow.freeze()


def changed_run() -> Trace:
    """Cancel a run, and let it go on with a narrower guard."""

    async def main() -> Trace:
        store = MemoryStore()
        await run(counting(9), Count(), store=store, run_id="r")
        await cancel(store, "r", by="zoe")
        await resume(store, "r", counting(3), allow_changed=True)
        await answer(store, "r", "1", "yes")
        await resume(store, "r", counting(3))
        return store.trace("r")

    return asyncio.run(main())


def ran_on() -> Trace:
    """Let a run go round once under a wide guard, and on under a narrower one that would have stopped it."""

    async def main() -> Trace:
        store = MemoryStore()
        await run(counting(9), Count(n=2), store=store, run_id="r")
        await answer(store, "r", "1", "yes")
        await resume(store, "r", counting(9))
        await cancel(store, "r", by="zoe")
        await resume(store, "r", counting(3), allow_changed=True)
        return store.trace("r")

    return asyncio.run(main())


def test_the_picture_has_the_guard_that_decided() -> None:
    """What is drawn is the definition that the run went on under, not the one that it began with."""
    drawn = str(render(changed_run(), "text"))
    assert "n < 3" in drawn
    assert "n < 9" not in drawn


def test_the_account_has_the_guard_that_was_tried() -> None:
    """What is told of a visit are the edges of the definition that it was left under, with their values."""
    asked = [v for v in account(changed_run()).visits.values() if v.node.name == "ask"]
    assert asked[0].routed[0].text == "yes and n < 3 → true (n = 2)"
    first = account(ran_on())
    assert first.visits["1"].routed[0].text == "yes and n < 9 → true (n = 4)"
    assert first.visits["0"].routed[0].target == "ask"


def test_who_cancelled_is_not_who_ended_it() -> None:
    """A run that went on after it was cancelled is nobody's cancellation any more."""
    told = account(changed_run())
    assert (told.status, told.cancelled_by) == ("suspended", None)


def test_a_walk_tells_each_step_by_the_definition_of_its_time() -> None:
    """The edges of a step and why its visit went on are told with the guards that were judged, also going back."""
    walked = walk(ran_on())
    asked = next(step for step in walked.steps if step.name == "ask" and "edges" in _told(step, walked))
    assert "n < 9" in _told(asked, walked)
    assert "n < 3" not in _told(asked, walked)
    for step in (walked.steps[-1], asked):
        why = PAGES["why"].lines(walked, step, 100)
    assert any("n < 9" in row.plain for row in why)


def test_a_question_that_is_asked_again_is_not_cancelled() -> None:
    """What was cancelled with the run and asked again when it went on waits; nothing else is told of it."""
    (open_,) = account(ran_on()).questions
    visit = account(ran_on()).visits[open_]
    assert (visit.status, visit.why) == ("waiting", None)


def _told(step: Step, walked: Walk) -> str:
    return "\n".join(row.plain for row in PAGES["step"].lines(walked, step, 100))
