"""`context`: how much of a conversation a model is shown.

A conversation is cut between its *units*, never inside one: a message alone, or a request for tools with all the
answers to it, since endpoints refuse one without the other. What the author says (the instructions, system messages) is
always shown, and so is the last thing that a person said, for without it a model in the middle of its tools would not
know what it is at.

What is left out may be summarised by a model. The summary is a further request of the same attempt: its tokens count in
the attempt's usage, and a mark says that it was made. To ask for it seldom, the cut then moves on in steps of half a
window, and each summary goes on from the one before; in this process those are remembered by the hash of what they
tell. Where no summary comes of it, those messages are left out without, and a mark says why. A summary is shown as a
message of the runtime, not of the system: what people said must not gain authority by it.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from graphrt.agents.agent import Agent
from graphrt.agents.messages import (
    RUNTIME,
    AssistantMessage,
    Message,
    SystemMessage,
    ToolMessage,
    UserMessage,
    user,
)
from graphrt.agents.model import Emit, Model, ModelRequest, Reply, discard, resolve_model
from graphrt.agents.sent import told
from graphrt.errors import UseError
from graphrt.policies.policy import Around, Bill, Policy, mark
from graphrt.policies.tokens import Scale, tokens_of, tokens_of_message, tokens_of_rest
from graphrt.values import brief

if TYPE_CHECKING:
    from collections.abc import Callable

SUMMARISE: Final = (
    "Summarise this conversation for somebody who has to go on with it: what was asked, found out, decided and"
    " promised, with names and numbers. Write only the summary."
)
"""What a model is told that summarises, unless an agent says it differently."""
SUMMARY: Final = "What was said before, in short:\n"
"""Stands before a summary in the message that carries it."""
_REMEMBERED: Final = 256


@dataclass(slots=True)
class Unit:
    """Messages that stand or fall together."""

    messages: list[Message] = field(default_factory=list[Message])

    @property
    def is_orphan(self) -> bool:
        """Whether it answers a request for tools that is not there."""
        return isinstance(self.messages[0], ToolMessage)

    @property
    def is_said(self) -> bool:
        """Whether it is what a person, or another part of the flow, said."""
        return isinstance(self.messages[0], UserMessage)


def units_of(messages: Sequence[Message]) -> list[Unit]:
    """Return a conversation in units, oldest first; system messages are in none of them."""
    units: list[Unit] = []
    open_calls: set[str] = set()
    for message in messages:
        if isinstance(message, SystemMessage):
            continue
        if isinstance(message, ToolMessage) and units and message.call_id in open_calls:
            units[-1].messages.append(message)
            continue
        if isinstance(message, ToolMessage) and units and units[-1].is_orphan:
            units[-1].messages.append(message)
            continue
        units.append(Unit([message]))
        open_calls = {c.id for c in message.tool_calls} if isinstance(message, AssistantMessage) else set()
    return units


def first_kept(units: Sequence[Unit], size: Callable[[Message], float], most: float) -> int:
    """Return how many units to leave out, so that the rest has at most `most` in all; the last is always kept.

    The last unit that was said takes its part of `most` also where it stands before the cut.
    """
    sizes = [sum(map(size, unit.messages)) for unit in units]
    said = max((i for i, unit in enumerate(units) if unit.is_said), default=None)
    cut, used = len(units), 0.0
    while cut > 0:
        pinned = sizes[said] if said is not None and said < cut - 1 else 0.0
        if cut < len(units) and used + sizes[cut - 1] + pinned > most:
            break
        cut -= 1
        used += sizes[cut]
    while cut < len(units) - 1 and units[cut].is_orphan:
        cut += 1
    return cut


def shown(messages: Sequence[Message], units: Sequence[Unit], cut: int, summary: str | None = None) -> list[Message]:
    """Return the messages that are left when the first `cut` units are left out."""
    said = max((i for i, unit in enumerate(units) if unit.is_said), default=cut)
    kept = [*([units[said]] if said < cut else []), *units[cut:]]
    before = [m for m in messages if isinstance(m, SystemMessage)]
    told = [] if summary is None else [user(SUMMARY + summary, name=RUNTIME)]
    return [*before, *told, *(message for unit in kept for message in unit.messages)]


def trimmed(messages: Sequence[Message], most: int | None) -> list[Message]:
    """Return the last so many messages, cut between units, and all of the system's."""
    own = sum(not isinstance(m, SystemMessage) for m in messages)
    if most is None or own <= most:
        return list(messages)
    units = units_of(messages)
    return shown(messages, units, first_kept(units, lambda _: 1, most))


class Window(Policy):
    """How much is shown; see `context`."""

    def __init__(self, messages: int | None, tokens: int | None, summary: Agent | None, *, summarises: bool) -> None:
        self.messages = messages
        self.tokens = tokens
        self.summary = summary
        self.summarises = summarises
        self._scale = Scale()
        self._summaries: OrderedDict[str, str] = OrderedDict()

    def around(self, model: Model) -> Model:
        """Return the model that is shown so much."""
        return _Shown(model, self)

    def cut(self, request: ModelRequest, units: Sequence[Unit], model: str) -> int:
        """Return how many units of a request to leave out."""
        cut = 0
        if self.messages is not None:
            cut = first_kept(units, lambda _: 1, self.messages)
        if self.tokens is not None:
            scale = self._scale.of(model)
            fixed = tokens_of_rest(request) + sum(
                tokens_of_message(m) for m in request.messages if isinstance(m, SystemMessage)
            )
            cut = max(cut, first_kept(units, tokens_of_message, self.tokens / scale - fixed))
        if cut and self.summarises:
            step = max(1, (len(units) - cut) // 2)
            cut = min(-(-cut // step) * step, len(units) - 1)
        return cut

    def learn(self, model: str, estimated: int, counted: int | None) -> None:
        """Take note of how many tokens a request really had."""
        self._scale.learn(model, estimated, counted)

    def known(self, units: Sequence[Unit], model: Model) -> tuple[int, str | None, list[str]]:
        """Return up to where units are summarised already, that summary, and the hash of each beginning of them."""
        running = hashlib.sha256(model.identity.encode())
        if self.summary is not None:
            running.update(self.summary.instructions.encode())
        hashes = [running.hexdigest()]
        for unit in units:
            for message in unit.messages:
                running.update(message.model_dump_json().encode())
            hashes.append(running.hexdigest())
        for end in range(len(units), 0, -1):
            found = self._summaries.get(hashes[end])
            if found is not None:
                self._summaries.move_to_end(hashes[end])
                return end, found, hashes
        return 0, None, hashes

    def remember(self, key: str, summary: str) -> None:
        """Keep a summary for the next request of the same conversation."""
        self._summaries[key] = summary
        while len(self._summaries) > _REMEMBERED:
            self._summaries.popitem(last=False)


def context(*, messages: int | None = None, tokens: int | None = None, summary: bool | Agent | str = False) -> Window:
    """Show a model only the end of a conversation; instructions and system messages are always shown.

    Args:
        messages: how many messages at most; system messages do not count.
        tokens: how many tokens at most, all of the request together; estimated, and corrected by what the endpoint
            counted before.
        summary: summarise what is left out: by the model that is asked, with instructions of one's own, or by an
            agent with a model of its own.

    Raises:
        UseError: nothing is bounded, or by less than 1; or the agent has tools.
    """
    if messages is None and tokens is None:
        raise UseError("context() bounds nothing; give messages= or tokens=")
    for name, value in (("messages", messages), ("tokens", tokens)):
        if value is not None and value < 1:
            raise UseError(f"context({name}={value!r}): it is a number from 1")
    if not isinstance(cast("object", summary), bool | str | Agent):
        raise UseError(f"context(summary={brief(summary)}): it is True, instructions, or an agent")
    if isinstance(summary, Agent) and summary.tools:
        raise UseError("context(summary=…): an agent that summarises has no tools")
    who = Agent(summary) if isinstance(summary, str) else summary if isinstance(summary, Agent) else None
    return Window(messages, tokens, who, summarises=bool(summary))


class _Shown(Around):
    def __init__(self, inner: Model, policy: Window) -> None:
        super().__init__(inner)
        self._policy = policy

    @property
    def identity(self) -> str:
        """The model inside and how much it is shown: one that is shown less may answer otherwise."""
        policy = self._policy
        how = f"{self.inner.identity} shown messages={policy.messages} tokens={policy.tokens}"
        if not policy.summarises:
            return how
        who = policy.summary
        model = None if who is None else who.model.identity if isinstance(who.model, Model) else who.model
        return f"{how} summarised by {model}: {SUMMARISE if who is None else who.instructions}"

    async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
        """Ask the model inside, with what it is to be shown."""
        policy, name = self._policy, request.model or self.name
        units = units_of(request.messages)
        cut = policy.cut(request, units, name) if units else 0
        bill = Bill()
        if cut:
            summary = await self._summary(request, units[:cut], bill)
            messages = shown(request.messages, units, cut, summary)
            left_out = len(request.messages) - len(messages) + (summary is not None)
            request = request.asking(messages=tuple(messages))
            text = f"{left_out} messages left out" if summary is None else f"{left_out} messages summarised"
            mark(
                "context",
                "left out" if summary is None else "summarised",
                text,
                messages=left_out,
                shown=len(messages),
                asked=bool(bill),
            )
        estimated = tokens_of(request)
        try:
            reply = await self.inner.respond(request, emit)
        except Exception as error:
            if bill:
                bill.failed(self.inner, error)
                bill.charged(error)
            raise
        policy.learn(name, estimated, reply.usage.input_tokens)
        return bill.paid(self.inner, reply)

    async def _summary(self, request: ModelRequest, units: Sequence[Unit], bill: Bill) -> str | None:
        """Return the summary of these units; what it has cost, if it was asked for now, is put on the bill."""
        policy = self._policy
        if not policy.summarises:
            return None
        model = self._summariser()
        end, before, hashes = policy.known(units, model)
        if end == len(units):
            return before
        lines = [] if before is None else [SUMMARY + before]
        lines += [_line(message) for unit in units[end:] for message in unit.messages]
        who = policy.summary
        asked = ModelRequest(
            instructions=SUMMARISE if who is None else who.instructions,
            messages=(user("\n\n".join(lines)),),
            model=request.model if who is None or who.model is None else _named(who),
            temperature=None if who is None else who.temperature,
            seed=None if who is None else who.seed,
            max_tokens=None if who is None else who.max_tokens,
        )
        try:
            reply = await model.respond(asked)
        except Exception as error:  # noqa: BLE001 - whatever ails who summarises, the conversation can go on without
            bill.failed(model, error)
            kind = type(error).__name__
            mark("context", "summary failed", f"no summary: {kind}", error=kind, message=str(error))
            return None
        bill.add(model, reply.usage)
        if not reply.text.strip():
            mark("context", "summary failed", "no summary: it was empty")
            return None
        policy.remember(hashes[-1], reply.text)
        return reply.text

    def _summariser(self) -> Model:
        who = self._policy.summary
        if who is None:
            return self.inner
        model: Model = self.inner if who.model is None else told(resolve_model(who.model))
        for policy in reversed(who.policies):
            model = policy.wrap(model)
        return model


def _named(agent: Agent) -> str | None:
    return agent.model if isinstance(agent.model, str) and agent.model != "local" else None


def _line(message: Message) -> str:
    """Write a message for whoever summarises."""
    match message:
        case SystemMessage():
            return message.text
        case UserMessage():
            return f"{message.name or 'user'}: {message.text}"
        case ToolMessage():
            return f"result of {message.name}: {message.text}"
        case AssistantMessage():
            calls = "".join(f"\n[calls {call.name}({call.arguments})]" for call in message.tool_calls)
            return f"{message.name or 'assistant'}: {message.text}{calls}"
