"""Flows whose spans are looked at, and what reads spans."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel

from graphrt import Agent, Flow, Retry, append
from graphrt.agents.messages import ToolCall
from graphrt.telemetry.otlp import nanoseconds
from graphrt.telemetry.span import Span
from graphrt.testing import ScriptedModel

SECRET = "swordfish"


class Desk(BaseModel):
    message: str = ""
    facts: Annotated[list[str], append] = []
    draft: str = ""
    score: float = 0.0
    decision: Literal["send", "drop"] | None = None


def look_up(order: str) -> str:
    """Look an order up."""
    return f"{order} is {SECRET}"


def desk(*, failures: int = 0) -> Flow[Desk]:
    """Return a flow with a task that fails so many times, a fork and a join, an agent with a tool, and a question."""
    flow = Flow("desk", Desk)
    s = flow.state
    left = [failures]

    @flow.task(writes=s.facts, retry=Retry(attempts=3, wait_s=0.0))
    async def fetch(message: str) -> str:
        if left[0]:
            left[0] -= 1
            raise ConnectionError(f"no answer about {message}")
        return f"fact about {message}"

    @flow.task(writes=s.facts)
    def recall(message: str) -> str:
        return f"memory of {message}"

    begin = flow.task(name="begin")(lambda: None)
    agent = Agent("Answer the customer.", tools=[look_up])
    draft = flow.agent("draft", agent, reads=(s.message, s.facts), writes=s.draft)

    @flow.task(writes=s.score)
    def rate(draft: str) -> float:
        return len(draft) / 100

    approve = flow.ask("approve", "Send it?", reads=s.draft, writes=s.decision)
    flow.fork(begin, [fetch, recall])
    both = flow.join("both")
    flow.edge([fetch, recall], both)
    flow.edge(both, draft)
    flow.edge(draft, rate)
    flow.edge(rate, draft, when=s.score > 0.9, at_most=2)
    flow.edge(rate, approve)
    return flow


def answering() -> ScriptedModel:
    """Return a model that calls the tool once, and then answers."""
    call = ToolCall(id="c1", name="look_up", arguments={"order": "A-17"})
    return ScriptedModel([[call], f"Dear customer, {SECRET}."], name="scripted-1")


def named(spans: list[Span], name: str) -> list[Span]:
    """Return the spans of a name."""
    return [span for span in spans if span.name == name]


def tree(spans: list[Span]) -> dict[str, list[str]]:
    """Return what lies in what, by name."""
    by_id = {span.span_id: span for span in spans}
    found: dict[str, list[str]] = {}
    for span in spans:
        found.setdefault(by_id[span.parent_id].name if span.parent_id else "", []).append(span.name)
    return {name: sorted(inner) for name, inner in found.items()}


def plain(span: Any) -> tuple[Any, ...]:
    """Return all that a span of the SDK, or one of ours, tells, to compare them."""
    if isinstance(span, Span):
        return (
            span.name,
            span.trace_id,
            span.span_id,
            span.parent_id,
            span.kind,
            nanoseconds(span.started),
            nanoseconds(span.ended),
            dict(span.attributes),
            [(e.name, dict(e.attributes)) for e in span.events],
            [(n.span_id, n.why) for n in span.links],
            span.error,
        )
    return (
        span.name,
        f"{span.context.trace_id:032x}",
        f"{span.context.span_id:016x}",
        f"{span.parent.span_id:016x}" if span.parent is not None else None,
        span.kind.name.lower(),
        span.start_time,
        span.end_time,
        dict(span.attributes),
        [(e.name, dict(e.attributes)) for e in span.events],
        [(f"{n.context.span_id:016x}", n.attributes["graphrt.link"]) for n in span.links],
        span.status.description,
    )


__all__ = ["SECRET", "Desk", "answering", "desk", "named", "plain", "tree"]
