"""A conversation from its beginning to when somebody leaves: what is said, which turn follows, what is asked.

It decides what happens next, and nothing of how it looks or how a turn is run.
"""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from graphrt.chat import events as e
from graphrt.cli import answers, exits
from graphrt.cli.chat.displays import TICK_S
from graphrt.cli.chat.slash import Look, known, speaker
from graphrt.cli.outcome import again
from graphrt.cli.screen import line
from graphrt.cli.stopping import Terminated
from graphrt.errors import GraphrtError, RunFailed, UseError
from graphrt_viz.wording import plural, shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from graphrt.chat import ChatRuntime, ChatStream
    from graphrt.chat.events import ChatEvent
    from graphrt.cli.chat.displays import Display
    from graphrt.cli.chat.reading import Reader
    from graphrt.cli.chat.turns import Turns
    from graphrt.ports import RunInfo

_SHOWN: Final = 200
"""Characters of a message that is brought to mind."""
_PROMPT: Final = "you> "
_CODES: Final[Mapping[type[object], int]] = {
    e.TurnCompleted: exits.OK,
    e.TurnFailed: exits.FOUND,
    e.TurnSuspended: exits.SUSPENDED,
    e.TurnCancelled: exits.CANCELLED,
}
_SETTLED: Final[Mapping[str, int]] = {"failed": exits.FOUND, "cancelled": exits.CANCELLED, "suspended": exits.SUSPENDED}
"""What another process has made of a turn, as the code to leave with."""
_HINTS: Final = {
    exits.FOUND: "/retry tries again, /why tells how it came to that",
    exits.CANCELLED: "/retry goes on with it all the same",
}
"""What a person is told of a turn that did not complete."""


@dataclass(frozen=True, slots=True)
class Again:
    """How to sit down again."""

    command: str
    """What is typed."""
    store: str
    """Path of the store, for other commands."""


class Session:
    """One sitting of a conversation."""

    def __init__(self, runtime: ChatRuntime, reader: Reader, display: Display, turns: Turns, again: Again) -> None:
        """Sit down."""
        self._runtime = runtime
        self._reader = reader
        self._display = display
        self._turns = turns
        self._again = again
        self._look = Look(runtime, display.result)
        self._code: int = exits.OK
        """How the last turn ended."""

    def run(self, first: str | None, *, only: bool) -> int:
        """Lead the conversation until somebody leaves; return the exit code.

        Args:
            first: what is said first.
            only: whether nothing else is said.

        Raises:
            UseError: the last turn is open, and nobody is there to be asked about it.
        """
        ended = False
        try:
            self._greet()
            self._settle(asks=not only)
            if first is not None:
                self._turn(lambda: self._runtime.stream(first))
            while not only and self._goes_on():
                pass
        except _Quit:
            pass
        except EOFError:
            ended = True
        except Terminated:
            return self._leave(exits.TERMINATED)
        except KeyboardInterrupt:
            return self._leave(exits.INTERRUPTED)
        return self._leave(exits.OK if self._reader.is_person and not only else self._code, newline=ended)

    # -- coming and going ---------------------------------------------------------------------------------------------

    def _greet(self) -> None:
        turns = len(self._look.turns())
        name = self._runtime.conversation
        what = f"conversation {name}" if turns else f"new conversation {name}"
        count = f", {plural(turns, 'turn')}" if turns else ""
        facts = {"conversation": name, "flow": self._runtime.flow.name, "turns": turns, "again": self._again.command}
        self._display.tell(
            "conversation",
            facts,
            line((self._runtime.flow.name, "bold"), f" · {what}{count}"),
            (f"go on with it later: {self._again.command}", "dim"),
        )
        if self._reader.is_person:
            said = self._runtime.messages
            asked = max((n for n, message in enumerate(said) if message.role == "user"), default=0)
            for message in said[asked:]:
                self._display.note((f"{speaker(message)}: {shorten(message.text, _SHOWN)}", "dim"))
            self._display.note(("/help lists commands; Ctrl-C stops a turn, Ctrl-D leaves", "dim"))

    def _leave(self, code: int, *, newline: bool = True) -> int:
        self._display.close()
        turns = len(self._look.turns())
        if self._reader.is_person:
            if newline:
                self._display.result().write("\n")
            if turns:
                where = f"conversation {self._runtime.conversation}, {plural(turns, 'turn')}; go on with: "
                self._display.note(where + self._again.command)
            else:
                self._display.note("nothing was said")
        return code

    # -- what comes next ----------------------------------------------------------------------------------------------

    def _goes_on(self) -> bool:
        """Take the next line; say if there may be another."""
        text = self._line(_PROMPT)
        if text is None:
            return True
        if not text.startswith("/") or text.startswith("//"):
            self._turn(lambda: self._runtime.stream(text.removeprefix("/") if text.startswith("//") else text))
        else:
            self._command_of(text)
        # In a script what follows was written for a conversation in which everything went well.
        return self._reader.is_person or self._code == exits.OK

    def _line(self, prompt: str) -> str | None:
        """Return the next line; None if there is nothing in it, or it cannot be used.

        Raises:
            EOFError: there is no other; or it was to leave.
        """
        try:
            text = self._reader.read(prompt).strip()
        except UseError as error:
            self._refuse(error)
            return None
        if text in {"/quit", "/q", "/exit"}:
            self._display.close()
            raise _Quit
        return text or None

    def _command_of(self, text: str) -> None:
        name, _, rest = text[1:].partition(" ")
        try:
            slash = known(shorten(name, 40))
            if slash.look is not None:
                if rest and not slash.wants:
                    raise UseError(f"/{name} takes nothing behind it, got {shorten(rest, 40)!r}")
                slash.look(self._look, rest.strip())
            elif name == "retry":
                self._retry()
            else:
                self._clear()
        except GraphrtError as error:
            self._refuse(error)

    def _refuse(self, error: GraphrtError) -> None:
        self._display.note((error.message, "yellow"))
        if not self._reader.is_person:
            self._code = exits.WRONG_USE

    def _retry(self) -> None:
        info = self._last()
        if info is None or info.status not in {"failed", "cancelled"}:
            raise UseError("the last turn has neither failed nor was it stopped; there is nothing to try again")
        self._turn(self._runtime.stream_resume)

    def _clear(self) -> None:
        async def clear() -> None:
            await self._runtime.discard()
            await self._runtime.clear()

        self._turns.run(clear())
        self._display.note(("the conversation begins anew; what was said before is kept in the store", "dim"))

    def _last(self) -> RunInfo | None:
        runs = self._runtime.runs
        return self._runtime.store.info(runs[-1]) if runs else None

    # -- turns --------------------------------------------------------------------------------------------------------

    def _turn(self, begin: Callable[[], ChatStream]) -> None:
        """Run a turn, and whatever it asks, until it has ended."""
        self._drive(begin)
        self._ask()

    def _drive(self, begin: Callable[[], ChatStream]) -> bool:
        """Run a turn until it ends or asks; say if it could be run at all."""
        info = self._last()
        if info is not None and info.live:
            self._display.note(("another process is at work in this conversation; waiting for it", "dim"))
        try:
            self._turns.run(self._follow(begin))
        except RunFailed as error:
            self._tell_place(error)
        except asyncio.CancelledError:
            self._display.note(("stopped before the turn began", "yellow"))
            self._code = exits.CANCELLED
        except GraphrtError as error:
            self._refuse(error)
            return False
        finally:
            self._display.close()
        if self._turns.stopped and not self._reader.is_person:
            raise KeyboardInterrupt
        if self._reader.is_person and (hint := _HINTS.get(self._code)) is not None:
            self._display.note((hint, "dim"))
        return True

    async def _follow(self, begin: Callable[[], ChatStream]) -> None:
        stream = begin()
        ticking = asyncio.ensure_future(self._tick())
        try:
            async for event in stream:
                self._show(event)
        finally:
            ticking.cancel()
        await stream.reply()

    def _show(self, event: ChatEvent) -> None:
        code = _CODES.get(type(event))
        if code is not None:
            self._code = code
        self._display.event(event)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._display.tick()

    def _tell_place(self, error: RunFailed) -> None:
        """Tell where in the author's code an error was raised."""
        from graphrt.cli.target import place_of

        place = place_of(error.__cause__) if error.__cause__ is not None else None
        if place is not None:
            self._display.note(*((f"  {row}", "dim") for row in place.split("\n")))

    # -- questions ----------------------------------------------------------------------------------------------------

    def _settle(self, *, asks: bool) -> None:
        """Take up what an earlier sitting has left open.

        Raises:
            UseError: nobody is there to be asked what is to become of it.
        """
        info = self._last()
        if info is None or info.live:
            return
        if info.status == "suspended":
            if not asks:
                self._code = exits.SUSPENDED
                raise self._open(info, "waits for an answer", "answer")
            self._code = exits.SUSPENDED
            self._ask()
        elif info.status == "running":
            if not self._reader.is_person or not asks:
                raise self._open(info, "was cut off", "resume")
            self._take_up(info)

    def _open(self, info: RunInfo, what: str, verb: str) -> UseError:
        way, end = again(f"{verb} {info.run}", self._again.store), again(f"cancel {info.run}", self._again.store)
        return UseError(f"the last turn (run {info.run}) {what}; go on with it: {way}, or give it up: {end}")

    def _take_up(self, info: RunInfo) -> None:
        """Offer to go on with a turn that was cut off."""
        self._display.note((f"the last turn (run {info.run}) was cut off{self._said_in(info)}", "yellow"))
        while True:
            text = self._line("go on with it? (yes, or no to give it up)> ")
            if text is None:
                continue
            if "yes".startswith(text.lower()):
                if not self._drive(self._runtime.stream_resume):
                    self._display.note(("no gives it up", "dim"))
                    continue
                self._ask()
                return
            if "no".startswith(text.lower()):
                self._turns.run(self._runtime.discard())
                self._display.note(("given up; the conversation is as it was before it", "dim"))
                return
            self._display.note(("say yes or no", "yellow"))

    def _said_in(self, info: RunInfo) -> str:
        from graphrt.inputs import Started

        first = next(iter(self._runtime.store.records(info.run)), None)
        if first is None or not isinstance(first.input, Started):
            return ""
        text = first.input.state["messages"][-1].get("content")
        return f": {shorten(text, _SHOWN)}" if isinstance(text, str) else ""

    def _ask(self) -> None:
        """Ask what the last turn waits for, question by question, until it waits no more."""
        known = len(self._runtime.messages)
        elsewhere = False
        while (info := self._last()) is not None and info.status == "suspended" and not info.live:
            if info.requests and self._drive(self._runtime.stream_resume):
                continue  # it was answered, and nobody went on with it
            what = self._ask_about(info)
            if what == "cleared":
                return
            elsewhere = elsewhere or what == "elsewhere"
        if elsewhere and info is not None:
            self._tell_what_came(info, known)

    def _ask_about(self, info: RunInfo) -> Literal["answered", "elsewhere", "cleared"]:
        """Ask the first open question of a turn, until it is open no more; tell who has answered it."""
        from graphrt.cli.which import account_of

        told = account_of(self._runtime.store.trace(info.run))
        visit = told.visits[told.questions[0]]
        facts = {
            "run": info.run,
            "visit": visit.id,
            "node": visit.node.name,
            "question": visit.question,
            "answers": list(visit.answers),
            "read": visit.reads,
        }
        self._display.tell("question", facts, *answers.question(visit))
        prompt = answers.prompt(told, visit)
        while True:
            text = self._line(prompt)
            if text is not None and text.startswith("/") and not text.startswith("//") and text not in visit.answers:
                self._command_of(text)
                if text.partition(" ")[0] == "/clear":
                    return "cleared"
            elif text is not None:
                try:
                    answer = answers.chosen(told, visit, text.removeprefix("/") if text.startswith("//") else text)
                except UseError as error:
                    self._display.note((error.message, "yellow"))
                else:
                    if self._drive(functools.partial(self._runtime.stream_answer, answer, visit=visit.id)):
                        return "answered"
            if not self._is_asked(info.run, visit.id):
                return "elsewhere"

    def _is_asked(self, run: str, visit: str) -> bool:
        """Tell whether a turn still waits for the answer to a question."""
        from graphrt.cli.which import account_of

        info = self._last()
        if info is None or info.run != run or info.status != "suspended" or info.live:
            return False
        return visit in account_of(self._runtime.store.trace(run)).questions

    def _tell_what_came(self, info: RunInfo, known: int) -> None:
        """Tell what became of a turn with which somebody else went on, while a question of it stood here."""
        now = "goes on in another process" if info.live else f"is {info.status}"
        self._display.note((f"the question is settled: the turn (run {info.run}) {now}", "yellow"))
        for message in self._runtime.messages[known:]:
            if message.role == "assistant" and message.text:
                self._display.note((f"{speaker(message)}: {shorten(message.text, _SHOWN)}", "dim"))
        self._code = _SETTLED.get(info.status, exits.OK)


class _Quit(EOFError):
    """Somebody has said that they leave."""
