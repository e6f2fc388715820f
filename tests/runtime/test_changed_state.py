"""Runs that wait while the state of their flow changes: fields come, fields go, and the runs go on."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from graphrt import Flow, append
from graphrt.account import account
from graphrt.errors import GraphChanged
from graphrt.graph import Graph
from graphrt.replay import fold, states, verify
from graphrt.runtime import answer, fork, resume, run
from graphrt.stores.memory import MemoryStore


class Then(BaseModel):
    text: str = "a"
    old: str = "gone"
    log: Annotated[list[str], append] = []
    ok: Literal["yes", "no"] | None = None


class Now(BaseModel):
    text: str = "a"
    note: str = "hello"
    tags: list[str] = []
    log: Annotated[list[str], append] = []
    ok: Literal["yes", "no"] | None = None


class Needs(Then):
    must: int


class Stamped(Then):
    at: list[float] = Field(default_factory=lambda: [1.0])


def graph_of(state: type[BaseModel], *, writes: tuple[str, ...], tells: str = "text") -> Graph:
    """Return a flow that writes, asks, and ends with what a field says."""
    flow: Any = Flow("m", state)
    s = flow.state

    async def begin() -> Any:
        new = [f"new {name}" for name in writes]
        return tuple(new) if len(new) > 1 else new[0]

    written = tuple(getattr(s, name) for name in writes)
    first = flow.task(writes=written, name="begin")(begin)
    ask = flow.ask("approve", "Go on?", writes=s.ok)
    flow.edge(first, ask)

    async def say(value: str) -> str:
        return f"told {value}"

    last = flow.task(reads={"value": getattr(s, tells)}, writes=s.log, name="end")(say)
    flow.edge(ask, last)
    graph: Graph = flow.freeze()
    return graph


def waiting(graph: Graph, state: BaseModel) -> MemoryStore:
    """Return a store with a run that waits for an answer."""
    store = MemoryStore()
    result = asyncio.run(run(graph, state, store=store, run_id="r"))
    assert result.status == "suspended"
    return store


def test_a_field_that_was_added_begins_with_its_default() -> None:
    """A run that waited takes the answer under the new definition, and its later nodes read the new field."""
    store = waiting(graph_of(Then, writes=("text",)), Then())
    now = graph_of(Now, writes=("text",), tells="note")

    async def main() -> Any:
        await answer(store, "r", "1", "yes")
        return (await resume(store, "r", now, allow_changed=True)).state

    state = asyncio.run(main())
    assert state == Now(text="new text", log=["told hello"], ok="yes")
    trace = store.trace("r")
    assert fold(trace).status == fold(trace, now).status == "completed"
    assert verify(trace, now) is None
    assert [stepper.status for _, stepper in states(trace)][-1] == "completed"
    assert account(trace).status == "completed"


def test_what_was_written_to_a_field_that_is_gone_is_left_out() -> None:
    """A node has written a field that the state no longer has: the run goes on without it; its trace keeps it."""
    store = waiting(graph_of(Then, writes=("text", "old")), Then())
    now = graph_of(Now, writes=("text",))

    async def main() -> Any:
        await answer(store, "r", "1", "no")
        return (await resume(store, "r", now, allow_changed=True)).state

    state = asyncio.run(main())
    assert state == Now(text="new text", log=["told new text"], ok="no")
    assert "new old" in repr(store.trace("r").records)


def test_what_a_node_wrote_then_stays_written_though_it_does_not_declare_it_now() -> None:
    """The past is as it was recorded, as long as there is a field to hold it."""
    store = waiting(graph_of(Then, writes=("text", "old")), Then())
    now = graph_of(Then, writes=("text",), tells="old")

    async def main() -> Any:
        await answer(store, "r", "1", "yes")
        return (await resume(store, "r", now, allow_changed=True)).state

    assert asyncio.run(main()).log == ["told new old"]


def test_a_fork_takes_the_new_state_too() -> None:
    """A run is forked in the middle under a definition with other fields."""
    store = waiting(graph_of(Then, writes=("text",)), Then())
    now = graph_of(Now, writes=("text",), tells="note")

    async def main() -> Any:
        forked = await fork(store, "r", "1", now, change={"note": "bye"}, new_id="f")
        assert forked.status == "suspended"
        await answer(store, "f", "1", "yes", graph=now)
        return (await resume(store, "f", now)).state

    assert asyncio.run(main()).log == ["told bye"]


@pytest.mark.parametrize("state", [Needs, Stamped])
def test_a_field_without_a_fixed_default_cannot_be_added_under_a_run(state: type[BaseModel]) -> None:
    """Nobody knows its value in the run; the message names the field, and nothing is recorded."""
    store = waiting(graph_of(Then, writes=("text",)), Then())
    before = store.trace("r").records
    missing = next(name for name in state.model_fields if name not in Then.model_fields)
    with pytest.raises(GraphChanged, match=f"needs a value for field {missing!r}, which has no default that is always"):
        asyncio.run(resume(store, "r", graph_of(state, writes=("text",)), allow_changed=True))
    assert store.trace("r").records == before
