"""Runs made without a driver: what each node does is a table, each attempt takes a quarter of a second.

The same table gives the same trace, byte for byte; what is printed of it can be compared with a golden text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphrt.commands import StartAttempt, StartTimer
from graphrt.graph import Graph
from graphrt.inputs import (
    Answered,
    AttemptFailed,
    AttemptStarted,
    AttemptSucceeded,
    Cancelled,
    Input,
    Started,
    TimerFired,
    Usage,
)
from graphrt.recorded import error_info
from graphrt.stepper import Stepper
from graphrt.trace import Header, Record, Trace

NOON = 1_795_521_600.0
"""The first moment of every staged run: 2026-11-24 12:00:00 UTC."""
STEP_S = 0.25
USAGE = Usage("toy", 100, 20, 0.0003)

Script = dict[str, Sequence[Any]]
"""By the name of a node: what its attempts give, in order, the last again and again: a dict of writes, or an error."""


class Stage:
    """One run that is being made."""

    def __init__(self, graph: Graph, script: Script, *, run: str = "staged", target: str | None = None) -> None:
        self.graph = graph
        self.script = script
        self.run = run
        self.target = target
        self.stepper = Stepper(graph)
        self.records: list[Record] = []
        self.now = NOON
        self.played: dict[str, int] = {}

    def feed(self, given: Input) -> list[Any]:
        """Record an input; return the commands that follow."""
        events, commands = self.stepper.feed(self.now, given)
        self.records.append(Record(len(self.records), self.now, given, events))
        return commands

    def go(self, given: Input, *, most: int | None = None, usage: Usage | None = USAGE) -> Stage:
        """Feed an input and perform what follows, until nothing is left to do or `most` attempts have ended."""
        todo = self.feed(given)
        ended = 0
        while todo and self.stepper.status == "running" and ended != most:
            command = todo.pop(0)
            if isinstance(command, StartAttempt):
                todo += self.feed(AttemptStarted(command.visit, command.attempt))
                self.now += STEP_S
                todo += self.feed(self._end(command, usage))
                ended += 1
            elif isinstance(command, StartTimer) and command.kind == "retry":
                self.now = max(self.now, command.due)
                todo += self.feed(TimerFired(command.visit, command.kind))
        return self

    def _end(self, command: StartAttempt, usage: Usage | None) -> Input:
        name = command.node.name
        outcomes = self.script.get(name, ({},))
        k = self.played.get(name, 0)
        self.played[name] = k + 1
        outcome = outcomes[min(k, len(outcomes) - 1)]
        if isinstance(outcome, Exception):
            return AttemptFailed(command.visit, command.attempt, error_info(outcome), STEP_S, usage)
        return AttemptSucceeded(command.visit, command.attempt, outcome, STEP_S, usage)

    def start(self, state: dict[str, Any], **options: Any) -> Stage:
        """Begin; fields that the state lacks have their defaults."""
        full = {f.name: f.default_json for f in self.graph.fields if not f.required} | state
        return self.go(Started(self.run, full), **options)

    def answer(self, visit: str, answer: Any, by: str | None = "ann") -> Stage:
        """Answer a question a minute later."""
        self.now += 60
        return self.go(Answered(visit, answer, by))

    def cancel(self, by: str | None = "ann") -> Stage:
        """Cancel."""
        return self.go(Cancelled(by))

    def cut_off(self, command_of: str) -> Stage:
        """Start the next attempt of a node's visit, and die."""
        visit = next(v for v, name in self.stepper.visits.items() if name == command_of)
        self.feed(AttemptStarted(visit, 1))
        return self

    @property
    def trace(self) -> Trace:
        """What was recorded so far."""
        header = Header(self.run, self.graph.name, self.graph.digest, self.graph.json, NOON, target=self.target)
        return Trace(header, list(self.records))


Make = Callable[[], Trace]
