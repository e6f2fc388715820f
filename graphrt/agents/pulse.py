"""Signs of life of a model that is at work: pieces of an answer that nobody is shown, such as those of a tool call.

What a model emits is text for people; whoever bounds the silence of a model must hear of every piece. A model calls
``pulse`` with each that arrives; ``listening`` makes a function hear it, in the task that asks and in those it starts.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_LISTENERS: Final[ContextVar[tuple[Callable[[], None], ...]]] = ContextVar("graphrt.pulse", default=())


def pulse() -> None:
    """Say that another piece has arrived."""
    for hear in _LISTENERS.get():
        hear()


def listeners() -> tuple[Callable[[], None], ...]:
    """Return who hears pulses here."""
    return _LISTENERS.get()


@contextmanager
def listening(hear: Callable[[], None]) -> Generator[None]:
    """Let a function hear the pulses of what is called inside."""
    before = _LISTENERS.set((*_LISTENERS.get(), hear))
    try:
        yield
    finally:
        _LISTENERS.reset(before)
