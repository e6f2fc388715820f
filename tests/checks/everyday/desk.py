"""Handoff desk."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel

from graphrt import Agent, Flow, Limits, append, tool


class Desk(BaseModel):
    message: str
    history: Annotated[list[str], append] = []
    to: Literal["sales", "support", "billing", "done"] | None = None


@tool(writes=True, approval="always")
def refund(order: str) -> str:
    return order


@tool()
def look_up(order: str) -> str:
    return order


flow = Flow("desk", Desk, limits=Limits(visits=40))
s = flow.state
triage = flow.router("triage", Agent("Who should answer?"), reads=(s.message, s.history), writes=s.to)
sales = flow.agent("sales", Agent("Sell."), reads=(s.message, s.history), writes=s.history)
support = flow.agent("support", Agent("Help.", tools=[look_up]), reads=(s.message, s.history), writes=s.history)
billing = flow.agent("billing", Agent("Bill.", tools=[look_up, refund]), reads=(s.message, s.history), writes=s.history)
done = flow.end("done")
flow.start(triage)
flow.edge(triage, sales, on="sales")
flow.edge(triage, support, on="support")
flow.edge(triage, billing, on="billing")
flow.edge(triage, done, on="done")
flow.edge([sales, support, billing], triage)
