"""From the records of a run to spans, one record after the other. Knows no OpenTelemetry library, and reads no clock.

    invoke_workflow {flow}              a run, as far as one process drove it
      graphrt.node {node}               an attempt of a task, or a visit that has none: a question, a join, an end
      invoke_agent {node}               a visit of an agent, around what happens inside it
        chat {model}                    an attempt to ask a model (CLIENT)
        execute_tool {tool}             an attempt to carry out a call

Spans lie in each other as graphs do. What a visit follows from is linked, so forks and joins keep their shape. Every
attempt is a span of its own, also a failed one. How a visit was left, edge by edge, are events of its span.

A run that was taken up again keeps its trace; each time of driving it is a span, and what was open meanwhile is one
span for each of them.

Without `content` nothing is told of what a run worked on: no value of its state, no text of a model or a person, and of
an error its type alone, since messages like to quote. Texts of the definition, such as guards, are always told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from graphrt import events as ev
from graphrt import inputs as inp
from graphrt.account import Reader
from graphrt.telemetry import names
from graphrt.telemetry.content import (
    CALLS,
    REQUESTS,
    content_of,
    json_text,
    messages_in,
    sent_to,
    text_or_none,
    usage_of,
)
from graphrt.telemetry.span import Link, Span, SpanEvent, span_id_of, trace_id_of
from graphrt.told import total_usage, value_text
from graphrt.trace import graph_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from graphrt.graph import Graph, Node
    from graphrt.inputs import ErrorInfo, Mark, Usage
    from graphrt.telemetry.names import Value
    from graphrt.telemetry.span import Attributes, Kind
    from graphrt.told import VisitAccount
    from graphrt.trace import Header, Record, Trace

_WORKING: Final = frozenset({"task", "agent", "router"})
_OVER: Final = frozenset({"completed", "failed", "cancelled"})
_RUN: Final = ("", 0)
"""The key of the span of the run itself."""


def spans_of(trace: Trace, *, content: bool = False) -> list[Span]:
    """Return the spans of a recorded run, in the order in which they ended; of a fork, those since it went off.

    Args:
        trace: the run, as far as it got.
        content: tell what it worked on as well.
    """
    told = Spans(trace.header, graph_of(trace), content=content)
    found = [span for record in trace.records for span in told.take(record)]
    return found + told.close()


@dataclass(slots=True)
class _Open:
    """A span that has not ended."""

    name: str
    span_id: str
    parent_id: str | None
    kind: Kind
    started: float
    attributes: Attributes
    events: list[SpanEvent] = field(default_factory=list[SpanEvent])
    links: list[Link] = field(default_factory=list[Link])
    error: str | None = None
    usages: list[Usage | None] = field(default_factory=list["Usage | None"])
    """What attempts inside an agent used."""


class Spans:
    """Tells the spans of a run, record by record."""

    def __init__(self, header: Header, graph: Graph, *, content: bool = False, caller: Link | None = None) -> None:
        """Begin before the first record.

        Args:
            header: what the records are of.
            graph: the definition.
            content: tell what the run works on as well.
            caller: the span from which the run is driven.
        """
        self._fold = _Fold(header, graph, content, caller)

    @property
    def status(self) -> str:
        """What became of the run so far."""
        return self._fold.account.status

    def take(self, record: Record) -> list[Span]:
        """Take the next record; return the spans that ended with it."""
        return self._fold.take(record)

    def close(self) -> list[Span]:
        """Return the spans that are open where the records end, as they stood at the last one."""
        return self._fold.close(self._fold.at)


class _Fold:
    """Folds records into spans."""

    def __init__(self, header: Header, graph: Graph, content: bool, caller: Link | None) -> None:  # noqa: FBT001 - always by its place
        self.reader = Reader(header, graph)
        self.account = self.reader.account
        self.own = header.run
        self.digest = header.digest
        self.content = content
        self.caller = caller
        self.run = header.run
        """Whose records are read: at the beginning of a fork, those of its parent."""
        self.session = 0
        self.at = header.created
        self.open: dict[tuple[str, int], _Open] = {}
        self.key: dict[str, tuple[str, int]] = {}
        """The open span of a visit."""
        self.latest: dict[str, Link] = {}
        """The last span of each visit."""
        self.calls: dict[str, dict[str, Any]] = {}
        """The call of a tool that a visit inside an agent is about."""
        self.ending: list[tuple[str, int]] = []

    def take(self, record: Record) -> list[Span]:
        given, before = record.input, self.at
        self.at = record.at
        again = isinstance(given, inp.Resumed | inp.Forked)
        waited = self.waiting() if again else ()
        done = self.close(before) if again else []
        was_own = self.run == self.own
        self.reader.read(record)
        if isinstance(given, inp.Started | inp.Forked):
            self.run, self.session = given.run, 0
        elif isinstance(given, inp.Resumed):
            self.session += 1
            self.digest = given.digest or self.digest
        if isinstance(given, inp.Started) or again:
            self.begin(given)
        for visit in waited:
            if self.account.visits[visit].status in {"running", "waiting"}:
                self.open_visit(visit)
        if (note := _INPUTS.get(type(given))) is not None:
            note(self, given)
        for event in record.events:
            if (note := _EVENTS.get(type(event))) is not None:
                note(self, event)
        ended, self.ending = self.ending, []
        done = done if was_own else []
        done += [self.end(key, record.at) for key in dict.fromkeys(ended) if key in self.open]
        if self.account.status in _OVER:
            done += self.close(record.at)
        return done if self.run == self.own else []

    # -- begin and end ------------------------------------------------------------------------------------------------

    def begin(self, given: object) -> None:
        told = self.account
        first = span_id_of(self.run, 0, *_RUN)
        own = span_id_of(self.run, self.session, *_RUN)
        found = _Open(
            f"{names.INVOKE_WORKFLOW} {told.flow}",
            own,
            first if self.session else None,
            "internal",
            self.at,
            names.under({names.OPERATION: names.INVOKE_WORKFLOW, names.WORKFLOW: told.flow})
            | {"graphrt.run.id": self.run, "graphrt.flow.digest": self.digest},
        )
        if self.session:
            found.attributes["graphrt.run.resumed"] = self.session
            found.links.append(Link(trace_id_of(self.run), span_id_of(self.run, self.session - 1, *_RUN), "resumed"))
        if isinstance(given, inp.Forked):
            found.attributes["graphrt.run.parent"] = given.parent
            before = (given.visit, *self.account.visits[given.visit].causes)
            found.links += [Link(of.trace_id, of.span_id, "parent") for v in before if (of := self.latest.get(v))][:1]
        if self.caller is not None:
            found.links.append(self.caller)
        if self.content and isinstance(given, inp.Started):
            found.attributes["graphrt.state"] = json_text(given.state)
        self.open[_RUN] = found

    def open_visit(self, visit: str, attempt: int = 0, *, at: float | None = None) -> _Open:
        """Begin the span of an attempt, or of a visit without one."""
        known = self.account.visits[visit]
        name, kind, attributes = self.about(known)
        attributes |= {
            "graphrt.run.id": self.run,
            "graphrt.node.name": known.node.name,
            "graphrt.node.kind": known.node.kind,
            "graphrt.visit.id": visit,
        }
        if attempt:
            attributes["graphrt.attempt"] = attempt
        own = span_id_of(self.run, self.session, visit, attempt)
        found = _Open(name, own, self.around(visit), kind, self.at if at is None else at, attributes)
        if (before := self.latest.get(visit)) is not None:
            found.links.append(Link(before.trace_id, before.span_id, "retry" if attempt > 1 else "resumed"))
        else:
            causes = [self.latest[c] for c in known.causes if c in self.latest]
            found.links += [Link(c.trace_id, c.span_id, "cause") for c in causes]
        key = visit, attempt
        self.open[key], self.key[visit] = found, key
        self.latest[visit] = Link(trace_id_of(self.run), own, "cause")
        return found

    def around(self, visit: str) -> str:
        """Return the id of the span around a visit, which begins now if it was not open."""
        outer = visit.rpartition("/")[0]
        if not outer:
            return span_id_of(self.run, self.session, *_RUN)
        key = self.key.get(outer)
        return (self.open[key] if key is not None else self.open_visit(outer)).span_id

    def of(self, visit: str) -> _Open:
        """Return the open span of a visit; if it has none, it begins now, as there is something to tell."""
        key = self.key.get(visit)
        return self.open[key] if key is not None else self.open_visit(visit, at=self.account.visits[visit].started)

    def waiting(self) -> tuple[str, ...]:
        return tuple(visit for visit, attempt in self.open if visit and attempt == 0)

    def close(self, at: float) -> list[Span]:
        """End all that is open, what is inside before what is around it."""
        told = self.account
        is_over = told.status in _OVER
        for key, found in self.open.items():
            if told.error is not None and key != _RUN and f"{told.failed_at}/".startswith(f"{key[0]}/"):
                self.failed(found, told.error)  # what went wrong inside it went wrong with it
            if key != _RUN and (is_over or key[1]):
                found.attributes.setdefault("graphrt.visit.status", "cancelled" if is_over else "cut off")
        return [self.end(key, at, cut_off=not is_over) for key in reversed(list(self.open))]

    def end(self, key: tuple[str, int], at: float, *, cut_off: bool = False) -> Span:
        found = self.open.pop(key)
        if key == _RUN:
            found.attributes["graphrt.run.status"] = self.account.status
        else:
            if self.key.get(key[0]) == key:
                del self.key[key[0]]
            found.attributes.setdefault("graphrt.visit.status", self.account.visits[key[0]].status)
        if found.usages:
            found.attributes |= usage_of(total_usage(found.usages))
        return Span(
            found.name,
            trace_id_of(self.run),
            found.span_id,
            found.parent_id,
            found.kind,
            found.started,
            max(at, found.started),
            found.attributes,
            tuple(found.events),
            tuple(found.links),
            found.error,
            cut_off,
        )

    # -- what a span is about -----------------------------------------------------------------------------------------

    def about(self, known: VisitAccount) -> tuple[str, Kind, Attributes]:
        """Return name, kind and attributes of the span of a visit."""
        node, agent = known.node, self.agent_around(known.id)
        if agent is not None and node.name in REQUESTS:
            return self.request(agent)
        if agent is not None and node.name in CALLS and (call := self.calls.get(known.id)) is not None:
            return self.call(call)
        if node.kind in {"agent", "router"} and node.graph is not None:
            facts: dict[tuple[str, ...], Value | None] = {
                names.OPERATION: names.INVOKE_AGENT,
                names.AGENT: node.name,
                names.ASKED_MODEL: text_or_none(node.about.get("model")),
            }
            if self.content:
                facts[names.INSTRUCTIONS] = json_text([{"type": "text", "content": node.about.get("instructions", "")}])
            return f"{names.INVOKE_AGENT} {node.name}", "internal", names.under(facts)
        return f"{names.NODE} {node.name}", "internal", {}

    def request(self, agent: Node) -> tuple[str, Kind, Attributes]:
        model = text_or_none(agent.about.get("model"))
        facts: dict[tuple[str, ...], Value | None] = {
            names.OPERATION: names.CHAT,
            names.AGENT: agent.name,
            names.ASKED_MODEL: model,
        }
        return f"{names.CHAT} {model}" if model else names.CHAT, "client", names.under(facts)

    def call(self, call: dict[str, Any]) -> tuple[str, Kind, Attributes]:
        tool = str(call.get("name"))
        facts: dict[tuple[str, ...], Value | None] = {
            names.OPERATION: names.EXECUTE_TOOL,
            names.TOOL: tool,
            names.TOOL_TYPE: "function",
            names.CALL: text_or_none(call.get("id")),
        }
        if self.content:
            facts[names.ARGUMENTS] = json_text(call.get("arguments"))
        return f"{names.EXECUTE_TOOL} {tool}", "internal", names.under(facts)

    def agent_around(self, visit: str) -> Node | None:
        """Return the agent that a visit is directly inside of."""
        outer = self.account.visits.get(visit.rpartition("/")[0])
        return outer.node if outer is not None and outer.node.kind in {"agent", "router"} else None

    # -- inputs -------------------------------------------------------------------------------------------------------

    def attempt_started(self, given: inp.AttemptStarted) -> None:
        if (before := self.key.get(given.visit)) is not None:
            self.ending.append(before)  # somebody decided about a lost attempt
            self.key.pop(given.visit)
        self.open_visit(given.visit, given.attempt)

    def attempt_ended(self, given: inp.AttemptSucceeded | inp.AttemptFailed) -> None:
        found = self.of(given.visit)
        found.attributes |= usage_of(given.usage)
        if given.sent and found.kind == "client":
            found.attributes |= sent_to(given.sent[-1])
            found.name = f"{names.CHAT} {given.sent[-1].model}"
        found.events += [self.happened(mark) for mark in given.marks]
        if given.usage is not None and given.usage.model and found.kind == "client":
            found.attributes |= names.under({names.MODEL: given.usage.model})
            if names.ASKED_MODEL[0] not in found.attributes:
                found.attributes |= names.under({names.ASKED_MODEL: given.usage.model})
                found.name = f"{names.CHAT} {given.usage.model}"
        self.used(given.visit, given.usage)
        if isinstance(given, inp.AttemptFailed):
            self.failed(found, given.error)
        self.ending.append(self.key[given.visit])

    def happened(self, mark: Mark) -> SpanEvent:
        """Return what a policy did on the way, such as an answer from a cache; its words may quote what was said."""
        about: Attributes = {"graphrt.mark.by": mark.by, "graphrt.mark.what": mark.what}
        if self.content:
            about["graphrt.mark.text"] = mark.text
            if mark.facts:
                about["graphrt.mark.facts"] = json_text(mark.facts)
        return SpanEvent("graphrt.mark", self.at, about)

    def used(self, visit: str, usage: Usage | None) -> None:
        """Count what was used for each agent around a visit."""
        outer = visit.rpartition("/")[0]
        while outer and usage is not None:
            key = self.key.get(outer)
            if key is not None and self.account.visits[outer].node.kind in {"agent", "router"}:
                self.open[key].usages.append(usage)
            outer = outer.rpartition("/")[0]

    def answered(self, given: inp.Answered) -> None:
        found = self.of(given.visit)
        if self.content:
            found.attributes["graphrt.answer"] = json_text(given.answer)
            if given.by:
                found.attributes["graphrt.answer.by"] = given.by

    # -- events -------------------------------------------------------------------------------------------------------

    def visit_started(self, event: ev.VisitStarted) -> None:
        known = self.account.visits[event.visit]
        if self.agent_around(event.visit) is not None:
            call = event.item if event.item is not None else next((self.calls.get(c) for c in event.causes), None)
            if isinstance(call, Mapping):
                self.calls[event.visit] = cast("dict[str, Any]", call)
        if known.node.kind not in _WORKING or known.node.graph is not None:
            self.open_visit(event.visit)

    def visit_waiting(self, event: ev.VisitWaiting) -> None:
        self.of(event.visit).events.append(SpanEvent("graphrt.question", self.at, {"graphrt.question": event.question}))

    def attempt_retried(self, event: ev.AttemptRetried) -> None:
        if (key := self.key.get(event.visit)) is not None:
            about: Attributes = {"graphrt.retry.after_s": round(max(0.0, event.due - self.at), 6)}
            self.open[key].events.append(SpanEvent("graphrt.retry", self.at, about))

    def visit_completed(self, event: ev.VisitCompleted) -> None:
        found = self.of(event.visit)
        if event.outcome is not None:
            found.attributes["graphrt.outcome"] = event.outcome
        known = self.account.visits[event.visit]
        inside = self.agent_around(event.visit) is not None
        said = messages_in(event.writes) if inside else []
        if inside and known.node.name in CALLS and said and said[-1].get("failed"):
            found.error = str(said[-1].get("text", "")) if self.content else "the call failed"
            found.attributes[names.ERROR_TYPE] = "tool"
        if self.content:
            found.attributes |= content_of(known, event.writes, said, inside=inside)
        self.ending.append(self.key[event.visit])

    def visit_failed(self, event: ev.VisitFailed) -> None:
        found = self.of(event.visit)
        if found.error is None:
            self.failed(found, event.error)
        self.ending.append(self.key[event.visit])

    def visit_cancelled(self, event: ev.VisitCancelled) -> None:
        found = self.of(event.visit)
        found.attributes |= {"graphrt.visit.status": "cancelled", "graphrt.cancelled.why": event.why}
        self.ending.append(self.key[event.visit])

    def routed(self, event: ev.Routed) -> None:
        found = self.of(event.visit)
        for edge in self.account.visits[event.visit].routed:
            about: Attributes = {
                "graphrt.edge.target": edge.target,
                "graphrt.edge.when": edge.trigger,
                "graphrt.edge.result": edge.result,
            }
            if edge.count is not None:
                about["graphrt.edge.count"] = edge.count
            if self.content and edge.values:
                about["graphrt.edge.values"] = ", ".join(f"{k} = {value_text(v)}" for k, v in edge.values.items())
            found.events.append(SpanEvent("graphrt.edge", self.at, about))
        if event.error is not None:
            found.attributes["graphrt.caught"] = event.error
        if self.key[event.visit] not in self.ending and self.account.visits[event.visit].ended is not None:
            self.ending.append(self.key[event.visit])

    def joined(self, event: ev.Joined) -> None:
        self.of(event.visit).attributes |= {
            "graphrt.join.arrived": event.arrived,
            "graphrt.join.dropped": len(event.dropped),
        }

    def limit_passed(self, event: ev.LimitPassed) -> None:
        about: Attributes = {"graphrt.limit": event.limit, "graphrt.used": event.used, "graphrt.allowed": event.allowed}
        self.open[_RUN].events.append(SpanEvent("graphrt.limit_passed", self.at, about))

    def run_suspended(self, event: ev.RunSuspended) -> None:
        about: Attributes = {"graphrt.questions": len(event.questions)}
        self.open[_RUN].events.append(SpanEvent("graphrt.suspended", self.at, about))

    def run_failed(self, event: ev.RunFailed) -> None:
        self.failed(self.open[_RUN], event.error)

    def failed(self, found: _Open, error: ErrorInfo) -> None:
        found.error = f"{error.type}: {error.message}" if self.content else error.type
        found.attributes[names.ERROR_TYPE] = error.type
        if "graphrt.visit.id" in found.attributes:
            found.attributes["graphrt.visit.status"] = "failed"
        about: Attributes = {names.EXCEPTION_TYPE: error.type}
        if self.content:
            about[names.EXCEPTION_MESSAGE] = error.message
        found.events.append(SpanEvent(names.EXCEPTION, self.at, about))


_INPUTS: Final[dict[type, Callable[[_Fold, Any], None]]] = {
    inp.AttemptStarted: _Fold.attempt_started,
    inp.AttemptSucceeded: _Fold.attempt_ended,
    inp.AttemptFailed: _Fold.attempt_ended,
    inp.Answered: _Fold.answered,
}
_EVENTS: Final[dict[type, Callable[[_Fold, Any], None]]] = {
    ev.VisitStarted: _Fold.visit_started,
    ev.VisitWaiting: _Fold.visit_waiting,
    ev.AttemptRetried: _Fold.attempt_retried,
    ev.VisitCompleted: _Fold.visit_completed,
    ev.VisitFailed: _Fold.visit_failed,
    ev.VisitCancelled: _Fold.visit_cancelled,
    ev.Routed: _Fold.routed,
    ev.Joined: _Fold.joined,
    ev.LimitPassed: _Fold.limit_passed,
    ev.RunSuspended: _Fold.run_suspended,
    ev.RunFailed: _Fold.run_failed,
}
