"""Replies that came well-formed but turned out to be of no use: whoever keeps replies must not give such a one again.

Only who owns the type of an answer can tell whether it fits. Who keeps a reply asks to be told with ``if_refused``;
``refusable`` stands around a request, in the task that asks and in those it starts, and hands out what tells them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, TypeAlias

Forget: TypeAlias = Callable[[], Awaitable[None]]

_KEEPERS: Final[ContextVar[list[Forget] | None]] = ContextVar("graphrt.refusals", default=None)


def if_refused(forget: Forget) -> None:
    """Have ``forget`` called if the reply to the request under way is refused; outside of an agent nobody tells."""
    keepers = _KEEPERS.get()
    if keepers is not None:
        keepers.append(forget)


@contextmanager
def refusable() -> Generator[Forget]:
    """Let those who keep the reply to a request made inside hear of its refusal: by what this hands out."""
    keepers: list[Forget] = []

    async def refuse() -> None:
        for forget in keepers:
            await forget()

    before = _KEEPERS.set(keepers)
    try:
        yield refuse
    finally:
        _KEEPERS.reset(before)
