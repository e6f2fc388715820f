"""Each verb and helper of the authoring surface, with the types that it promises; from recommended.py of the design."""

from __future__ import annotations

import dataclasses
import functools
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from enum import Enum
from typing import Annotated, Any, Literal, assert_type

from pydantic import BaseModel, Field

from graphrt import (
    Agent,
    Context,
    DeadlinePassed,
    Flow,
    Graph,
    Limits,
    Node,
    Retry,
    add,
    append,
    contains,
    extend,
    is_none,
    let,
    matches,
    merge,
    not_,
    one_of,
    size,
    union,
)
from graphrt.flow import Choice
from graphrt.policies import cache, limit


class Mood(Enum):
    GOOD = "good"
    BAD = "bad"


class Customer(BaseModel):
    name: str = ""
    orders: list[int] = []


class Ticket(BaseModel):
    message: str = ""
    customer: Customer = Customer()
    topic: Literal["billing", "bug"] | None = None
    mood: Mood | None = None
    facts: Annotated[list[str], append] = []
    queries: Annotated[list[str], extend] = []
    query: str = ""
    words: Annotated[dict[str, int], merge] = {}
    tags: Annotated[set[str], union] = set()
    spent: Annotated[float, add] = 0.0
    seen: list[str] = Field(default_factory=list[str])
    draft: str = ""
    score: float = 0.0
    rounds: int = 0
    urgent: bool = False


flow = Flow("surface", Ticket, limits=Limits(visits=50, cost_usd=1))
s = flow.state

# --- tasks: what a function returns is what its field takes ---


@flow.task
def note(message: str) -> None:
    """Write nothing."""


@flow.task
async def wait() -> None:
    """Write nothing, in time."""


@flow.task(writes=s.draft, retry=2, timeout="30s", on_crash="ask", policies=[cache("1h"), limit(at_once=2)])
def write(message: str, facts: list[str], context: Context) -> str:
    """Write a field."""
    context.emit(message)
    return facts[-1]


@flow.task(writes=s.facts)
def one_fact(message: str) -> str:
    """Write an item."""
    return message


@flow.task(writes=s.queries)
async def all_queries(state: Ticket) -> list[str]:
    """Write a list."""
    return [state.message]


@flow.task(writes=(s.draft, s.score))
def two(message: str) -> tuple[str, float]:
    """Write two fields in their order."""
    return message, 1.0


@flow.task(writes=(s.draft, s.facts))
async def named(message: str) -> dict[str, str]:
    """Write fields by their names."""
    return {"draft": message}


class Service:
    """Something that has the functions."""

    def grade(self, text: str, least: float = 0.0) -> float:
        """Grade a text."""
        return max(least, len(text) / 100)

    async def topic(self, message: str) -> Literal["billing", "bug"]:
        """Sort a message."""
        return "bug" if "crash" in message else "billing"


service = Service()
grade = flow.task(writes=s.score, reads={"text": s.draft}, retry=Retry(attempts=3, on=TimeoutError))(service.grade)
strict = flow.task(writes=s.score, name="strict", reads={"text": s.draft})(functools.partial(service.grade, least=0.5))

assert_type(note("hello"), None)
assert_type(one_fact("hello"), str)
assert_type(two("hello"), tuple[str, float])
assert_type(grade("hello", least=1.0), float)
coming: Coroutine[Any, Any, dict[str, str]] = named("hello")
coming.close()

# --- parts of fields are read as fields are, by their own name or another ---

address = flow.task(writes=s.draft, name="address", reads={"message": s.customer.name})(one_fact)
known = flow.agent("known", Agent("Greet {name}."), reads=(s.customer.name, s.message), writes=s.draft)
first = flow.agent("first", Agent("{who}, {order}"), reads={"who": s.customer.name, "order": s.message}, writes=s.draft)
often = dataclasses.replace(Retry(), attempts=5)
few = dataclasses.replace(Limits(visits=50), tokens=100)
assert_type(often, Retry)
assert_type(few, Limits)

# --- routers and asks: a Choice knows its answers ---


def feel(message: str) -> Mood:
    """Answer with a member of an Enum."""
    return Mood.GOOD


sort = flow.router("sort", service.topic, writes=s.topic)
mood = flow.router("mood", feel, writes=s.mood, timeout=5)
chosen = flow.router("chosen", Agent("Sort it."), reads=(s.message, s.facts), writes=s.topic)
rate = flow.ask("rate", "How good is it?", reads=s.draft, writes=s.score, deadline=90)
assert_type(sort, Choice[Literal["billing", "bug"] | None])
assert_type(mood, Choice[Mood | None])
assert_type(rate, Node)

# --- edges, guards, assignments ---


def good_enough(score: float, rounds: int) -> bool:
    """Judge two fields."""
    return score > 0.8 or rounds > 3


good, bad, late = flow.end("good"), flow.end("bad", failure=True), flow.end("late", stop=True)
flow.start(note)
flow.edge(note, wait)
flow.edge(wait, sort)
flow.edge(sort, chosen, on="bug", when=(s.score < 1) & not_(s.urgent) | contains(s.tags, "x"))
flow.edge(sort, two, on="bug")
flow.edge(sort, two, on="billing", set=[let(s.rounds).be(s.rounds + 1), let(s.topic).be(None)])
flow.edge([chosen, two], named, at_most=3)
flow.edge(named, mood)
flow.edge(mood, all_queries, on=Mood.GOOD)
flow.edge(mood, bad, on=Mood.BAD)
flow.edge(rate, late, on=DeadlinePassed)
flow.edge(rate, good, when=good_enough)
flow.edge(rate, good, when=is_none(s.mood) & one_of(s.topic, "bug") & matches(s.draft, "^Dear"))
flow.edge(rate, bad, when=contains(s.facts, s.query) | (size(s.customer.orders) > s.rounds))
flow.edge(rate, bad, when=s.customer.name == "Ann", set=let(s.facts).be([]))
flow.edge(
    rate,
    bad,
    when=s.customer.orders[0] > 3,
    set=[let(s.facts).take("late"), let(s.queries).take(["a"]), let(s.spent).take(0.5), let(s.words).take({"a": 1})],
)
flow.edge(rate, bad, when=contains(s.words, "a") & (s.words["a"] > 1))
flow.edge(rate, good)
assert_type(s.customer.orders[0], int)
assert_type(size(s.facts) > 2, bool)

# --- branches ---

gathered = flow.join("gathered")
some = flow.join("some", wait=2, of=gathered)
flow.each(all_queries, one_fact, item=s.query, of=s.queries, at_once=4, local=(s.draft,), when=size(s.queries) > 0)
flow.edge(one_fact, gathered)
flow.fork(gathered, [write, strict], local=[s.draft])
flow.fork(gathered, grade)
flow.fork(gathered, address, local=[s.draft])
flow.edge(address, known)
flow.edge(known, first)
flow.edge([write, strict, grade, first], some)

# --- another flow inside, and a function that two flows share ---

inner = Flow("inner", Customer)


@inner.task(writes=inner.state.name)
def greet(name: str) -> str:
    """Write a field of the flow inside."""
    return f"Dear {name}"


sub = flow.subflow(
    "inner", inner, inputs=[let(inner.state.name).be(s.message)], outputs=let(s.draft).be(inner.state.name)
)
flow.edge(some, sub)
flow.edge(sub, rate)
outer = Flow("outer", Ticket)
shared = outer.task(writes=outer.state.facts)(one_fact)
assert_type(shared("hello"), str)


class Shelf(ABC):
    """A resource of which only the abstract class is known."""

    @abstractmethod
    def fetch(self, name: str) -> str:
        """Fetch a book."""


def lend(context: Context) -> str:
    """Ask for a resource by its class."""
    assert_type(context.find(Shelf), Shelf | None)
    return context.resource(Shelf).fetch("a")


async def main() -> None:
    """Use it."""
    assert_type(flow.freeze(), Graph)
    result = await flow.run(Ticket(), run_id="first", limits=Limits(tokens=100), resources=[service])
    assert_type(result.state, Ticket)
    assert_type(flow.run_sync(Ticket()).unwrap(), Ticket)
    async with flow.stream(Ticket()) as stream:
        async for event in stream:
            print(event)
        assert_type(stream.result.state.topic, Literal["billing", "bug"] | None)
    going = flow.stream_resume("first", store="runs.db", by="ann").begin()
    async for event in going:
        print(event)
    assert_type(going.result.state, Ticket)
    assert_type((await flow.resume("first", store="runs.db")).state, Ticket)
