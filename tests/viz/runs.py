"""Graphs made by hand, and a driver of few lines that makes traces of them without a clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel

from graphrt.commands import StartAttempt, StartTimer
from graphrt.fields import MISSING, fields_of
from graphrt.graph import Each, Edge, Graph, Node, Retry
from graphrt.guards import Change, Guard
from graphrt.inputs import (
    Answered,
    AttemptFailed,
    AttemptStarted,
    AttemptSucceeded,
    Cancelled,
    ErrorInfo,
    Input,
    Started,
    TimerFired,
    Usage,
)
from graphrt.reducers import append
from graphrt.stepper import Stepper
from graphrt.trace import Header, Record, Trace
from graphrt.trees import Arithmetic, Compare, Constant, Read, Size

Result: TypeAlias = dict[str, Any] | Exception
"""What an attempt writes, or raises."""
Results: TypeAlias = Mapping[str, Result | list[Result]]
"""By the name of the node; a list has one for each attempt."""


class Ticket(BaseModel):
    message: str = ""
    topic: str = ""
    facts: Annotated[list[str], append] = []
    queries: list[str] = []
    query: str = ""
    draft: str = ""
    score: float = 0.0
    rounds: int = 0
    decision: str = ""


FIELDS = fields_of(Ticket)[0]


def compared(field: str, op: str, value: object) -> Guard:
    """Return the guard `field op value`."""
    return Guard(Compare(op, Read(field), Constant(value)))


_MORE = Change("rounds", Arithmetic("+", Read("rounds"), Constant(1)))

SUPPORT = Graph(
    "support",
    FIELDS,
    (
        Node(
            0,
            "triage",
            "router",
            reads=("message",),
            writes=("topic",),
            answers=("billing", "bug", "other"),
            edges=(Edge(0, 1, 0, on="billing"), Edge(0, 2, 1, on="bug"), Edge(0, 3, 2, on="other")),
            about={"instructions": "Sort the ticket."},
        ),
        Node(1, "invoice", "task", writes=("facts",), edges=(Edge(1, 3, 0),), about={"doc": "Fetch the invoice."}),
        Node(2, "known_bugs", "task", writes=("facts",), edges=(Edge(2, 3, 0),)),
        Node(
            3,
            "draft",
            "agent",
            writes=("draft",),
            edges=(Edge(3, 7, 0, on_error="ValueError"), Edge(3, 4, 1)),
            retry=Retry(attempts=3, on=("TimeoutError",), jitter=0.0),
            about={"instructions": "Answer the customer.", "tools": ["refund", "lookup"]},
        ),
        Node(
            4,
            "review",
            "agent",
            reads=("draft",),
            writes=("score",),
            edges=(Edge(4, 3, 0, when=compared("score", "<", 0.8), set=(_MORE,), at_most=3), Edge(4, 5, 1)),
            about={"instructions": "Grade the answer from 0 to 1."},
        ),
        Node(
            5,
            "approve",
            "ask",
            writes=("decision",),
            question="Send this answer?",
            answers=("send", "again", "drop"),
            deadline_s=86400.0,
            edges=(Edge(5, 6, 0, on="send"), Edge(5, 3, 1, on="again"), Edge(5, 7, 2, on_error="DeadlinePassed")),
        ),
        Node(6, "sent", "end"),
        Node(7, "gave up", "end", failure=True),
    ),
)

_LOOP = Graph(
    "answer",
    FIELDS,
    (
        Node(
            0,
            "model",
            "task",
            writes=("queries",),
            edges=(
                Edge(
                    0, 1, 0, when=Guard(Compare(">", Size(Read("queries")), Constant(0))), each=Each("queries", "query")
                ),
                Edge(0, 3, 1),
            ),
        ),
        Node(1, "lookup", "task", writes=("facts",), edges=(Edge(1, 2, 0),)),
        Node(2, "tools", "join", edges=(Edge(2, 0, 0),), opener=0, closes=True),
        Node(3, "finish", "end"),
    ),
)
_PUBLISH = Graph(
    "publish",
    FIELDS,
    (
        Node(0, "format", "task", writes=("draft",), edges=(Edge(0, 1, 0),)),
        Node(1, "post", "task", writes=("facts",), retry=Retry(attempts=2)),
    ),
)
RESEARCH = Graph(
    "research",
    FIELDS,
    (
        Node(0, "plan", "agent", writes=("queries",), edges=(Edge(0, 1, 0, each=Each("queries", "query", at_once=4)),)),
        Node(
            1,
            "search",
            "task",
            reads=("query",),
            writes=("facts",),
            edges=(Edge(1, 2, 0), Edge(1, 2, 1, on_error="Exception")),
            retry=Retry(attempts=3, jitter=0.0),
        ),
        Node(
            2,
            "gather",
            "join",
            opener=0,
            closes=True,
            fork=True,
            edges=(Edge(2, 3, 0), Edge(2, 4, 1), Edge(2, 5, 2, when=compared("rounds", ">", 2))),
        ),
        Node(
            3,
            "write",
            "agent",
            writes=("draft",),
            edges=(Edge(3, 6, 0),),
            graph=_LOOP,
            outputs=(Change("draft", Read("draft")),),
            about={"tools": ["lookup"], "instructions": "Answer."},
        ),
        Node(4, "illustrate", "task", writes=("facts",), edges=(Edge(4, 6, 0),)),
        Node(5, "translate", "task", writes=("facts",), edges=(Edge(5, 6, 0),)),
        Node(6, "merge", "join", opener=2, closes=True, edges=(Edge(6, 7, 0),)),
        Node(
            7,
            "publish",
            "subgraph",
            edges=(Edge(7, 8, 0),),
            graph=_PUBLISH,
            inputs=(Change("draft", Read("draft")),),
            outputs=(Change("score", Read("score")),),
        ),
        Node(8, "done", "end", stop=True),
    ),
)
RESEARCH_RESULTS: Results = {
    "plan": {"queries": ["a", "b", "c"]},
    "search": [{"facts": "1"}, ConnectionError("index is down"), {"facts": "2"}, {"facts": "3"}],
    "model": [{"queries": ["x", "y"]}, {"queries": []}],
    "lookup": {"facts": "l"},
    "illustrate": {"facts": "i"},
    "format": {"draft": "f"},
    "post": {"facts": "p"},
}


def trace_of(
    graph: Graph,
    results: Results,
    answers: dict[str, str] | None = None,
    *,
    cancel_after: int | None = None,
) -> Trace:
    """Return the trace of a run.

    Args:
        graph: what runs.
        results: what each node writes (or the error it raises), or a list of these, one per attempt.
        answers: the answer to each ask; one without an answer is left waiting.
        cancel_after: cancel the run after that many attempts.
    """
    own = {name: [*given] if isinstance(given, list) else given for name, given in results.items()}
    stepper, driver = Stepper(graph), _Driver(graph, own, dict(answers or {}))
    driver.feed(
        stepper, Started("7f3a12bc", {f.name: f.default_json for f in graph.fields if f.default_json is not MISSING})
    )
    while stepper.status == "running" or driver.open_question(stepper) is not None:
        if cancel_after is not None and driver.attempts >= cancel_after:
            driver.feed(stepper, Cancelled("ann"))
            break
        driver.go_on(stepper)
    return Trace(Header("7f3a12bc", graph.name, graph.digest, graph.json, 1000.0), tuple(driver.records))


class _Driver:
    """Performs commands one after the other in virtual time."""

    def __init__(self, graph: Graph, results: dict[str, Result | list[Result]], answers: dict[str, str]) -> None:
        self.graph, self.results, self.answers = graph, results, answers
        self.at, self.attempts = 1000.0, 0
        self.records: list[Record] = []
        self.work: list[StartAttempt] = []
        self.timers: list[StartTimer] = []

    def feed(self, stepper: Stepper, given: Input) -> None:
        events, commands = stepper.feed(self.at, given)
        self.records.append(Record(len(self.records), self.at, given, events))
        self.work += [c for c in commands if isinstance(c, StartAttempt)]
        self.timers += [c for c in commands if isinstance(c, StartTimer) and c.kind == "retry"]

    def open_question(self, stepper: Stepper) -> str | None:
        return next((visit for visit, asked in stepper.questions.items() if asked.node in self.answers), None)

    def go_on(self, stepper: Stepper) -> None:
        if self.work:
            self._attempt(stepper, self.work.pop(0))
        elif self.timers:
            timer = self.timers.pop(0)
            self.at = timer.due
            self.feed(stepper, TimerFired(timer.visit, timer.kind))
        else:
            visit = self.open_question(stepper)
            assert visit is not None, "a run that goes on has work, a timer or an answer"
            self.at += 372.0
            self.feed(stepper, Answered(visit, self.answers[stepper.questions[visit].node], "ann"))

    def _attempt(self, stepper: Stepper, command: StartAttempt) -> None:
        self.attempts += 1
        self.feed(stepper, AttemptStarted(command.visit, command.attempt))
        result = self.results.get(command.node.name, {})
        if isinstance(result, list):
            result = result.pop(0)
        usage = Usage("model", 400, 20, 0.0012) if command.node.kind in {"agent", "router"} else None
        if isinstance(result, Exception):
            self.at += 0.75
            name = type(result).__name__
            error = ErrorInfo(name, str(result), (name, "Exception"))
            self.feed(stepper, AttemptFailed(command.visit, command.attempt, error, 0.75, usage))
        else:
            self.at += 1.25
            self.feed(stepper, AttemptSucceeded(command.visit, command.attempt, result, 1.25, usage))


LONG_LOOP = Graph(
    "loop",
    FIELDS,
    (
        Node(0, "draft", "agent", writes=("draft",), edges=(Edge(0, 1, 0),)),
        Node(
            1,
            "review",
            "task",
            writes=("facts",),
            edges=(Edge(1, 0, 0, when=compared("score", "<", 1.0), set=(_MORE,)), Edge(1, 2, 1)),
        ),
        Node(2, "done", "end"),
    ),
)
"""A loop that goes on until it is cancelled."""


def long_run(steps: int) -> Trace:
    """Return a run of so many steps, cancelled after them: a review loop whose list of facts grows by each round."""
    return trace_of(LONG_LOOP, {"draft": {"draft": "a" * 40}, "review": {"facts": "fact"}}, cancel_after=steps)


def nasty_run(*texts: str) -> Trace:
    """Return a run in which strings stand as names, instructions, values, and, of the last, as an error."""
    names = [f"{text} {i}" for i, text in enumerate(texts)]
    nodes = tuple(
        Node(
            i,
            name,
            "agent",
            writes=("draft",),
            edges=(Edge(i, i + 1, 0),) if i + 1 < len(names) else (),
            about={"instructions": texts[i], "tools": [texts[i]]},
        )
        for i, name in enumerate(names)
    )
    results: dict[str, Result | list[Result]] = {name: {"draft": texts[i]} for i, name in enumerate(names[:-1])}
    return trace_of(Graph(texts[0], FIELDS, nodes), results | {names[-1]: ValueError(texts[-1])})
