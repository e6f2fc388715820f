"""Who must agree, and who may stop: approvals and guardrails in pictures of flows and of runs."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import BaseModel

from graphrt import Agent, Flow, tool
from graphrt.agents import on_input, on_output
from graphrt.agents.errors import GuardrailTripped
from graphrt.ports import Store
from graphrt.runtime import Result, answer, resume, run
from graphrt.stores.memory import MemoryStore
from graphrt.testing import ScriptedModel, Turn
from graphrt_viz import looks, picture_of, picture_of_run, render
from graphrt_viz.picture import NodeMark, Picture, PNode, from_json, to_json
from graphrt_viz.theme import LIGHT

pytestmark = pytest.mark.anyio


class Desk(BaseModel):
    message: str
    topic: Literal["money", "other"] | None = None
    reply: str = ""


@tool(writes=True, approval="always")
def refund(cents: int) -> str:
    """Give money back."""
    return f"refunded {cents}"


@tool(writes=True, approval=lambda arguments: arguments["cents"] > 100)
def pay(cents: int) -> str:
    """Pay."""
    return f"paid {cents}"


def hours(day: str) -> str:
    """Tell when we are there."""
    return f"{day}: 9 to 18"


def no_cards(text: str) -> str | None:
    """Stop card numbers."""
    return "it holds a card number" if "4111" in text else None


def promises(text: str) -> str | None:
    """Stop promises."""
    return "it promises" if "promise" in text else None


def desk(*, caught: bool = True) -> Flow[Desk]:
    """Return a flow with a guarded router and a clerk that must ask."""
    flow = Flow("desk", Desk)
    s = flow.state
    rails = [on_input(no_cards, first=True)]
    triage = flow.router("triage", Agent("Sort.", guardrails=rails), reads=s.message, writes=s.topic)
    clerk = Agent("Help.", tools=[hours, refund, pay], guardrails=[on_output(promises)])
    money = flow.agent("money", clerk, reads=s.message, writes=s.reply)
    sorry = flow.agent("sorry", Agent("Say no."), reads=s.message, writes=s.reply)
    flow.edge(triage, money, on="money")
    flow.edge(triage, sorry, on="other")
    if caught:
        flow.edge(triage, sorry, on=GuardrailTripped)
    flow.edge([money, sorry], flow.end("done"))
    return flow


def node_of(picture: Picture, ident: str) -> PNode:
    """Return a node of a picture."""
    return next(n for n in picture.nodes if n.id == ident)


def mark_of(picture: Picture, ident: str) -> NodeMark:
    """Return what a run did at a node."""
    mark = node_of(picture, ident).mark
    assert mark is not None
    return mark


async def ran(flow: Flow[Desk], model: ScriptedModel, store: Store, message: str = "Money back!") -> Result[Any]:
    """Run the flow until it ends or asks."""
    return await run(flow.freeze(), Desk(message=message), store=store, resources=[model])


def test_a_closed_agent_says_which_tools_ask_and_who_guards_it() -> None:
    """One of which a predicate decides has a question mark; a guardrail is told with its side."""
    picture = picture_of(desk().freeze())
    money, triage = node_of(picture, "money"), node_of(picture, "triage")
    assert (money.tools, money.asks, money.asks_some) == (("hours", "refund", "pay"), ("refund",), ("pay",))
    assert (triage.guards, money.guards) == (("no_cards (input, first)",), ("promises (output)",))
    assert from_json(to_json(picture)) == picture


@pytest.mark.parametrize("form", ["svg", "dot", "text"])
def test_each_format_shows_who_asks_and_who_guards(form: Literal["svg", "dot", "text"]) -> None:
    """Approvals and guardrails are words, so that they can be read without colours."""
    drawn = render(picture_of(desk().freeze()), form)
    for said in ("refund (asks)", "pay (asks?)", "guarded in: no_cards", "guarded out: promises"):
        assert said in drawn
    assert "hours (" not in drawn


@pytest.mark.parametrize("form", ["mermaid", "plantuml", "markdown"])
def test_formats_that_escape_show_them_too(form: Literal["mermaid", "plantuml", "markdown"]) -> None:
    """Whatever stands for the signs between, the words are there."""
    drawn = render(picture_of(desk().freeze()), form)
    for said in ("refund (asks)", "pay (asks", "guarded in", "guarded out", "promises"):
        assert said in drawn


@pytest.mark.parametrize(
    ("said", "by", "told"), [("approve", "boss", "approved by boss"), ("decline", None, "declined")]
)
async def test_a_closed_agent_tells_what_a_person_said(said: str, by: str | None, told: str) -> None:
    """The question is hidden inside the agent, so that the agent has the answer, and who gave it."""
    flow, store = desk(), MemoryStore()
    model = ScriptedModel([Turn.choose("money"), Turn.call("refund", cents=3), "Done."])
    asked = await ran(flow, model, store)
    await answer(store, asked.run, asked.questions[0].visit, said, by=by)
    result = await resume(store, asked.run, flow.freeze(), resources=[model])
    picture = picture_of_run(result.trace)
    assert told in mark_of(picture, "money").marks
    assert told in render(picture, "svg")


async def test_what_a_guardrail_blocked_is_no_breakdown_where_an_edge_caught_it() -> None:
    """The node is blocked, in the colour of what goes on; the advice to lead an edge, which was led, is left out."""
    picture = picture_of_run((await ran(desk(), ScriptedModel(["No."]), MemoryStore(), "4111")).trace)
    mark = mark_of(picture, "triage")
    assert (mark.status, mark.caught) == ("failed", "blocked")
    assert mark.error is not None
    assert mark.error.endswith("it holds a card number")
    drawn = looks.node_look(node_of(picture, "triage"), looks.Context(LIGHT, "run"))
    assert (drawn.attrs["color"], drawn.attrs["fillcolor"]) == (LIGHT.retry, LIGHT.router.fill)
    assert "ROUTER · BLOCKED" in render(picture, "svg")


async def test_what_nobody_caught_is_a_failure_with_its_advice() -> None:
    """Without an edge for it the run fails at that node, and hears what to do."""
    store = MemoryStore()
    result = await ran(desk(caught=False), ScriptedModel([]), store, "4111")
    picture = picture_of_run(result.trace)
    mark = mark_of(picture, "triage")
    assert (mark.status, mark.caught) == ("failed", "")
    assert "lead an edge" in (mark.error or "")
    assert "ROUTER · FAILED" in render(picture, "svg")
