"""Tournament: pair candidates until one is left."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel

from graphrt import Agent, Flow, append, let, size


class Cup(BaseModel):
    brief: str
    candidates: list[str] = []
    pairs: list[tuple[str, str]] = []
    pair: tuple[str, str] = ("", "")
    winners: Annotated[list[str], append] = []
    champion: str = ""


flow = Flow("cup", Cup)
s = flow.state
propose = flow.agent("propose", Agent("Propose eight slogans."), reads=s.brief, writes=s.candidates)


@flow.task(writes=s.pairs)
def draw(candidates: list[str]) -> list[tuple[str, str]]:
    return list(zip(candidates[::2], candidates[1::2], strict=False))


judge = flow.agent("judge", Agent("Choose the better one."), reads=s.pair, writes=s.winners)
round_over = flow.join("round_over")


@flow.task(writes=s.candidates)
def advance(winners: list[str]) -> list[str]:
    return list(winners)


@flow.task(writes=s.champion)
def crown(candidates: list[str]) -> str:
    return candidates[0]


flow.edge(propose, draw)
flow.each(draw, judge, item=s.pair, of=s.pairs)
flow.edge(judge, round_over)
flow.edge(round_over, advance)
flow.edge(advance, crown, when=size(s.candidates) <= 1)
flow.edge(advance, draw, set=let(s.winners).be([]))
