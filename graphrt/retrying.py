"""Whether a failed attempt is worth another, and how long to wait before it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graphrt.graph import Retry
    from graphrt.inputs import ErrorInfo


def is_worth_retrying(retry: Retry, error: ErrorInfo) -> bool:
    """Say whether a policy retries this error."""
    names = {error.type, *error.lineage}
    return not names.intersection(retry.never) and (not retry.on or bool(names.intersection(retry.on)))


def wait_s(retry: Retry, error: ErrorInfo, *, seed: int, visit: str, attempt: int, tries: int) -> float:
    """Return the wait before the next attempt, in seconds.

    Exponential, and lengthened by a share that is drawn from the run's seed. What the failing party asks for is waited
    for, up to a bound.
    """
    wait = min(retry.wait_s * retry.factor ** (tries - 1), retry.most_s)
    if retry.jitter:
        draw = hashlib.sha256(f"{seed}:{visit}:{attempt}".encode()).digest()
        wait *= 1 + retry.jitter * int.from_bytes(draw[:4], "big") / 2**32
    return max(wait, min(error.retry_after_s or 0.0, retry.most_asked_s))
