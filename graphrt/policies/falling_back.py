"""`fallback`: another model answers where one fails."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias, cast

from graphrt.agents.agent import Agent
from graphrt.agents.errors import ModelError, NoModel
from graphrt.agents.model import Emit, Missing, Model, ModelRequest, Reply, discard, resolve_model
from graphrt.agents.sent import told
from graphrt.errors import UseError
from graphrt.policies.policy import Around, Bill, Policy, mark, partial_of, priced, retract
from graphrt.values import brief

Next: TypeAlias = "str | Model | Agent"
"""Who is asked next: the name of a model at the endpoint of the environment, `"local"`, a model, or an agent."""


class Fallback(Policy):
    """Who is asked when a model fails; see `fallback`."""

    supplies = True

    def __init__(self, others: tuple[Next, ...], on: tuple[type[Exception], ...]) -> None:
        self.others = others
        self.on = on

    def around(self, model: Model) -> Model:
        """Return the model that has others behind it."""
        return _Backed(model, self)


def fallback(*others: Next, on: type[Exception] | Sequence[type[Exception]] = ModelError) -> Fallback:
    """Ask the next model when one fails, in this order, with the same request.

    An agent among them asks its own model, under its own policies, with its own instructions (as they stand: fields are
    not filled in) and examples; the tools stay those of the agent that fell back. What had been said before is
    retracted.

    Args:
        *others: who is asked next.
        on: the errors on which that happens; by default whatever is wrong with a model, budgets that are used up
            included.

    Raises:
        UseError: nobody is named, or somebody who cannot be asked; or `on` is no type of exception.
    """
    if not others:
        raise UseError("fallback() names nobody; give models, names of models, or agents")
    for other in cast("tuple[object, ...]", others):
        if not isinstance(other, str | Model | Agent):
            raise UseError(f"fallback({brief(other)}): expected a model, the name of one, or an agent")
        if isinstance(other, Agent) and other.tools:
            raise UseError(
                f"fallback({other!r}): an agent with tools is a node of its own; lead an edge with on=ModelError to it"
            )
    return Fallback(others, _kinds(on))


def _kinds(on: object) -> tuple[type[Exception], ...]:
    found = brief(on)
    several = hasattr(on, "__iter__") and not isinstance(on, str | type)
    kinds = tuple(cast("Iterable[object]", on) if several else (on,))
    if not all(isinstance(kind, type) and issubclass(kind, Exception) for kind in kinds):
        raise UseError(f"fallback(…, on={found}): expected a type of exception or several, such as ModelError")
    return cast("tuple[type[Exception], ...]", kinds)


class _Backed(Around):
    def __init__(self, inner: Model, policy: Fallback) -> None:
        super().__init__(inner)
        self._policy = policy

    @property
    def identity(self) -> str:
        """All who may answer."""
        others = "; ".join(_identity(other) for other in self._policy.others)
        return f"{self.inner.identity}, else {others}"

    async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
        """Ask one after the other until somebody answers."""
        asked, model, bill = request, self.inner, Bill()
        for other in (*self._policy.others, None):
            said: list[str] = []

            def hear(piece: str, said: list[str] = said) -> None:
                said.append(piece)
                emit(piece)

            try:
                reply = await model.respond(asked, hear)
            except self._policy.on as error:
                bill.failed(model, error)
                if other is None:
                    bill.charged(error)
                    raise
                before, kind = asked.model or model.name, type(error).__name__
                model, asked = _next(other, request)
                mark(
                    "fallback",
                    "taken",
                    f"fell back to {model.name}",
                    source=before,
                    target=model.name,
                    error=kind,
                    message=str(error),
                    **partial_of(error),
                )
                if said:
                    retract()
            else:
                named = reply if reply.model is not None else reply.model_copy(update={"model": model.name})
                return reply if model is self.inner else bill.paid(model, priced(model, named))
        raise AssertionError("the last one either answers or raises")


def _next(other: Next, request: ModelRequest) -> tuple[Model, ModelRequest]:
    """Return who is asked next, and what."""
    if not isinstance(other, Agent):
        return _found(other), request.asking(model=None)
    model = _found(other.model)
    for policy in reversed(other.policies):
        model = policy.wrap(model)
    changes: dict[str, object] = {
        "instructions": other.instructions,
        "model": other.model if isinstance(other.model, str) and other.model != "local" else None,
    }
    own = {name: getattr(other, name) for name in ("temperature", "seed", "max_tokens")}
    changes |= {name: value for name, value in own.items() if value is not None}
    if other.examples:
        changes["examples"] = other.examples
    return model, request.asking(**changes)


def _found(spec: str | Model | None) -> Model:
    """Return a model; one that cannot be found fails when it is asked, so that the next one may be."""
    try:
        return told(resolve_model(spec))
    except NoModel as missing:
        return Missing(missing, spec if isinstance(spec, str) else None)


def _identity(other: Next) -> str:
    model, asked = _next(other, ModelRequest())
    return f"{model.identity} {asked.model_dump_json()}"
