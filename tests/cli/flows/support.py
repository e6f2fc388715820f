"""A support desk of tasks: sort a ticket, look something up, draft, review until it is good enough, ask a person."""

from typing import Annotated, Literal

from pydantic import BaseModel

from graphrt.expressions import let
from graphrt.flow import Flow
from graphrt.reducers import append


class Ticket(BaseModel):
    message: str
    topic: Literal["billing", "bug", "other"] | None = None
    facts: Annotated[list[str], append] = []
    draft: str = ""
    score: float = 0.0
    rounds: int = 0
    decision: Literal["send", "drop"] | None = None


flow = Flow("support", Ticket)
s = flow.state


def sort(message: str) -> Literal["billing", "bug", "other"]:
    """Say what a ticket is about."""
    return "billing" if "charged" in message else "bug" if "crash" in message else "other"


triage = flow.router("triage", sort, writes=s.topic)


@flow.task(writes=s.facts, retry=2)
async def invoice(message: str) -> str:
    """Look up the invoice."""
    return f"invoice for {message}"


@flow.task(writes=s.facts)
def known_bugs(message: str) -> str:
    """Look for bugs like it."""
    return f"no bug like {message}"


@flow.task(writes=s.draft)
def draft(message: str, facts: list[str], rounds: int) -> str:
    """Write an answer."""
    return f"draft {rounds + 1}: {'; '.join(facts) or message}"


@flow.task(writes=s.score)
def review(draft: str) -> float:
    """Grade the answer."""
    return 0.62 if "draft 1" in draft else 0.91


approve = flow.ask("approve", "Send this answer?", reads=s.draft, writes=s.decision, deadline="24h")
sent = flow.end("sent")
dropped = flow.end("dropped")

flow.edge(triage, invoice, on="billing")
flow.edge(triage, known_bugs, on="bug")
flow.edge(triage, draft, on="other")
flow.edge([invoice, known_bugs], draft)
flow.edge(draft, review)
flow.edge(review, draft, when=s.score < 0.8, set=let(s.rounds).be(s.rounds + 1), at_most=3)
flow.edge(review, approve)
flow.edge(approve, sent, on="send")
flow.edge(approve, dropped, on="drop")
