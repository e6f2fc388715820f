"""A model that says what the test wrote down: no network, no weights, no chance.

Give it a list of turns, answered in order, or a function of the request, asynchronous or not. It records every request.
It never sleeps for real unless told to, and it fails loudly when it is asked more often than the test expected.

    >>> import asyncio
    >>> from graphrt.agents.model import ModelRequest
    >>> model = ScriptedModel(["Hello!", Turn.call("refund", order="A-17"), Turn.choose("billing", 0.9)])
    >>> asyncio.run(model.respond(ModelRequest.prompt("Hi"))).text
    'Hello!'
    >>> asyncio.run(model.respond(ModelRequest.prompt("Refund A-17"))).tool_calls[0].arguments
    {'order': 'A-17'}
    >>> choice = asyncio.run(model.choose(ModelRequest.prompt("Charged twice"), ["billing", "bug"]))
    >>> choice.label, choice.scores
    ('billing', {'billing': 0.9, 'bug': 0.1})
    >>> [request.messages[0].text for request in model.requests]
    ['Hi', 'Refund A-17', 'Charged twice']
    >>> asyncio.run(model.respond(ModelRequest.prompt("One more")))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    graphrt.testing.scripted.ScriptExhausted: model 'scripted' was asked for turn 4, but its script has 3; ...

With parallel branches the order of arrival is not a promise: use a function there.

    >>> def answer(request: ModelRequest) -> str:
    ...     return "yes" if "refund" in request.messages[-1].text else "no"
    >>> asyncio.run(ScriptedModel(answer).respond(ModelRequest.prompt("a refund?"))).text
    'yes'
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

from graphrt.agents.errors import excerpt
from graphrt.agents.messages import ToolCall, Usage
from graphrt.agents.model import Emit, Model, ModelRequest, Reply, discard
from graphrt.errors import UseError
from graphrt.values import brief

if TYPE_CHECKING:
    from pydantic import JsonValue

    from graphrt.agents.messages import FinishReason

Sleep: TypeAlias = Callable[[float], Awaitable[None]]
"""Waits a number of seconds of whatever clock the test uses."""

USAGE = Usage(input_tokens=10, output_tokens=5, cached_tokens=0, reasoning_tokens=0)
"""What each turn costs unless it says otherwise."""


class ScriptExhausted(UseError):
    """A scripted model was asked for more turns than it has."""

    code = "script-exhausted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One answer of a scripted model; the class methods make the usual ones."""

    chunks: tuple[str, ...] = ()
    """Pieces of text in order; the text is their concatenation."""
    tool_calls: tuple[ToolCall, ...] = ()
    """The tools that the model wants to call."""
    label: str | None = None
    """The label that it chooses."""
    scores: Mapping[str, float] | None = None
    """Probability per label."""
    confidence: float | None = None
    """Probability of ``label``; the other labels of the request share the rest equally. Without effect beside
    ``scores``."""
    data: JsonValue = None
    """What it answers where data for a schema is asked for; see `Turn.fill`."""
    fills: bool = False
    """Whether it answers with `data`, also where that is None."""
    error: BaseException | None = None
    """Raised after the chunks were sent."""
    delay_s: float = 0.0
    """Time before each chunk, and before the end; passed to the model's ``sleep``."""
    finish: FinishReason | None = None
    """Defaults to ``tool_calls`` with tool calls, else ``stop``."""
    usage: Usage | None = None

    @classmethod
    def say(cls, *chunks: str, delay_s: float = 0.0) -> Turn:
        """Say text, in the given pieces."""
        return cls(chunks=chunks, delay_s=delay_s)

    @classmethod
    def call(cls, tool: str, /, **arguments: JsonValue) -> Turn:
        """Call one tool. For several calls in one turn give a list of ``ToolCall``."""
        return cls(tool_calls=(ToolCall(id="call_0", name=tool, arguments=arguments),))

    @classmethod
    def choose(cls, label: str, confidence: float | None = None, *, scores: Mapping[str, float] | None = None) -> Turn:
        """Choose a label, unscored, with a probability for it, or with one for each label."""
        return cls(label=label, confidence=confidence, scores=scores)

    @classmethod
    def fill(cls, data: JsonValue) -> Turn:
        """Answer with data for a schema."""
        return cls(data=data, fills=True)

    @classmethod
    def fail(cls, error: BaseException, *, after: Sequence[str] = (), delay_s: float = 0.0) -> Turn:
        """Raise an error, after some pieces of text."""
        return cls(error=error, chunks=tuple(after), delay_s=delay_s)


Scripted: TypeAlias = "Turn | Reply | str | dict[str, JsonValue] | ToolCall | list[ToolCall] | BaseException"
"""A turn or its shorthand: text, data for a schema, tool calls, or an error to raise."""


class ScriptedModel(Model):
    """Answers from a script and keeps every request, in `requests`; asked more often than that, it fails loudly."""

    def __init__(
        self,
        turns: Sequence[Scripted] | Callable[[ModelRequest], Scripted | Awaitable[Scripted]],
        *,
        name: str = "scripted",
        usage: Usage = USAGE,
        sleep: Sleep | None = None,
    ) -> None:
        """Take the script.

        ``sleep`` performs the delays of turns; by default a delay only lets other tasks run, and takes no time.

        Raises:
            UseError: something in the script is no turn.
        """
        self.name = name
        self.requests: list[ModelRequest] = []
        """Every request so far, in order of arrival."""
        self._turns = turns if callable(turns) else _script(turns)
        self._usage = usage
        self._sleep = sleep or _yield

    @property
    def remaining(self) -> int | None:
        """Turns not yet asked for; ``None`` when the script is a function."""
        return None if callable(self._turns) else max(0, len(self._turns) - len(self.requests))

    async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
        """Play the next turn.

        Raises:
            ScriptExhausted: there is none.
            UseError: the script is a function, and what it returned is no turn.
        """
        self.requests.append(request)
        turn = self._next(request)
        if isinstance(turn, Awaitable):
            turn = _checked(await turn, "the script's function returned")
        if isinstance(turn, Reply):
            return await self._play(Turn(chunks=(turn.text,) if turn.text else ()), request, emit, turn)
        return await self._play(_turn(turn), request, emit, None)

    def _next(self, request: ModelRequest) -> Scripted | Awaitable[Scripted]:
        if callable(self._turns):
            turn = self._turns(request)
            return turn if isinstance(turn, Awaitable) else _checked(turn, "the script's function returned")
        asked = len(self.requests)
        if asked > len(self._turns):
            last = excerpt(request.messages[-1].text) if request.messages else "no message"
            raise ScriptExhausted(
                f"model {self.name!r} was asked for turn {asked}, but its script has {len(self._turns)}; the request "
                f"ends with {last}. Add a turn, or find out why the flow asks again",
                asked=asked,
                turns=len(self._turns),
            )
        return self._turns[asked - 1]

    async def _play(self, turn: Turn, request: ModelRequest, emit: Emit, reply: Reply | None) -> Reply:
        shown = not request.labels and request.output_schema is None
        for chunk in turn.chunks:
            await self._sleep(turn.delay_s)
            if shown:
                emit(chunk)
        await self._sleep(turn.delay_s)
        if turn.error is not None:
            raise turn.error
        return reply or self._reply(turn, request)

    def _reply(self, turn: Turn, request: ModelRequest) -> Reply:
        text = "".join(turn.chunks)
        if turn.label is not None:
            text = turn.label
        elif turn.fills or turn.data is not None:
            text = json.dumps(turn.data)
        return Reply(
            text=text,
            tool_calls=turn.tool_calls,
            finish=turn.finish or ("tool_calls" if turn.tool_calls else "stop"),
            usage=turn.usage or self._usage,
            model=self.name,
            scores=_scores(turn, request.labels),
            data=turn.data,
        )


async def _yield(_seconds: float) -> None:
    await asyncio.sleep(0)


def _script(turns: object) -> tuple[Scripted, ...]:
    """Return the turns of a script that is a list, once each is seen to be one."""
    if isinstance(turns, str | bytes | Mapping | Turn | Reply | ToolCall | BaseException) or not isinstance(
        turns, Iterable
    ):
        found = brief(cast("object", turns))
        raise UseError(f"ScriptedModel({found}): expected a list of turns, such as [{found}]")
    listed = tuple(cast("Iterable[object]", turns))
    return tuple(_checked(turn, f"turn {number} of the script is") for number, turn in enumerate(listed, 1))


def _checked(turn: object, what: str) -> Scripted:
    """Return a turn, once it is seen to be one."""
    calls = cast("list[object]", turn) if isinstance(turn, list) else ()
    if isinstance(turn, Turn | Reply | str | dict | ToolCall | list | BaseException) and all(
        isinstance(call, ToolCall) for call in calls
    ):
        return cast("Scripted", turn)
    found = brief(cast("object", turn))
    raise UseError(
        f"{what} {found}; expected text, a dict of data, a ToolCall or a list of them, an error to raise, or a Turn;"
        " Turn.fill(…) answers with any other data"
    )


def _turn(scripted: Turn | str | dict[str, JsonValue] | ToolCall | list[ToolCall] | BaseException) -> Turn:
    match scripted:
        case Turn():
            return scripted
        case str():
            return Turn.say(scripted)
        case dict():
            return Turn.fill(scripted)
        case ToolCall():
            return Turn(tool_calls=(scripted,))
        case list():
            return Turn(tool_calls=tuple(scripted))
        case BaseException():
            return Turn.fail(scripted)


def _scores(turn: Turn, labels: tuple[str, ...]) -> dict[str, float] | None:
    if turn.scores is not None:
        return dict(turn.scores)
    if turn.label is None or turn.confidence is None:
        return None
    others = [label for label in labels if label != turn.label]
    rest = round((1 - turn.confidence) / len(others), 12) if others else 0.0
    return {label: turn.confidence if label == turn.label else rest for label in labels}
