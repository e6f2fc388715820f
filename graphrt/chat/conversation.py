"""A conversation in a store: its turns are runs, numbered from 1, and its messages are what the completed ones left.

Turn n of the conversation `c` is the run `c-n`, so two processes cannot both begin the same turn, and the last turn is
found without a list. A run holds the messages that its turn saw, not all: what a turn costs does not grow with the
conversation, as long as it is told how many messages to see.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError

from graphrt.agents.messages import Message
from graphrt.configurations.state import ChatState
from graphrt.errors import RunNotFound, UseError
from graphrt.events import RunResumed
from graphrt.fields import plain
from graphrt.flow import Flow
from graphrt.inputs import Started
from graphrt.policies.trimming import trimmed
from graphrt.replay import fold

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from graphrt.graph import Graph
    from graphrt.ports import RunInfo, Store

CLEARED: Final = "conversation cleared"
"""Name of the flow whose run marks where a conversation begins anew."""
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,48}")
_MESSAGES: Final[TypeAdapter[list[Message]]] = TypeAdapter(list[Message])

_log = logging.getLogger("graphrt.chat")


@dataclass(frozen=True, slots=True)
class Past:
    """What the next turn begins with."""

    messages: tuple[Message, ...] = ()
    remembered: tuple[tuple[str, Any], ...] = ()


def clearing() -> Flow[ChatState]:
    """Return the flow whose run marks a new beginning."""
    flow = Flow(CLEARED, ChatState)
    flow.end("cleared")
    return flow


class Conversation:
    """The turns of one conversation, as they stand in the store."""

    def __init__(self, store: Store, name: str, graph: Graph) -> None:
        """Name a conversation, which need not have begun.

        Raises:
            UseError: the name cannot be one.
        """
        if not _ID.fullmatch(name):
            message = f"{name[:80]!r} cannot be the id of a conversation; expected 1 to 48 letters, digits, '_' or '-'"
            raise UseError(message, conversation=name)
        self.store = store
        self.name = name
        self.graph = graph
        self._last = 0
        self._seen: tuple[int, Past] = (0, Past())
        """The last completed turn that we know of, and what it left."""
        self._told: list[Message] = []
        """Messages of the turns …"""
        self._told_to = 0
        """… up to this one, which is complete: nothing before it changes any more."""

    def run_id(self, turn: int) -> str:
        """Return the id of a turn's run."""
        return f"{self.name}-{turn}"

    def info(self, turn: int) -> RunInfo | None:
        """Return a turn's line in the list of runs; None if it has not begun."""
        try:
            found = self.store.info(self.run_id(turn))
        except RunNotFound:
            return None
        return found if found.records or found.live else None

    def last(self) -> int:
        """Return the number of the last turn that has begun; 0 if none has."""
        if self._last and self.info(self._last) is None:
            self._forget()
        low, step = self._last, 1
        while self.info(low + step) is not None:  # the next ones, then ever further on
            low += step
            step *= 2
        high = low + step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.info(middle) is not None else (low, middle)
        self._last = low
        return low

    def _forget(self) -> None:
        """Know nothing: turns that we knew of were deleted."""
        self._last = self._told_to = 0
        self._seen = (0, Past())
        self._told = []

    def past(self) -> Past:
        """Return what the completed turns left."""
        last = self.last()
        for turn in range(last, self._seen[0], -1):
            info = self.info(turn)
            if info is not None and info.status == "completed" and self._is_in_time(turn, info):
                self._seen = (turn, self._left_by(turn, info))
                break
        return self._seen[1]

    def completed(self, turn: int, state: BaseModel) -> None:
        """Take note of what a turn has left, so that it need not be read."""
        self._last = max(self._last, turn)
        self._seen = (turn, self._past_of({name: getattr(state, name) for name in type(state).model_fields}))

    def messages(self) -> tuple[Message, ...]:
        """Return all messages since the conversation began, or was cleared."""
        last = self.last()
        fresh: list[list[Message]] = []
        told_to = self._told_to
        for turn in range(last, told_to, -1):
            info = self.info(turn)
            if info is None or info.status != "completed" or not self._is_in_time(turn, info):
                continue
            told_to = max(told_to, turn)
            if info.flow == CLEARED:
                self._told = []
                break
            fresh.append(self._said_in(turn))
        for said in reversed(fresh):
            self._told += said
        self._told_to = told_to
        return tuple(self._told)

    def _is_in_time(self, turn: int, info: RunInfo) -> bool:
        """Say whether a turn completed before the next one began, which otherwise stands on a past without it.

        Only a run that had ended otherwise can do so late, taken up again by something that knows of no conversation.
        """
        later = self.info(turn + 1)
        if later is None or info.updated <= later.created:
            return True
        trace = self.store.trace(info.run)
        was_over = any(isinstance(e, RunResumed) and e.after in {"failed", "cancelled"} for e in trace.events())
        return not was_over or trace.records[-1].at <= later.created

    def _left_by(self, turn: int, info: RunInfo) -> Past:
        if info.flow == CLEARED:
            return Past()
        return self._past_of(self._final(turn))

    def _past_of(self, state: Mapping[str, Any]) -> Past:
        remembered = getattr(self.graph.state_type, "remembered", ())
        facts = tuple((name, plain(state[name])) for name in remembered if name in state)
        return Past(tuple(_MESSAGES.validate_python(list(state["messages"]))), facts)

    def _final(self, turn: int) -> Mapping[str, Any]:
        """Return what a turn ended with, in values of the trace: not to be changed."""
        return fold(self.store.trace(self.run_id(turn))).state or {}

    def _said_in(self, turn: int) -> list[Message]:
        """Return the message that a turn began with, and what was said in it."""
        trace = self.store.trace(self.run_id(turn))
        first = trace.records[0].input
        begun = len(first.state["messages"]) if isinstance(first, Started) else 1
        said = list((fold(trace).state or {})["messages"])[begun - 1 :]
        return _MESSAGES.validate_python(said)

    def opening(self, message: Message, keep: int | None) -> BaseModel:
        """Return the state that the next turn begins with."""
        past = self.past()
        messages = trimmed((*past.messages, message), keep)
        state_type: Any = self.graph.state_type
        given: dict[str, Any] = {"messages": messages}
        remembered = dict(past.remembered)
        try:
            made: BaseModel = state_type.model_validate(given | remembered)
        except ValidationError as error:
            if not remembered:
                raise
            _log.warning(
                "conversation %s: what the last turn remembered (%s) fits the flow no more: %s",
                self.name,
                remembered,
                error,
            )
            made = state_type.model_validate(given)
        return made
