"""The runs that the tests of the command line look at, each but one the same byte for byte whenever it is made."""

from __future__ import annotations

import time
from typing import Annotated, Any

from pydantic import BaseModel

from graphrt import Flow, append
from graphrt.inputs import Resumed
from graphrt.trace import Trace
from tests.cli.flows import research, support
from tests.cli.staged import Stage

GOOD: dict[str, Any] = {
    "triage": ({"topic": "billing"},),
    "invoice": (ConnectionError("the ledger is away"), {"facts": "two charges in March"}),
    "draft": ({"draft": "Sorry!"}, {"draft": "Sorry, we pay one charge back."}),
    "review": ({"score": 0.62}, {"score": 0.91}),
}
"""Billing: one retry, two drafts."""
BAD: dict[str, Any] = {"triage": ({"topic": "bug"},), "known_bugs": (RuntimeError("no list of bugs\nat all"),)}
TICKET = {"message": "I was charged twice"}


def support_run(
    run: str = "desk", script: dict[str, Any] | None = None, target: str | None = "support.py:flow"
) -> Stage:
    """A ticket that waits for a person."""
    return Stage(support.flow.freeze(), script or GOOD, run=run, target=target).start(TICKET)


def suspended() -> Trace:
    """It waits for a person to approve."""
    return support_run().trace


def suspended_now() -> Trace:
    """It waits since a moment ago, so that its deadline lies ahead whenever the test runs."""
    stage = Stage(support.flow.freeze(), GOOD, run="desk", target="support.py:flow")
    stage.now = time.time()
    return stage.start(TICKET).trace


def completed() -> Trace:
    """A person has approved."""
    return support_run("sent").answer("6", "send").trace


def failed() -> Trace:
    """A node raised, and nothing caught it."""
    return support_run("broken", BAD).trace


def cancelled() -> Trace:
    """A person stopped it while it waited."""
    return support_run("stopped").cancel().trace


def cut_off() -> Trace:
    """Its process died while the second draft was written."""
    stage = Stage(support.flow.freeze(), GOOD, run="crashed", target="support.py:flow")
    return stage.start(TICKET, most=5).cut_off("draft").trace


def resumed() -> Trace:
    """… and somebody took it up again."""
    stage = Stage(support.flow.freeze(), GOOD, run="crashed", target="support.py:flow")
    stage.start(TICKET, most=5).cut_off("draft")
    stage.now += 3600
    return stage.go(Resumed("ada")).trace


def researched() -> Trace:
    """Branches of a subgraph have met, and two questions wait."""
    script: dict[str, Any] = {
        "search": ({"answer": "42"}, LookupError("'six' is no question"), LookupError("'six' is no question")),
        "guess": ({"answer": "who knows"},),
        "keep": ({"answers": "42"}, {"answers": "who knows"}),
    }
    stage = Stage(research.flow.freeze(), script, run="study", target="research.py:flow")
    return stage.start({"questions": ["what?", "six"]}).trace


class Log(BaseModel):
    """Lines that grow in number."""

    n: int = 0
    log: Annotated[list[str], append] = []


def long_run(rounds: int) -> Trace:
    """Return a run of a loop, two steps a round."""
    flow = Flow("loop", Log)
    s = flow.state

    @flow.task(writes=s.n)
    async def count(n: int) -> int:
        return n + 1

    @flow.task(writes=s.log)
    async def note(n: int) -> str:
        return f"line {n}"

    flow.start(count)
    flow.edge(count, note)
    flow.edge(note, count, when=s.n < rounds, at_most=rounds)
    return flow.run_sync(Log(), run_id="long").trace
