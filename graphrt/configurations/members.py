"""Who takes part in a configuration: agents and flows with a name each, and the nodes that they become.

What is wrong with the members is collected, so that a configuration is refused once, with all that is to be mended.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from graphrt.agents.agent import Agent
from graphrt.agents.messages import AssistantMessage, Message, SystemMessage, ToolMessage, UserMessage
from graphrt.configurations.state import ChatState, hears
from graphrt.definition import place_text
from graphrt.drafts import Expansion, ExpansionSpec, Node, place_of_call
from graphrt.errors import DefinitionError, Mistake
from graphrt.expressions import let
from graphrt.fields import Field, fields_of
from graphrt.flow import Flow
from graphrt.runtime.threads import NODE_THREADS
from graphrt.values import brief

if TYPE_CHECKING:
    from graphrt.graph import Retry
    from graphrt.inputs import Json

Speaker: TypeAlias = "Agent | Flow[Any]"
"""Whoever can speak in a conversation: an agent, or a flow over a chat state, such as another configuration."""
T = TypeVar("T")

MESSAGES: tuple[type, ...] = (SystemMessage, UserMessage, AssistantMessage, ToolMessage)


@dataclass(frozen=True, slots=True)
class Member:
    """A speaker in its place in a configuration; see `member`."""

    who: Speaker
    name: str | None = None
    instructions: str | None = None
    output: type[Any] | None = None


def member(
    who: Speaker, name: str | None = None, *, instructions: str | None = None, output: type[Any] | None = None
) -> Member:
    """Say more about a speaker of a configuration than who it is.

    Args:
        who: an agent, or a flow over a chat state.
        name: its name in pictures, traces, events and messages; by default the agent's, or the flow's.
        instructions: what it is to do here: the last message that it is shown, behind the conversation.
        output: a type that its answer must fit; the others then read it as JSON.
    """
    return Member(who, name, instructions, output)


@dataclass(frozen=True, slots=True)
class Seat:
    """A member whose name is settled."""

    name: str
    who: Speaker
    instructions: str | None = None
    output: type[Any] | None = None


class Crew:
    """The members of one configuration, and what is wrong with them."""

    def __init__(self, flow: str) -> None:
        self.flow = flow
        self.place = place_text(place_of_call())
        self.mistakes: list[Mistake] = []
        self._names: list[str] = []

    def problem(self, message: str) -> None:
        """Note what is wrong."""
        self.mistakes.append(Mistake("configuration", f"{self.flow}: {message}", self.place))

    def seats(
        self, given: Iterable[Speaker | Member] | Mapping[str, Speaker | Member], *, least: int, named: bool = False
    ) -> list[Seat]:
        """Return the members with their names; `named` wants each to have one of its own."""
        if isinstance(given, Mapping):
            found: list[tuple[str | None, Speaker | Member]] = list(cast("Mapping[str | None, Any]", given).items())
        else:
            found = [(None, who) for who in given]
        if len(found) < least:
            self.problem(f"needs at least {least} agent{'s' * (least > 1)}, got {len(found) or 'none'}")
        return [self.seat(who, name, None if named else f"agent {n}") for n, (name, who) in enumerate(found, 1)]

    def seat(self, given: Speaker | Member, name: str | None = None, default: str | None = None) -> Seat:
        """Return one member with its name."""
        said = given if isinstance(given, Member) else Member(given)
        who = cast("object", said.who)
        called = name or said.name or getattr(who, "name", None) or default
        if called is None:
            self.problem(
                f"{brief(who)} has no name, and others must name it; give Agent(…, name=…) or member(…, name=…)"
            )
            called = f"agent {len(self._names) + 1}"
        if called in self._names:
            self.problem(f"two members are named {called!r}; give one of them another name")
        self._names.append(called)
        if isinstance(who, Flow):
            self._check_flow(cast("Flow[Any]", who), called, said)
        elif not isinstance(who, Agent):
            self.problem(f"member {called!r} is {brief(who)}; expected an Agent, or a Flow over a chat state")
        return Seat(called, said.who, said.instructions, said.output)

    def _check_flow(self, who: Flow[Any], called: str, said: Member) -> None:
        fields = {f.name: f for f in fields_of(who.state_type)[0]}
        if not hears(fields.get("messages")):
            self.problem(
                f"flow {who.name!r} cannot be a member: its state {who.state_type.__name__} has no field"
                " messages: Annotated[list[Message], append]; derive it from ChatState"
            )
        if said.instructions is not None or said.output is not None:
            self.problem(
                f"member {called!r} is a flow, which takes no instructions= and no output=; give them to its agents"
            )

    def count(self, value: object, name: str, least: int = 1) -> int:
        """Return a number that was given as an option."""
        if isinstance(value, int) and not isinstance(value, bool) and value >= least:
            return value
        self.problem(f"{name}={value!r}; it is a number from {least}")
        return least

    def refuse(self) -> None:
        """Raise what was found so far, if anything.

        Raises:
            DefinitionError: with everything that is wrong.
        """
        if self.mistakes:
            raise DefinitionError(self.flow, tuple(self.mistakes))

    def checked(self, flow: Flow[Any]) -> Flow[ChatState]:
        """Return the flow, which can be frozen.

        Raises:
            DefinitionError: with everything that is wrong with the members and with the flow.
        """
        self.mistakes += flow.check()
        self.refuse()
        return cast("Flow[ChatState]", flow)


class _Seated:
    """An agent in its seat: the graph of the agent, with what people want to know about the seat."""

    def __init__(self, agent: Agent, output: type[Any] | None, about: Mapping[str, Json]) -> None:
        self.agent = agent
        self.output = output
        self.about = about

    def retries(self, said: Retry | int) -> Retry:
        """Return what a policy at the node means for the agent."""
        return self.agent.retries(said)

    def expand(self, spec: ExpansionSpec, /) -> Expansion:
        """Return the agent's graph; it fills the type that the seat asks for."""
        if self.output is not None:
            spec = replace(spec, writes=tuple(Field(f.name, self.output) for f in spec.writes))
        inside = self.agent.expand(spec)
        return replace(inside, about={**inside.about, **self.about})


def sit(
    flow: Flow[Any], seat: Seat, *, reads: Sequence[object], writes: object, about: Mapping[str, Json] | None = None
) -> Node:
    """Add a member as a node: it hears the messages in `reads`, and what it says is written to `writes`."""
    who = seat.who
    if isinstance(who, Agent):
        if seat.instructions is not None:
            who = copy.copy(who)
            who.prompt = seat.instructions
        seated = _Seated(who, seat.output, about or {})
        return flow.agent(seat.name, seated, reads=tuple(reads), writes=writes)
    inner: Any = who.state
    heard: Any = reads[0]
    for more in reads[1:]:
        heard = heard + more
    return flow.subflow(
        seat.name, who, inputs=let(inner.messages).be(heard), outputs=let(cast("Any", writes)).be(inner.messages[-1])
    )


def add(flow: Flow[Any], fn: Callable[..., Any], name: str, *, writes: object, **reads: object) -> Node:
    """Add a function as a task; `reads` are the fields of parameters that are named otherwise."""
    task = cast("Any", flow).task(writes=writes, reads=reads, name=name)
    return cast("Node", task(fn))


def adapted(
    fn: Callable[[Sequence[Message]], object], then: Callable[[Any], T]
) -> Callable[[Sequence[Message]], Awaitable[T]]:
    """Return `fn`, a function of messages, with what it returns put through `then`."""

    async def later(messages: Sequence[Message]) -> T:
        return then(await awaited(fn, messages))

    return later


async def awaited(fn: Callable[[Sequence[Message]], object], messages: Sequence[Message]) -> object:
    """Call a function of messages, in a thread unless it is a coroutine function; await what is to be awaited."""
    call = fn if inspect.isroutine(fn) else type(fn).__call__
    is_async = inspect.iscoroutinefunction(call)
    said = fn(messages) if is_async else await NODE_THREADS.call(partial(fn, messages))
    return await cast("Awaitable[object]", said) if inspect.isawaitable(said) else said


def as_message(value: object, name: str) -> Message:
    """Return what a function said as a message: text as the assistant's, a message as it is."""
    if isinstance(value, str):
        return AssistantMessage(text=value, name=name)
    if isinstance(value, MESSAGES):
        return cast("Message", value)
    message = f"{name!r} returned {brief(value)}; expected text or a message"
    raise TypeError(message)
