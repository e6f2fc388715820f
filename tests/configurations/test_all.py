"""What holds for every configuration: checked, drawn, replayed, resumed, nested, and refused with all that is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from graphrt import (
    Agent,
    ChatState,
    DefinitionError,
    Flow,
    append,
    concurrent,
    handoff,
    member,
    refine,
    sequential,
    single,
    supervisor,
    switching,
)
from graphrt.agents import Message, ModelRequest, user
from graphrt.checks import check
from graphrt.replay import verify
from graphrt.runtime import leave, resume, run
from graphrt.stores.memory import MemoryStore
from graphrt.testing.scripted import ScriptedModel, Turn
from graphrt_viz import render
from tests.configurations.talking import ANN, BEN, CLEO, talk

pytestmark = pytest.mark.anyio

EVERY: dict[str, Callable[[], Flow[ChatState]]] = {
    "single": partial(single, ANN),
    "sequential": partial(sequential, ANN, BEN, continue_on_error=True),
    "concurrent": partial(concurrent, ANN, BEN, combine=CLEO),
    "switching": partial(switching, [ANN, BEN], fallback="ben"),
    "handoff": partial(handoff, ANN, BEN),
    "refine": partial(refine, ANN, BEN),
    "supervisor": partial(supervisor, ANN, BEN, CLEO),
}
every = pytest.mark.parametrize("make", EVERY.values(), ids=EVERY.keys())


def plausible(request: ModelRequest) -> Turn | str:
    """Answer whatever a configuration may ask."""
    if request.labels:
        return Turn.choose(request.labels[-1])
    if request.output_schema is not None:
        return Turn.fill(_fill(request))
    return "An answer."


def _fill(request: ModelRequest) -> Any:
    properties: Any = (request.output_schema or {}).get("properties", {})
    return {"accepted": True} if "accepted" in properties else {"worker": "(done)"}


@every
async def test_it_has_no_findings(make: Callable[[], Flow[ChatState]]) -> None:
    """The checker finds nothing to complain about, and building it twice gives the same definition."""
    assert check(make().freeze()) == []
    assert make().freeze().digest == make().freeze().digest


@every
async def test_it_runs_and_replays(make: Callable[[], Flow[ChatState]]) -> None:
    """It answers, and its trace replays against the same definition without a difference."""
    flow = make()
    result, _ = await talk(flow, plausible)
    assert result.state.messages[-1].text == "An answer."
    assert verify(result.trace, flow.freeze()) is None


@every
async def test_it_is_drawn(make: Callable[[], Flow[ChatState]]) -> None:
    """Its picture shows each of its nodes, and a run's picture can be laid over it."""
    flow = make()
    graph = flow.freeze()
    text = render(graph, "svg")
    assert [n.name for n in graph.nodes if n.kind == "agent" and n.name not in text] == []


@every
async def test_it_is_resumed_after_a_crash(make: Callable[[], Flow[ChatState]]) -> None:
    """A run that was cut off at its first request goes on, and what is recorded is not asked again."""
    flow, store = make(), MemoryStore()
    stuck = asyncio.Event()

    async def forever(_seconds: float) -> None:
        stuck.set()
        await asyncio.Event().wait()

    hanging = ScriptedModel(plausible, sleep=forever)
    begin = flow.state_type(messages=[user("Hi")])
    task = asyncio.create_task(run(flow.freeze(), begin, store=store, run_id="r", resources=[hanging]))
    await stuck.wait()
    assert leave(store, "r")
    with pytest.raises(asyncio.CancelledError):
        await task
    result = await resume(store, "r", flow.freeze(), resources=[ScriptedModel(plausible)])
    assert result.state.messages[-1].text == "An answer."


@every
async def test_it_can_be_a_member(make: Callable[[], Flow[ChatState]]) -> None:
    """Inside another configuration it hears the conversation, and its reply becomes part of the outer one."""
    outer = sequential(make(), Agent("Close.", name="closer"))
    result, model = await talk(outer, plausible)
    assert [m.role for m in result.state.messages] == ["user", "assistant", "assistant"]
    assert model.requests[-1].instructions == "Close."
    assert [m.text for m in model.requests[-1].messages][:2] == ["Hi", "An answer."]


class Other(BaseModel):
    question: str = ""


A_FLOW: Any = single(ANN)


class Talk(BaseModel):
    messages: Annotated[list[Message], append] = []


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (sequential, ["needs at least 1 agent, got none"]),
        (lambda: concurrent(ANN, combine="best"), ["needs at least 2 agents, got 1", "combine='best'"]),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # the mistake under test
        (lambda: sequential(ANN, ANN, 3), ["two members are named 'ann'", "'agent 3' is 3"]),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # the mistake under test
        (lambda: single(member(ANN, output=Talk)), ["output= needs another agent"]),
        (
            lambda: sequential(Flow("o", Other), member(Flow("t", Talk), instructions="x")),
            ["'o' cannot", "'t' is a flow"],
        ),
        (lambda: switching([ANN], fallback="eve"), ["at least 2", "fallback='eve' is none of the agents ann"]),
        (lambda: switching([Agent("I."), BEN], router=3), ["has no name", "router=3"]),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # the mistake under test
        (lambda: switching([ANN, BEN], at_least=0.5), ["at_least=0.5 is for a router that is a function"]),
        (lambda: handoff(ANN, BEN, at_most=0, to={"eve": ["ann"]}), ["at_most=0", "'eve', which is none of ann, ben"]),
        (lambda: handoff(ANN, BEN, to={"ann": ["ann"]}), ["hand over to itself"]),
        (lambda: refine(ANN, A_FLOW, rounds=0), ["rounds=0", "the critic 'single' is a flow"]),
        (lambda: supervisor(A_FLOW), ["at least 1 agent", "the boss 'single' is a flow"]),
        (lambda: sequential(Agent("I.", max_turns=0), Agent("J.", prompt="{x}")), ["max_turns is 0", "names {x}"]),
    ],
)
def test_what_is_wrong_is_said_at_once(make: Callable[[], object], says: list[str]) -> None:
    """A configuration that cannot work is refused where it is made, with everything that is wrong and where."""
    with pytest.raises(DefinitionError) as refused:
        make()
    text = str(refused.value)
    assert [part for part in says if part not in text] == []
    assert len(refused.value.mistakes) == len(says)
    assert all("test_all.py:" in (m.place or "") for m in refused.value.mistakes)
