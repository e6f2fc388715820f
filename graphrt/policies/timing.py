"""`timeout`: how long a model may take to say something, to say more, and for all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.agents.errors import ModelTimeout
from graphrt.agents.model import Emit, Model, ModelRequest, Reply, discard
from graphrt.agents.pulse import listening
from graphrt.errors import UseError
from graphrt.freeze_nodes import seconds
from graphrt.policies.policy import Around, Policy, mark, spelled
from graphrt.policies.waiting import Watch
from graphrt.runtime.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from graphrt.ports import Clock

_SAYS = {"first_byte": "said nothing", "idle": "fell silent", "total": "did not end"}


class Timeout(Policy):
    """Bounds of each request; see `timeout`."""

    def __init__(self, first_byte_s: float | None, idle_s: float | None, total_s: float | None, clock: Clock) -> None:
        self.first_byte_s = first_byte_s
        self.idle_s = idle_s
        self.total_s = total_s
        self.clock = clock

    def around(self, model: Model) -> Model:
        """Return the model with these bounds."""
        return _Timed(model, self)


def timeout(
    *,
    first_byte: float | str | None = None,
    idle: float | str | None = None,
    total: float | str | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Timeout:
    """Give a model up that takes too long: `ModelTimeout`, which keeps the text that had come, and may be retried.

    Durations are seconds, or texts like `30s`, `5m`. The silence of a model that does not stream is its whole work.

    Args:
        first_byte: until the first piece of the answer.
        idle: between two pieces.
        total: until the end of the answer.
        clock: tells the time.

    Raises:
        UseError: nothing is bounded, or something is no duration.
    """
    found: list[float | None] = []
    for name, given in (("first_byte", first_byte), ("idle", idle), ("total", total)):
        try:
            found.append(None if given is None else seconds(given))
        except ValueError as wrong:
            raise UseError(f"timeout({name}=…): {wrong}") from None
    if not any(found):
        raise UseError("timeout() bounds nothing; give first_byte=, idle= or total=")
    return Timeout(found[0], found[1], found[2], clock)


class _Timed(Around):
    def __init__(self, inner: Model, policy: Timeout) -> None:
        super().__init__(inner)
        self._policy = policy

    async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
        """Ask the model inside, for as long as it may take.

        Raises:
            ModelTimeout: it took longer.
        """
        policy = self._policy
        watch = Watch(policy.clock, first_s=policy.first_byte_s, idle_s=policy.idle_s, total_s=policy.total_s)
        said: list[str] = []

        def hear(piece: str) -> None:
            said.append(piece)
            watch.heard()
            emit(piece)

        with listening(watch.heard):
            reply = await watch.run(self.inner.respond(request, hear))
        if reply is not None:
            return reply
        bound = watch.passed or "total"
        allowed = {"first_byte": policy.first_byte_s, "idle": policy.idle_s, "total": policy.total_s}[bound] or 0.0
        partial = "".join(said)
        mark("timeout", bound, f"timeout: {bound} of {spelled(allowed)}", bound=bound, allowed_s=allowed)
        raise ModelTimeout(
            f"the model {_SAYS[bound]} in {spelled(allowed)}" + (f", after {len(partial)} characters" * bool(partial)),
            endpoint=endpoint_of(self.inner),
            model=request.model or self.name,
            expected=f"an answer within timeout({bound.removesuffix('_s')}={allowed:g})",
            advice="try again, or give it more time",
            partial=partial,
        )


def endpoint_of(model: Model) -> str:
    """Return the host that a model is asked at, for messages."""
    inner = model
    while isinstance(inner, Around):
        inner = inner.inner
    return str(getattr(inner, "endpoint", "in this process"))
