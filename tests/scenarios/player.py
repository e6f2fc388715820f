"""Runs a scenario's graph in virtual time: performs commands, feeds inputs, and tells what a scenario may ask about.

Every attempt takes the milliseconds of its `sleep` ops and one more, so what runs side by side starts at the same
moment. No clock is read and nothing sleeps: the same scenario gives the same run.
"""

from __future__ import annotations

import heapq
from collections import Counter
from typing import TYPE_CHECKING

from graphrt.commands import CancelAttempt, CancelTimer, StartAttempt, StartTimer
from graphrt.errors import NodeTimeout
from graphrt.events import VisitStarted, VisitWaiting
from graphrt.inputs import (
    Answered,
    AttemptFailed,
    AttemptStarted,
    AttemptSucceeded,
    Cancelled,
    Forked,
    Resumed,
    Started,
    TimerFired,
)
from graphrt.recorded import error_info
from graphrt.stepper import Stepper
from graphrt.trace import Record
from tests.scenarios.loader import Program, initial, is_added

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphrt.graph import Graph
    from graphrt.inputs import Input, Json
    from tests.scenarios.loader import Scenario


def _ends(given: Input) -> tuple[str, int] | None:
    return (given.visit, given.attempt) if isinstance(given, (AttemptSucceeded, AttemptFailed)) else None


class Player:
    """One run of a scenario, from its first phase to its last."""

    def __init__(self, graph: Graph, scenario: Scenario) -> None:
        self.graph = graph
        self.scenario = scenario
        self.stepper = Stepper(graph)
        self.records: list[Record] = []
        self.now_ms = 0
        self.began_ms = 0
        self.visits: list[tuple[int, str]] = []
        """Attempts and questions of this phase: when they began, and the node."""
        self._due: list[tuple[int, int, Input]] = []
        self._count = 0

    # -- phases -------------------------------------------------------------------------------------------------------

    def play(self, phase: dict[str, Json]) -> None:
        """Go through one phase."""
        self.began_ms, self.visits = self.now_ms, []
        match phase:
            case {"start": True}:
                state = initial(self.graph, self.scenario, phase.get("input"))
                self._run(Started("r", state), phase.get("cancel_after_ms"))
            case {"resume": {"$by_node": answers}}:
                for node, answer in answers.items():
                    self._answer(node, answer)
            case {"resume": answer}:
                self._answer(next(iter(self.questions.values())), answer)
            case {"continue": True} if self.questions:
                self._answer(next(iter(self.questions.values())), True)
            case {"continue": True}:
                self._run(Resumed())
            case {"edit_state": edits}:
                self._edit(edits)
            case {"replay_final": True}:
                self._fold(len(self.records))
            case {"replay_before": node}:
                self._replay_before(node)
            case _:
                raise ValueError(f"no such phase: {phase}")

    def _answer(self, node: str, answer: Json) -> None:
        visit = next(v for v, name in self.questions.items() if name == node)
        self._run(Answered(visit, answer))

    def _edit(self, edits: dict[str, Json]) -> None:
        """Fork from the visit that waits, with the fields edited, and go on from there."""
        visit, node = next(iter(self.questions.items()))
        state = self.stepper.state_at(visit)
        assert all(isinstance(v, list) for v in edits.values()), "scenarios add to lists only"
        self._run(Forked("f", "r", visit, {key: [*state[key], *more] for key, more in edits.items()}))
        self.visits = []
        self._answer(node, True)

    def _replay_before(self, node: str) -> None:
        """Fork from the first visit of a node: fold what was recorded until it began, and let it begin again."""
        seq, visit = next(
            (i, e.visit)
            for i, r in enumerate(self.records)
            for e in r.events
            if isinstance(e, VisitStarted) and e.node == node
        )
        self._fold(seq + 1)
        self._run(Forked("f", "r", visit))

    def _fold(self, count: int) -> None:
        kept = self.records[:count]
        self.stepper, self.records, self._due = Stepper(self.graph), [], []
        for record in kept:
            self.stepper.feed(record.at, record.input)
            self.records.append(record)

    # -- driving ------------------------------------------------------------------------------------------------------

    def _run(self, given: Input, cancel_after_ms: int | None = None) -> None:
        self._feed(given)
        cancel_at = None if cancel_after_ms is None else self.began_ms + cancel_after_ms
        while self._due and self.stepper.status == "running":
            due, _, given = self._due[0]
            if cancel_at is not None and cancel_at <= due:
                self.now_ms = cancel_at
                self._feed(Cancelled())
                break
            heapq.heappop(self._due)
            self.now_ms = due
            self._feed(given)

    def _feed(self, given: Input) -> None:
        at = self.now_ms / 1000
        events, commands = self.stepper.feed(at, given)
        self.records.append(Record(len(self.records), at, given, events))
        self.visits += [(self.now_ms, e.node) for e in events if isinstance(e, VisitWaiting) and not is_added(e.node)]
        for command in commands:
            match command:
                case StartAttempt():
                    self._start(command)
                case StartTimer(visit, kind, due):
                    self._later(max(0, round(due * 1000) - self.now_ms), TimerFired(visit, kind))
                case CancelTimer(visit, kind):
                    self._drop([TimerFired(visit, kind)])
                case CancelAttempt(visit, attempt):
                    self._drop([i for _, _, i in self._due if _ends(i) == (visit, attempt)])

    def _start(self, command: StartAttempt) -> None:
        """Perform an attempt at once and feed how it ended when its time is over."""
        visit, attempt, node = command.visit, command.attempt, command.node
        self._feed(AttemptStarted(visit, attempt))
        program = node.work.fn if node.work is not None else None
        assert isinstance(program, Program), f"{node.name} has work to do"
        if not is_added(node.name):
            self.visits.append((self.now_ms, node.name))
        effect = program(command.state, attempt)
        took = 0 if is_added(node.name) else effect.took_ms + 1
        limit = None if command.timeout_s is None else round(command.timeout_s * 1000)
        if limit is not None and took > limit:
            error = error_info(NodeTimeout(f"{node.name} took longer than {limit} ms"))
            self._later(limit, AttemptFailed(visit, attempt, error, limit / 1000))
        elif effect.error is not None:
            self._later(took, AttemptFailed(visit, attempt, error_info(effect.error), took / 1000))
        else:
            self._later(took, AttemptSucceeded(visit, attempt, effect.writes, took / 1000))

    def _later(self, wait_ms: int, given: Input) -> None:
        self._count += 1
        heapq.heappush(self._due, (self.now_ms + wait_ms, self._count, given))

    def _drop(self, unwanted: Sequence[Input]) -> None:
        self._due = [d for d in self._due if d[2] not in unwanted]
        heapq.heapify(self._due)

    # -- what a scenario asks about -----------------------------------------------------------------------------------

    @property
    def questions(self) -> dict[str, str]:
        """Visits that wait, and their nodes."""
        return {v: q.node for v, q in self.stepper.questions.items()}

    @property
    def state(self) -> dict[str, Json]:
        """The final state, or that of the main line, as JSON."""
        found = self.stepper.state if self.stepper.state is not None else self.stepper.partial
        return {f.name: f.encode_state_value(found[f.name]) for f in self.graph.fields}

    @property
    def counts(self) -> Counter[str]:
        """How often each node was tried."""
        return Counter(name for _, name in self.visits)

    @property
    def steps(self) -> list[list[str]]:
        """Nodes by the moment of their start."""
        moments = sorted({at for at, _ in self.visits})
        return [sorted(name for when, name in self.visits if when == at) for at in moments]

    @property
    def next(self) -> list[str]:
        """What static pauses stand before."""
        found: list[str] = []
        for node in self.questions.values():
            name, _, how = node.partition(".")
            ask = self.graph.by_name[node]
            found += [name] if how == "before" else [self.graph.nodes[e.target].name for e in ask.edges]
        return found
