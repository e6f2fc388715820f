"""A conversation on a terminal: text as it comes, below the name of who speaks, and what happens in between.

One agent speaks at a time: what another says meanwhile is kept until the first has ended. Only a line that nothing
stands in is ever taken back, by which the terminal shows who is at work.
"""

from __future__ import annotations

import time
from typing import IO, TYPE_CHECKING, Final

from graphrt.agents.messages import AssistantMessage
from graphrt.chat import events as e
from graphrt.cli.chat.displays import LONG, TICK_S, Sieve, call_text, told
from graphrt.cli.chat.speech import Speech
from graphrt.cli.screen import brief_json, console, interactive, line, say
from graphrt_viz.wording import shorten

if TYPE_CHECKING:
    from graphrt.agents.messages import Message
    from graphrt.chat.events import ChatEvent
    from graphrt.cli.screen import Part
    from graphrt.inputs import Json

_FRAMES: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_SILENCE_S: Final = 0.3
"""How long nothing comes before it is shown who is at work."""


class Screen:
    """A terminal."""

    def __init__(self, file: IO[str]) -> None:
        """Write to the terminal behind `file`."""
        self._file = file
        self._moves = interactive(file)
        self._speech = self._new_speech()
        self._speaker: str | None = None
        """The visit of the agent whose text is shown …"""
        self._others: dict[str, list[str]] = {}
        """… and what others have said meanwhile."""
        self._names: dict[str, str] = {}
        self._headed: str | None = None
        """The visit of the agent under whose name lines stand now."""
        self._said: list[str] = []
        """What the last speaker has said."""
        self._sieve = Sieve()
        self._work: dict[str, str] = {}
        """What is at work: agents, and the tools that they wait for."""
        self._since = self._last = time.monotonic()
        self._shows_work = False

    def _new_speech(self) -> Speech:
        return Speech(self._put, console(self._file).width)

    # -- events -------------------------------------------------------------------------------------------------------

    def event(self, event: ChatEvent) -> None:
        """Show what happened."""
        if isinstance(event, e.AgentCompleted | e.AgentFailed | e.AgentCancelled):
            self._work.pop(event.visit, None)
            self._hush(event.visit)
        for each in self._sieve.sift(event):
            self._show(each)

    def _show(self, event: ChatEvent) -> None:
        match event:
            case e.TurnStarted():
                self._begin()
            case e.AgentStarted(agent=agent, visit=visit):
                self._names[visit] = agent + (f" ({event.step} of {event.of})" if event.step is not None else "")
                self._at_work(visit, agent)
            case e.OutputDelta(agent=agent, visit=visit, text=text):
                self._names.setdefault(visit, agent)
                self._hear(visit, text)
            case e.ToolRequested(visit=visit):
                self._at_work(visit, event.tool)
                self._below(visit, "→ ", call_text(event))
            case e.ToolReturned(visit=visit):
                self._work.pop(visit, None)
                style = "yellow" if event.failed else "dim"
                self._below(visit, "← ", (f"{event.tool}: {shorten(event.text, LONG)}", style))
            case e.ToolCancelled(visit=visit):
                self._work.pop(visit, None)
                self._below(visit, "■ ", (f"{event.tool} was stopped; whether it had an effect is not known", "yellow"))
            case e.AttemptFailed(again=True):
                self._again(event)
            case e.TurnCompleted(reply=reply):
                self._conclude(reply)
            case _:
                self._tell(event)

    def _begin(self) -> None:
        self.close()
        self._speech = self._new_speech()  # the terminal may have another width by now
        self._said = []
        self._since = time.monotonic()

    def _at_work(self, visit: str, name: str) -> None:
        self._work[visit] = name
        self._since = time.monotonic()

    def _tell(self, event: ChatEvent) -> None:
        """Show what stands in a line of its own."""
        found = told(event)
        if found is not None:
            self._line(*found)

    def _again(self, event: e.AttemptFailed) -> None:
        for visit in list(self._others):
            if event.visit == visit or event.visit.startswith(f"{visit}/"):
                self._others[visit].clear()  # it begins anew
        self._said = []
        why = shorten(f"{event.error}: {event.message}", LONG)
        self._line((f"↻ {event.node}: attempt {event.attempt} failed: {why}; tries again", "yellow"))

    # -- speaking -----------------------------------------------------------------------------------------------------

    def _hear(self, visit: str, text: str) -> None:
        if self._speaker is None:
            self._speaker = visit
            self._said = []
        if self._speaker != visit:
            self._others.setdefault(visit, []).append(text)
            return
        self._under(visit)
        self._clear_work()
        self._said.append(text)
        self._speech.feed(text)
        self._flush()

    def _hush(self, visit: str) -> None:
        """An agent has ended: whoever has spoken meanwhile is shown now."""
        if self._speaker not in {visit, None}:
            return
        self._end_line()
        self._speaker = None
        while self._others and self._speaker is None:
            after, pieces = next(iter(self._others.items()))
            del self._others[after]
            self._hear(after, "".join(pieces))
            if after not in self._work:  # it has ended already
                self._end_line()
                self._speaker = None

    def _conclude(self, reply: Message) -> None:
        self.close()
        said = "".join(self._said).strip()
        text = reply.text.strip()
        if said == text and text:
            return
        name = reply.name if isinstance(reply, AssistantMessage) else None
        self._head(name or "reply")
        if isinstance(reply, AssistantMessage):
            for call in reply.tool_calls:
                self._line("→ ", f"{call.name}({brief_json(call.arguments, LONG)})")
        self._speech.feed(reply.text)
        self._end_line()

    # -- lines --------------------------------------------------------------------------------------------------------

    def _under(self, visit: str) -> None:
        """See that what follows stands below the name of an agent."""
        if self._headed != visit:
            self._head(self._names.get(visit, ""))
            self._headed = visit

    def _head(self, name: str) -> None:
        self._end_line()
        self._clear_work()
        self._headed = None
        if name:
            say(line((name, "bold cyan")), file=self._file)

    def _below(self, visit: str, sign: str, *parts: Part) -> None:
        owner = visit
        while owner and owner not in self._names:
            owner = owner.rpartition("/")[0]
        if owner and not (self._speaker is not None and self._speaker != owner):
            self._under(owner)
            self._line(sign, *parts)
        else:
            self._line(sign, *([(f"{self._names[owner]}: ", "dim")] if owner else []), *parts)

    def _line(self, *parts: Part) -> None:
        """Show one line, cut at the edge."""
        self._end_line()
        self._clear_work()
        screen = console(self._file)
        text = line("  ", *parts)
        if parts and isinstance(parts[0], tuple) and parts[0][1] in {"red", "yellow"}:
            say(text, file=self._file)  # what went wrong is never cut
            return
        text.truncate(screen.width - 1, overflow="ellipsis")
        screen.print(text, soft_wrap=True)
        self._flush()

    def _end_line(self) -> None:
        if self._speech.is_open:
            self._clear_work()
            self._speech.end()
            self._flush()

    def close(self) -> None:
        """Show what others have said, and end the line."""
        self._end_line()
        self._speaker = None
        for visit in list(self._others):
            self._hear(visit, "".join(self._others.pop(visit)))
            self._end_line()
            self._speaker = None
        self._clear_work()
        self._work.clear()
        self._headed = None

    def note(self, *lines: Part) -> None:
        """Print lines."""
        self.close()
        say(*lines, file=self._file)

    def tell(self, kind: str, facts: dict[str, Json], *lines: Part) -> None:  # noqa: ARG002 - a person reads the lines
        """Print lines."""
        self.note(*lines)

    def result(self) -> IO[str]:
        """Return the terminal."""
        return self._file

    def _put(self, text: str) -> None:
        self._file.write(text)
        self._last = time.monotonic()

    def _flush(self) -> None:
        self._file.flush()
        self._last = time.monotonic()

    # -- who is at work -----------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Show who is at work, while nothing else comes."""
        now = time.monotonic()
        if not self._moves or self._speech.is_open or not self._work or now - self._last < _SILENCE_S:
            return
        frame = _FRAMES[int(now / TICK_S) % len(_FRAMES)]
        ident, name = next(reversed(self._work.items()))
        others = len([v for v in self._work if not ident.startswith(f"{v}/") and v != ident])
        more = f" and {others} more" if others else ""
        text = line(f"{frame} {name}{more} · {now - self._since:.0f} s")
        text.truncate(console(self._file).width - 1, overflow="ellipsis")
        self._file.write(f"\r\x1b[2K{text.plain}")
        self._file.flush()
        self._shows_work = True

    def _clear_work(self) -> None:
        if self._shows_work:
            self._file.write("\r\x1b[2K")
            self._shows_work = False
