"""A machine of typed steps and no model: "3" is read, two branches add to it, their sum is "13".

graphrt run graphs/machine.py --input 3
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel

from graphrt import Flow, add


class Tape(BaseModel):
    """What the machine reads and writes."""

    text: str
    number: int = 0
    total: Annotated[int, add] = 0
    """Each branch writes a number; where they meet, the reducer adds them up."""


flow = Flow("machine", Tape)
s = flow.state


@flow.task(writes=s.number)
def read(text: str) -> int:
    """Make a number of the text."""
    return int(text)


@flow.task(writes=s.total)
def plus_three(number: int) -> int:
    """Add 3."""
    return number + 3


@flow.task(writes=s.total)
def plus_four(number: int) -> int:
    """Add 4."""
    return number + 4


summed = flow.join("summed")


@flow.task(writes=s.text)
def write(total: int) -> str:
    """Make a text of the number."""
    return str(total)


flow.fork(read, [plus_three, plus_four])
flow.edge(read, flow.end("no number"), on=ValueError)
flow.edge([plus_three, plus_four], summed)
flow.edge(summed, write)
