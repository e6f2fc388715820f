"""The flow by which the authoring surface is explained; from example.py of its design."""

from collections.abc import Coroutine
from typing import Annotated, Any, Literal, assert_type

from pydantic import BaseModel

from graphrt import Agent, Flow, Node, append, let
from graphrt.flow import Choice


class Ticket(BaseModel):
    message: str
    topic: Literal["billing", "bug", "other"] | None = None
    facts: Annotated[list[str], append] = []
    draft: str = ""
    score: float = 0.0
    rounds: int = 0
    decision: Literal["send", "drop"] | None = None


def refund(order: str) -> str:
    """Pay an order back."""
    return f"refunded {order}"


flow = Flow("support", Ticket)
s = flow.state

triage = flow.router("triage", Agent("Sort the ticket."), reads=s.message, writes=s.topic)


@flow.task(writes=s.facts)
async def invoice(message: str) -> str:
    """Look the invoice up."""
    return f"invoice for {message}"


@flow.task(writes=s.facts)
async def known_bugs(message: str) -> str:
    """Look for a bug like this."""
    return f"no bug like {message}"


draft = flow.agent("draft", Agent("Answer the customer.", tools=[refund]), reads=(s.message, s.facts), writes=s.draft)
review = flow.agent("review", Agent("Grade the answer from 0 to 1."), reads=(s.message, s.draft), writes=s.score)
approve = flow.ask("approve", "Send this answer?", reads=s.draft, writes=s.decision, deadline="24h")

flow.edge(triage, invoice, on="billing")
flow.edge(triage, known_bugs, on="bug")
flow.edge(triage, draft, on="other")
flow.edge([invoice, known_bugs], draft)
flow.edge(draft, review)
flow.edge(review, draft, when=s.score < 0.8, set=let(s.rounds).be(s.rounds + 1), at_most=3)
flow.edge(review, approve)

assert_type(s, Ticket)
assert_type(s.topic, Literal["billing", "bug", "other"] | None)
assert_type(triage, Choice[Literal["billing", "bug", "other"] | None])
assert_type(approve, Choice[Literal["send", "drop"] | None])
assert_type(draft, Node)


def call() -> Coroutine[Any, Any, str]:
    """Call a task as the function that it still is."""
    return invoice("charged twice")


async def main() -> None:
    """Run it: the result is typed as the state."""
    result = await flow.run(Ticket(message="I was charged twice"))
    assert_type(result.state, Ticket)
    assert_type(result.status, Literal["completed", "failed", "cancelled", "suspended"])
    print(result.state.draft, result.status)
