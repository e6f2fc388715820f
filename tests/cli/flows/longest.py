"""A field with a reducer of its author, whose value an edge computes with: without the code nobody knows it."""

from typing import Annotated

from pydantic import BaseModel

from graphrt.expressions import let
from graphrt.flow import Flow


def longest(old: int, new: int) -> int:
    """Keep the larger number, and count."""
    return max(old, new) + 1


class Record(BaseModel):
    best: Annotated[int, longest] = 0
    double: int = 0


flow = Flow("longest", Record)
s = flow.state


@flow.task(writes=s.best)
def measure() -> int:
    """Measure."""
    return 4


@flow.task()
def after(double: int) -> None:
    """See what the edge computed."""


flow.edge(measure, after, when=s.best > 3, set=let(s.double).be(s.best + s.best))
