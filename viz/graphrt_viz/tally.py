"""A run, counted record by record: how often each node was visited and each edge crossed, and what became of them.

Nothing is derived anew: counts, verdicts and values are those recorded, and steps have the numbers of the account.
"""

from __future__ import annotations

import copy
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from graphrt import events as ev
from graphrt import inputs as inp
from graphrt.told import Spent, is_block, spent, told_of_call, without_advice
from graphrt_viz.course import counterpart
from graphrt_viz.extract import named, start_of, step_into, tools_of
from graphrt_viz.picture import Failure
from graphrt_viz.verdicts import LONG_VALUE, error_text, reason_text, values_text
from graphrt_viz.wording import shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

    from graphrt.graph import Edge, Graph, Node
    from graphrt.inputs import ErrorInfo
    from graphrt.told import Account
    from graphrt.trace import Record
    from graphrt_viz.course import Course
    from graphrt_viz.picture import Status

CUT_OFF: Final = "cut off"
UNFINISHED: Final = "unfinished"


@dataclass(slots=True, eq=False)
class CountedVisit:
    """What is known of one visit."""

    ident: str
    node: Node
    path: tuple[str, ...] = ()
    """Names of the nodes around it and of its own."""
    status: Status = "running"
    outcome: str | None = None
    error: str | None = None
    tool: str = ""
    """The tool that it calls, if it does."""
    caught: bool = False
    blocked: bool = False
    """Whether it is a guardrail that it failed by."""
    below: list[str] = field(default_factory=list[str])
    """The visits inside it that failed."""
    retries: bool = False
    """Whether its latest attempt failed, and that is told already."""
    took_s: float = 0.0
    """What of its node's sum it stands for."""
    place: int = 0
    """Which of its node's visits it is, from 0."""


@dataclass(slots=True)
class NodeTally:
    """Sums over the visits of a node, and over all that ran inside it."""

    visits: list[CountedVisit] = field(default_factory=list[CountedVisit])
    attempts: int = 0
    inside: tuple[int, int] = (0, 0)
    """Attempts that were made inside it, and by how many visits."""
    lost: int = 0
    failures: list[Failure] = field(default_factory=list[Failure])
    took_s: float = 0.0
    """Of its visits as far as they have ended."""
    good_s: float = 0.0
    failed_s: float = 0.0
    waited_s: float | None = None
    spent: Spent = field(default_factory=Spent)
    tools: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    marks: dict[str, int] = field(default_factory=dict[str, int])
    """What happened besides, and how often."""

    def copied(self) -> NodeTally:
        """Return the sums so far; their visits are the same ones."""
        return replace(
            self,
            visits=[*self.visits],
            failures=[*self.failures],
            tools={name: [*counts] for name, counts in self.tools.items()},
            marks=dict(self.marks),
        )


@dataclass(slots=True)
class EdgeTally:
    """Sums over the verdicts of an edge."""

    taken: int = 0
    steps: list[str] = field(default_factory=list[str])
    values: str = ""
    reasons: dict[str, int] = field(default_factory=dict[str, int])
    """How often each kind of refusal came: `false`, `used up` …"""
    reason: str = ""
    """The latest refusal in words."""
    raised: bool = False
    """Whether that is what its guard raised."""
    branches: int | None = None


@dataclass(slots=True)
class Tally:
    """A run, counted."""

    course: Course
    told: Account
    """What the records tell that were counted; read one record after the other, before it is counted."""
    nodes: dict[str, NodeTally] = field(default_factory=dict[str, NodeTally])
    edges: dict[tuple[str, int], EdgeTally] = field(default_factory=dict[tuple[str, int], EdgeTally])
    """By the node that is left and the index of the edge; the edge from the start has the index -1."""
    visits: dict[str, CountedVisit] = field(default_factory=dict[str, CountedVisit])
    open: dict[str, None] = field(default_factory=dict[str, None])
    """The visits that have not ended, in the order of their starts."""
    asked: dict[str, float] = field(default_factory=dict[str, float])
    """When each open question was asked."""
    changed_at: list[str] = field(default_factory=list[str])
    """The step after which the definition changed, for each change."""
    latest: str = "0"
    """The latest step."""
    status: str = "running"
    run: str = ""
    forked: str = ""
    """Where the run went off from another, in words."""
    busy_s: float = 0.0

    def copied(self, told: Account, unsettled: Iterable[str]) -> Tally:
        """Return what goes on counting from here by itself; only of the `unsettled` visits is there more to count."""
        course = copy.copy(self.course)
        course.changes = [*course.changes]
        nodes = {ident: node.copied() for ident, node in self.nodes.items()}
        visits = dict(self.visits)
        for visit in unsettled:
            if (known := visits.get(visit)) is not None:
                visits[visit] = nodes[known.ident].visits[known.place] = copy.copy(known)
        return replace(
            self,
            course=course,
            told=told,
            nodes=nodes,
            edges={key: replace(e, steps=[*e.steps], reasons=dict(e.reasons)) for key, e in self.edges.items()},
            visits=visits,
            open=dict(self.open),
            asked=dict(self.asked),
            changed_at=[*self.changed_at],
        )


def count_record(tally: Tally, record: Record) -> None:
    """Count what a record tells."""
    tally.course.take(record)
    tally.changed_at += [tally.latest] * (len(tally.course.changes) - len(tally.changed_at))
    tally.latest = tally.told.step
    given = record.input
    if isinstance(given, inp.AttemptStarted):
        _begin_attempt(tally, given.visit)
    elif isinstance(given, (inp.AttemptSucceeded, inp.AttemptFailed)):
        _count_attempt(tally, given)
    elif isinstance(given, inp.Answered):
        _decided(tally, given)
    for event in record.events:
        take = _TAKE.get(type(event))
        if take is not None:
            take(tally, event, record.at)


def _begin_attempt(tally: Tally, visit: str) -> None:
    if (known := tally.visits.get(visit)) is None:
        return
    tally.open[visit] = None
    attempts = tally.told.visits[visit].attempts
    node, *around = _with_owners(tally, visit)
    node.attempts += 1
    for owner in around:
        made, visits = owner.inside
        owner.inside = made + 1, visits + (len(attempts) == 1)
    if len(attempts) > 1 and (error := attempts[-2].error) is not None and not known.retries:
        of = known.node.retry.attempts if known.node.retry is not None else None
        failure = Failure(attempts[-2].number, error_text(error), of, step=attempts[-1].step)
        for owner in (node, *around):
            owner.failures.append(failure)
    known.retries = False
    while visit:  # what had failed or was cut off goes on, and the nodes around it do
        if (each := tally.visits.get(visit)) is not None and each.status in {"failed", "lost"}:
            each.status, each.error = "running", None
        visit = visit.rpartition("/")[0]


def _decided(tally: Tally, given: inp.Answered) -> None:
    """Note at an agent what a person said to the call of one of its tools: closed, it hides the question."""
    visit, around = tally.visits.get(given.visit), tally.visits.get(given.visit.rpartition("/")[0])
    said = _DECISIONS.get(given.answer) if isinstance(given.answer, str) else None
    if visit is None or visit.status != "waiting" or around is None or around.node.kind == "subgraph" or not said:
        return
    for tool in tools_of(around.node):
        if visit.node.name == f"approve {tool}":
            text = f"{said} by {given.by}" if given.by else said
            marks = tally.nodes[around.ident].marks
            marks[text] = marks.get(text, 0) + 1


_DECISIONS: Final[Mapping[str, str]] = {"approve": "approved", "decline": "declined"}
"""What is said of each answer to whether a tool may be called."""


def _with_owners(tally: Tally, visit: str) -> list[NodeTally]:
    """Return the tallies of a visit's node and of the nodes around it, innermost first."""
    found: list[NodeTally] = []
    while visit:
        known = tally.visits.get(visit)
        if known is not None:
            found.append(tally.nodes[known.ident])
        visit = visit.rpartition("/")[0]
    return found


def _count_attempt(tally: Tally, given: inp.AttemptSucceeded | inp.AttemptFailed) -> None:
    good = isinstance(given, inp.AttemptSucceeded)
    visit = tally.visits.get(given.visit)
    if visit is not None and visit.tool and not good:
        for owner in _with_owners(tally, given.visit)[:2]:
            owner.tools[visit.tool][1] += 1
    tally.busy_s += given.duration_s
    used = spent(given.usage)
    for owner in _with_owners(tally, given.visit):
        if good:
            owner.good_s += given.duration_s
        else:
            owner.failed_s += given.duration_s
        for mark in given.marks:
            owner.marks[mark.text] = owner.marks.get(mark.text, 0) + 1
        owner.spent += used


def _started(tally: Tally, event: ev.VisitStarted, at: float) -> None:
    del at
    outer, _, own = event.visit.rpartition("/")
    around = tally.visits.get(outer) if outer else None
    graph = around.node.graph if around is not None else tally.course.drawn
    path = around.ident if around is not None else ""
    if graph is None or event.node not in graph.by_name:
        return
    node = graph.by_name[event.node]
    visit = CountedVisit(step_into(path, event.node), node, (*(around.path if around is not None else ()), event.node))
    visits = tally.nodes.setdefault(visit.ident, NodeTally()).visits
    before = tally.visits.get(event.visit)
    if before is None or before.ident != visit.ident:
        visit.place = len(visits)
        visits.append(visit)
    else:  # of a graph inside a visit that began anew: it is the same visit still
        visit.took_s, visit.place = before.took_s, before.place
        visits[visit.place] = visit
    tally.visits[event.visit] = visit
    tally.open[event.visit] = None
    if own == "0" and node.index == graph.start and not event.causes:
        edge = tally.edges.setdefault((start_of(path), -1), EdgeTally())
        edge.taken += 1
        edge.steps.append(tally.told.visits[event.visit].step)
    if around is not None:
        _count_tool(tally, visit, around, event)


def _count_tool(tally: Tally, visit: CountedVisit, around: CountedVisit, event: ev.VisitStarted) -> None:
    """Notice that a visit inside an agent is the call of one of its tools: the node has its name, or the item does."""
    tools = tools_of(around.node)
    for name in (event.node, named(event.item)):
        if name in tools:
            visit.tool = name
            for ident in (visit.ident, around.ident):
                tally.nodes[ident].tools.setdefault(name, [0, 0])[0] += 1
            return


def _ended(tally: Tally, visit: str) -> None:
    """Add what a visit took to the sum of its node."""
    tally.open.pop(visit, None)
    if (known := tally.visits.get(visit)) is not None:
        took_s = took_so_far(tally.told, visit)
        tally.nodes[known.ident].took_s += took_s - known.took_s
        known.took_s = took_s


def took_so_far(told: Account, visit: str) -> float:
    """Return how many seconds a visit took, as far as it got: for its work, not for waiting for an answer.

    A node with a graph inside has no attempts of its own: it takes from its start to its end.
    """
    known = told.visits[visit]
    if known.node.kind in {"ask", "join", "end"}:
        return 0.0
    if known.took_s is not None or known.node.graph is None:
        return known.took_s or known.busy_s
    return max(0.0, told.ended - known.started - known.idle_s)


def _waiting(tally: Tally, event: ev.VisitWaiting, at: float) -> None:
    tally.asked[event.visit] = at
    if (visit := tally.visits.get(event.visit)) is not None:
        visit.status = "waiting"


def _answered(tally: Tally, visit: str, at: float) -> None:
    """Close the question of a visit, if it had one open."""
    asked = tally.asked.pop(visit, None)
    if asked is not None and (known := tally.visits.get(visit)) is not None:
        node = tally.nodes[known.ident]
        node.waited_s = (node.waited_s or 0.0) + max(0.0, at - asked)


def _retried(tally: Tally, event: ev.AttemptRetried, at: float) -> None:
    owners = _with_owners(tally, event.visit)
    if not owners:
        return
    node = tally.visits[event.visit].node
    tally.visits[event.visit].retries = True
    of = node.retry.attempts if node.retry is not None else None
    again = tally.told.visits[event.visit].again
    failure = Failure(event.attempt, error_text(event.error), of, max(0.0, event.due - at), again)
    for owner in owners:
        owner.failures.append(failure)


def _lost(tally: Tally, event: ev.AttemptLost, at: float) -> None:
    del at
    for owner in _with_owners(tally, event.visit):
        owner.lost += 1
    if (visit := tally.visits.get(event.visit)) is not None:
        visit.status = "lost" if event.then != "retry" else "running"


def _completed(tally: Tally, event: ev.VisitCompleted, at: float) -> None:
    _answered(tally, event.visit, at)
    _ended(tally, event.visit)
    if (visit := tally.visits.get(event.visit)) is not None:
        visit.status, visit.outcome, visit.error = "good", event.outcome, None
        if visit.tool and (told_of_call(event.writes) or {}).get("failed") is True:
            for owner in _with_owners(tally, event.visit)[:2]:
                owner.tools[visit.tool][1] += 1


def _failed(tally: Tally, event: ev.VisitFailed, at: float) -> None:
    _answered(tally, event.visit, at)
    _ended(tally, event.visit)
    if (visit := tally.visits.get(event.visit)) is not None:
        visit.status, visit.error, visit.caught = "failed", error_text(event.error), False
        visit.blocked = is_block(event.error.type)
        if (around := tally.visits.get(event.visit.rpartition("/")[0])) is not None:
            around.below.append(event.visit)
    _raised(tally, event.error)


def _cancelled(tally: Tally, event: ev.VisitCancelled, at: float) -> None:
    _answered(tally, event.visit, at)
    _ended(tally, event.visit)
    if (visit := tally.visits.get(event.visit)) is not None:
        visit.status = "cancelled"


def _routed(tally: Tally, event: ev.Routed, at: float) -> None:
    del at
    visit = tally.visits.get(event.visit)
    if visit is None:
        return
    tried = {v.edge: v for v in event.verdicts}
    numbered = {x.edge.index: x.step for x in tally.told.visits[event.visit].routed}
    won = next((v.edge for v in event.verdicts if v.result == "taken"), None)
    if event.error is not None and won is not None:
        _caught(tally, visit)
    if event.error is None and visit.status == "failed":  # its guard raised, and did not when the run went on
        visit.status, visit.error = "good", None
    for edge, known, former in _leaving(tally, visit):
        known.raised = False
        verdict = tried.get(edge.index)
        if verdict is None:
            if edge.on is not None and visit.outcome is not None and edge.on != visit.outcome:
                known.reasons["other answer"] = known.reasons.get("other answer", 0) + 1
                known.reason = f"answer: {shorten(visit.outcome, LONG_VALUE)}"
        elif verdict.result == "taken":
            known.taken += 1
            known.steps.append(numbered[edge.index])
            known.values = " ".join(text for text in (values_text(verdict.values), former) if text)
            if edge.each is not None and verdict.count is not None:
                known.branches = (known.branches or 0) + verdict.count
        else:
            known.reasons[verdict.result] = known.reasons.get(verdict.result, 0) + 1
            known.reason = " ".join(text for text in (reason_text(edge.at_most, verdict, won), former) if text)


def _caught(tally: Tally, visit: CountedVisit) -> None:
    """Note that an edge caught the failure of a visit, and with it that of those inside which made it fail."""
    inside = [tally.visits[ident] for ident in visit.below if ident in tally.visits]
    broken = [v for v in inside if v.status == "failed" and not v.caught]
    for each in broken:
        _caught(tally, each)
    visit.caught = True
    visit.blocked |= bool(broken) and all(v.blocked for v in broken)
    if visit.error is not None:
        visit.error = without_advice(visit.error)


def _leaving(tally: Tally, visit: CountedVisit) -> Iterator[tuple[Edge, EdgeTally, str]]:
    """Yield the edges of a visit's node as they were then, what is counted for each, and what it said if it changed."""
    course = tally.course
    drawn = _graph_around(tally, visit)
    before = course.graph_at(visit.path[:-1], drawn)
    for edge in course.node(visit.path, visit.node).edges:
        now = edge if before is drawn else counterpart(edge, before, visit.node, drawn)
        if now is not None:
            known = tally.edges.setdefault((visit.ident, now.index), EdgeTally())
            yield edge, known, course.former(edge, before, now, drawn)


def _raised(tally: Tally, error: ErrorInfo) -> None:
    """Lay an error that a guard raised at the visit that it led away from, and at its edge: no verdict tells of it."""
    visit, at = tally.visits.get(str(error.detail.get("visit"))), error.detail.get("edge")
    if visit is None or visit.status != "good" or not isinstance(at, int):
        return
    visit.status, visit.error = "failed", error_text(error)
    said = error.message.rpartition(" raised ")[2]
    for edge, known, _ in _leaving(tally, visit):
        if edge.index == at:
            known.reason, known.raised = f"raised {shorten(said, 2 * LONG_VALUE)}", True
        elif edge.on_error is None and edge.on in {None, visit.outcome}:
            behind = edge.index > at
            known.reason = f"not tried: rule {at + 1} raised" if behind else "tried" if visit.node.fork else "no match"
            known.raised = False
        else:
            continue
        known.reasons["raised"] = known.reasons.get("raised", 0) + 1


def _graph_around(tally: Tally, visit: CountedVisit) -> Graph:
    """Return the drawn graph that the node of a visit stands in."""
    graph = tally.course.drawn
    for name in visit.path[:-1]:
        inside = graph.by_name[name].graph
        assert inside is not None, "a visit below another stands in a node with a graph inside"
        graph = inside
    return graph


def _run_failed(tally: Tally, event: ev.RunFailed, at: float) -> None:
    del at
    tally.status = "failed"
    _raised(tally, event.error)
    visit = event.visit
    while visit:  # the nodes around it failed with it
        if (known := tally.visits.get(visit)) is not None:
            known.status, known.error, known.caught = "failed", error_text(event.error), False
        visit = visit.rpartition("/")[0]


def _set_status(status: str) -> Callable[[Tally, Any, float], None]:
    def take(tally: Tally, event: object, at: float) -> None:
        del event, at
        tally.status = status

    return take


def _forked(tally: Tally, event: ev.RunForked, at: float) -> None:
    del at
    tally.status, tally.run = "running", event.run
    visit = tally.visits.get(event.visit)
    tally.forked = f"fork of {event.parent[:12]}" + (f" at {visit.node.name}" if visit is not None else "")


_TAKE: Final[Mapping[type, Callable[[Tally, Any, float], None]]] = {
    ev.RunStarted: _set_status("running"),
    ev.RunResumed: _set_status("running"),
    ev.RunForked: _forked,
    ev.RunSuspended: _set_status("suspended"),
    ev.RunCompleted: _set_status("completed"),
    ev.RunCancelled: _set_status("cancelled"),
    ev.RunFailed: _run_failed,
    ev.VisitStarted: _started,
    ev.VisitWaiting: _waiting,
    ev.VisitCompleted: _completed,
    ev.VisitFailed: _failed,
    ev.AttemptLost: _lost,
    ev.VisitCancelled: _cancelled,
    ev.AttemptRetried: _retried,
    ev.Routed: _routed,
}


@contextmanager
def closed(tally: Tally, *, live: bool | None) -> Generator[None]:
    """Account for what is open after the records so far: questions still wait, the rest stopped with the run.

    At the end of the context all is as before, and more records can be counted.
    """
    asked, status = dict(tally.asked), tally.status
    places = [tally.visits[visit].ident for visit in asked if visit in tally.visits]
    waited = {place: tally.nodes[place].waited_s for place in places}
    took = {ident: tally.nodes[ident].took_s for ident in (tally.visits[v].ident for v in tally.open)}
    were: list[tuple[CountedVisit, Status]] = []
    try:
        for visit in asked:
            _answered(tally, visit, tally.course.at or 0.0)
        for visit in tally.open:
            known = tally.visits[visit]
            tally.nodes[known.ident].took_s += took_so_far(tally.told, visit) - known.took_s
        were = list(_close(tally, live=live))
        yield
    finally:
        tally.asked, tally.status = asked, status
        for ident, span in waited.items():
            tally.nodes[ident].waited_s = span
        for ident, sum_s in took.items():
            tally.nodes[ident].took_s = sum_s
        for known, was in were:
            known.status = was


def _close(tally: Tally, *, live: bool | None) -> Iterator[tuple[CountedVisit, Status]]:
    """Give each visit that was open the status that it has once the run ended; yield those with what they had."""
    if tally.status == "running" and not live:
        tally.status = UNFINISHED if live is None else CUT_OFF
        for known in tally.visits.values():
            if known.status == "running":
                yield known, known.status
                known.status = "unfinished" if live is None else "lost"
    if tally.status in {"completed", "failed", "cancelled"}:
        for known in tally.visits.values():
            if known.status in {"running", "waiting"}:
                yield known, known.status
                known.status = "cancelled"
