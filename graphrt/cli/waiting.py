"""Waiting for what a store does at once or later."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Awaitable

T = TypeVar("T")


async def settled(done: T | Awaitable[T]) -> T:
    """Return what is done already, or will be."""
    return await cast("Awaitable[T]", done) if hasattr(done, "__await__") else cast("T", done)
