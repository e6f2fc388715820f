"""A run step by step: what each view of a run, and the report, are made from.

A step is an attempt, a visit without one (a question, a join, an end), or an arrival at a join that goes on waiting.
Steps bear the numbers of `graphrt.numbering`, which stand on the edges of the run's picture as well: step 4 is what the
edge numbered 4 led to.

The state is what replay folds from the trace; nothing here decides anything anew, and no code of the flow is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from graphrt import events as ev
from graphrt import inputs as inp
from graphrt.account import Reader
from graphrt.errors import GraphrtError
from graphrt.replay import states
from graphrt.told import spent
from graphrt_viz import story
from graphrt_viz.course import Course, counterpart
from graphrt_viz.extract import edge_of, start_of, step_into, tools_of
from graphrt_viz.overlay import picture_of_run
from graphrt_viz.step_states import StepStates
from graphrt_viz.steps import Asked, Brief, Chronicle, Exit, Step
from graphrt_viz.tally import took_so_far
from graphrt_viz.values import LONG_VALUE
from graphrt_viz.verdicts import error_text, reason_text, values_text
from graphrt_viz.wording import shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from graphrt.graph import Edge, Graph, Node
    from graphrt.inputs import Json
    from graphrt.told import Account, VisitAccount
    from graphrt.trace import Record, Trace
    from graphrt_viz.extract import Opened
    from graphrt_viz.picture import NodeKind, Picture


def chronicle_of(trace: Trace, *, opened: Opened = None, live: bool | None = None) -> Chronicle:
    """Return the steps of a run.

    Args:
        trace: the run; its header holds the graph.
        opened: which nodes with a graph inside are drawn open in the picture; by default subgraphs.
        live: whether somebody drives the run now; None if it is not known. See `picture_of_run`.

    Raises:
        KeyError, TypeError, ValueError: the header does not hold the JSON form of a graph.
    """
    picture = picture_of_run(trace, opened=opened, live=live)
    course = Course(trace)
    reader = Reader(trace.header, course.drawn, trace.records[0].at if trace.records else None)
    told = reader.account
    writer = _Writer(told, picture, course)
    folded = states(trace)
    has_states = True
    for record in trace.records:
        reader.read(record)
        writer.take(record)
        if has_states:
            try:
                _, stepper = next(folded)
            except (GraphrtError, LookupError, StopIteration):
                has_states = False
            else:
                writer.states.look(record, stepper)
    writer.close(live=live)
    error = error_text(told.error) if told.error is not None else None
    return Chronicle(
        picture,
        told.run,
        told.flow,
        picture.status,
        told.started,
        round(told.ended - told.started, 6),
        tuple(writer.steps),
        error,
        writer.kept,
        has_states,
    )


class _Writer:
    """Writes the steps down, record by record."""

    def __init__(self, told: Account, picture: Picture, course: Course) -> None:
        self.told, self.picture, self.course = told, picture, course
        self.steps: list[Step] = []
        self.at = told.started
        self.latest: dict[str, int] = {}
        """The latest step of each visit, by its id."""
        self.pending: dict[tuple[str, str], list[int | None]] = {}
        """Edges crossed whose visit has not begun: by the visit left and the name of the node led to."""
        self.waiting: dict[str, list[int]] = {}
        """Arrivals at a join that has not fired, by the path of the join."""
        self.shown = {n.id for n in picture.nodes} | {c.id for c in picture.clusters}
        self.edges = _edge_places(picture)
        self.conditions: dict[tuple[str, str, int], str] = {}
        self.kept: dict[str, Json] = {}
        """Long parts of what was sent to models, by their names."""
        self.briefs: dict[tuple[str, str], Brief] = {}
        """By the digest of the definition and the id of the node."""
        self.states = StepStates(told, self.steps, self.latest)

    # -- places -------------------------------------------------------------------------------------------------------

    def ident(self, visit: VisitAccount) -> str:
        path = ""
        for name in visit.path:
            path = step_into(path, name)
        return path

    def stands_for(self, ident: str) -> str:
        while ident not in self.shown and "/" in ident:
            ident = ident.rpartition("/")[0]
        return ident

    # -- records ------------------------------------------------------------------------------------------------------

    def take(self, record: Record) -> None:
        self.at = record.at - self.told.started
        self.course.take(record)
        given = record.input
        if isinstance(given, inp.Forked):
            self.leave_behind(given)
        elif isinstance(given, inp.AttemptStarted):
            self.attempt_started(given)
        elif isinstance(given, (inp.AttemptSucceeded, inp.AttemptFailed)):
            self.attempt_ended(given)
        elif isinstance(given, inp.Answered):
            self.step_of(given.visit).by = given.by or ""
        for event in record.events:
            note = _EVENTS.get(type(event))
            if note is not None:
                note(self, event)

    def step_of(self, visit: str) -> Step:
        return self.steps[self.latest[visit]]

    def attempt_started(self, given: inp.AttemptStarted) -> None:
        known = self.step_of(given.visit)
        if known.attempts == 0 and not known.question:
            known.attempts, known.what, known.started, known.definition = 1, "attempt", self.at, self.definition
            return
        if known.status == "waiting":
            known.status, known.ended = "good", self.at
        known.retried |= known.status == "failed"
        step = self.next_of(given.visit, self.told.visits[given.visit].attempts[-1].step)
        step.what, step.attempt, step.attempts = "attempt", given.attempt, given.attempt

    def next_of(self, visit: str, label: str) -> Step:
        """Add a further step of a visit: another attempt, or a question about it."""
        known = self.step_of(visit)
        step = Step(
            label,
            "visit",
            visit,
            known.ident,
            known.shown,
            known.name,
            known.kind,
            self.at,
            item=known.item,
            brief=known.brief,
            definition=self.definition,
            causes=(self.latest[visit],),
            base=self.latest[visit],
        )
        self.latest[visit] = len(self.steps)
        self.steps.append(step)
        return step

    @property
    def definition(self) -> str:
        return self.course.digest if self.course.changed else ""

    def leave_behind(self, given: inp.Forked) -> None:
        """End the attempts that were under way where a run went off from its parent, in which they went on."""
        for step in self.steps:
            if step.what == "attempt" and step.ended is None:
                self.cut_off(step, f"went on in the parent, run {given.parent}")

    def attempt_lost(self, event: ev.AttemptLost) -> None:
        self.cut_off(self.step_of(event.visit), "cut off: whether its effect took place is in doubt")

    def cut_off(self, step: Step, why: str) -> None:
        """End an attempt where it is last known to have lived: nobody knows for how long it really did."""
        step.status, step.error = "lost", why
        step.ended = max(step.started, self.course.stopped_at - self.told.started)

    def attempt_ended(self, given: inp.AttemptSucceeded | inp.AttemptFailed) -> None:
        step = self.step_of(given.visit)
        step.ended, step.busy_s = self.at, given.duration_s
        step.marks = tuple(mark.text for mark in given.marks)
        step.requests = tuple(Asked(sent.model, sent.messages, sent.rest) for sent in given.sent)
        self.kept |= given.kept
        if isinstance(given, inp.AttemptFailed):
            step.status, step.error = "failed", error_text(given.error)
        else:
            step.status = "good"
        if given.usage is not None:
            used = spent(given.usage)
            step.uncounted, step.unpriced = used.uncounted > 0, used.unpriced > 0
            known = [t for t in (given.usage.input_tokens, given.usage.output_tokens) if t is not None]
            step.tokens = sum(known) if known else None
            step.cost_usd, step.model = given.usage.cost_usd, given.usage.model

    # -- events -------------------------------------------------------------------------------------------------------

    def visit_started(self, event: ev.VisitStarted) -> None:
        visit = self.told.visits[event.visit]
        ident = self.ident(visit)
        via = self.crossed_to(event, ident)
        causes = tuple(self.latest[c] for c in event.causes if c in self.latest)
        outer = event.visit.rpartition("/")[0]
        step = Step(
            visit.step,
            "visit",
            event.visit,
            ident,
            self.stands_for(ident),
            visit.name,
            _kind(visit.node),
            self.at,
            item=self.states.valued(event.item) if event.item is not None else "",
            brief=self.brief(visit, ident),
            via=via,
            definition=self.definition,
            causes=causes or ((self.latest[outer],) if outer in self.latest else ()),
            base=causes[0] if causes else None,
        )
        place = self.arrived(visit, step) if visit.node.kind == "join" else None
        if place is None:
            place = len(self.steps)
            self.steps.append(step)
        else:
            self.steps[place] = step
        self.latest[event.visit] = place

    def brief(self, visit: VisitAccount, ident: str) -> Brief:
        """Return what the definition in force says of a visit's node."""
        key = self.course.digest, ident
        if key not in self.briefs:
            node = self.course.node(visit.path, visit.node)
            around = self.told.visits.get(visit.id.rpartition("/")[0])
            asker = node
            if around is not None and around.node.kind == "agent":
                asker = self.course.node(around.path, around.node)
            self.briefs[key] = Brief(
                node.reads, _said(node.about.get("doc")), _said(asker.about.get("instructions")), tools_of(asker)
            )
        return self.briefs[key]

    def crossed_to(self, event: ev.VisitStarted, ident: str) -> tuple[int, ...]:
        """Return by which edges of the picture a visit was reached."""
        found = [edge for cause in event.causes for edge in self.take_pending(cause, event.node)]
        start = start_of(ident.rpartition("/")[0] if "/" in event.visit else "")
        if not event.causes and start in self.shown:
            found.append(self.edges[start, 0])
        return tuple(edge for edge in found if edge is not None)

    def take_pending(self, cause: str, node: str) -> list[int | None]:
        """Take the crossing from a visit to a node: the first of several branches."""
        found = self.pending.get((cause, node), [])
        if len(found) > 1:
            self.pending[cause, node] = found[1:]
        else:
            self.pending.pop((cause, node), None)
        return found[:1]

    def arrived(self, visit: VisitAccount, step: Step) -> int | None:
        """Return the place of the arrival that made a join fire, which becomes the visit of the join."""
        waiting = self.waiting.pop(f"{visit.id.rpartition('/')[0]}/{visit.node.name}", [])
        if not waiting:
            return None
        step.via = tuple(edge for place in waiting for edge in self.steps[place].via)
        return waiting[-1] if self.steps[waiting[-1]].label == step.label else None

    def visit_waiting(self, event: ev.VisitWaiting) -> None:
        step = self.step_of(event.visit)
        if step.status == "lost":
            step = self.next_of(event.visit, self.told.visits[event.visit].asked)
        step.status, step.question, step.answers = "waiting", event.question, event.answers
        shown = self.told.visits[event.visit].reads
        step.asked = {name: self.states.valued(value) for name, value in shown.items()}

    def attempt_retried(self, event: ev.AttemptRetried) -> None:
        self.step_of(event.visit).retried = True

    def visit_completed(self, event: ev.VisitCompleted) -> None:
        step = self.step_of(event.visit)
        step.status, step.outcome, step.ended = "good", event.outcome, self.at
        if (refused := self.told.visits[event.visit].refused) is not None:
            step.error = f"told the model: {shorten(refused.trouble, LONG_VALUE)}"
        self.states.wrote(event.visit, step)

    def visit_failed(self, event: ev.VisitFailed) -> None:
        step = self.step_of(event.visit)
        step.status, step.error, step.ended = "failed", error_text(event.error), self.at

    def visit_cancelled(self, event: ev.VisitCancelled) -> None:
        step = self.step_of(event.visit)
        step.status, step.ended, step.error = "cancelled", self.at, f"stopped: {event.why}"

    def routed(self, event: ev.Routed) -> None:
        step = self.step_of(event.visit)
        visit = self.told.visits[event.visit]
        drawn = self.told.graph_around(visit)
        graph = self.course.graph_at(visit.path[:-1], drawn)
        tried = {v.edge: v for v in event.verdicts}
        numbered = {x.edge.index: x.step for x in visit.routed}
        won = next((v.edge for v in event.verdicts if v.result == "taken"), None)
        exits: list[Exit] = []
        for edge in self.course.node(visit.path, visit.node).edges:
            verdict = tried.get(edge.index)
            now = edge if graph is drawn else counterpart(edge, graph, visit.node, drawn)
            place = self.edges.get((step.ident, now.index)) if now is not None else None
            target = graph.nodes[edge.target]
            if verdict is None:
                if edge.on_error is None and step.outcome is not None:
                    reason = f"answer: {shorten(step.outcome, 48)}"
                    exits.append(
                        Exit(place, target.name, self.condition(edge, step.ident, graph), "other answer", reason)
                    )
                continue
            taken = verdict.result == "taken"
            reason = values_text(verdict.values) if taken else reason_text(edge.at_most, verdict, won)
            exits.append(Exit(place, target.name, self.condition(edge, step.ident, graph), verdict.result, reason))
            if taken:
                branches = verdict.count if edge.each is not None and verdict.count is not None else None
                self.cross(event.visit, numbered[edge.index], target, place, branches)
        step.exits = tuple(exits)

    def condition(self, edge: Edge, ident: str, graph: Graph) -> str:
        """Return what triggers an edge, in the words of its picture."""
        key = self.course.digest, ident, edge.index
        if key not in self.conditions:
            self.conditions[key] = story.condition(edge_of(graph, edge, ident.rpartition("/")[0]))
        return self.conditions[key]

    def cross(self, visit: str, label: str, target: Node, place: int | None, branches: int | None) -> None:
        """Keep a crossing for the visit that it leads to; one into a join is a step of its own, if it is drawn."""
        if target.kind != "join":
            self.pending.setdefault((visit, target.name), []).extend([place] * (1 if branches is None else branches))
            return
        left = self.step_of(visit)
        if left.ident not in self.shown:
            return
        outer = visit.rpartition("/")[0]
        ident = step_into(left.ident.rpartition("/")[0] if outer else "", target.name)
        arrival = Step(
            label,
            "arrival",
            visit,
            ident,
            self.stands_for(ident),
            target.name,
            "join",
            self.at,
            self.at,
            status="good",
            via=() if place is None else (place,),
            causes=(self.latest[visit],),
            base=self.latest[visit],
        )
        self.waiting.setdefault(f"{outer}/{target.name}", []).append(len(self.steps))
        self.steps.append(arrival)

    def close(self, *, live: bool | None) -> None:
        """Finish what was open when the records end."""
        over = self.told.status in {"completed", "failed", "cancelled"}
        for step in self.steps:
            if over and step.status in {"running", "waiting"}:
                step.status = "cancelled"
            elif not live and step.status == "running" and self.told.status == "running":
                step.status = "unfinished" if live is None else "lost"
                step.ended = step.ended if live is None else max(step.started, self.at)
            visit = self.told.visits.get(step.visit)
            if visit is None or step.what == "arrival":
                continue
            step.took_s = took_so_far(self.told, step.visit)
            if step.what == "attempt":
                step.attempts = len(visit.attempts)
        failed = self.told.failed_at
        while failed:
            if failed in self.latest and self.told.error is not None:
                step = self.step_of(failed)
                step.status, step.error = "failed", step.error or error_text(self.told.error)
            failed = failed.rpartition("/")[0]


_EVENTS: Final[Mapping[type, Callable[[_Writer, Any], None]]] = {
    ev.VisitStarted: _Writer.visit_started,
    ev.VisitWaiting: _Writer.visit_waiting,
    ev.AttemptRetried: _Writer.attempt_retried,
    ev.AttemptLost: _Writer.attempt_lost,
    ev.VisitCompleted: _Writer.visit_completed,
    ev.VisitFailed: _Writer.visit_failed,
    ev.VisitCancelled: _Writer.visit_cancelled,
    ev.Routed: _Writer.routed,
}


# ---- words


def _said(text: object) -> str:
    return text.strip() if isinstance(text, str) else ""


def _kind(node: Node) -> NodeKind:
    if node.kind == "end":
        return "failure_end" if node.failure else "end"
    return "tool_agent" if node.kind == "agent" and tools_of(node) else node.kind


def _edge_places(picture: Picture) -> dict[tuple[str, int], int]:
    """Return the place of each edge of a picture by the node that it leaves and its index there."""
    counts: dict[str, int] = {}
    places: dict[tuple[str, int], int] = {}
    for place, edge in enumerate(picture.edges):
        if not edge.retry:
            index = counts.get(edge.source, 0)
            counts[edge.source] = index + 1
            places[edge.source, index] = place
    return places
