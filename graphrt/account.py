"""What a trace tells, visit by visit: the one reading of a trace that the command line and the pictures share.

It only reads records and the graph in the header; no stepping, no code of the flow. Times are seconds since the epoch,
durations seconds.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, cast

from graphrt import events as e
from graphrt import inputs as i
from graphrt.graph import graph_from_json
from graphrt.inputs import ErrorInfo, Json, Mark, Sent, Usage
from graphrt.numbering import Numbering
from graphrt.trace import graph_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from graphrt.graph import Edge, Graph, Node
    from graphrt.trace import Header, Record, Trace

VisitStatus: TypeAlias = Literal["running", "waiting", "paused", "completed", "failed", "cancelled", "lost"]
"""`paused` waits for its next attempt, `waiting` for an answer, `lost` has an attempt in doubt."""
RunStatus: TypeAlias = Literal["running", "suspended", "completed", "failed", "cancelled"]
_MODELS: Final = ", "
"""Stands between the names of several models."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens and money, added up as far as they are known.

    A sum that leaves something out says so, and whoever shows it has to: what nobody said is unknown, never 0.
    """

    tokens: int = 0
    cost_usd: float = 0.0
    uses: int = 0
    """Attempts that said what they used."""
    uncounted: int = 0
    """Of these, those that did not say how many tokens they took …"""
    unpriced: int = 0
    """… and those whose price is not known."""

    def __add__(self, other: Spent) -> Spent:
        """Return both together."""
        return Spent(
            self.tokens + other.tokens,
            self.cost_usd + other.cost_usd,
            self.uses + other.uses,
            self.uncounted + other.uncounted,
            self.unpriced + other.unpriced,
        )


def spent(usage: Usage | None) -> Spent:
    """Return what an attempt used, as far as it said."""
    if usage is None:
        return _NOTHING_SPENT
    return Spent(
        (usage.input_tokens or 0) + (usage.output_tokens or 0),
        usage.cost_usd or 0.0,
        1,
        usage.input_tokens is None or usage.output_tokens is None,
        usage.cost_usd is None,
    )


_NOTHING_SPENT: Final = Spent()


@dataclass(frozen=True, slots=True)
class ParentsShare:
    """What of a visit in a fork is the parent's: it was before the run went off."""

    attempts: int
    """Attempts that it had made, the first of its list."""
    took_s: float
    """The time from its start, as far as the run was driven."""
    whole: bool
    """Whether the visit is the parent's as a whole: it did not go on in the fork."""


@dataclass(slots=True)
class AttemptAccount:
    """One try of a visit."""

    number: int
    started: float
    ended: float | None = None
    duration_s: float | None = None
    error: ErrorInfo | None = None
    usage: Usage | None = None
    marks: tuple[Mark, ...] = ()
    """What happened in it besides, such as a cache hit."""
    sent: tuple[Sent, ...] = ()
    """What it sent to models."""
    lost: bool = False
    """Started, and cut off by a crash: whether its effect took place is in doubt."""
    step: str = ""
    """The step that it is; see `graphrt.numbering`."""


class ToolResult(NamedTuple):
    """What the model of an agent was told about a call of a tool."""

    tool: str
    text: str
    failed: bool
    """Whether the text says what went wrong with the call instead of a result."""
    raised: str | None = None
    """The exception that the tool raised, which the model was not told in full."""

    @property
    def trouble(self) -> str:
        """What went wrong, as people want to know it: the tool, and what it raised or what the model was told."""
        return f"{self.tool}: {self.raised or self.text}"


@dataclass(slots=True)
class EdgeAccount:
    """What became of an edge when a visit was left."""

    edge: Edge
    target: str
    result: str
    """`taken`, `false`, `used up`, `not tried`.

    Where a guard raised: `raised` for its edge, before it `no match`, or `tried` where several edges may be taken.
    """
    values: dict[str, Json] = field(default_factory=dict[str, Any])
    count: int | None = None
    step: str = ""
    """The step that its crossing is; empty if it was not taken."""

    @property
    def taken(self) -> bool:
        """Whether the line crossed it."""
        return self.result == "taken"

    @property
    def trigger(self) -> str:
        """Outcome and guard that it needs, as a person would write them; `always` for an edge without either."""
        parts = [p for p in (self.edge.on, self.edge.on_error) if p]
        if self.edge.when is not None:
            parts.append(self.edge.when.text)
        return " and ".join(parts) or "always"

    @property
    def text(self) -> str:
        """Why, in one line: `score < 0.8 → false (score = 0.91)`."""
        return verdict_text(self)


@dataclass(slots=True)
class VisitAccount:
    """One execution of one node."""

    id: str
    node: Node
    path: tuple[str, ...]
    """Names of the nodes around it and of its own."""
    number: int
    """Which visit of this node it is, counted from 1 in the order of their starts."""
    causes: tuple[str, ...]
    started: float
    ended: float | None = None
    status: VisitStatus = "running"
    attempts: list[AttemptAccount] = field(default_factory=list[AttemptAccount])
    outcome: str | None = None
    writes: dict[str, Json] = field(default_factory=dict[str, Any])
    item: Json = None
    routed: list[EdgeAccount] = field(default_factory=list[EdgeAccount])
    caught: str | None = None
    """The type of the error that an error edge of it caught."""
    error: ErrorInfo | None = None
    stuck: ErrorInfo | None = None
    """Why it could not be left, though its work went well: a guard raised, no edge matched, an action failed."""
    question: str | None = None
    answers: tuple[str, ...] = ()
    due: float | None = None
    reads: dict[str, Json] = field(default_factory=dict[str, Any])
    """What the question showed: the fields that its node reads."""
    answer: Json = None
    by: str | None = None
    """Who answered."""
    why: str | None = None
    """Why it was cancelled: `run`, `failure`, `join`, `end`."""
    joined: e.Joined | None = None
    idle_s: float = 0.0
    """The time since its start in which nobody drove the run, while it did not wait for an answer."""
    step: str = ""
    """The step that led to it; see `graphrt.numbering`."""
    asked: str = ""
    """The step that its latest question is; empty if it asked nothing."""
    again: str = ""
    """The step that its next attempt will be, while it is paused."""
    notes: dict[str, Json] = field(default_factory=dict[str, Any])
    agent: str | None = None
    """Name of the agent's node that it works inside of; None outside of agents."""
    inside: Usage | None = None
    """What ran inside it consumed, however deep; None if nothing was said."""
    spent: Spent = _NOTHING_SPENT
    """What it used with all that ran inside it, as far as it is known."""
    parents: ParentsShare | None = None
    """What of it is the parent's; None if nothing is, or the run is no fork."""

    @property
    def own_attempts(self) -> list[AttemptAccount]:
        """Its attempts in this run; in a fork without those that the parent made."""
        return self.attempts if self.parents is None else self.attempts[self.parents.attempts :]

    @property
    def own_took_s(self) -> float | None:
        """How long it took in this run, as `took_s`; in a fork without what it took in the parent."""
        if self.parents is None or self.took_s is None:
            return self.took_s
        if self.attempts:
            return sum(a.duration_s or 0.0 for a in self.own_attempts)
        return max(0.0, self.took_s - self.parents.took_s)

    def goes_on(self) -> None:
        """Note that something is done at it in a fork, whatever had become of it in the parent."""
        if self.parents is not None and self.parents.whole:
            self.parents = replace(self.parents, whole=False)

    def copied(self) -> VisitAccount:
        """Return the visit as it is now, whatever becomes of it; of its attempts only the last can change."""
        return replace(self, attempts=[*self.attempts[:-1], *map(replace, self.attempts[-1:])])

    @property
    def result(self) -> ToolResult | None:
        """What the model was told about the call of a tool that this visit made; None if it made none."""
        if self.agent is None or "tools" not in self.node.about or self.status != "completed":
            return None
        last = told_of_call(self.writes)
        if last is None:
            return None
        raised = str(self.notes["error"]) if "error" in self.notes else None
        return ToolResult(str(last.get("name")), str(last.get("text")), last.get("failed") is True, raised)

    @property
    def refused(self) -> ToolResult | None:
        """The call that it made, if that went wrong and the model was told so: the visit completed all the same."""
        return result if (result := self.result) is not None and result.failed else None

    @property
    def name(self) -> str:
        """The node as people refer to this visit of it: `review #2`."""
        return f"{self.node.name} #{self.number}" if self.number > 1 else self.node.name

    @property
    def steps(self) -> tuple[str, ...]:
        """Its steps: the one that led to it, then its further attempts and questions."""
        return tuple(dict.fromkeys(s for s in (self.step, *(a.step for a in self.attempts), self.asked) if s))

    @property
    def duration_s(self) -> float | None:
        """From start to end, without the time in which nobody drove the run; None while it is live.

        Of a question it is how long it waited for its answer.
        """
        return None if self.ended is None else max(0.0, self.ended - self.started - self.idle_s)

    @property
    def busy_s(self) -> float:
        """Sum of the durations of its own attempts."""
        return sum(a.duration_s or 0.0 for a in self.attempts)

    @property
    def took_s(self) -> float | None:
        """How long it took, as everything shows it: its attempts, without the waits between them.

        Of a question it is how long it waited for its answer, of a node with a graph inside the time from start to end.
        None while it is live, and of an end or a join, which do nothing.
        """
        if self.ended is None or self.node.kind in {"end", "join"}:
            return None
        return self.busy_s if self.attempts else self.duration_s

    @property
    def marks(self) -> list[Mark]:
        """What happened in its own attempts besides, oldest first."""
        return [mark for attempt in self.attempts for mark in attempt.marks]

    @property
    def usage(self) -> Usage | None:
        """What its own attempts consumed together; None if nothing was said."""
        return total_usage([a.usage for a in self.attempts])

    @property
    def used(self) -> Usage | None:
        """What it consumed with all that ran inside it, as everything shows it; None if nothing was said."""
        return total_usage([*(a.usage for a in self.attempts), self.inside])


@dataclass(slots=True)
class Totals:
    """What a run used. None means unknown."""

    visits: int = 0
    attempts: int = 0
    retries: int = 0
    """Attempts that were made since the one before them failed; what a crash cut off is no failure."""
    active_s: float = 0.0
    """What the attempts took, those beside each other added up."""
    wall_s: float = 0.0
    """From the first record to the last; of a fork without the time from where it leaves its parent to when it did."""
    idle_s: float = 0.0
    """Of that, the time in which nobody drove the run: while it waited for an answer with nothing else to do, and after
    it had failed or was cut off."""
    usage: Usage | None = None
    spent: Spent = _NOTHING_SPENT
    """Tokens and cost as far as they are known, which `usage` does not tell where a part is unknown."""

    @property
    def driven_s(self) -> float:
        """The time in which somebody drove the run."""
        return max(0.0, self.wall_s - self.idle_s)


@dataclass(slots=True)
class Account:
    """A run, as its trace tells it."""

    run: str
    flow: str
    digest: str
    graph: Graph
    status: RunStatus
    visits: dict[str, VisitAccount]
    """In the order of their starts."""
    totals: Totals
    started: float
    ended: float
    """When the last record was made."""
    error: ErrorInfo | None = None
    failed_at: str | None = None
    end: str | None = None
    """The stopping end that ended it; `ends` names any end."""
    questions: tuple[str, ...] = ()
    cancelled_by: str | None = None
    parent: str | None = None
    parent_visit: str | None = None
    parents: Totals | None = None
    """What of the totals is the parent's, of a fork; None if the run is none."""
    cut_off: bool = False
    """Whether it is running by its trace, and by its store nobody drives it; see `nobody_drives`."""
    step: str = "0"
    """The latest number of its steps; `0` before the first."""

    @property
    def standing(self) -> str:
        """How it stands in a word: its status, or that it was cut off."""
        return "cut off" if self.cut_off else self.status

    def nobody_drives(self) -> None:
        """Note that the process which drove the run is gone, which its trace cannot tell."""
        if self.status != "running":
            return
        self.cut_off = True
        for visit in self.visits.values():
            if visit.status == "running":
                visit.status = "lost"

    @property
    def ends(self) -> tuple[str, ...]:
        """Names of the ends of the flow that were reached, each once, in the order in which they were.

        The end that stopped the run comes alone: what others have reached was given up with it.
        """
        if self.end is not None:
            return (self.end,)
        dropped = {visit for v in self.visits.values() if v.joined is not None for visit in v.joined.dropped}
        reached = (
            v
            for v in self.visits.values()
            if v.node.kind == "end" and len(v.path) == 1 and v.status in {"completed", "failed"} and v.id not in dropped
        )
        return tuple(dict.fromkeys(v.node.name for v in reached))

    def graph_around(self, visit: VisitAccount) -> Graph:
        """Return the graph that a visit's node stands in."""
        return _within(self.graph, visit.path[:-1])

    def of_node(self, *path: str) -> list[VisitAccount]:
        """Return the visits of a node; nodes inside others are named with all names around them."""
        return [v for v in self.visits.values() if v.path == path]


def account(trace: Trace, graph: Graph | None = None) -> Account:
    """Read a whole trace.

    Args:
        trace: of a finished, suspended or still running run.
        graph: the definition to refer to; None for the one in the header.
    """
    reader = Reader(trace.header, graph or graph_of(trace), trace.records[0].at if trace.records else None)
    for record in trace.records:
        reader.read(record)
    return reader.account


class Reader:
    """Reads a run that is still going on, record by record; `account` tells what is known so far."""

    def __init__(self, header: Header, graph: Graph, started: float | None = None) -> None:
        """Begin without records; `started` is the time of the first one, if it is not when the run was created."""
        self._fold = _Fold(header, graph, started)
        self.account = self._fold.account

    def read(self, record: Record) -> None:
        """Take the next record."""
        self._fold.read(record)

    @property
    def unsettled(self) -> Iterable[str]:
        """The visits of which more may be told, by their ids; what is told of all others stays as it is."""
        return self._fold.unsettled

    def copied(self) -> Reader:
        """Return a reader that goes on from here by itself; it shares with this one what is settled."""
        other = copy.copy(self)
        other._fold = self._fold.copied()  # noqa: SLF001 - of the same class
        other.account = other._fold.account  # noqa: SLF001 - as above
        return other


def is_block(error_type: str) -> bool:
    """Say whether an error is that by which a guardrail stops an agent, by the name of its type."""
    return error_type.rpartition(".")[2] in _BLOCKING


def without_advice(text: str) -> str:
    """Return what an error says without its advice to lead an edge away, which was taken where an edge caught it."""
    fact, semicolon, advice = text.rpartition("; ")
    return fact if semicolon and "lead an edge" in advice else text


def told_of_call(writes: Mapping[str, Json]) -> dict[str, Any] | None:
    """Return the message by which the call of a tool tells its model what came of it, if there is one among writes."""
    said = writes.get("messages")
    last = cast("list[Json]", said)[-1] if isinstance(said, list) and said else None
    message = cast("dict[str, Any]", last) if isinstance(last, dict) else {}
    return message if message.get("role") == "tool" else None


def total_usage(parts: list[Usage | None]) -> Usage | None:
    """Add up usages.

    A number that one part does not know is unknown in the sum; parts that say nothing at all do not count.
    """
    known = [p for p in parts if p is not None]
    if not known:
        return None
    models = list(dict.fromkeys(model for p in known if p.model for model in p.model.split(_MODELS)))

    def whole(name: str) -> Any:  # noqa: ANN401 - int or float
        values = [getattr(p, name) for p in known]
        return None if any(v is None for v in values) else sum(values)

    return Usage(_MODELS.join(models) or None, whole("input_tokens"), whole("output_tokens"), whole("cost_usd"))


def defined_then(told: Account, visit: VisitAccount, then: Graph) -> tuple[Graph, Node]:
    """Return the node of a visit as the definition `then` has it, and the graph that it stands in."""
    graph, node = told.graph_around(visit), visit.node
    if then is not told.graph:
        graph = _inside(then, visit.path[:-1]) or graph
        node = graph.by_name.get(node.name, node)
    return graph, node


def edges_tried(told: Account, visit: VisitAccount, event: e.Routed, then: Graph) -> list[EdgeAccount]:
    """Return what became of each edge of a visit that was left; `then` is the definition that it was left under."""
    graph, node = defined_then(told, visit, then)
    edges = [node.edges[v.edge] for v in event.verdicts]
    return [
        EdgeAccount(edge, graph.nodes[edge.target].name, v.result, v.values or {}, v.count)
        for edge, v in zip(edges, event.verdicts, strict=True)
    ]


def verdict_text(edge: EdgeAccount) -> str:
    """Return why an edge was taken or not, in one line, with the values its guard read."""
    values = ", ".join(f"{k} = {value_text(v)}" for k, v in edge.values.items())
    if edge.result == "used up":
        return f"{edge.trigger} → used up ({edge.count} of {edge.edge.at_most})"
    if edge.result in {"not tried", "no match", "tried", "raised"}:
        return f"{edge.trigger} → {edge.result}"
    shown = "true" if edge.taken else "false"
    if edge.edge.when is None:
        shown = "taken" if edge.taken else "false"
    if edge.edge.each is not None and edge.taken:
        shown += f", {edge.count} branch{'' if edge.count == 1 else 'es'}"
    return f"{edge.trigger} → {shown}" + (f" ({values})" if values else "")


def value_text(value: Json) -> str:
    """Return a JSON value as a person would write it in a guard."""
    if isinstance(value, str):
        return f'"{value}"'
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return "[" + ", ".join(value_text(v) for v in cast("list[Json]", value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {value_text(v)}" for k, v in cast("dict[str, Json]", value).items()) + "}"
    return str(value)


_BLOCKING: Final = frozenset({"GuardrailTripped", "GuardrailTimeout"})
_UNLEFT: Final = frozenset({"GuardError", "NoRoute"})
"""The errors of a run that fails because a visit cannot be left."""
_RESTS = (e.RunSuspended, e.RunFailed, e.RunCancelled, e.RunCompleted)
"""Events after which nobody drives the run until something is told to it."""


class _Fold:
    """Folds records into an account."""

    def __init__(self, header: Header, graph: Graph, started: float | None) -> None:
        first = header.created if started is None else started
        self.account = Account(
            run=header.run,
            flow=header.flow,
            digest=header.digest,
            graph=graph,
            status="running",
            visits={},
            totals=Totals(),
            started=first,
            ended=first,
            parent=header.parent,
        )
        self.at = first
        self.then = graph if header.digest == graph.digest else graph_from_json(header.graph)
        """The definition that the record was made under; verdicts number the edges of that one."""
        self.counts: dict[tuple[str, ...], int] = {}
        self.numbers = Numbering()
        self.unsettled: dict[str, None] = {}
        """The visits of which more may be told: where the run failed, and all that no edge has left."""
        self.fell: list[VisitAccount] = []
        """The visits that failed with what is inside them, when the run did."""
        self.goes_off = False
        """Whether the record is that with which a fork goes off from its parent."""
        self.apart_s = 0.0
        """From the parent's last record that is a fork's too to when the fork went off: no time of either."""
        self.rests = False
        """Whether nobody drives the run after the last record."""

    def copied(self) -> _Fold:
        other, account = copy.copy(self), self.account
        visits = dict(account.visits)
        for visit in self.unsettled:
            visits[visit] = visits[visit].copied()
        other.unsettled = dict(self.unsettled)
        other.account = replace(account, visits=visits, totals=replace(account.totals))
        other.counts = dict(self.counts)
        other.numbers = self.numbers.copied()
        other.fell = [visits[visit.id] for visit in self.fell]
        return other

    def read(self, record: Record) -> None:
        account = self.account
        if isinstance(record.input, i.Forked):
            self.go_off(max(0.0, record.at - account.ended))
        elif self.rests or isinstance(record.input, i.Resumed):
            self.idle(max(0.0, record.at - account.ended))
        self.rests = any(isinstance(event, _RESTS) for event in record.events)
        self.at = record.at
        self.goes_off = isinstance(record.input, i.Forked)
        account.ended = max(account.ended, record.at)
        account.totals.wall_s = account.ended - account.started - self.apart_s
        if account.status == "suspended":  # Whatever is taken ends that, unless it says so again.
            account.status, account.questions = "running", ()
        self.numbers.record()
        given = record.input
        if isinstance(given, i.Resumed) and given.graph is not None:
            self.then = account.graph if given.digest == account.graph.digest else graph_from_json(given.graph)
        take = _INPUTS.get(type(record.input))
        if take is not None:
            take(self, record.input)
        for event in record.events:
            note = _EVENTS.get(type(event))
            if note is not None:
                note(self, event)
        account.step = self.numbers.latest

    def idle(self, span_s: float) -> None:
        self.account.totals.idle_s += span_s
        self.rest(span_s)

    def go_off(self, span_s: float) -> None:
        """Count on from where the fork leaves its parent, however much later that is."""
        self.apart_s += span_s
        self.rest(span_s)

    def rest(self, span_s: float) -> None:
        """Count a span to no visit that is under way."""
        for visit in self.account.visits.values():
            if visit.ended is None and visit.status != "waiting":
                visit.idle_s += span_s

    # -- inputs -------------------------------------------------------------------------------------------------------

    def attempt_started(self, given: i.AttemptStarted) -> None:
        visit = self.account.visits[given.visit]
        visit.status, visit.ended, visit.why, visit.again = "running", None, None, ""
        visit.goes_on()
        step = self.numbers.tried(given.visit, given.attempt)
        self.account.totals.retries += bool(visit.attempts) and visit.attempts[-1].error is not None
        visit.attempts.append(AttemptAccount(given.attempt, self.at, step=step))
        self.account.totals.attempts += 1

    def attempt_ended(self, given: i.AttemptSucceeded | i.AttemptFailed) -> None:
        visit = self.account.visits[given.visit]
        attempt = visit.attempts[-1]
        attempt.ended, attempt.duration_s, attempt.usage = self.at, given.duration_s, given.usage
        attempt.marks = given.marks
        attempt.sent = given.sent
        totals = self.account.totals
        totals.active_s += given.duration_s
        if given.usage is not None:
            more = spent(given.usage)
            totals.usage, totals.spent = total_usage([totals.usage, given.usage]), totals.spent + more
            visit.spent += more
            outer = given.visit.rpartition("/")[0]
            while outer:
                around = self.account.visits[outer]
                around.inside = total_usage([around.inside, given.usage])
                around.spent += more
                outer = outer.rpartition("/")[0]
        if isinstance(given, i.AttemptFailed):
            attempt.error = given.error
        else:
            visit.notes = given.notes

    def answered(self, given: i.Answered) -> None:
        visit = self.account.visits[given.visit]
        visit.answer, visit.by = given.answer, given.by
        if visit.status == "waiting":
            visit.status = "running"

    # -- events -------------------------------------------------------------------------------------------------------

    def visit_started(self, event: e.VisitStarted) -> None:
        path = self.path_of(event.visit, event.node)
        before = self.account.visits.get(event.visit)  # of a graph inside a visit that began anew
        if before is None:
            self.counts[path] = self.counts.get(path, 0) + 1
        node = self.node_at(path)
        self.account.visits[event.visit] = VisitAccount(
            event.visit,
            node,
            path,
            self.counts[path] if before is None else before.number,
            event.causes,
            self.at,
            attempts=[] if before is None else [*before.attempts],
            inside=None if before is None else before.inside,
            spent=_NOTHING_SPENT if before is None else before.spent,
            parents=None if before is None else _begun_anew(before.parents),
            item=event.item,
            step=self.numbers.begun(event.visit, node, event.causes),
            agent=self.agent_around(event.visit),
        )
        self.account.totals.visits += before is None
        self.unsettled[event.visit] = None

    def visit_waiting(self, event: e.VisitWaiting) -> None:
        visit = self.account.visits[event.visit]
        visit.status, visit.question, visit.answers, visit.due = "waiting", event.question, event.answers, event.due
        visit.reads = event.reads
        visit.asked = self.numbers.asked(event.visit)
        visit.goes_on()
        visit.ended = visit.why = None

    def attempt_retried(self, event: e.AttemptRetried) -> None:
        visit = self.account.visits[event.visit]
        visit.status, visit.again = "paused", self.numbers.retried(event.visit)

    def attempt_lost(self, event: e.AttemptLost) -> None:
        visit = self.account.visits[event.visit]
        visit.status = "lost"
        if visit.attempts:
            visit.attempts[-1].lost = True

    def visit_completed(self, event: e.VisitCompleted) -> None:
        visit = self.account.visits[event.visit]
        visit.status, visit.ended, visit.outcome, visit.writes = "completed", self.at, event.outcome, event.writes

    def visit_failed(self, event: e.VisitFailed) -> None:
        visit = self.account.visits[event.visit]
        visit.status, visit.ended, visit.error = "failed", self.at, event.error

    def visit_cancelled(self, event: e.VisitCancelled) -> None:
        visit = self.account.visits[event.visit]
        visit.status, visit.ended, visit.why = "cancelled", self.at, event.why
        if self.goes_off and visit.parents is not None:  # what was inside the visit that the fork takes up
            visit.parents = replace(visit.parents, whole=True)

    def routed(self, event: e.Routed) -> None:
        visit = self.account.visits[event.visit]
        visit.caught = event.error
        graph, node = defined_then(self.account, visit, self.then)
        visit.routed = [self.tried(event.visit, node.edges[v.edge], graph, v) for v in event.verdicts]
        if visit.status == "completed" and any(edge.taken for edge in visit.routed):
            self.unsettled.pop(event.visit, None)

    def tried(self, visit: str, edge: Edge, graph: Graph, verdict: e.Verdict) -> EdgeAccount:
        target = graph.nodes[edge.target]
        step = ""
        if verdict.result == "taken":
            step = self.numbers.crossed(visit, target, verdict.count if edge.each is not None else None)
        return EdgeAccount(edge, target.name, verdict.result, verdict.values or {}, verdict.count, step)

    def joined(self, event: e.Joined) -> None:
        self.account.visits[event.visit].joined = event

    def resumed(self, _: e.RunResumed) -> None:
        account = self.account
        self.reopen()
        account.status, account.error, account.failed_at, account.questions = "running", None, None, ()
        self.account.cancelled_by = None

    def forked(self, event: e.RunForked) -> None:
        account = self.account
        self.reopen()
        account.status, account.error, account.failed_at, account.questions = "running", None, None, ()
        account.run, account.parent, account.parent_visit = event.run, event.parent, event.visit
        account.parents = replace(account.totals)
        for visit in account.visits.values():
            took_s = max(0.0, (self.at if visit.ended is None else visit.ended) - visit.started - visit.idle_s)
            share = ParentsShare(len(visit.attempts), took_s, visit.ended is not None)
            account.visits[visit.id] = replace(visit, parents=share)  # a copy may share the visit as it was

    def suspended(self, event: e.RunSuspended) -> None:
        self.account.status, self.account.questions = "suspended", event.questions

    def completed(self, event: e.RunCompleted) -> None:
        self.account.status, self.account.end, self.account.questions = "completed", event.end, ()

    def failed(self, event: e.RunFailed) -> None:
        account = self.account
        account.status, account.error, account.failed_at, account.questions = (
            "failed",
            event.error,
            event.visit or None,
            (),
        )
        if event.visit in account.visits:
            self.raised(account.visits[event.visit], event.error)
            self.stuck(account.visits[event.visit], event.error)
            self.unsettled[event.visit] = None
        around = event.visit.rpartition("/")[0]
        while around:  # the nodes around it failed with it
            visit = account.visits[around]
            if visit.status == "running":
                visit.status, visit.ended = "failed", self.at
                self.fell.append(visit)
            around = around.rpartition("/")[0]

    def raised(self, visit: VisitAccount, error: ErrorInfo) -> None:
        """Tell which edges were tried when a guard raised: its verdicts are not on record, its edge is."""
        at = error.detail.get("edge")
        if visit.routed or visit.status != "completed" or not isinstance(at, int):
            return
        graph, node = defined_then(self.account, visit, self.then)
        visit.routed = [
            EdgeAccount(
                edge,
                graph.nodes[edge.target].name,
                "raised"
                if edge.index == at
                else "not tried"
                if edge.index > at
                else "tried"
                if node.fork
                else "no match",
            )
            for edge in node.edges
            if edge.on_error is None and edge.on in {None, visit.outcome}
        ]

    def stuck(self, visit: VisitAccount, error: ErrorInfo) -> None:
        """Tell why a visit whose work went well was not left."""
        if visit.status == "completed" and error.type in _UNLEFT:
            visit.stuck = error
            self.fell.append(visit)

    def reopen(self) -> None:
        """Let what failed with something inside it, or could not be left, go on."""
        for visit in self.fell:
            if visit.stuck is not None:
                visit.stuck = None
            elif visit.error is None:
                visit.status, visit.ended = "running", None
        self.fell.clear()

    def cancelled(self, event: e.RunCancelled) -> None:
        self.account.status, self.account.cancelled_by, self.account.questions = "cancelled", event.by, ()

    # -- places -------------------------------------------------------------------------------------------------------

    def path_of(self, visit: str, node: str) -> tuple[str, ...]:
        around, slash, _ = visit.rpartition("/")
        return (*self.account.visits[around].path, node) if slash else (node,)

    def agent_around(self, visit: str) -> str | None:
        """Return the name of the agent that a visit works for, if it does."""
        around = self.account.visits.get(visit.rpartition("/")[0])
        return around.name if around is not None and "instructions" in around.node.about else None

    def node_at(self, path: tuple[str, ...]) -> Node:
        return _within(self.account.graph, path[:-1]).by_name[path[-1]]


def _begun_anew(share: ParentsShare | None) -> ParentsShare | None:
    """Return what is the parent's of a visit that begins again: the attempts it had made, and none of its time."""
    return None if share is None else ParentsShare(share.attempts, 0.0, whole=False)


def _within(graph: Graph, path: tuple[str, ...]) -> Graph:
    """Return the graph inside the nodes of `path`, which are there."""
    for name in path:
        inner = graph.by_name[name].graph
        assert inner is not None, "a visit below another stands in a node with a graph inside"
        graph = inner
    return graph


def _inside(graph: Graph, path: tuple[str, ...]) -> Graph | None:
    """Return the graph inside the nodes of `path`; None if a definition has them not, or nothing inside."""
    found: Graph | None = graph
    for name in path:
        node = found.by_name.get(name) if found is not None else None
        found = node.graph if node is not None else None
    return found


_INPUTS: dict[type, Any] = {
    i.AttemptStarted: _Fold.attempt_started,
    i.AttemptSucceeded: _Fold.attempt_ended,
    i.AttemptFailed: _Fold.attempt_ended,
    i.Answered: _Fold.answered,
}
_EVENTS: dict[type, Any] = {
    e.VisitStarted: _Fold.visit_started,
    e.VisitWaiting: _Fold.visit_waiting,
    e.AttemptRetried: _Fold.attempt_retried,
    e.AttemptLost: _Fold.attempt_lost,
    e.VisitCompleted: _Fold.visit_completed,
    e.VisitFailed: _Fold.visit_failed,
    e.VisitCancelled: _Fold.visit_cancelled,
    e.Routed: _Fold.routed,
    e.Joined: _Fold.joined,
    e.RunResumed: _Fold.resumed,
    e.RunForked: _Fold.forked,
    e.RunSuspended: _Fold.suspended,
    e.RunCompleted: _Fold.completed,
    e.RunFailed: _Fold.failed,
    e.RunCancelled: _Fold.cancelled,
}
