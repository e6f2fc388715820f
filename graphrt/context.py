"""What a running node may ask about its visit, and the resources it was given."""

from __future__ import annotations

import sys
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, get_origin

from graphrt.errors import ResourceMissing, UseError
from graphrt.inputs import Mark

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from typing import Protocol

    from graphrt.inputs import Json, Sent, Usage

    class Alarm(Protocol):
        """A call that was asked for, and can be taken back."""

        def cancel(self) -> None:
            """Do not make it."""
            ...

    class Alarms(Protocol):
        """What wakes after a time: the clock of a run."""

        def call_later(self, delay_s: float, callback: Callable[[], None]) -> Alarm:
            """Call `callback` in the running event loop after `delay_s` seconds."""
            ...

    class Opens(Protocol):
        """What a run has opened, as a driver keeps it."""

        def is_here(self) -> bool:
            """Say whether something can be opened from where this is called."""
            ...

        def open(self, make: Callable[[], AbstractAsyncContextManager[T]]) -> Awaitable[T]:
            """Open it, or return what it opened before."""
            ...


T = TypeVar("T")
Kind: TypeAlias = "type[T] | Callable[..., T]"
"""A class. As a callable it may be abstract, too: mypy takes no abstract class for a `type[T]`."""


_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Context:
    """Handed to a node's function as the parameter annotated `Context`; lives as long as the attempt.

    A function uses it to tell where it is (`run`, `visit`, `attempt`), to make its effect idempotent (`idempotency_key`
    is the same for every attempt of a visit), to stream text (`emit`), to report what it consumed (`report`), to notice
    cancellation in long synchronous work (`cancelled`), to reach clients and handles (`resource`), and to open what is
    to be closed with the run (`open`).
    """

    __slots__ = (
        "_cancelled",
        "_emit",
        "_key",
        "_opened",
        "_resources",
        "_retract",
        "attempt",
        "clock",
        "kept",
        "marks",
        "node",
        "notes",
        "policies",
        "run",
        "seen",
        "sent",
        "usage",
        "visit",
    )

    def __init__(
        self,
        run: str,
        visit: str,
        node: str,
        attempt: int,
        *,
        key: Callable[[], str],
        emit: Callable[[str], None],
        cancelled: Callable[[], bool],
        resources: Mapping[type, Any],
        policies: tuple[Any, ...] = (),
        retract: Callable[[], None] | None = None,
        opened: Opens | None = None,
        clock: Alarms | None = None,
    ) -> None:
        """Bind the facts of one attempt; drivers call this."""
        self.run = run
        self.visit = visit
        self.node = node
        self.attempt = attempt
        self.usage: Usage | None = None
        self.notes: dict[str, Json] = {}
        """The facts that were reported so far."""
        self.marks: list[Mark] = []
        """What happened on the way so far."""
        self.sent: tuple[Sent, ...] = ()
        """The requests that were sent to models so far …"""
        self.kept: Mapping[str, Json] = _NOTHING
        """… and what they refer to, by its hash."""
        self.seen: Mapping[str, Any] = _NOTHING
        """The fields that the work for this attempt was handed, where it says so; what is sent can refer to them."""
        self.policies = policies
        """What wraps the models that are asked here, outermost first; see `graphrt.policies`."""
        self.clock = clock
        """The clock of the run, by which waits and time limits count; None where no driver has told it."""
        self._key = key
        self._emit = emit
        self._retract = retract
        self._cancelled = cancelled
        self._resources = resources
        self._opened = opened

    @property
    def idempotency_key(self) -> str:
        """The same text for every attempt of this visit in this run; send it along with an effect."""
        return self._key()

    @property
    def cancelled(self) -> bool:
        """Whether the result of this attempt is no longer wanted."""
        return self._cancelled()

    def emit(self, text: str) -> None:
        """Stream a piece of output to whoever listens; not part of the trace."""
        self._emit(text)

    def retract(self) -> None:
        """Tell whoever listens that what was emitted so far does not count: the text begins anew."""
        if self._retract is not None:
            self._retract()

    def report(self, usage: Usage | None = None, **notes: Json) -> None:
        """Say what this attempt consumed, and facts that people want to see in its record.

        Raises:
            UseError: a number of `usage` is none, or is negative, infinite or NaN.
        """
        if usage is not None:
            for name in ("input_tokens", "output_tokens", "cost_usd"):
                self._check_number(name, getattr(usage, name))
            self.usage = usage
        self.notes.update(notes)

    def mark(self, by: str, what: str, text: str | None = None, **facts: Json) -> None:
        """Put something that happened on the way into the record of this attempt, also if the attempt fails.

        Args:
            by: who did it: a word such as `cache`.
            what: what it did, a word for programs: `hit`.
            text: the same for people, in a few words; by default those two.
            **facts: what a program may want to know beyond that.
        """
        self.marks.append(Mark(by, what, f"{by} {what}" if text is None else text, facts))

    def _check_number(self, name: str, value: object) -> None:
        if value is None or (isinstance(value, (int, float)) and 0 <= value <= sys.float_info.max):
            return
        message = (
            f"node {self.node!r} (visit {self.visit}) reports {name} = {value!r}; it takes a number that is not"
            " negative, or None for unknown"
        )
        raise UseError(message, node=self.node, visit=self.visit)

    def find(self, kind: Kind[T]) -> T | None:
        """Return the resource of this class, which may be abstract, that the run was given, or None.

        What policies apply to is wrapped by those that hold here.
        """
        found = self.find_bare(kind)
        return None if found is None else self.under_policies(found)

    def find_bare(self, kind: Kind[T]) -> T | None:
        """Return what `find` does, as it was given: no policy wraps it."""
        plain: Any = get_origin(kind) or kind  # a resource does not tell what it is a list or a pool of
        for given, value in self._resources.items():
            if issubclass(given, plain):
                return value  # type: ignore[no-any-return]  # found under its own type
        return None

    def under_policies(self, value: T, *inner: Any) -> T:  # noqa: ANN401 - what a policy is, layers above know
        """Return a value wrapped by the policies that hold here, and inside of those by `inner`."""
        for policy in reversed((*self.policies, *inner)):
            value = policy.wrap(value)
        return value

    def resource(self, kind: Kind[T]) -> T:
        """Return the resource of this class, which may be abstract, that the run was given.

        Raises:
            ResourceMissing: none was given; the run can be resumed with one.
        """
        found = self.find(kind)
        if found is not None:
            return found
        message = (
            f"node {self.node!r} asks for a {kind.__name__}, but the run was given no such resource; pass"
            " resources=[…], or on the command line name it beside the flow: graphrt_resources = […];"
            " then resume the run"
        )
        raise ResourceMissing(message, node=self.node, visit=self.visit)

    async def open(self, make: Callable[[], AbstractAsyncContextManager[T]]) -> T:
        """Return what `make()` opens, for all nodes of this run the same: a connection, a session, a browser.

        It is opened by the first who asks, and closed when the run ends or waits for an answer; what was opened last is
        closed first. A run that is resumed opens it again. `make` is a function without parameters that returns an
        async context manager, or a method: that of the same object is the same.

            session = await context.open(context.resource(Desk).session)

        Raises:
            UseError: there is no run around it, or this is not the event loop that drives it.
            Exception: whatever opening it raises; the next who asks tries again.
        """
        if self._opened is None:
            raise UseError(
                f"node {self.node!r}: this context belongs to no run, so there is nobody to close what opens"
            )
        return await self._opened.open(make)

    @property
    def can_open(self) -> bool:
        """Whether `open` works here: in the event loop that drives the run, until the run ends."""
        return self._opened is not None and self._opened.is_here()


CURRENT: Final[ContextVar[Context | None]] = ContextVar("graphrt.context", default=None)
"""The attempt that the running code works for, for what is called without being handed its context.

Drivers set it, and set it back.
"""
