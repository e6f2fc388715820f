"""The lines that tell how a run goes on: one for each visit that ends, and for whatever is not as it should be.

They are the same on a terminal and in a file, but that a terminal has colours, cuts what a visit wrote at its edge, and
has what went wrong on lines of its own.
"""

from __future__ import annotations

import contextlib
import os
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

from rich.cells import cell_len
from rich.text import Text

from graphrt import events as e
from graphrt import inputs as i
from graphrt.cli.screen import brief_json, console, line, wrapped
from graphrt.cli.telling import error_text, fact_text, moment, status_text, tokens_of, took, visit_status, wrote_text
from graphrt_viz.wording import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from graphrt.cli.following import Following
    from graphrt.cli.screen import Part
    from graphrt.graph import Graph
    from graphrt.runtime import Delta
    from graphrt.told import EdgeAccount, VisitAccount
    from graphrt.trace import Record

_NAME: Final = (10, 24)
_STATUS: Final = (11, 20)
"""Cells that a column has at least and at most."""
_LEAST: Final = 16
"""Cells of what a visit wrote that are shown at least."""
_RESULT: Final = 300
"""Characters of what a model was told about a call that went wrong."""
_BELOW: Final = 12
"""Where lines begin that belong to the one above."""
_BEFORE: Final = {"running": "was cut off", "suspended": "was waiting", "failed": "had failed"}
_CRASH: Final = {"retry": "it runs again", "ask": "a person is asked", "fail": "the visit fails"}


class Told(NamedTuple):
    """What is to be said of one thing that happened."""

    text: Text
    wrote: Text | None = None
    """What came of a visit, as far as there is room for it."""
    went: Text | None = None
    """Where a visit was left to …"""
    why: Text | None = None
    """… and why, as far as there is room for that."""
    trouble: Text | None = None
    """What went wrong; may not be cut."""

    def rows(self, width: int | None = None) -> list[Text]:
        """Return it in one line; if `width` says that this is too wide, cut it, and put what went wrong below."""
        if width is None:
            return [self._row(self.trouble)]
        whole = self._row(self.trouble)
        if cell_len(whole.plain) <= width:
            return [whole]
        below = wrapped(line(" " * _BELOW, self.trouble), width) if self.trouble is not None else []
        for part, least in ((self.wrote, _LEAST), (self.why, 0), (self.wrote, _LEAST // 2)):
            over = cell_len(self._row().plain) - width
            if over > 0 and part is not None:
                part.truncate(max(least, cell_len(part.plain) - over), overflow="ellipsis")
        row = self._row()
        row.truncate(width, overflow="ellipsis")
        return [row, *below]

    def _row(self, trouble: Text | None = None) -> Text:
        went = self.went if self.went is None or not self.why else line(self.went, self.why)
        parts = [p for p in (self.wrote, went, trouble) if p is not None]
        row = line(self.text, *(p for part in parts for p in ("  ", part)))
        row.rstrip()
        return row


class Lines:
    """Makes the lines of one run."""

    def __init__(self, run: Following, depth: int = 0) -> None:
        """Tell of visits that stand at most `depth` graphs deep inside others."""
        self._run = run
        self._depth = depth
        names, answers = _texts(run.graph, depth)
        self._name = _between(_NAME, names)
        self._status = _between(_STATUS, answers)
        self._step = len("STEP") + 2 * depth
        self._ident = max(len("VISIT"), _longest_id(run.graph, depth))
        self._counts_tokens = _has_agents(run.graph)

    def head(self) -> Iterator[Told]:
        """Yield which run it is."""
        told = self._run.account
        yield Told(line("run ", (told.run, "bold"), " of ", (told.flow, "bold")))
        yield Told(line((f"{'STEP':<{self._step}}  {'VISIT':<{self._ident}}  NODE", "dim")))

    def of(self, record: Record) -> Iterator[Told]:
        """Yield what a record tells."""
        routed = {x.visit for x in record.events if isinstance(x, e.Routed)}
        unleft = {x.visit for x in record.events if isinstance(x, e.RunFailed)}
        failed = {x.visit for x in record.events if isinstance(x, e.VisitFailed)}
        visits = self._run.account.visits
        for event in record.events:
            match event:
                case e.RunResumed():
                    yield Told(line((f"goes on: it {_BEFORE.get(event.after, f'was {event.after}')}", "dim")))
                case e.RunForked():
                    where = f"{visits[event.visit].name} (visit {event.visit})"
                    yield Told(line((f"goes off from {where} of run {event.parent}", "dim")))
                case e.VisitCompleted() if event.visit in unleft and visits[event.visit].stuck is not None:
                    yield from self._marks(visits[event.visit], event.marks)  # how it failed is told below
                case e.VisitCompleted() | e.VisitCancelled() | e.VisitFailed():
                    if not isinstance(event, e.VisitCancelled):
                        yield from self._marks(visits[event.visit], event.marks)
                    if event.visit.count("/") <= self._depth or self._is_first_told(event, record.events):
                        yield self._ended(visits[event.visit], record.input, left=event.visit in routed)
                case e.AttemptRetried():
                    yield from self._marks(visits[event.visit], event.marks)
                    yield self._retried(event, record.at)
                case e.AttemptLost():
                    status = status_text("lost", "in doubt")
                    text = f"attempt {event.attempt} was cut off, its effect is not known; {_CRASH[event.then]}"
                    yield Told(self._row(visits[event.visit], status), trouble=line((text, "yellow")))
                case e.VisitWaiting():
                    yield self._waits(event)
                case e.RunFailed() if event.visit and event.visit not in failed:
                    # Its work went well; what came after it did not: a guard raised, no edge matched, writes met.
                    row = self._row(visits[event.visit], status_text("failed"))
                    yield Told(row, trouble=line((error_text(event.error), "red")))
                case e.LimitPassed():
                    text = f"limit passed: {event.used:g} {event.limit} used, {event.allowed:g} allowed"
                    yield Told(line((text, "yellow")))
                case _:
                    pass

    def _is_first_told(self, event: e.Event, events: Sequence[e.Event]) -> bool:
        """Say if a visit too deep to be shown failed with an error that no visit around it is told to have."""
        return isinstance(event, e.VisitFailed) and not any(
            isinstance(x, e.VisitFailed)
            and event.visit.startswith(f"{x.visit}/")
            and x.error == event.error
            and x.visit.count("/") <= self._depth
            for x in events
        )

    # -- single lines -------------------------------------------------------------------------------------------------

    def _marks(self, visit: VisitAccount, marks: Sequence[i.Mark]) -> Iterator[Told]:
        """Yield what happened besides in an attempt, at the node that is shown: a cache hit inside an agent is its."""
        for mark in marks:
            yield Told(
                line((f"{'':<{_BELOW}}{visit.path[min(self._depth, len(visit.path) - 1)]}: {mark.text}", "cyan"))
            )

    def _ended(self, visit: VisitAccount, given: Any, *, left: bool) -> Told:  # noqa: ANN401 - any input
        parts: list[Part] = []
        trouble: Text | None = None
        if visit.status == "failed" and visit.error is not None:
            trouble = line((fact_text(visit.error, caught=visit.caught is not None), "red"))
        elif visit.refused is not None:
            trouble = line((shorten(visit.refused.trouble, _RESULT), "red"))
        elif visit.status == "cancelled" and visit.why is not None:
            parts.append((f"because of the {visit.why}", "dim"))
        elif visit.outcome is None and visit.writes:
            parts.append(wrote_text(visit))
        if isinstance(given, i.Answered) and given.by is not None:
            parts.append((f"by {given.by}", "dim"))
        spent = tokens_of(visit.spent)
        text = self._row(visit, self._status_of(visit))
        text.append(" " * max(0, self._width - cell_len(text.plain)))
        text.append(f"  {took(visit.took_s):>8}")
        if self._counts_tokens:
            text.append_text(line((f"  {f'{spent} tok' if spent else '':>9}", "dim")))
        elif spent:
            parts.append((f"{spent} tokens", "dim"))
        wrote = line(*(p for part in parts for p in ("  ", part)))[2:] if parts else None
        went, why = _went(visit) if left else ("", "")
        return Told(
            text,
            wrote,
            line((f"→ {went}", "dim")) if went else None,
            line((f": {why}", "dim")) if why else None,
            trouble,
        )

    def _status_of(self, visit: VisitAccount) -> Text:
        if visit.status == "completed" and visit.outcome is not None:
            return status_text("completed", shorten(visit.outcome, self._status - 2))
        return visit_status(visit) if visit.refused is not None else status_text(visit.status)

    def _retried(self, event: e.AttemptRetried, at: float) -> Told:
        wait = event.due - at
        again = f"tries again in {took(wait)}" if wait >= 0.05 else "tries again"
        row = self._row(self._run.account.visits[event.visit], status_text("paused", again))
        return Told(row, trouble=line((f"attempt {event.attempt} failed: {error_text(event.error)}", "yellow")))

    def _waits(self, event: e.VisitWaiting) -> Told:
        answers = f" ({', '.join(event.answers)})" if event.answers else ""
        due = f", until {moment(event.due)}" if event.due is not None else ""
        row = self._row(self._run.account.visits[event.visit], status_text("waiting", "waits"))
        about = ", ".join(f"{name} = {brief_json(value, 120)}" for name, value in event.reads.items())
        return Told(row, trouble=line(event.question + answers + due, (f"  {about}" if about else "", "dim")))

    def _row(self, visit: VisitAccount, status: Text) -> Text:
        name = shorten(name_of(visit, self._run), self._name)
        return line(
            f"{latest_step(visit):<{self._step}}",
            (f"  {visit.id:<{self._ident}}  ", "dim"),
            name,
            " " * max(0, self._name - cell_len(name)),
            "  ",
            status,
        )

    @property
    def _width(self) -> int:
        """How far the columns before the time reach, if step and id are no longer than usual."""
        return self._step + 2 + self._ident + 2 + self._name + 2 + self._status


def latest_step(visit: VisitAccount) -> str:
    """Return the step that a visit is at: the one that led to it, or the last of its attempts and questions."""
    return visit.steps[-1] if visit.steps else ""


def name_of(visit: VisitAccount, run: Following) -> str:
    """Return what a visit is called: a visit inside another behind the name of that one."""
    around = visit.id.rpartition("/")[0]
    outer = run.account.visits.get(around) if around else None
    return visit.name if outer is None else f"{name_of(outer, run)} › {visit.name}"


def _texts(graph: Graph, depth: int, around: int = 0) -> tuple[list[int], list[int]]:
    """Return the lengths of the names of nodes and of the answers that can stand in a line."""
    names: list[int] = []
    answers: list[int] = []
    for node in graph.nodes:
        names.append(around + len(node.name) + 3)
        answers += [2 + len(a) for a in node.answers]
        if node.graph is not None and depth:
            inner = _texts(node.graph, depth - 1, around + len(node.name) + 3)
            names += inner[0]
            answers += inner[1]
    return names, answers


def _longest_id(graph: Graph, depth: int) -> int:
    """Return how long the ids of visits usually are at most."""
    if any(edge.each for node in graph.nodes for edge in node.edges):
        own = 9
    else:
        own = 6 if any(node.splits for node in graph.nodes) else 3
    inner = [_longest_id(node.graph, depth - 1) for node in graph.nodes if depth and node.graph is not None]
    return max([own, *(2 + n for n in inner)])


def _between(bounds: tuple[int, int], lengths: list[int]) -> int:
    return min(max([bounds[0], *lengths]), bounds[1])


def _has_agents(graph: Graph) -> bool:
    return any(
        "instructions" in node.about or (node.graph is not None and _has_agents(node.graph)) for node in graph.nodes
    )


def _went(visit: VisitAccount) -> tuple[str, str]:
    """Tell where a visit was left to, and the guard that decided it."""
    taken = [edge for edge in visit.routed if edge.taken]
    return (", ".join(map(_target, taken)), _reason(visit, taken[0])) if taken else ("", "")


def _target(edge: EdgeAccount) -> str:
    return f"{edge.target} × {edge.count}" if edge.edge.each is not None else edge.target


def _reason(visit: VisitAccount, taken: EdgeAccount) -> str:
    """Return the guard of the edge that was taken; of one without a guard, why the one before it was not."""
    if visit.node.fork:
        return ""
    if taken.edge.when is not None:
        return taken.edge.when.text
    before = [x for x in visit.routed if x.result in {"false", "used up"} and x.edge.index < taken.edge.index]
    if not before:
        return ""
    last = before[-1]
    if last.result == "used up":
        return f"→ {last.target} is used up ({last.count} of {last.edge.at_most})"
    return "otherwise"


class Plain:
    """Shows a run where nothing can move: each line as it comes, without colours if nobody sees them."""

    def __init__(self, file: IO[str], depth: int = 0) -> None:
        """Write to a file, a pipe, or a terminal that cannot place its cursor."""
        self._screen = console(file)
        self._file = file
        self._depth = depth
        self._lines: Lines | None = None

    def begin(self, run: Following) -> None:
        """Say which run it is."""
        self._lines = Lines(run, self._depth)
        self._print(self._lines.head())

    def record(self, record: Record) -> None:
        """Print what a record tells."""
        if self._lines is not None:
            self._print(self._lines.of(record))

    def text(self, piece: Delta) -> None:
        """Show nothing: what was said is told when it is on record."""

    def stopping(self) -> None:
        """Say so, past whatever is half written."""
        with contextlib.suppress(OSError, ValueError):
            os.write(self._file.fileno(), b"stopping; Ctrl-C again stops at once\n")

    def end(self) -> None:
        """Nothing is left to be done."""

    def _print(self, lines: Iterator[Told]) -> None:
        for one in lines:
            self._screen.print(*one.rows(), soft_wrap=True)
        self._file.flush()


class Silent:
    """Shows nothing."""

    def begin(self, run: Following) -> None:
        """Show nothing."""

    def record(self, record: Record) -> None:
        """Show nothing."""

    def text(self, piece: Delta) -> None:
        """Show nothing."""

    def stopping(self) -> None:
        """Show nothing."""

    def end(self) -> None:
        """Show nothing."""


class EventLines:
    """Writes each event, and each piece of streamed text, as a line of JSON for a program."""

    def __init__(self, file: IO[str]) -> None:
        """Write to `file`, and nobody else may."""
        self._file = file

    def begin(self, run: Following) -> None:
        """Write nothing: the first event says which run it is."""

    def record(self, record: Record) -> None:
        """Write the events of a record, each with its number and time."""
        import msgspec

        for event in record.events:
            self._write({"seq": record.seq, "at": record.at, **msgspec.to_builtins(event)})

    def text(self, piece: Delta) -> None:
        """Write a piece of text."""
        anew = {"anew": True} if piece.anew else {}
        self._write({"type": "delta", "visit": piece.visit, "node": piece.node, "text": piece.text, **anew})

    def stopping(self) -> None:
        """Write nothing."""

    def end(self) -> None:
        """Write nothing: the last event says how it ended."""

    def _write(self, value: dict[str, Any]) -> None:
        from graphrt.cli.screen import json_text

        self._file.write(json_text(value, indent=None) + "\n")
        self._file.flush()
