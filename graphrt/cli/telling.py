"""Runs and visits in words: what the commands and the live progress say of them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from graphrt.cli.screen import line
from graphrt_viz.wording import count, duration, money

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.text import Text

    from graphrt.account import Totals, VisitAccount
    from graphrt.inputs import ErrorInfo, Usage

_SIGNS: Final[Mapping[str, tuple[str, str]]] = {
    "completed": ("✓", "green"),
    "failed": ("✗", "red"),
    "cancelled": ("■", "magenta"),
    "suspended": ("?", "yellow"),
    "waiting": ("?", "yellow"),
    "paused": ("↻", "yellow"),
    "running": ("▶", "cyan"),
    "cut off": ("!", "yellow"),
    "lost": ("!", "yellow"),
}


def status_text(status: str, more: str = "") -> Text:
    """Return a status with its sign, in its colour; the word is always there, so that no colour is needed."""
    sign, style = _SIGNS.get(status, ("·", ""))
    return line((f"{sign} {more or status}", style))


def sign_of(status: str) -> tuple[str, str]:
    """Return the sign of a status and its style."""
    return _SIGNS.get(status, ("·", ""))


def moment(at: float) -> str:
    """Return a time of day, in the zone of this machine, to the second."""
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def tokens(usage: Usage | None) -> str:
    """Return the tokens of a usage, or nothing if they are unknown."""
    if usage is None or (usage.input_tokens is None and usage.output_tokens is None):
        return ""
    return count((usage.input_tokens or 0) + (usage.output_tokens or 0))


def used(usage: Usage | None) -> list[str]:
    """Return what a usage says, piece by piece."""
    out: list[str] = []
    if tokens(usage):
        out.append(f"{tokens(usage)} tokens")
    if usage is not None and usage.cost_usd is not None:
        out.append(money(usage.cost_usd))
    return out


def error_text(error: ErrorInfo) -> str:
    """Return an error in a line."""
    return f"{error.type}: {error.message}" if error.message else error.type


def took(seconds: float | None) -> str:
    """Return a span of time, or nothing if it is unknown."""
    return "" if seconds is None else duration(seconds)


def times(totals: Totals) -> list[str]:
    """Return how long a run took; if nobody drove it for a while, how long somebody did, and how long nobody."""
    if totals.idle_s < 0.0005:
        return [took(totals.wall_s)]
    return [f"{took(totals.driven_s)} active", f"{took(totals.idle_s)} idle"]


def visit_status(visit: VisitAccount) -> Text:
    """Return how a visit ended or where it stands; of a router or an ask, with its answer."""
    if visit.status == "completed" and visit.outcome is not None:
        return status_text("completed", visit.outcome)
    if visit.status == "waiting":
        return status_text("waiting", "waits for an answer")
    if visit.status == "paused":
        return status_text("paused", "waits before its next attempt")
    if visit.status == "lost":
        return status_text("lost", "cut off")
    if visit.status == "failed" and visit.caught is not None:
        return status_text("failed", f"failed, caught {visit.caught}")
    return status_text(visit.status)
