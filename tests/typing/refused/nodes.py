"""Mistakes with nodes: what functions return, what nodes are made of and given."""

from __future__ import annotations

import datetime as dt
import functools
from enum import Enum
from typing import Annotated, Literal

from pydantic import BaseModel

from graphrt import Agent, Flow, Limits, Retry, append, extend, let


class Mood(Enum):
    GOOD = "good"


class Ticket(BaseModel):
    message: str = ""
    topic: Literal["billing", "bug"] | None = None
    mood: Mood | None = None
    facts: Annotated[list[str], append] = []
    queries: Annotated[list[str], extend] = []
    draft: str = ""
    score: float = 0.0


class Brief(BaseModel):
    subject: str = ""


flow = Flow("nodes", Ticket, limits=Limits(visits="50"))  # error: a limit is a number
s = flow.state


def number(message: str) -> int:
    return len(message)


async def text(message: str) -> str:
    return message


def updates(message: str) -> dict[str, str]:
    return {"draft": message}


class Service:
    def number(self, message: str) -> int:
        return len(message)


# --- what a function returns ---

flow.task(writes=s.draft)(number)  # error: a number for a text
flow.task(writes=s.score)(text)  # error: a text for a number, async
flow.task(writes=s.draft)(updates)  # error: a mapping of updates for a text
flow.task(writes=s.draft)(Service().number)  # error: a method that returns a number
flow.task(writes=s.draft)(functools.partial(number, message=""))  # error: a partial that returns a number
flow.task(writes=s.facts)(number)  # error: a number for an item
flow.task(writes=s.queries)(updates)  # error: a mapping for a list
flow.task(writes=(s.draft, s.score))(number)  # error: one value for two fields
flow.task()(number)  # error: what is returned would be lost
flow.task(number)  # error: what is returned would be lost
flow.task(writes=s.draft)("draft")  # error: a task is a function
flow.task("draft", writes=s.draft)  # error: a task is named by name=


@flow.task(writes=s.score)  # error: a function with a text for a number
def grade(draft: str) -> str:
    return draft


@flow.task(writes=s.draft)
def write(message: str) -> str:
    return message


write(3)  # error: a task is still the function, and that takes a text
print(write.message)  # error: and has no such attribute

# --- options ---

flow.task(writes=s.draft, name="a", retries=3)(write)  # error: no such option
flow.task(writes=s.draft, name="b", retry="3")(write)  # error: attempts are a number
flow.task(writes=s.draft, name="c", retry=Retry(attempts="3"))(write)  # error: attempts are a number
flow.task(writes=s.draft, name="d", timeout=dt.timedelta(seconds=3))(write)  # error: seconds, or a text
flow.task(writes=s.draft, name="e", on_crash="pray")(write)  # error: no such way
flow.task(writes=s.draft, name="f", reads=s.message)(write)  # error: reads of a task are named

# --- agents, routers, asks ---

flow.agent("a1", "Be nice.", writes=s.draft)  # error: a text is no agent
flow.agent("a2", number, writes=s.draft)  # error: a function is no agent
flow.agent("a3", Agent("Be nice."))  # error: an agent writes something
flow.agent("a4", Agent("Be nice.", tools="refund"), writes=s.draft)  # error: tools are functions
flow.agent("a5", Agent("Be nice.", temperature="hot"), writes=s.draft)  # error: a temperature is a number
flow.router("r1", Agent("Sort."), writes=s.draft)  # error in pyright: any text is no set of answers
flow.router("r2", Agent("Sort."), writes=s.score)  # error: nor is any number
flow.router("r3", number, writes=s.topic)  # error: a number is no answer
flow.router("r4", text, writes=s.mood)  # error: a text is no member of the Enum
flow.ask("q1", writes=s.topic)  # error: nothing is asked
flow.ask("q2", "Send it?")  # error: where does the answer go?
flow.ask("q3", "Send it?", writes=s.topic, deadline=dt.timedelta(hours=1))  # error: seconds, or a text

# --- joins, ends, subflows, the start ---

flow.join("j1", wait="some")  # error: all, any or a number
flow.join("j2", of="begin")  # error: a node is no name
flow.end("e1", stop="yes")  # error: yes or no
flow.subflow("s1", "writer")  # error: a flow is no name
flow.subflow("s2", Ticket)  # error: a flow is no state type
flow.subflow("s3", Flow("brief", Brief), inputs=let(Brief().subject).be(s.score))  # error: a text is set to a number
flow.start("write")  # error: a node is no name
