"""What shows the turns of a conversation: a terminal (`graphrt.cli.chat.screen`), a file, or a program.

In a file or a pipe only replies go to standard output, all else to standard error. A program gets each event as a line
of JSON.
"""

from __future__ import annotations

import sys
from typing import IO, TYPE_CHECKING, Any, Final, Protocol

from graphrt.chat import events as e
from graphrt.cli.screen import brief_json, json_text, line, say
from graphrt.told import is_block, without_advice
from graphrt_viz.wording import lines_visible, shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.text import Text

    from graphrt.chat.events import ChatEvent
    from graphrt.cli.screen import Part
    from graphrt.inputs import Json

TICK_S: Final = 0.1
"""How often a display may move."""
LONG: Final = 600
"""Characters of an error, an argument list, a result."""


class Display(Protocol):
    """Shows what happens; called in the event loop of the turn."""

    def event(self, event: ChatEvent) -> None:
        """Show what happened in a turn."""
        ...

    def tick(self) -> None:
        """Show that time passes."""
        ...

    def close(self) -> None:
        """Show what was held back: the turn is over, or was left."""
        ...

    def note(self, *lines: Part) -> None:
        """Tell something that belongs to no turn."""
        ...

    def tell(self, kind: str, facts: dict[str, Json], *lines: Part) -> None:
        """Tell something that programs want to know too: they read the facts, people the lines."""
        ...

    def result(self) -> IO[str]:
        """Return where the results of commands go."""
        ...


class Sieve:
    """Leaves out what tells a person nothing new.

    What went wrong is held back until it is known whether the turn fails with it: then it is told once. Of routers only
    the choices of models are told; where a function sends the turn shows by who speaks.
    """

    def __init__(self) -> None:
        self._held: e.AgentFailed | e.AttemptFailed | None = None
        self._agents: set[str] = set()

    def sift(self, event: ChatEvent) -> list[ChatEvent]:
        """Return what is to be shown now."""
        if isinstance(event, e.AgentStarted):
            self._agents.add(event.visit)
        if isinstance(event, e.RouteChosen) and event.visit not in self._agents and event.scores is None:
            return []
        held = self._held
        if isinstance(event, e.AgentFailed) or (isinstance(event, e.AttemptFailed) and not event.again):
            self._held = event
            return [] if held is None or without_advice(held.message) == without_advice(event.message) else [held]
        if held is None or isinstance(event, e.AgentCancelled):
            return [event]
        self._held = None
        return [event] if isinstance(event, e.TurnFailed) and event.message == held.message else [held, event]


class Plain:
    """A file or a pipe: replies to one, all else to another."""

    def __init__(self, replies: IO[str], notes: IO[str], *, quiet: bool = False) -> None:
        self._replies = replies
        self._notes = notes
        self._quiet = quiet
        self._sieve = Sieve()

    def event(self, event: ChatEvent) -> None:
        """Write a reply, or tell what is no reply."""
        for each in self._sieve.sift(event):
            self._show(each)

    def _show(self, event: ChatEvent) -> None:
        if isinstance(event, e.TurnCompleted):
            self._replies.write(lines_visible(event.reply.text).rstrip("\n") + "\n")
            self._replies.flush()
        elif (found := told(event)) is not None and not self._quiet:
            say(line(*found), file=self._notes)

    def tick(self) -> None:
        """Nothing moves."""

    def close(self) -> None:
        """Nothing is held back."""

    def note(self, *lines: Part) -> None:
        """Tell something beside the replies."""
        if not self._quiet:
            say(*lines, file=self._notes)

    def tell(self, kind: str, facts: dict[str, Json], *lines: Part) -> None:  # noqa: ARG002 - people read the lines
        """Tell something beside the replies."""
        self.note(*lines)

    def result(self) -> IO[str]:
        """Return where replies go."""
        return self._replies


class EventLines:
    """A program: each event a line of JSON, and nothing else."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def event(self, event: ChatEvent) -> None:
        """Write an event."""
        import msgspec
        from pydantic_core import to_jsonable_python

        self.write(msgspec.to_builtins(event, enc_hook=to_jsonable_python))

    def write(self, value: dict[str, Any]) -> None:
        """Write a line."""
        self._file.write(json_text(value, indent=None) + "\n")
        self._file.flush()

    def tick(self) -> None:
        """Write nothing."""

    def close(self) -> None:
        """Nothing is held back."""

    def note(self, *lines: Part) -> None:
        """Write what people would be told."""
        self.write({"type": "note", "text": "\n".join(line(one).plain for one in lines)})

    def tell(self, kind: str, facts: dict[str, Json], *lines: Part) -> None:  # noqa: ARG002 - programs read the facts
        """Write facts in a line."""
        self.write({"type": kind, **facts})

    def result(self) -> IO[str]:
        """Return where people would look: standard output is for events."""
        return sys.stderr


# -- words ------------------------------------------------------------------------------------------------------------


def told(event: ChatEvent) -> list[Part] | None:
    """Return in a line what happened; None of what is shown otherwise, or not at all."""
    match event:
        case e.ToolRequested():
            return [f"{event.agent} → ", call_text(event)]
        case e.ToolReturned():
            return [f"{event.agent} ← ", f"{event.tool}: {shorten(event.text, LONG)}"]
        case e.RouteChosen(node=node, route=route, scores=scores):
            score = f" ({scores[route]:.2f})" if scores and route in scores else ""
            return [(f"{node} chooses {route}{score}", "dim")]
        case e.FellBack():
            return [(f"{event.node} falls back: {shorten(event.reason, LONG)}", "yellow")]
        case e.HandedOver():
            why = f": {shorten(event.reason, LONG)}" if event.reason else ""
            return [(f"{event.source} hands over to {event.target}{why}", "magenta")]
        case e.AttemptFailed():
            then = "; tries again" if event.again else ""
            why = f"{event.error}: {shorten(event.message, LONG)}"
            return [(f"{event.node}: attempt {event.attempt} failed: {why}{then}", "yellow")]
        case e.AgentFailed(caught=True):
            word = "was blocked" if is_block(event.error) else f"failed: {event.error}"
            return [(f"! {event.agent} {word}: {shorten(event.message, LONG)}; the turn goes on", "yellow")]
        case e.AgentFailed():
            return [(f"✗ {event.agent} failed: {event.error}: {shorten(event.message, LONG)}", "red")]
        case e.TurnFailed():
            where = f" at {event.node}" if event.node else ""
            return [(f"✗ the turn failed{where}: {event.error}: {shorten(event.message, LONG)}", "red")]
        case e.TurnCancelled():
            return [("■ the turn was stopped; the conversation is as it was before it", "yellow")]
        case _:
            return None


def call_text(event: e.ToolRequested) -> Text:
    """Return a tool's call in a line."""
    arguments = ", ".join(_arguments(event.arguments))
    return line((event.tool, "bold"), f"({shorten(arguments, LONG)})")


def _arguments(given: dict[str, Json]) -> Iterator[str]:
    for name, value in given.items():
        yield f"{name}={brief_json(value, 80)}"
