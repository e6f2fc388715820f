"""`retry`: asks a model again, inside of what stands around it.

An agent has `retry=` of its own, which makes each attempt one of the run: durable, and repeated after a crash. This one
is for the inside of a stack, where that is too late: three attempts at a model before a fallback takes the next.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from graphrt.agents.agent import passing_faults
from graphrt.agents.model import Emit, Model, ModelRequest, Reply, discard
from graphrt.errors import UseError
from graphrt.graph import Retry
from graphrt.policies.policy import Around, Bill, Policy, mark, partial_of, retract, spelled
from graphrt.recorded import error_info
from graphrt.retrying import is_worth_retrying, wait_s
from graphrt.runtime.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from graphrt.ports import Clock


class Retrying(Policy):
    """How often and when a model is asked again; see `retry`."""

    def __init__(self, retry: Retry, clock: Clock) -> None:
        self.retry = retry
        self.clock = clock

    def around(self, model: Model) -> Model:
        """Return the model that is asked again."""
        return _Retried(model, self)


def retry(attempts: Retry | int = 3, *, clock: Clock = SYSTEM_CLOCK) -> Retrying:
    """Ask a model again that failed for a passing reason.

    Args:
        attempts: in total; a `Retry` says more, also which failures are worth it.
        clock: tells the time.

    Raises:
        UseError: fewer than 1 attempt.
    """
    if not isinstance(attempts, Retry) and attempts < 1:
        raise UseError(f"retry({attempts}): the attempts in total are 1 or more")
    return Retrying(attempts if isinstance(attempts, Retry) else passing_faults(attempts), clock)


class _Retried(Around):
    def __init__(self, inner: Model, policy: Retrying) -> None:
        super().__init__(inner)
        self._policy = policy

    async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
        """Ask the model inside, until it answers, fails for good, or the attempts are used up."""
        policy, seed, bill = self._policy, random.getrandbits(32), Bill()
        attempt = 0
        while True:
            attempt += 1
            said: list[str] = []

            def hear(piece: str, said: list[str] = said) -> None:
                said.append(piece)
                emit(piece)

            try:
                return bill.paid(self.inner, await self.inner.respond(request, hear))
            except Exception as error:
                bill.failed(self.inner, error)
                info = error_info(error)
                is_last = attempt >= policy.retry.attempts or not is_worth_retrying(policy.retry, info)
                wait = 0.0
                if not is_last:
                    wait = wait_s(policy.retry, info, seed=seed, visit=self.name, attempt=attempt, tries=attempt)
                mark(
                    "retry",
                    "failed",
                    f"attempt {attempt}: {info.type}" + ("" if is_last else f", again in {spelled(wait)}"),
                    attempt=attempt,
                    error=info.type,
                    message=info.message,
                    again=not is_last,
                    wait_s=wait,
                    **partial_of(error),
                )
                if is_last:
                    bill.charged(error)
                    raise
            if said:
                retract()
            await policy.clock.sleep(wait)
