"""Who looks at what goes into an agent and what comes out of it, and may stop it.

    clerk = Agent(
        "Help the customer.",
        guardrails=[on_input(no_card_numbers), on_output(Agent("Block texts that promise a refund."), name="promises")],
    )

A guardrail is a function of the text that returns why it must not pass, or None; or an agent that judges. Each is a
node of the agent's graph with the outcomes ``allow`` and ``block``: recorded, drawn and replayed like any other. Those
on the input run beside the agent's first request, and nothing is called or written before all of them allowed it; with
``first=True`` they run before it, so that the model sees nothing that was blocked. One that blocks ends the agent with
`GuardrailTripped`, which an edge can catch: whatever the agent was about to do is cancelled. One that does not judge in
time lets nothing pass either, and ends it with `GuardrailTimeout`, which is a `GuardrailTripped`. One that fails lets
nothing pass: its error is the agent's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias, cast

from graphrt.agents.errors import GuardrailDefinitionError
from graphrt.freeze_nodes import seconds
from graphrt.signatures import signature_of

if TYPE_CHECKING:
    from graphrt.drafts import Expansion, ExpansionSpec

Side: TypeAlias = Literal["input", "output"]
Judge: TypeAlias = "Callable[..., Any] | Judging"

ALLOW: Final = "allow"
BLOCK: Final = "block"
TIMEOUT_S: Final = 60.0
"""How long a function may judge, unless it is said otherwise."""
_NAME: Final = re.compile(r"[A-Za-z_][\w -]{0,63}")


class Judging(Protocol):
    """An agent as a judge; any that can choose between ``allow`` and ``block``."""

    name: str | None
    instructions: str

    def expand(self, spec: ExpansionSpec, /) -> Expansion:
        """Return the graph of the agent as a node that chooses."""
        ...


@dataclass(frozen=True, slots=True)
class Guardrail:
    """One judge on one side of an agent; made by `on_input` and `on_output`."""

    side: Side
    """Whether it looks at what goes in or at what comes out."""
    name: str
    """What pictures and errors call it."""
    judge: Judge
    """The function or the agent that judges."""
    first: bool = False
    """Whether the model is asked only once it has allowed."""
    timeout_s: float | None = None
    """How long a function may judge; None for ever. The model of an agent has bounds of its own."""

    @property
    def agent(self) -> Judging | None:
        """The agent that judges; None if it is a function."""
        return cast("Judging", self.judge) if hasattr(self.judge, "expand") else None

    @property
    def node(self) -> str:
        """Name of its node in the agent's graph."""
        return f"check {self.name}"


def on_input(
    judge: Judge, *, name: str | None = None, first: bool = False, timeout: float | str | None = TIMEOUT_S
) -> Guardrail:
    """Let a function or an agent look at what goes into an agent, beside the first request to its model or before it.

    Beside it, judging costs no time, but the model has the text by then: nothing is done with its answer, and yet the
    data has left. With ``first=True`` the request waits, and a text that is blocked reaches no model of this agent.

    Args:
        judge: a function of the text that returns why it must not pass, or None; it may take a `Context` too, and may
            be async. Or an agent: it is asked to choose between ``allow`` and ``block``.
        name: what pictures and errors call it; by default the function's or the agent's own name.
        first: judge before anything is asked. Several that are first judge in the order given, and each sees only what
            those before it let pass: put a function before an agent whose model must not see the text either.
        timeout: how long a function may judge, in seconds or as a text like `5s`; None for ever. One that takes longer
            ends the agent with `GuardrailTimeout`. A function that is not async runs on in its thread, which nothing
            can prevent. An agent that judges is bounded where it asks: `Agent(policies=[timeout(total="5s")])`.

    Raises:
        GuardrailDefinitionError: it has no usable name, the function does not take one text, or the timeout is none.
    """
    return _guardrail("input", judge, name, timeout, first=first)


def on_output(judge: Judge, *, name: str | None = None, timeout: float | str | None = TIMEOUT_S) -> Guardrail:
    """Let a function or an agent look at what an agent wants to write, before it is written; see `on_input`.

    Raises:
        GuardrailDefinitionError: as for `on_input`.
    """
    return _guardrail("output", judge, name, timeout)


def _guardrail(
    side: Side, judge: Judge, name: str | None, timeout: float | str | None, *, first: bool = False
) -> Guardrail:
    found = name or getattr(judge, "name", None) or getattr(judge, "__name__", "")
    if not isinstance(found, str) or not _NAME.fullmatch(found):
        raise GuardrailDefinitionError(
            f"{found!r} cannot name a guardrail; give name=, a letter and then letters, digits, _, - or spaces",
            name=str(found),
        )
    guardrail = Guardrail(side, found, judge, first, _bound(timeout, found))
    if guardrail.agent is None:
        parameters_of(cast("Callable[..., Any]", judge), found)
    elif timeout not in {None, TIMEOUT_S}:
        raise GuardrailDefinitionError(
            f"guardrail {found!r} is an agent and has timeout={timeout!r}; bound what it asks:"
            " Agent(…, policies=[timeout(total=…)])",
            name=found,
        )
    return guardrail


def _bound(timeout: float | str | None, name: str) -> float | None:
    try:
        return None if timeout is None else seconds(timeout)
    except ValueError as wrong:
        raise GuardrailDefinitionError(f"guardrail {name!r} has a timeout that cannot be: {wrong}", name=name) from None


def parameters_of(judge: Callable[..., Any], name: str) -> tuple[str, str | None]:
    """Return the parameters of a judging function that take the text and the `Context`.

    Raises:
        GuardrailDefinitionError: it does not take one text.
    """
    from graphrt.agents.tools import is_context  # noqa: PLC0415 - tools bring pydantic's schemas; only where it is used

    signature = signature_of(judge)
    contexts = [p.name for p in signature.params if is_context(p.annotation)]
    texts = [p.name for p in signature.params if p.name not in contexts and not p.fixed and p.required]
    if signature.problem is not None or len(texts) != 1 or len(contexts) > 1:
        found = signature.problem or f"takes {', '.join(p.name for p in signature.params) or 'nothing'}"
        raise GuardrailDefinitionError(
            f"guardrail {name!r} {found}; expected a function of one text, and of a Context if it needs one", name=name
        )
    return texts[0], contexts[0] if contexts else None
