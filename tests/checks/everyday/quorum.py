"""Quorum vote: two of three judges suffice."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel

from graphrt import Agent, Flow, JoinShort, append


class Vote(BaseModel):
    claim: str
    votes: Annotated[list[bool], append] = []
    verdict: bool | None = None


flow = Flow("quorum", Vote)
s = flow.state


@flow.task
def begin() -> None: ...


judges = [flow.agent(f"judge_{i}", Agent(f"You are judge {i}."), reads=s.claim, writes=s.votes) for i in range(3)]
decided = flow.join("decided", wait=2)


@flow.task(writes=s.verdict)
def tally(votes: list[bool]) -> bool:
    return sum(votes) * 2 > len(votes)


undecided = flow.end("undecided", failure=True)
flow.fork(begin, judges)
flow.edge(judges, decided)
flow.edge(decided, tally)
flow.edge(decided, undecided, on=JoinShort)
