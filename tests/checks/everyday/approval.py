"""Human approval chain."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from graphrt import DeadlinePassed, Flow, let


class Purchase(BaseModel):
    item: str
    amount: float
    requester: str
    lead: Literal["approve", "reject", "change"] | None = None
    finance: Literal["approve", "reject"] | None = None
    board: Literal["approve", "reject"] | None = None
    reminders: int = 0
    note: str = ""
    order: str | None = None


flow = Flow("purchase", Purchase)
s = flow.state


@flow.task(writes=s.note)
def prepare(item: str, amount: float, requester: str) -> str:
    return f"{requester} wants {item} for {amount}"


lead = flow.ask("ask_lead", "Approve?", reads=(s.note, s.amount), writes=s.lead, deadline="48h")
change = flow.ask("change", "What shall change?", reads=s.note, writes=s.note)
finance = flow.ask("ask_finance", "Approve?", reads=(s.note, s.amount), writes=s.finance, deadline="5d")
board = flow.ask("ask_board", "Approve?", reads=(s.note, s.amount), writes=s.board)


@flow.task
def remind(requester: str, reminders: int) -> None: ...


@flow.task(writes=s.order)
def place_order(item: str) -> str:
    return "o1"


rejected = flow.end("rejected")
expired = flow.end("expired", failure=True)
flow.edge(prepare, lead)
flow.edge(lead, place_order, on="approve", when=s.amount < 500)
flow.edge(lead, finance, on="approve")
flow.edge(lead, change, on="change")
flow.edge(lead, rejected, on="reject")
flow.edge(lead, remind, on=DeadlinePassed, set=let(s.reminders).be(s.reminders + 1), at_most=3)
flow.edge(lead, expired, on=DeadlinePassed)
flow.edge(remind, lead)
flow.edge(change, lead)
flow.edge(finance, board, on="approve", when=s.amount >= 50000)
flow.edge(finance, place_order, on="approve")
flow.edge(finance, rejected, on="reject")
flow.edge(finance, expired, on=DeadlinePassed)
flow.edge(board, place_order, on="approve")
flow.edge(board, rejected, on="reject")
