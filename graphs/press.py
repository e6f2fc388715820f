"""A press review with several endings: three desks read an article at once; it is printed, mended, held or thrown out.

A hard objection throws it out. Small ones are mended, at most twice; what then remains is for the editor to decide, and
an editor who does not answer within two hours has held it.

    graphrt run graphs/press.py --input "The mayor, who is a crook, opened the new bridge on Monday."
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel

from graphrt import Agent, DeadlinePassed, Flow, append, let


class Remark(BaseModel):
    """What a desk says of an article."""

    desk: str
    severity: Literal[0, 1, 2]
    """0: print it; 1: mend it; 2: it cannot be printed."""
    text: str = ""


class Article(BaseModel):
    """An article on its way to print."""

    text: str
    remarks: Annotated[list[Remark], append] = []
    worst: int = 0
    decision: Literal["print", "throw out"] | None = None


def desk(what: str) -> Agent:
    """Return the agent of a desk."""
    return Agent(f"You are the {what} desk. Say if the article can be printed as it is, must be mended, or cannot be.")


flow = Flow("press", Article)
s = flow.state


@flow.task
def hand_out() -> None:
    """Give the article to all desks."""


desks = [
    flow.agent(name, desk(what), reads=s.text, writes=s.remarks)
    for name, what in (("facts", "fact checking"), ("law", "legal"), ("style", "style"))
]
conference = flow.join("conference")


@flow.task(writes=s.worst)
def weigh(remarks: list[Remark]) -> int:
    """Find the hardest objection."""
    return max(remark.severity for remark in remarks)


mender = Agent("Mend the article as the remarks say, and change nothing else. Answer with the whole article.")
mend = flow.agent("mend", mender, reads=(s.text, s.remarks), writes=s.text)
editor = flow.ask("editor", "Print this article?", reads=(s.text, s.remarks), writes=s.decision, deadline="2h")

printed = flow.end("printed")
held = flow.end("held")
thrown_out = flow.end("thrown out")

flow.start(hand_out)
flow.fork(hand_out, desks)
flow.edge(desks, conference)
flow.edge(conference, weigh)
flow.edge(weigh, thrown_out, when=s.worst == 2)
flow.edge(weigh, mend, when=s.worst == 1, at_most=2)
flow.edge(weigh, editor, when=s.worst == 1)
flow.edge(weigh, printed)
flow.edge(mend, hand_out, set=let(s.remarks).be([]))
flow.edge(editor, printed, on="print")
flow.edge(editor, thrown_out, on="throw out")
flow.edge(editor, held, on=DeadlinePassed)
