"""Small graphs by a line each, and a driver whose every move a test decides.

`build` makes a graph from edges between names; `Driver` feeds a stepper, remembers what it asked for, and refuses to do
what a real driver could not do.
"""

# The internals of a stepper are what `ended` looks at:
# pyright: reportPrivateUsage=false
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel

from graphrt import replay
from graphrt.codec import encode_trace
from graphrt.commands import CancelAttempt, CancelTimer, StartAttempt, StartTimer
from graphrt.events import Event, VisitStarted
from graphrt.fields import Field, fields_of
from graphrt.graph import Each, Edge, Graph, Node
from graphrt.guards import Change, Guard
from graphrt.inputs import (
    Answered,
    AttemptFailed,
    AttemptStarted,
    AttemptSucceeded,
    Cancelled,
    ErrorInfo,
    Forked,
    Input,
    Json,
    Limits,
    Resumed,
    Started,
    TimerFired,
    Usage,
)
from graphrt.openers import place_joins
from graphrt.recorded import error_info
from graphrt.reducers import add, append, union
from graphrt.stepper import Stepper
from graphrt.trace import Header, Record, Trace
from graphrt.trees import Arithmetic, Compare, Constant, Read, Size

E = TypeVar("E", bound=Event)
Edges = Sequence[tuple[Any, ...]]


class State(BaseModel):
    """Fields for every purpose."""

    log: Annotated[list[str], append] = []
    seen: Annotated[list[str], union] = []
    total: Annotated[int, add] = 0
    items: list[int] = [10, 20, 30]
    item: int = -1
    n: int = 0
    note: str = ""
    other: str = ""


FIELDS, _MISTAKES = fields_of(State)
WRITES = tuple(f.name for f in FIELDS)


class Refused(Exception):
    """A graph cannot be frozen; `codes` says why."""

    def __init__(self, codes: tuple[str, ...]) -> None:
        super().__init__(" ".join(codes))
        self.codes = codes


def each(of: str = "items", item: str = "item", at_once: int | None = None) -> Each:
    """Return a fan-out over the items."""
    return Each(of, item, at_once)


def when(field: str, op: str, value: Json) -> Guard:
    """Return a guard that compares a field with a constant; for lists, their size."""
    left = Size(Read(field)) if field in {"log", "items", "seen"} else Read(field)
    return Guard(Compare(op, left, Constant(value)))


def plus(field: str, more: int) -> Change:
    """Return an action that adds to a field."""
    return Change(field, Arithmetic("+", Read(field), Constant(more)))


def be(field: str, value: Json) -> Change:
    """Return an action that replaces a field."""
    return Change(field, Constant(value))


def drawn(
    edges: Edges,
    *,
    joins: str = "",
    forks: str = "",
    nodes: Mapping[str, Mapping[str, Any]] | None = None,
    fields: tuple[Field, ...] = FIELDS,
) -> tuple[Node, ...]:
    """Return the nodes of a graph as they are drawn: nobody has asked yet where its joins belong."""
    named: dict[str, Mapping[str, Any]] = dict(nodes or {})
    order = list(dict.fromkeys([n for e in edges for n in e[:2]] + list(named)))
    index = {n: i for i, n in enumerate(order)}
    made: list[Node] = []
    for i, n in enumerate(order):
        more: dict[str, Any] = {"writes": tuple(f.name for f in fields)} | dict(named.get(n, {}))
        if n in joins.split():
            more["kind"] = "join"
        if more.get("kind") in {"join", "end", "subgraph"}:
            more.setdefault("outputs", ())
            more["writes"] = tuple(c.field for c in more["outputs"])
        if "of" in more:
            more["of"] = index[more["of"]]
        leaving = [e for e in edges if e[0] == n]
        how: list[dict[str, Any]] = [dict(e[2]) if len(e) > 2 else {} for e in leaving]
        out = tuple(Edge(i, index[e[1]], k, **how[k]) for k, e in enumerate(leaving))
        facts: dict[str, Any] = {"index": i, "name": n, "kind": "task", "edges": out, "fork": n in forks.split()}
        made.append(Node(**(facts | more)))
    return tuple(made)


def build(
    edges: Edges,
    *,
    joins: str = "",
    forks: str = "",
    nodes: Mapping[str, Mapping[str, Any]] | None = None,
    fields: tuple[Field, ...] = FIELDS,
    limits: Limits | None = None,
    name: str = "g",
) -> Graph:
    """Return the graph with these edges: `(source, target)` or `(source, target, {more facts of the edge})`.

    The first node is the start. Nodes are tasks that may write every field, unless `nodes` says otherwise.

    Raises:
        Refused: it cannot be frozen.
    """
    placed, mistakes = place_joins(drawn(edges, joins=joins, forks=forks, nodes=nodes, fields=fields), 0)
    if mistakes:
        raise Refused(tuple(m.code for m in mistakes))
    return Graph(name, fields, placed, 0, limits)


def subgraph(inner: Graph, *writes: str, reads: Sequence[str] = ("n", "note", "items")) -> dict[str, Any]:
    """Return the facts of a node with a graph inside: it reads and writes by name."""
    return {
        "kind": "subgraph",
        "graph": inner,
        "inputs": tuple(Change(f, Read(f)) for f in reads),
        "outputs": tuple(Change(f, Read(f)) for f in writes),
    }


def error(kind: type[Exception] = ValueError, message: str = "boom", retry_after_s: float | None = None) -> ErrorInfo:
    """Return an error as a driver would feed it."""
    raised = kind(message)
    if retry_after_s is not None:
        raised.retry_after_s = retry_after_s  # type: ignore[attr-defined]  # as providers' errors have it
    return error_info(raised)


class Driver:
    """Drives one run. Time stands still unless a test moves it."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.stepper = Stepper(graph)
        self.at = 1000.0
        self.ready: dict[str, StartAttempt] = {}
        """Attempts that are commanded and have not begun, by visit."""
        self.running: dict[str, StartAttempt] = {}
        self.timers: dict[tuple[str, str], float] = {}
        self.records: list[Record] = []

    # -- moves --------------------------------------------------------------------------------------------------------

    def feed(self, given: Input) -> tuple[Event, ...]:
        """Feed an input and take note of the commands."""
        events, commands = self.stepper.feed(self.at, given)
        self.records.append(Record(len(self.records), self.at, given, events))
        for command in commands:
            match command:
                case StartAttempt(visit=visit):
                    assert visit not in self.ready, f"{visit} is commanded twice"
                    assert visit not in self.running, f"{visit} is commanded while it runs"
                    self.ready[visit] = command
                case CancelAttempt(visit, attempt):
                    commanded = self.running.pop(visit, None) or self.ready.pop(visit, None)
                    assert commanded is not None, f"{visit} is not running"
                    assert commanded.attempt == attempt, f"attempt {commanded.attempt} of {visit} is running"
                case StartTimer(visit, kind, due):
                    self.timers[visit, kind] = due
                case CancelTimer(visit, kind):
                    assert self.timers.pop((visit, kind), None) is not None, f"{visit} has no timer {kind}"
        return events

    def start(self, *, limits: Limits | None = None, seed: int = 0, **state: Json) -> Driver:
        """Begin the run."""
        self.feed(Started("r", initial(self.graph, state), seed, limits))
        return self

    def begin(self, visit: str) -> StartAttempt:
        """Begin an attempt."""
        command = self.running[visit] = self.ready.pop(visit)
        self.feed(AttemptStarted(visit, command.attempt))
        return command

    def ok(
        self, visit: str, *, duration_s: float = 0.0, usage: Usage | None = None, **writes: Json
    ) -> tuple[Event, ...]:
        """Let an attempt succeed, begun or not."""
        command = self._running(visit)
        return self.feed(AttemptSucceeded(visit, command.attempt, writes, duration_s, usage))

    def fail(
        self, visit: str, info: ErrorInfo | None = None, *, duration_s: float = 0.0, usage: Usage | None = None
    ) -> tuple[Event, ...]:
        """Let an attempt fail, begun or not."""
        command = self._running(visit)
        return self.feed(AttemptFailed(visit, command.attempt, info or error(), duration_s, usage))

    def _running(self, visit: str) -> StartAttempt:
        if visit in self.ready:
            self.begin(visit)
        return self.running.pop(visit)

    def fire(self, visit: str, kind: str) -> tuple[Event, ...]:
        """Let a timer fire: the clock moves on to its time."""
        self.at = max(self.at, self.timers.pop((visit, kind)))
        return self.feed(TimerFired(visit, kind))

    def answer(self, visit: str, value: Json, by: str | None = None) -> tuple[Event, ...]:
        """Answer a question."""
        return self.feed(Answered(visit, value, by))

    def cancel(self) -> tuple[Event, ...]:
        """Stop the run."""
        return self.feed(Cancelled("tests"))

    def resume(self, limits: Limits | None = None) -> tuple[Event, ...]:
        """Take the run up again in this process."""
        return self.feed(Resumed(limits=limits))

    def fork(self, visit: str, **values: Json) -> tuple[Event, ...]:
        """Go off from a visit as another run would: a process of its own has nothing in hand."""
        self.ready, self.running, self.timers = {}, {}, {}
        return self.feed(Forked("f", "r", visit, values))

    def folded(self, upto: int | None = None, graph: Graph | None = None) -> Driver:
        """Return the driver of a new process that has folded the first `upto` records and has nothing in hand."""
        fresh = Driver(graph or self.graph)
        for record in self.records[:upto]:
            replay.feed(fresh.stepper, record, scripted=True)
            fresh.records.append(record)
            fresh.at = record.at
        return fresh

    def crashed(self, upto: int | None = None, graph: Graph | None = None) -> Driver:
        """Return the driver of a new process that has folded the first `upto` records and resumed."""
        fresh = self.folded(upto, graph)
        if fresh.status not in {"new", "completed"}:
            fresh.resume()
        return fresh

    def finish(self, work: Callable[[StartAttempt], Mapping[str, Json]] | None = None, most: int = 10_000) -> Driver:
        """Let every attempt succeed, oldest first, until nothing is left to do."""
        for _ in range(most):
            if not self.ready and not self.running:
                return self
            visit = next(iter(self.running or self.ready))
            command = self.running.get(visit) or self.ready[visit]
            writes: dict[str, Any] = dict(work(command)) if work is not None else {"log": command.node.name}
            self.ok(visit, **writes)
        raise AssertionError(f"still running after {most} attempts")

    # -- what came of it ----------------------------------------------------------------------------------------------

    @property
    def status(self) -> str:
        """Where the run stands."""
        return self.stepper.status

    @property
    def events(self) -> list[Event]:
        """All events so far."""
        return [e for r in self.records for e in r.events]

    def of(self, kind: type[E]) -> list[E]:
        """Return the events of one kind."""
        return [e for e in self.events if isinstance(e, kind)]

    @property
    def visits(self) -> dict[str, str]:
        """Visits in the order of their start: id and node."""
        return {e.visit: e.node for e in self.of(VisitStarted)}

    @property
    def counts(self) -> Counter[str]:
        """How often each node was visited."""
        return Counter(e.node for e in self.of(VisitStarted))

    @property
    def state(self) -> dict[str, Json]:
        """The final state as JSON; of a run that did not complete, that of its main line."""
        found = self.stepper.state if self.stepper.state is not None else self.stepper.partial
        return {f.name: f.encode_state_value(found[f.name]) for f in self.graph.fields}

    @property
    def trace(self) -> Trace:
        """The trace."""
        return Trace(Header("r", self.graph.name, self.graph.digest, self.graph.json, 0.0), self.records)

    @property
    def bytes(self) -> bytes:
        """The trace as it is stored."""
        return encode_trace(self.trace)


def initial(graph: Graph, state: Mapping[str, Json]) -> dict[str, Json]:
    """Return a complete initial state: what is given, else the defaults."""
    return {f.name: state.get(f.name, f.default_json) for f in graph.fields}


def ended(driver: Driver) -> bool:
    """Tell whether nothing is live or left over after a run that completed: no token, no parked line, no open scope."""
    stepper = driver.stepper
    root = stepper._root
    assert root is not None
    return not (
        stepper.visits
        or stepper.questions
        or stepper.timers
        or stepper.attempts
        or root.top.count
        or root.top.parked
        or root.live
        or root.open
        or root.fans
        or root.born
        or root.fired
    )
