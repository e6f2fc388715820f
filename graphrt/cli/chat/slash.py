"""Commands of a conversation, which begin with a slash: a table, and what each does.

A text that begins with a slash and is no command is said with two slashes.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from graphrt.agents.messages import AssistantMessage
from graphrt.cli.screen import console, line, say, say_table
from graphrt.errors import UseError
from graphrt_viz.wording import count, lines_visible, money

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from graphrt.agents.messages import Message
    from graphrt.chat import ChatRuntime
    from graphrt.cli.screen import Part
    from graphrt.inputs import Usage
    from graphrt.told import Account
    from graphrt.trace import Trace


@dataclass(frozen=True, slots=True)
class Slash:
    """A command of a conversation."""

    wants: str
    """What may stand behind it."""
    brief: str
    look: Callable[[Look, str], None] | None = None
    """Shows something of the conversation; None of a command that the session itself carries out."""


class Look:
    """What can be looked at in a conversation."""

    def __init__(self, runtime: ChatRuntime, out: Callable[[], IO[str]]) -> None:
        self.runtime = runtime
        self._out = out

    def say(self, *lines: Part) -> None:
        """Print lines where results go."""
        say(*lines, file=self._out())

    def last(self) -> Trace:
        """Return the trace of the last turn.

        Raises:
            UseError: nothing was said yet.
        """
        runs = self.turns()
        if not runs:
            raise UseError("nothing was said yet")
        return self.runtime.store.trace(runs[-1][1])

    def turns(self) -> list[tuple[int, str]]:
        """Return number and run of each turn since the conversation began, or was cleared."""
        from graphrt.chat.conversation import CLEARED

        found: list[tuple[int, str]] = []
        for number, run in enumerate(self.runtime.runs, 1):
            if self.runtime.store.info(run).flow == CLEARED:
                found = []
            else:
                found.append((number, run))
        return found

    # -- the commands -------------------------------------------------------------------------------------------------

    def help(self, _: str) -> None:
        """List the commands."""
        rows: list[list[Part]] = [[(f"/{name} {s.wants}".rstrip(), "bold"), s.brief] for name, s in SLASHES.items()]
        say_table(("", ""), rows, file=self._out())
        self.say(("Two slashes begin a text with one. Ctrl-C stops a turn, Ctrl-D leaves.", "dim"))

    def why(self, visit: str) -> None:
        """Tell why the last turn went where it went."""
        from graphrt.cli.commands.why import reasons
        from graphrt.cli.which import account_of, which_visit

        told = account_of(self.last())
        screen = console(self._out())
        width = screen.width if screen.is_terminal else None
        if visit:
            self.say(*reasons(told, which_visit(told, visit), width))
            return
        lines = list(_verdicts(told, width))
        self.say(*(lines or ["nothing was decided in the last turn: each node had one way on"]))
        if told.error is not None:
            from graphrt.cli.telling import error_text

            at = f" at {told.visits[told.failed_at].name}" if told.failed_at in told.visits else ""
            self.say((f"it failed{at}: {error_text(told.error)}", "red"))

    def draw(self, file: str) -> None:
        """Draw the last turn."""
        from graphrt.cli.pictures import print_text, write_picture
        from graphrt_viz import FormatError, PictureError, render
        from graphrt_viz.exporters import format_of

        trace = self.last()
        try:
            if not file:
                print_text(str(render(trace, "text")), self._out())
                return
            path = Path(file).expanduser()
            if not path.suffix:
                path = path.with_suffix(".svg")
            write_picture(render(trace, format_of(path).name), path)
        except (FormatError, PictureError) as error:
            raise UseError(str(error)) from error
        self.say(f"wrote {path}")

    def cost(self, _: str) -> None:
        """Tell what each turn used, and all of them."""
        from graphrt.account import account
        from graphrt.cli.telling import took
        from graphrt.told import total_usage

        turns = self.turns()
        if not turns:
            raise UseError("nothing was said yet")
        totals = [account(self.runtime.store.trace(run)).totals for _, run in turns]
        rows: list[list[Part]] = [
            [str(number), (run, "bold"), *_used(of.usage), took(of.active_s)]
            for (number, run), of in zip(turns, totals, strict=True)
        ]
        whole = total_usage([of.usage for of in totals])
        rows.append(["", ("together", "bold"), *_used(whole), took(sum(of.active_s for of in totals))])
        heads = ("TURN", "RUN", "TOKENS IN", "TOKENS OUT", "COST", "WORKED")
        say_table(heads, rows, right=(0, 2, 3, 4, 5), file=self._out())

    def history(self, _: str) -> None:
        """Print the conversation so far."""
        said = self.runtime.messages
        if not said:
            raise UseError("nothing was said yet")
        for message in said:
            self.say(*shown(message))


def shown(message: Message) -> Iterator[Part]:
    """Yield a message with who said it."""
    yield line((speaker(message), "bold" if message.role == "user" else "bold cyan"))
    for row in lines_visible(message.text).split("\n") if message.text else ():
        yield f"  {row}"
    if isinstance(message, AssistantMessage):
        for call in message.tool_calls:
            yield f"  → {call.name}", "dim"


def speaker(message: Message) -> str:
    """Return who said a message."""
    name = getattr(message, "name", None)
    return "you" if message.role == "user" and not name else name or message.role


def _verdicts(told: Account, width: int | None) -> Iterator[Part]:
    """Yield the edges of each visit at which there was something to decide."""
    from graphrt.cli.telling import visit_status
    from graphrt.cli.verdicts import edge_rows

    for visit in told.visits.values():
        if len(visit.routed) > 1 or any(edge.edge.when is not None for edge in visit.routed):
            where = " › ".join((*visit.path[:-1], visit.name))
            yield line((where, "bold"), f" (visit {visit.id})  ", visit_status(visit))
            yield from edge_rows(visit.routed, width=width)


def _used(usage: Usage | None) -> list[Part]:
    """Return tokens and cost as cells: none where no model was asked; what a model did not say is unknown, never 0."""
    unknown: Part = ("unknown", "dim")
    if usage is None:
        return [("none", "dim")] * 3
    tokens_in, tokens_out = usage.input_tokens, usage.output_tokens
    return [
        unknown if tokens_in is None else count(tokens_in),
        unknown if tokens_out is None else count(tokens_out),
        unknown if usage.cost_usd is None else money(usage.cost_usd),
    ]


def known(name: str) -> Slash:
    """Return the command of a name.

    Raises:
        UseError: there is none; names them all.
    """
    found = SLASHES.get(name)
    if found is None:
        near = difflib.get_close_matches(name, SLASHES, n=1)
        meant = f" did you mean /{near[0]}?" if near else ""
        names = " ".join(f"/{each}" for each in SLASHES)
        raise UseError(f"there is no command /{name};{meant} the commands are {names}")
    return found


SLASHES: Final[Mapping[str, Slash]] = {
    "help": Slash("", "List the commands.", Look.help),
    "why": Slash("[NODE]", "Why the last turn went where it went; of one node, all that is known of it.", Look.why),
    "draw": Slash("[FILE]", "Draw the last turn: into a file (.svg, .png, .html …), or here.", Look.draw),
    "cost": Slash("", "Tokens and cost of each turn, and of the conversation.", Look.cost),
    "history": Slash("", "Print what was said.", Look.history),
    "retry": Slash("", "Go on with the last turn, which failed or was stopped."),
    "clear": Slash("", "Begin anew; an open turn is given up. The runs stay in the store."),
    "quit": Slash("", "Leave; the conversation can be continued."),
}
