"""Agents that hand a conversation over to each other, and keep it until they hand it on.

    speaks ──name──▶ agent ──▶ asked ──name──▶ hand over ──▶ speaks …        (asked ──nobody──▶ answered)

An agent hands over by calling a tool that ends its work; the call, with its reason, is part of the conversation. Who
spoke last answers the next turn as well.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from itertools import chain, count
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

from pydantic import BaseModel

from graphrt.agents.agent import Agent
from graphrt.agents.messages import AssistantMessage, Message, tool_result
from graphrt.agents.tools import Tool, tool_from
from graphrt.configurations.members import Crew, Member, Seat, Speaker, add, sit
from graphrt.configurations.state import ChatState, name_of, state_with
from graphrt.configurations.switch import Router, add_router, check_router
from graphrt.expressions import is_none, let, size
from graphrt.flow import Flow
from graphrt.reducers import append

if TYPE_CHECKING:
    from graphrt.drafts import Choice, Node

NOBODY: Final = "(nobody)"
_TOOL: Final = "hand_over_to_"
_ROOM: Final = 64 - len(_TOOL)
"""Characters for whom, as endpoints allow 64 in all."""


class Handover(BaseModel):
    """One agent gave the conversation to another."""

    source: str
    target: str
    reason: str


def handoff(
    *agents: Speaker | Member,
    to: Mapping[str, Sequence[str]] | None = None,
    router: Router | None = None,
    at_most: int = 5,
    name: str = "handoff",
) -> Flow[ChatState]:
    """Return a flow in which agents hand the conversation over to each other; the first one begins.

    The choice is sticky: whoever spoke last is asked first in the next turn. Each hand-over is kept in the field
    `handovers` with its reason.

    Args:
        *agents: agents that have names, and flows, which can be handed over to.
        to: whom each may hand over to, by name; by default everybody to everybody.
        router: an agent or a function (see `switching`) that decides at the beginning of each turn who speaks. Agents
            then have no tools to hand over with, unless `to` gives them some.
        at_most: hand-overs in one turn; with one more the turn fails, so that nobody is sent round in circles.
        name: name of the flow.

    Raises:
        DefinitionError: a member cannot be used; with everything that is wrong.
    """
    crew = Crew(name)
    seats = crew.seats(agents, least=2, named=True)
    names = [seat.name for seat in seats]
    at_most = crew.count(at_most, "at_most")
    check_router(crew, router)
    targets = _targets(crew, seats, to, by_tool=router is None)
    crew.refuse()
    reached = [name for name in names if any(name in there for there in targets.values())]
    flow = Flow(name, _state(names, reached, routed=router is not None))
    tools = _tool_names(names)
    speaking, nodes = _add_speakers(flow, [_with_tools(seat, targets[seat.name], tools) for seat in seats])
    handing = [node for seat, node in zip(seats, nodes, strict=True) if targets[seat.name]]
    if handing:
        _add_handing(flow, handing, speaking, names[0], {name: tools[name] for name in reached}, at_most)
    flow.start(speaking if router is None else _add_routing(flow, router, seats, speaking))
    return crew.checked(flow)


def _state(names: Sequence[str], reached: Sequence[str], *, routed: bool) -> type[ChatState]:
    """Return the state: who speaks, which hand-overs there were, and who was chosen or asked for, if anybody can be."""
    fields: dict[str, Any] = {"chosen": (name_of(names), None)} if routed else {}
    fields |= {
        "speaker": (name_of(names), None),
        "handovers": (Annotated[list[Handover], append], []),
    }
    if reached:
        fields["wanted"] = (name_of([*reached, NOBODY]), None)
    return state_with("HandoffState", fields, remembered=("speaker",))


def _add_speakers(flow: Flow[Any], seats: Sequence[Seat]) -> tuple[Choice[Any], list[Node]]:
    """Add the node that tells whose turn it is, at first the first one's, and the members behind it; return them."""
    s: Any = flow.state
    first = seats[0].name

    def speaks(speaker: str | None) -> str:
        return speaker or first

    speaking = flow.router("speaks", cast("Any", speaks), writes=s.speaker)
    nodes = [sit(flow, seat, reads=(s.messages,), writes=s.messages) for seat in seats]
    for seat, node in zip(seats, nodes, strict=True):
        flow.edge(speaking, node, on=cast("Any", seat.name))
    return speaking, nodes


def _add_handing(
    flow: Flow[Any],
    handing: Sequence[Node],
    speaking: Choice[Any],
    first: str,
    tools: Mapping[str, str],
    at_most: int,
) -> None:
    """Add what follows the members that can hand over: the question whether they did, and the handing over.

    `first` is who speaks where nobody has spoken yet; `tools` has the tool for each who can be handed over to.
    """
    s: Any = flow.state

    def asked(messages: Sequence[Message]) -> str:
        return _wanted(messages, tools)

    def hand_over(
        messages: Sequence[Message],
        speaker: str | None,
        wanted: Any,  # noqa: ANN401 - one of the names
    ) -> tuple[str, Handover, Message]:
        call = cast("AssistantMessage", messages[-1]).tool_calls[0]
        given = call.arguments.get("reason")
        handover = Handover(source=speaker or first, target=wanted, reason=given if isinstance(given, str) else "")
        return wanted, handover, tool_result(call, f"{wanted} has taken over.")

    asking = flow.router("asked to hand over", cast("Any", asked), writes=s.wanted)
    over = add(flow, hand_over, "hand over", writes=(s.speaker, s.handovers, s.messages))
    answered, too_often = flow.end("answered"), flow.end("handed over too often", failure=True)
    for node in handing:
        flow.edge(node, asking)
    flow.edge(asking, answered, on=cast("Any", NOBODY))
    flow.edge(asking, over, when=size(s.handovers) < at_most, at_most=at_most)
    flow.edge(asking, too_often)
    flow.edge(over, speaking)


def _add_routing(flow: Flow[Any], router: Router, seats: Sequence[Seat], speaking: Choice[Any]) -> Choice[Any]:
    """Add the router that chooses who speaks in a turn, with a hand-over where it is another than before; return it."""
    s: Any = flow.state
    choosing = add_router(flow, router, seats, writes=s.chosen)
    take_over = add(flow, _take_over, "take over", writes=(s.speaker, s.handovers))
    for seat in seats:
        same = (s.speaker == seat.name) | is_none(s.speaker)
        flow.edge(choosing, speaking, on=cast("Any", seat.name), when=same, set=let(s.speaker).be(seat.name))
        flow.edge(choosing, take_over, on=cast("Any", seat.name))
    flow.edge(take_over, speaking)
    return choosing


def _take_over(speaker: str | None, chosen: Any) -> tuple[str, Handover]:  # noqa: ANN401 - one of the names
    return chosen, Handover(source=speaker or "", target=chosen, reason="chosen by the router")


def _targets(
    crew: Crew, seats: Sequence[Seat], to: Mapping[str, Sequence[str]] | None, *, by_tool: bool
) -> dict[str, list[str]]:
    """Return whom each member can hand over to."""
    names = [seat.name for seat in seats]
    found: dict[str, list[str]] = {name: [] for name in names}
    for name, there in (to or {}).items():
        for target in (name, *there):
            if target not in names:
                crew.problem(f"to= names {target!r}, which is none of {', '.join(names)}")
        if name in there:
            crew.problem(f"to= lets {name!r} hand over to itself")
    for seat in seats:
        if seat.output is not None:
            crew.problem(f"member {seat.name!r} has output=, which only sequential hands on")
        if isinstance(seat.who, Agent):
            default = [n for n in names if n != seat.name] if to is None and by_tool else []
            found[seat.name] = list((to or {}).get(seat.name, default))
        elif to is not None and to.get(seat.name):
            crew.problem(
                f"{seat.name!r} is a flow and cannot hand over; let one of its agents speak in this configuration"
            )
    return found


def _with_tools(seat: Seat, targets: Sequence[str], tools: Mapping[str, str]) -> Seat:
    """Return the seat with the tools by which its agent hands over."""
    if not targets or not isinstance(seat.who, Agent):
        return seat
    agent = copy.copy(seat.who)
    agent.tools = (*agent.tools, *(_tool(target, tools[target]) for target in targets))
    return Seat(seat.name, agent, seat.instructions)


def _tool(target: str, name: str) -> Tool:
    def hand_over(reason: str) -> str:
        return reason

    return tool_from(
        hand_over,
        name=name,
        description=f"Hand the conversation over to {target}, who then answers. Say why.",
        ends=True,
    )


def _tool_names(members: Sequence[str]) -> dict[str, str]:
    """Return the name of the tool that hands over to each member: each another, whatever the members are called.

    Endpoints allow few characters in it. Where nothing of a member's name is left, or the same as of another, it gets
    the member's number; the description of the tool has the whole name.
    """
    spelled = {member: re.sub(r"[^A-Za-z0-9_-]", "_", member)[:_ROOM] for member in members}
    found = {member: name for member, name in spelled.items() if name == member}
    for number, (member, name) in enumerate(spelled.items(), 1):
        if member in found:
            continue
        plain = name if name.strip("_-") else "agent"
        numbered = (f"{plain[: _ROOM - len(f'_{n}')]}_{n}" for n in count(number))
        choice = chain((plain,) if plain == name else (), numbered)
        found[member] = next(made for made in choice if made not in found.values())
    return {member: _TOOL + name for member, name in found.items()}


def _wanted(messages: Sequence[Message], tools: Mapping[str, str]) -> str:
    """Return whom the last message asks to hand over to."""
    last = messages[-1] if messages else None
    if isinstance(last, AssistantMessage) and last.tool_calls:
        return next((name for name, tool in tools.items() if tool == last.tool_calls[0].name), NOBODY)
    return NOBODY
