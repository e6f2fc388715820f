"""What the steps of a run saw and changed: the states that replay folds from a trace, as differences from step to step.

Nothing is decided anew. A step tells what differs from the state after the step before it; values are kept as texts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from graphrt import events as ev
from graphrt_viz.values import LONG_VALUE, plain_value, shown_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from graphrt.fields import Field
    from graphrt.stepper import Stepper
    from graphrt.told import Account
    from graphrt.trace import Record
    from graphrt_viz.steps import Step

_LARGE_VALUE: Final = 100_000
"""Characters of a value of the state that are kept, until all together are as many as …"""
_LARGE_RUN: Final = 4_000_000
"""… these; then `LONG_VALUE` of each are."""


class StepStates:
    """Notes in the steps of a run with which state each began, and what it changed."""

    def __init__(self, told: Account, steps: Sequence[Step], latest: Mapping[str, int]) -> None:
        """Take the steps of a run as they are written down, and the place of the latest step of each visit."""
        self._told, self._steps, self._latest = told, steps, latest
        self._seen: dict[str, dict[str, Any]] = {}
        """The state that each visit began with."""
        self._kept = 0
        """Characters of all values so far."""

    def valued(self, value: object) -> str:
        """Return a value as text: whole, as long as the run is not too large for that."""
        text = shown_value(value, _LARGE_VALUE if self._kept < _LARGE_RUN else LONG_VALUE)
        self._kept += len(text)
        return text

    def look(self, record: Record, stepper: Stepper) -> None:
        """Note the states that the visits begun in this record see."""
        live = stepper.visits
        begun = [e.visit for e in record.events if isinstance(e, ev.VisitStarted)]
        for visit in begun:
            if visit in live:
                self._entered(visit, dict(stepper.state_at(visit)))
        if begun and stepper.state is not None and begun[-1] not in self._seen and "/" not in begun[-1]:
            self._entered(begun[-1], dict(stepper.state))

    def _entered(self, visit: str, state: dict[str, Any]) -> None:
        """Note what a visit sees. A join before it that fired in no time shows what it merged."""
        self._seen[visit] = state
        step = self._steps[self._latest[visit]]
        causes = self._told.visits[visit].causes
        if len(causes) == 1 and causes[0] not in self._seen and step.base is not None:
            before = self._steps[step.base]
            if before.kind == "join":
                self._seen[causes[0]] = state
                self._compare(before, state, merged=True)
        self._compare(step, state, merged=len(causes) > 1)

    def _compare(self, step: Step, state: Mapping[str, Any], *, merged: bool) -> None:
        """Note in which fields the state that a step begins with differs from the one before it."""
        base = self._steps[step.base] if step.base is not None else None
        before = self._seen.get(base.visit) if base is not None else None
        if base is None or before is None:
            step.base, before, writes = None, {}, {}
        else:
            writes = self._told.visits[base.visit].writes if base.status == "good" else {}
        fields = self._fields(step.visit)
        for name, value in state.items():
            if name in writes and base is not None:
                known = fields.get(name)
                reduced = known is not None and known.reducer is not None and not merged
                if reduced or plain_value(value) == writes[name]:
                    base.wrote[name] = self.valued(value)
                else:
                    step.entered[name] = self.valued(value)
            elif name not in before or (before[name] is not value and before[name] != value):
                step.entered[name] = self.valued(value)

    def wrote(self, visit: str, step: Step) -> None:
        """Note what a visit wrote: values as they are, or what a reducer was handed."""
        fields = self._fields(visit)
        for name, value in self._told.visits[visit].writes.items():
            known = fields.get(name)
            if known is not None and known.reducer is not None:
                step.added[name] = self.valued(value)
            else:
                step.wrote[name] = self.valued(value)

    def _fields(self, visit: str) -> dict[str, Field]:
        return self._told.graph_around(self._told.visits[visit]).field
