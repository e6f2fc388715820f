"""The one reading of a trace, which the command line and the pictures share: records in, an account out (`told`).

It only reads records and the graph in the header; no stepping, no code of the flow. Times are seconds since the epoch,
durations seconds.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from graphrt import events as e
from graphrt import inputs as i
from graphrt.graph import graph_from_json
from graphrt.inputs import ErrorInfo
from graphrt.numbering import Numbering
from graphrt.told import (
    Account,
    AttemptAccount,
    EdgeAccount,
    ParentsShare,
    Spent,
    Totals,
    VisitAccount,
    defined_then,
    spent,
    total_usage,
    within,
)
from graphrt.trace import graph_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from graphrt.graph import Edge, Graph, Node
    from graphrt.trace import Header, Record, Trace


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
            spent=Spent() if before is None else before.spent,
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
        return within(self.account.graph, path[:-1]).by_name[path[-1]]


def _begun_anew(share: ParentsShare | None) -> ParentsShare | None:
    """Return what is the parent's of a visit that begins again: the attempts it had made, and none of its time."""
    return None if share is None else ParentsShare(share.attempts, 0.0, whole=False)


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
