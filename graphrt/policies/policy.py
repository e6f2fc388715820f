"""What a policy is: a value that puts something around a model.

A policy holds what is counted, kept or shared, and is given to as many agents, nodes, flows and runs as should share
it; the models that it wraps are made for each request and hold nothing. Several in a row stand around each other, the
first outermost.

The same value around a request twice does its work once, where it stands outermost: for an agent and for its flow, or
for an agent and for the one that it falls back to. Else a request would wait for a limit that it holds itself.

What a policy does is put on record as a mark on the attempt that it is done for (`mark`). Nothing of it is needed to
read, resume or replay a run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

from graphrt.agents.errors import ModelBehavior, ModelError, after
from graphrt.agents.messages import Usage
from graphrt.agents.model import Choice, Emit, Model, ModelRequest, Reply, discard
from graphrt.context import CURRENT

if TYPE_CHECKING:
    from graphrt.inputs import Json

T = TypeVar("T")
E = TypeVar("E", bound=BaseException)

_ENTERED: Final[ContextVar[tuple[Policy, ...]]] = ContextVar("graphrt.policies", default=())
"""The policies that the request under way stands in already."""


class Policy(ABC):
    """Wraps models. Subclasses write `around`."""

    supplies: ClassVar[bool] = False
    """Whether another model may answer than the one it stands around; then an agent may do without one."""

    @abstractmethod
    def around(self, model: Model) -> Model:
        """Return the model that is asked instead."""

    def wrap(self, model: T, /) -> T | Model:
        """Return the model that is asked instead; anything that is no model, unchanged."""
        return _Once(self, model) if isinstance(model, Model) else model


class Around(Model):
    """A model that stands around another. Subclasses write `respond`."""

    def __init__(self, inner: Model) -> None:
        self.inner = inner
        self.name = inner.name

    @property
    def identity(self) -> str:
        """The same as of the model inside."""
        return self.inner.identity

    def cost_usd(self, reply: Reply | Choice) -> float | None:
        """Price a reply as the model that gave it would."""
        stated = reply.usage.cost_usd
        if stated is None:
            return self.inner.cost_usd(reply)
        return None if isinstance(stated, str) else stated

    async def aclose(self) -> None:
        """Release what the model inside holds."""
        await self.inner.aclose()


class _Once(Around):
    """A model under a policy, and without it for a request that stands in that policy already."""

    def __init__(self, policy: Policy, model: Model) -> None:
        super().__init__(policy.around(model))
        self._policy = policy
        self._bare = model

    async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
        """Ask under the policy, if that is not being done."""
        entered = _ENTERED.get()
        if any(policy is self._policy for policy in entered):
            return await self._bare.respond(request, emit)
        before = _ENTERED.set((*entered, self._policy))
        try:
            return await self.inner.respond(request, emit)
        finally:
            with suppress(ValueError):  # its event loop is gone, and it is collected somewhere else
                _ENTERED.reset(before)


def priced(model: Model, reply: Reply) -> Reply:
    """Return a reply that says what it cost at the model that gave it."""
    cost = model.cost_usd(reply)
    usage = reply.usage.model_copy(update={"cost_usd": "unknown" if cost is None else cost})
    return reply.model_copy(update={"usage": usage})


class Bill:
    """What was spent for one request beside the reply that it gets: on answers of no use, on a summary."""

    __slots__ = ("_spent",)

    def __init__(self) -> None:
        self._spent: Usage | None = None

    def __bool__(self) -> bool:
        return self._spent is not None

    def add(self, model: Model, usage: Usage) -> None:
        """Add what a model was paid."""
        usage = priced(model, Reply(usage=usage)).usage
        self._spent = usage if self._spent is None else self._spent + usage

    def failed(self, model: Model, error: BaseException) -> None:
        """Add what a failed request has cost: what the error says; of a broken answer that nobody counted, unknown."""
        usage = getattr(error, "usage", None)
        if isinstance(usage, Usage):
            self.add(model, usage)
        elif isinstance(error, ModelBehavior):
            self.add(model, Usage())

    def paid(self, model: Model, reply: Reply) -> Reply:
        """Return the reply of a model with all of it in its usage."""
        if self._spent is None:
            return reply
        whole = priced(model, reply)
        return whole.model_copy(update={"usage": self._spent + whole.usage})

    def charged(self, error: E) -> E:
        """Return an error that says all of it, if it can; its own share was added before."""
        return after(self._spent, error) if self._spent is not None and isinstance(error, ModelError) else error


def mark(by: str, what: str, text: str, **facts: Json) -> None:
    """Put what a policy did on the record of the attempt that it is done for; outside of runs nobody wants to know."""
    context = CURRENT.get()
    if context is not None:
        context.mark(by, what, text, **facts)


def retract() -> None:
    """Tell whoever listens that what this attempt has said so far does not count: the text begins anew."""
    context = CURRENT.get()
    if context is not None:
        context.retract()


def partial_of(error: Exception) -> dict[str, Json]:
    """Return the text that had come before an error, for the facts of a mark; nothing if there was none."""
    partial = getattr(error, "partial", "")
    return {"partial": partial} if isinstance(partial, str) and partial else {}


def spelled(seconds: float) -> str:
    """Write a duration for people."""
    return f"{seconds:.3g} s" if seconds < 100 else f"{seconds:.0f} s"
