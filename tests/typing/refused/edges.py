"""Mistakes with edges: where they lead, what triggers them, branches."""

from __future__ import annotations

from enum import Enum
from typing import Literal

from pydantic import BaseModel

from graphrt import Agent, Flow


class Mood(Enum):
    GOOD = "good"


class Ticket(BaseModel):
    message: str = ""
    topic: Literal["billing", "bug"] | None = None
    mood: Mood | None = None
    decision: Literal["send", "drop"] | None = None
    queries: list[str] = []
    query: str = ""
    score: float = 0.0


flow = Flow("edges", Ticket)
s = flow.state


def say(message: str) -> str:
    return message


task = flow.task(writes=s.query)(say)
sort = flow.router("sort", Agent("Sort it."), writes=s.topic)
mood = flow.router("mood", Agent("How is it?"), writes=s.mood)
approve = flow.ask("approve", "Send it?", writes=s.decision)
rate = flow.ask("rate", "How good?", writes=s.score)
end, other = flow.end("end"), flow.end("other")

# --- from where to where ---

flow.edge(task, "end")  # error: the node itself, not its name
flow.edge("task", end)  # error: the same for the source
flow.edge(task, say)  # error: the task, not its plain function
flow.edge(task, [end, other])  # error: several targets are a fork
flow.edge(task)  # error: no target
flow.edge([task, "sort"], end)  # error: a name among the sources
flow.fork(task, ["end", "other"])  # error: names for branches
flow.fork([task, sort], end)  # error: branches begin at one node

# --- what triggers it ---

flow.edge(sort, end, on="biling")  # error: no such answer
flow.edge(sort, end, on=Mood.GOOD)  # error: an answer of another router
flow.edge(mood, end, on="good")  # error: a member of the Enum, not its value
flow.edge(approve, end, on="yes")  # error: no such answer
flow.edge(task, end, on="billing")  # error: a task gives no answer
flow.edge(rate, end, on="good")  # error: an ask that admits any value gives none either
flow.edge([sort, approve], end, on="send")  # error: an answer triggers an edge of one node
flow.edge(task, end, on=KeyboardInterrupt)  # error: nobody catches that
flow.edge(task, end, on=str)  # error: no exception
flow.edge(task, end, on=TimeoutError())  # error: the type of an error, not an error
flow.edge(task, end, when=say)  # error: a guard returns a bool
flow.edge(task, end, at_most="3")  # error: a number
flow.edge(task, end, until=3)  # error: no such option

# --- a branch for each item ---

flow.each(task, end, item=s.score, of=s.queries)  # error: an item is a text
flow.each(task, end, item=s.query, of=s.query)  # error: a text is no list
flow.each(task, end, of=s.queries)  # error: where does the item go?
flow.each(task, [end, other], item=s.query, of=s.queries)  # error: one target
flow.each(task, end, item=s.query, of=s.queries, at_once="4")  # error: a number
flow.each(task, end, item=s.query, of=s.queries, local=3)  # error: fields
