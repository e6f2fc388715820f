"""Branches, joins, an error edge, a subflow, a loop, shared functions; from more.py of the surface's design."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated

from pydantic import BaseModel

from graphrt import Agent, Flow, append, extend, let, size


class Research(BaseModel):
    question: str
    queries: Annotated[list[str], extend] = []
    query: str = ""
    notes: Annotated[list[str], append] = []
    answer: str = ""
    score: float = 0.0
    apology: str = ""


class Brief(BaseModel):
    topic: str
    text: str = ""
    texts: Annotated[list[str], append] = []


async def search(query: str, limit: int) -> str:
    """Find something."""
    return query[:limit]


def research(limit: int) -> Flow[Research]:
    """Search for every query at once, then answer or apologise."""
    flow = Flow("research", Research)
    s = flow.state
    plan = flow.agent("plan", Agent("List queries."), reads=s.question, writes=s.queries)
    look = flow.task(writes=s.notes, name="search")(partial(search, limit=limit))
    gather = flow.join("gather")
    write = flow.agent("write", Agent("Answer."), reads=(s.question, s.notes), writes=s.answer)

    @flow.task(writes=s.apology)
    def sorry(question: str) -> str:
        return f"No answer to {question}"

    flow.each(plan, look, item=s.query, of=s.queries)
    flow.edge(look, gather)
    flow.edge(gather, write, when=size(s.notes) > 0)
    flow.edge(gather, sorry)
    flow.edge(write, sorry, on=TimeoutError)
    return flow


def review(answer: str) -> float:
    """Grade an answer."""
    return float(len(answer) > 3)


def parallel(agents: Sequence[Agent]) -> Flow[Research]:
    """Let agents work side by side until the answer is good."""
    flow = Flow("parallel", Research)
    s = flow.state
    begin = flow.agent("begin", Agent("Start."), writes=s.queries)
    branches = [flow.agent(f"a{i}", a, reads=s.question, writes=s.notes) for i, a in enumerate(agents)]
    done = flow.join("done", wait="all")
    check = flow.task(writes=s.score)(review)
    flow.fork(begin, branches)
    flow.edge(branches, done)
    flow.edge(done, check)
    flow.edge(check, begin, when=s.score < 0.5, set=let(s.notes).be([]), at_most=3)
    flow.start(begin)
    return flow


inner = research(limit=5)
both = parallel([Agent("Look for reasons."), Agent("Look for doubts.")])
outer = Flow("brief", Brief)
o, i = outer.state, inner.state
sub = outer.subflow("research", inner, inputs=let(i.question).be(o.topic), outputs=let(o.text).be(i.answer))
one = outer.subflow("one", inner, inputs=let(i.question).be(o.topic), outputs=let(o.texts).take(i.answer))
outer.edge(sub, one)


class Doc(BaseModel):
    text: str


class Batch(BaseModel):
    docs: list[Doc] = []
    more: list[Doc] | None = None
    doc: Doc | None = None
    found: Annotated[list[str], append] = []


batch = Flow("batch", Batch)


@batch.task
def begin() -> None:
    """Go to each document."""


@batch.task(writes=batch.state.found)
def extract(doc: Doc) -> str:
    """Take out what it says."""
    return doc.text


batch.each(begin, extract, item=batch.state.doc, of=batch.state.docs)
batch.each(begin, extract, item=batch.state.doc, of=batch.state.more, when=batch.state.more != None)  # noqa: E711 - a guard
