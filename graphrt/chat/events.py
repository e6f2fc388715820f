"""What happens in a turn of a conversation, in the words of agents, tools and messages: for whoever shows or logs it.

One frozen record per fact, past tense. What is started is closed, once: a turn by completed, failed or cancelled, an
agent by completed, failed or cancelled, a tool's request by returned or cancelled. A turn that is suspended stays open,
with the agents and tools that wait in it, until it is answered or given up: what is told then goes on from there. In
another process, it begins with those that are still at work. `visit` is the visit
id in the trace of the turn's run, where the rest is to be found.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from graphrt.agents.messages import Message
from graphrt.events import VisitWaiting
from graphrt.inputs import Json


class TurnStarted(msgspec.Struct, frozen=True, gc=False, tag="turn_started"):
    """A message is being worked on, by a run of this id."""

    run: str
    message: Message
    """What was said to the agents."""


class AgentStarted(msgspec.Struct, frozen=True, gc=False, tag="agent_started"):
    """An agent begins. In a sequence it is step `step` of `of`.

    One that judges another as a guardrail is part of that one: neither its beginning nor what it says is told.
    """

    agent: str
    visit: str
    step: int | None = None
    """Which agent of a sequence it is, counted from 1 …"""
    of: int | None = None
    """… and of how many."""


class AgentCompleted(msgspec.Struct, frozen=True, gc=False, tag="agent_completed"):
    """An agent has said what it had to say."""

    agent: str
    visit: str


class AgentFailed(msgspec.Struct, frozen=True, gc=False, tag="agent_failed"):
    """An agent gave up, after its last attempt; whether the turn goes on without it is up to the flow."""

    agent: str
    visit: str
    error: str
    """Name of the error's type."""
    message: str
    """What went wrong, in a sentence."""
    caught: bool = False
    """Whether an edge leads on from there, so that the turn goes on."""


class AgentCancelled(msgspec.Struct, frozen=True, gc=False, tag="agent_cancelled"):
    """An agent was stopped."""

    agent: str
    visit: str
    why: str
    """`run` (the turn was cancelled), `failure` (of another), `join`, `end`."""


class OutputDelta(msgspec.Struct, frozen=True, gc=False, tag="output_delta"):
    """A piece of text, as the model writes it. After `AttemptFailed` the text begins anew."""

    agent: str
    visit: str
    text: str
    anew: bool = False
    """Whether what the agent has said before does not count, because another model begins the answer anew."""


class ToolRequested(msgspec.Struct, frozen=True, gc=False, tag="tool_requested"):
    """An agent asked for a tool, which is being called."""

    agent: str
    visit: str
    tool: str
    call_id: str
    arguments: dict[str, Json]
    """What the model wants to call it with."""


class ToolReturned(msgspec.Struct, frozen=True, gc=False, tag="tool_returned"):
    """A tool gave back what the model is shown; `failed` if that is what went wrong."""

    agent: str
    visit: str
    tool: str
    call_id: str
    text: str
    """What the model is shown."""
    failed: bool = False
    """Whether that tells what went wrong."""


class ToolCancelled(msgspec.Struct, frozen=True, gc=False, tag="tool_cancelled"):
    """A tool's call was stopped; whether it had an effect is not known."""

    agent: str
    visit: str
    tool: str
    call_id: str


class AttemptFailed(msgspec.Struct, frozen=True, gc=False, tag="attempt_failed"):
    """A request to a model, or the work of another node, failed; each attempt does, the last one too."""

    node: str
    """The agent, or the node."""
    visit: str
    attempt: int
    error: str
    message: str
    """What went wrong, in a sentence."""
    again: bool
    """Whether another attempt follows."""


class PolicyActed(msgspec.Struct, frozen=True, gc=False, tag="policy_acted"):
    """A policy did something to a request: took an answer from a cache, asked another model, waited for a limit.

    Told when the attempt has ended in which it happened.
    """

    agent: str
    """The agent, or the node."""
    visit: str
    policy: str
    """`cache`, `fallback`, `limit`, `context`, `retry`, `timeout`, `pool`, or who else made the mark."""
    what: str
    """A word for programs: `hit`."""
    text: str
    """The same for people: `cache hit`."""
    facts: dict[str, Json]
    """What a program may want to know beyond that."""


class RouteChosen(msgspec.Struct, frozen=True, gc=False, tag="route_chosen"):
    """A router decided where the turn goes."""

    node: str
    visit: str
    route: str
    """The label that was chosen."""
    scores: dict[str, float] | None = None
    """The probability of each label, as far as the model tells."""


class FellBack(msgspec.Struct, frozen=True, gc=False, tag="fell_back"):
    """A router named nobody, so the turn goes to whom the configuration says."""

    node: str
    visit: str
    reason: str
    """Why."""


class HandedOver(msgspec.Struct, frozen=True, gc=False, tag="handed_over"):
    """An agent gave the conversation to another."""

    source: str
    """Who hands over …"""
    target: str
    """… to whom …"""
    reason: str
    """… and why, in the words of the first."""
    visit: str


class TurnCompleted(msgspec.Struct, frozen=True, gc=False, tag="turn_completed"):
    """The turn is over; `reply` is part of the conversation."""

    run: str
    reply: Message
    """The answer."""


class TurnFailed(msgspec.Struct, frozen=True, gc=False, tag="turn_failed"):
    """The turn ended with an error; the conversation is as it was before it."""

    run: str
    error: str
    message: str
    """What went wrong, in a sentence."""
    node: str | None = None


class TurnCancelled(msgspec.Struct, frozen=True, gc=False, tag="turn_cancelled"):
    """The turn was stopped; the conversation is as it was before it."""

    run: str


class TurnSuspended(msgspec.Struct, frozen=True, gc=False, tag="turn_suspended"):
    """The turn waits for answers to these questions."""

    run: str
    questions: tuple[VisitWaiting, ...]
    """What it waits for."""


ChatEvent: TypeAlias = (
    TurnStarted
    | AgentStarted
    | AgentCompleted
    | AgentFailed
    | AgentCancelled
    | OutputDelta
    | ToolRequested
    | ToolReturned
    | ToolCancelled
    | AttemptFailed
    | PolicyActed
    | RouteChosen
    | FellBack
    | HandedOver
    | TurnCompleted
    | TurnFailed
    | TurnCancelled
    | TurnSuspended
)
