"""What a run leaves for its caller."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Generic, Literal, Self, TypeAlias, TypeVar

from pydantic import BaseModel

from graphrt.errors import RunFailed, UseError
from graphrt.events import VisitWaiting
from graphrt.fields import make_state, plain
from graphrt.inputs import ErrorInfo
from graphrt.meter import Totals
from graphrt.ports import Store
from graphrt.showing import displayed
from graphrt.stepper import Stepper
from graphrt.stores import open_store
from graphrt.trace import Trace

S = TypeVar("S", bound=BaseModel)
Ended: TypeAlias = Literal["completed", "failed", "cancelled", "suspended"]


class Result(Generic[S]):
    """How a run ended, or why it waits. Holds on to the store, so that the trace can be read, and to little else."""

    __slots__ = (
        "_cause",
        "_made",
        "_partial",
        "_state",
        "_state_type",
        "_store",
        "end",
        "error",
        "failed_at",
        "questions",
        "run",
        "status",
        "usage",
    )

    def __init__(self, stepper: Stepper, store: Store, state_type: type[S] | None, cause: BaseException | None) -> None:
        """Take from a stepper what its caller may want."""
        self.run: str = stepper.run
        """The run's id in the store."""
        self.status: Ended = stepper.status  # type: ignore[assignment]  # a driver returns in no other state
        """How it ended, or `suspended`: it waits for an answer."""
        self.error: ErrorInfo | None = stepper.error
        """Why it failed."""
        self.failed_at: tuple[str, str] | None = stepper.failed_at
        """Visit and node at which it failed."""
        self.questions: tuple[VisitWaiting, ...] = tuple(stepper.questions.values())
        """What it waits for, if it is suspended."""
        self.end: str | None = stepper.end
        """The stopping end that ended it."""
        self.usage: Totals = stepper.totals
        """Visits, active seconds, tokens and cost."""
        self._store: Store | str | Path = store
        self._state_type = state_type
        self._state: dict[str, Any] | None = stepper.state
        self._partial: dict[str, Any] = stepper.partial
        self._made: S | None = None
        self._cause = cause

    @property
    def state(self) -> S:
        """The final state, an instance of the state type.

        Raises:
            RunFailed: the run did not complete.
        """
        if self._state is None:
            raise self.not_completed() from self._cause
        if self._made is None:
            if self._state_type is None:
                message = f"the state type of run {self.run} is not known: its graph was read from the JSON form"
                raise UseError(message, run=self.run)
            self._made = make_state(self._state_type, self._state)
        return self._made

    @property
    def partial(self) -> dict[str, Any]:
        """The state of the main line as plain values: what there is to see of a run that did not complete."""
        return {name: plain(value) for name, value in self._partial.items()}

    @property
    def trace(self) -> Trace:
        """The whole trace, read from the store."""
        if not isinstance(self._store, (str, Path)):
            return self._store.trace(self.run)
        store = open_store(self._store, create=False)
        try:
            return store.trace(self.run)
        finally:
            store.close()

    def kept_in(self, spec: str | Path) -> Self:
        """Note where the trace is to be read from, once the store in which the run was driven is closed."""
        self._store = spec
        return self

    def unwrap(self) -> S:
        """Return the final state.

        Raises:
            RunFailed: the run did not complete; its cause is the exception of the node, if there was one here.
        """
        return self.state

    def not_completed(self) -> RunFailed:
        """Return what `unwrap` raises."""
        where = {"run": self.run, "status": self.status}
        if self.error is not None:
            visit, node = self.failed_at or ("", "")
            at = f" at {node!r} (visit {visit})" if visit else ""
            message = f"run {self.run} failed{at} with {self.error.type}: {self.error.message}"
            return RunFailed(message, **where, visit=visit, node=node, error=self.error.type)
        if self.status == "suspended":
            asked = ", ".join(f"{q.node!r} (visit {q.visit}): {q.question}" for q in self.questions)
            return RunFailed(f"run {self.run} is suspended and waits for {asked}; answer, then resume it", **where)
        return RunFailed(f"run {self.run} is {self.status}; it can be resumed", **where)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Show the run in a notebook, on its flow."""
        del include, exclude
        return displayed(self.trace, repr(self))

    def __repr__(self) -> str:
        about = f", error={self.error.type!r}" if self.error is not None else ""
        return f"Result(run={self.run!r}, status={self.status!r}{about})"
