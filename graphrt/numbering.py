"""The numbers of a run's steps: the one way of counting that pictures, reports and the command line share.

A step is what stands as a number on a picture of the run: the crossing of an edge, and the visit that it led to; or an
attempt after one that failed. Numbers follow the order of the records, so those of a run that goes on stay as they are.

- `6`: the sixth crossing or retry of the run. Subgraphs count with what is around them; whether a picture draws them
  open changes no number.
- `6.1`, `6.2`: the visits that crossing 6 started for many items.
- `6·2`: another attempt of step 6 that no failure led to, such as the one after a crash.
- `6?`: what is asked about step 6, where an attempt was cut off.
- `6/1`, `6/2`: the steps inside the agent visited in step 6, numbered by the same rules.
- `6+`: a join that no arrival made fire, after step 6.

It decides nothing about a run and reads no clock; `graphrt.account` tells it what the records say.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphrt.graph import Node


@dataclass(slots=True)
class _Scope:
    """What is numbered from 1 on: the run, or what is inside one visit of an agent."""

    prefix: str = ""
    last: int = 0

    @property
    def latest(self) -> str:
        return f"{self.prefix}{self.last}"

    def next(self) -> str:
        self.last += 1
        return self.latest


class Numbering:
    """Numbers the steps of a run, told what its records say one after the other."""

    def __init__(self) -> None:
        self._run = _Scope()
        self._inside: dict[str, _Scope] = {"": self._run}
        """What numbers the visits inside a visit, by its id; `""` for the outermost."""
        self._now: dict[str, str] = {}
        """The latest step of each visit."""
        self._fresh: set[str] = set()
        """Visits in which nothing has happened yet."""
        self._again: dict[str, str] = {}
        """The step of the next attempt of a visit that is tried again."""
        self._crossed: dict[tuple[str, str], deque[str]] = {}
        """Crossings whose visit has not begun: by the visit left and the name of the node led to."""
        self._arrived: dict[tuple[str, str], str] = {}
        """Of the record, the latest arrival at each join, by the visit around it and its name."""
        self._used: set[str] = set()

    def copied(self) -> Numbering:
        """Return what goes on numbering from here by itself."""
        other = Numbering()
        scopes = {scope.prefix: _Scope(scope.prefix, scope.last) for scope in self._inside.values()}
        other._run = scopes[""]
        other._inside = {visit: scopes[scope.prefix] for visit, scope in self._inside.items()}
        other._now, other._fresh, other._again = dict(self._now), set(self._fresh), dict(self._again)
        other._crossed = {key: deque(steps) for key, steps in self._crossed.items() if steps}
        other._arrived, other._used = dict(self._arrived), set(self._used)
        return other

    @property
    def latest(self) -> str:
        """The latest number of the run; `0` before the first."""
        return self._run.latest

    def record(self) -> None:
        """Begin with a record: only an arrival in the same one makes a join fire."""
        self._arrived.clear()

    def begun(self, visit: str, node: Node, causes: Sequence[str]) -> str:
        """Number a visit that begins, by what led to it."""
        outer = _around(visit)
        scope = self._inside[outer]
        step = self._led_to(outer, node, causes, scope)
        self._now[visit] = step
        self._fresh.add(visit)
        if node.graph is not None:
            self._inside[visit] = scope if node.kind == "subgraph" else _Scope(f"{step}/")
        return step

    def _led_to(self, outer: str, node: Node, causes: Sequence[str], scope: _Scope) -> str:
        if not causes:
            return self._new(scope.next())
        if node.kind == "join":
            arrived = self._arrived.get((outer, node.name))
            return arrived if arrived is not None else self._new(f"{scope.latest}+")
        steps = [waiting.popleft() for cause in causes if (waiting := self._crossed.get((cause, node.name)))]
        return steps[-1] if steps else self._new(f"{scope.latest}+")

    def crossed(self, visit: str, target: Node, branches: int | None) -> str:
        """Number the crossing of an edge to `target`; `branches` counts the items for which it was crossed."""
        outer = _around(visit)
        step = self._new(self._inside[outer].next())
        if target.kind == "join":
            self._arrived[outer, target.name] = step
        else:
            many = branches is not None and branches > 1
            steps = [f"{step}.{k}" for k in range(1, branches + 1)] if many and branches else [step]
            self._crossed.setdefault((visit, target.name), deque()).extend(steps if branches != 0 else ())
        return step

    def retried(self, visit: str) -> str:
        """Number the attempt that will follow one that failed."""
        step = self._again[visit] = self._new(self._inside[_around(visit)].next())
        return step

    def tried(self, visit: str, attempt: int) -> str:
        """Number an attempt that starts; the first thing that happens in a visit is the step that led to it."""
        if visit in self._fresh:
            self._fresh.remove(visit)
        else:
            again = self._again.pop(visit, None)
            self._now[visit] = again if again is not None else self._new(f"{self._root(visit)}·{attempt}")
        return self._now[visit]

    def asked(self, visit: str) -> str:
        """Number a question: that of an ask is the step that led to it, one about an attempt is a step of its own."""
        if visit in self._fresh:
            self._fresh.remove(visit)
        else:
            self._now[visit] = self._new(f"{self._root(visit)}?")
        return self._now[visit]

    def _root(self, visit: str) -> str:
        """Return the latest step of a visit, without what tells it apart from its former ones."""
        head, slash, own = self._now[visit].rpartition("/")
        return head + slash + own.partition("·")[0].rstrip("?′")

    def _new(self, step: str) -> str:
        while step in self._used:
            step += "′"
        self._used.add(step)
        return step


def _around(visit: str) -> str:
    return visit.rpartition("/")[0]
