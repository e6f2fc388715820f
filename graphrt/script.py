"""What is recorded to have followed from an input, so that folding does it again instead of deciding anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.events import AttemptLost, AttemptRetried, Routed, RunFailed, VisitFailed, VisitWaiting

if TYPE_CHECKING:
    from collections.abc import Iterable

    from graphrt.events import Event
    from graphrt.inputs import ErrorInfo


class Script:
    """What is recorded to have followed from one input, as far as today's definition might decide it otherwise."""

    __slots__ = ("failed", "lost", "retried", "routed", "unrouted", "waiting")

    def __init__(self, events: Iterable[Event]) -> None:
        """Sort the events of one record."""
        self.routed: dict[tuple[str, bool], Routed] = {}
        """By visit, and whether an error was caught."""
        self.retried: dict[str, AttemptRetried] = {}
        self.lost: dict[str, AttemptLost] = {}
        self.waiting: dict[str, VisitWaiting] = {}
        self.unrouted: dict[str, ErrorInfo] = {}
        """Visits that ended well and then could not be left, because a guard raised."""
        self.failed: RunFailed | None = None
        for event in events:
            if isinstance(event, (RunFailed, VisitFailed)):
                if event.error.type == "GuardError":
                    self.unrouted[str(event.error.detail.get("visit"))] = event.error
                if isinstance(event, RunFailed):
                    self.failed = event
            elif isinstance(event, Routed):
                self.routed[event.visit, event.error is not None] = event
            elif isinstance(event, AttemptRetried):
                self.retried[event.visit] = event
            elif isinstance(event, AttemptLost):
                self.lost[event.visit] = event
            elif isinstance(event, VisitWaiting):
                self.waiting[event.visit] = event
