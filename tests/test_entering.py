"""The state with which a graph inside a node begins: handed on as it stands where it is valid, validated elsewhere."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from graphrt import Agent, Flow, add, append, extend, let
from graphrt.agents import Message, ToolCall, assistant
from graphrt.agents.model import Emit, ModelRequest, Reply, discard
from graphrt.fields import fields_of
from graphrt.replay import fold, verify
from graphrt.testing import ScriptedModel


class Plain(BaseModel):
    """Some fields."""

    log: Annotated[list[str], append] = []
    facts: dict[str, int] = {}
    n: int = 0


def _own(old: int, new: int) -> int:
    return old + new


class Types(BaseModel):
    """Types and reducers of many kinds."""

    text: str = ""
    number: Annotated[int, add] = 0
    share: Annotated[float, add] = 0.0
    bounded: Annotated[int, Field(le=100)] = 0
    summed: Annotated[int, Field(le=100), add] = 0
    by_own: Annotated[int, Field(le=100), _own] = 0
    items: Annotated[list[str], append] = []
    few: Annotated[list[str], Field(max_length=2), append] = []
    either: int | str = 0
    other: str | int = 0
    maybe: dict[str, list[int]] | None = None


FIELDS = {f.name: f for f in fields_of(Types)[0]}


@pytest.mark.parametrize(
    ("name", "stands"),
    [
        ("text", True),
        ("number", True),
        ("share", False),  # a sum of floats may be infinite, which has no JSON form
        ("bounded", True),  # each value was validated as a whole
        ("summed", False),  # a sum of valid values may lie beyond the bound
        ("by_own", True),  # what a reducer of one's own returns is validated
        ("items", True),
        ("few", False),
        ("maybe", True),
    ],
)
def test_a_value_stands_for_itself_where_it_cannot_but_be_valid(name: str, *, stands: bool) -> None:
    """Types without bounds, values that were validated whole: these need not be looked at again."""
    assert FIELDS[name].stands_for(FIELDS[name]) is stands


def test_the_order_of_a_union_counts() -> None:
    """A union takes a value for that of its first member that it fits: with another order it is another type."""
    assert not FIELDS["either"].stands_for(FIELDS["other"])
    assert not FIELDS["text"].stands_for(FIELDS["number"])


def test_a_bound_holds_inside_for_what_a_reducer_made() -> None:
    """A sum that no flow inside may begin with fails the node that enters it, as a written value would."""

    class Summed(BaseModel):
        total: Annotated[int, Field(le=100), add] = 0

    class Inner(BaseModel):
        total: Annotated[int, Field(le=100)] = 0

    inner = Flow("inner", Inner)

    @inner.task
    async def look(total: int) -> None: ...

    flow = Flow("outer", Summed)

    @flow.task(writes=flow.state.total, name="one")
    async def one() -> int:
        return 80

    @flow.task(writes=flow.state.total, name="two")
    async def two() -> int:
        return 80

    flow.edge(one, two)
    flow.edge(two, flow.subflow("inside", inner, outputs=()))
    result = flow.run_sync(Summed())
    assert result.status == "failed"
    assert result.error is not None
    assert "cannot fill the state of the flow inside it" in result.error.message


def test_what_is_written_inside_reaches_nobody_outside() -> None:
    """A flow inside has a state of its own: its lists grow, and what nodes do to values they were given is theirs."""
    inner = Flow("inner", Plain)
    t = inner.state

    @inner.task(writes=(t.log, t.facts))
    async def work(log: list[str], facts: dict[str, int]) -> tuple[str, dict[str, int]]:
        facts["a"] = 99
        log.append("never written")
        return "inside", {"b": 2}

    flow = Flow("outer", Plain)
    s = flow.state

    @flow.task(writes=s.log)
    async def before() -> str:
        return "before"

    inside = flow.subflow("inside", inner, outputs=let(s.n).be(t.facts["b"]))

    @flow.task(writes=s.log)
    async def after(log: list[str]) -> str:
        return f"after {len(log)}"

    flow.edge(before, inside)
    flow.edge(inside, after)
    graph = flow.freeze()
    result = flow.run_sync(Plain(facts={"a": 1}))
    assert result.state == Plain(log=["before", "after 1"], facts={"a": 1}, n=2)
    assert verify(result.trace, graph) is None
    assert fold(result.trace).state == fold(result.trace, graph).state


def test_inputs_are_evaluated_as_they_are_written() -> None:
    """Of two that cannot be computed the first one is told."""
    inner = Flow("inner", Plain)

    @inner.task
    async def nothing() -> None: ...

    flow = Flow("outer", Plain)
    s, t = flow.state, inner.state
    inputs = [let(t.n).be(s.facts["second"]), let(t.log).be([s.log[5]])]
    flow.subflow("inside", inner, inputs=inputs, outputs=())
    result = flow.run_sync(Plain())
    assert result.error is not None
    assert "second" in result.error.message


def test_a_list_does_not_keep_alive_what_was_added_inside() -> None:
    """What a flow inside adds to a list that it was handed is gone with it."""

    class Many(BaseModel):
        log: Annotated[list[str], extend] = []

    inner = Flow("inner", Many)

    @inner.task(writes=inner.state.log)
    async def add_many() -> list[str]:
        return ["x"] * 5_000

    flow = Flow("outer", Many)

    @flow.task
    async def stay() -> None: ...

    flow.edge(flow.subflow("inside", inner, outputs=()), stay)
    graph = flow.freeze()
    result = flow.run_sync(Many(log=["a"] * 100))
    stepper = fold(result.trace, graph)
    log: Any = (stepper.state or {})["log"]
    assert len(log._buffer.items) == 100


def test_what_may_change_inside_a_frozen_model_is_copied_too() -> None:
    """A frozen model that takes fields which its type does not name is handed to nodes as a copy."""

    class Loose(BaseModel):
        model_config = ConfigDict(frozen=True, extra="allow")

    class Holds(BaseModel):
        items: list[Loose] = []

    inner = Flow("inner", Holds)

    @inner.task
    async def change(items: list[Loose]) -> None:
        extra: Any = items[0]
        extra.marks.append("changed")

    flow = Flow("outer", Holds)
    flow.subflow("inside", inner, outputs=())
    result = flow.run_sync(Holds.model_validate({"items": [{"marks": ["a"]}]}))
    kept: Any = result.state.items[0]
    assert kept.marks == ["a"]


def test_no_agent_sees_what_a_policy_did_to_the_request_of_another() -> None:
    """Each request is made of its own copies of calls: what is done to one reaches neither state nor later ones."""
    seen: list[Any] = []

    class Talk(BaseModel):
        talk: Annotated[list[Message], append] = []

    class Hiding(ScriptedModel):
        async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
            for call in (c for m in request.messages for c in getattr(m, "tool_calls", ())):
                seen.append(call.arguments["pin"])
                call.arguments["pin"] = "***"
            return await super().respond(request, emit)

    flow = Flow("two", Talk)
    s = flow.state
    one, two = (flow.agent(name, Agent("Answer."), reads=s.talk, writes=s.talk) for name in ("one", "two"))
    flow.edge(one, two)
    begun = Talk(talk=[assistant("", ToolCall(id="c", name="open", arguments={"pin": "1234"}))])
    result = flow.run_sync(begun, resources=[Hiding(["Well.", "Good."])])
    assert seen == ["1234", "1234"]
    assert result.state.talk[0] == begun.talk[0]
