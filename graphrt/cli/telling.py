"""Runs and visits in words: what the commands and the live progress say of them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

from graphrt.cli.screen import brief_json, line
from graphrt_viz.wording import count, duration, money, shorten

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.text import Text

    from graphrt.inputs import ErrorInfo, Json, Usage
    from graphrt.told import Account, Spent, Totals, VisitAccount

_RESULT: Final = 120
"""Characters of the result of a tool, or of its arguments."""
_INNER: Final = frozenset({"messages", "calls", "acts", "wrong_calls", "refused"})
"""Fields by which an agent keeps what its requests need: the conversation so far, calls, what did not fit."""
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
    """Return the tokens of a usage, or nothing if they are unknown; `≥` if they are in part."""
    if usage is None or (usage.input_tokens is None and usage.output_tokens is None):
        return ""
    partly = usage.input_tokens is None or usage.output_tokens is None
    return ("≥ " if partly else "") + count((usage.input_tokens or 0) + (usage.output_tokens or 0))


def cost(usage: Usage | None) -> str:
    """Return the cost of a usage, or nothing if it is unknown."""
    return "" if usage is None or usage.cost_usd is None else money(usage.cost_usd)


def used(usage: Usage | None) -> list[str]:
    """Return what a usage says, piece by piece."""
    spent = tokens(usage)
    return [part for part in (f"{spent} tokens" if spent else "", cost(usage)) if part]


def tokens_of(known: Spent) -> str:
    """Return the tokens of a sum, or nothing if none are known; `≥` if there are more."""
    return f"{'≥ ' if known.uncounted else ''}{count(known.tokens)}" if known.tokens else ""


def cost_of(known: Spent) -> str:
    """Return the cost of a sum, or nothing if none is known; `≥` if there is more."""
    return f"{'≥ ' if known.unpriced else ''}{money(known.cost_usd)}" if known.cost_usd else ""


def bill(told: Account) -> list[str]:
    """Return what a run used, piece by piece, and of a fork what of that its parent did."""
    parts = _amounts(told.totals.spent)
    before = _amounts(told.parents.spent) if told.parents is not None else []
    return [*parts, f"of this the parent's: {', '.join(before)}"] if before else parts


def _amounts(known: Spent) -> list[str]:
    tokens = tokens_of(known)
    return [part for part in (f"{tokens} tokens" if tokens else "", cost_of(known)) if part]


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
    if visit.stuck is not None:  # its work went well, and yet it failed
        raised = any(edge.result == "raised" for edge in visit.routed)
        return status_text("failed", "a guard raised" if raised else "could not be left")
    if visit.status == "completed" and visit.outcome is not None:
        return status_text("completed", visit.outcome)
    if visit.refused is not None:
        return status_text("failed", "told the model")
    if visit.status == "waiting":
        return status_text("waiting", "waits for an answer")
    if visit.status == "paused":
        return status_text("paused", "waits before its next attempt")
    if visit.status == "lost":
        return status_text("lost", "cut off")
    if visit.status == "failed" and visit.caught is not None:
        return status_text("failed", f"failed, caught {visit.caught}")
    return status_text(visit.status)


def wrote_text(visit: VisitAccount) -> str:
    """Return what a visit wrote, in a line: of a call its result, of an agent's request nothing that only serves it."""
    return written(visit, visit.writes)


def written(visit: VisitAccount, writes: Mapping[str, Json]) -> str:
    """Return values that a visit wrote, in a line, without the fields that an agent keeps for itself."""
    result = visit.result
    if result is not None:
        return shorten(result.trouble if result.failed else f"{result.tool}: {result.text}", _RESULT)
    if visit.agent is None:
        return ", ".join(f"{name} = {brief_json(value)}" for name, value in writes.items())
    parts = [f"calls {call_text(call)}" for call in calls_in(writes)]
    parts += [f"{name} = {brief_json(value)}" for name, value in writes.items() if _is_told(name, value)]
    return ", ".join(parts)


def is_kept_inside(visit: VisitAccount, name: str) -> bool:
    """Say if a field that a visit wrote only serves the agent that it works for."""
    return visit.agent is not None and not _is_told(name, visit.writes[name])


def _is_told(name: str, value: Json) -> bool:
    return name not in _INNER or (name == "refused" and bool(value))


def calls_of(visit: VisitAccount) -> list[Json]:
    """Return the calls of tools that the model of an agent wished for in a visit."""
    return calls_in(visit.writes) if visit.agent is not None else []


def calls_in(writes: Mapping[str, Json]) -> list[Json]:
    """Return the calls of tools among what an agent's request gave."""
    return [call for name in ("calls", "acts") for call in _items(writes.get(name))]


def call_text(call: Json) -> str:
    """Return a call of a tool as one writes a call: `lookup(order="7")`."""
    from graphrt.told import value_text

    if not isinstance(call, dict):
        return brief_json(call)
    known = cast("dict[str, Any]", call)
    given = known.get("raw") or ", ".join(f"{k}={value_text(v)}" for k, v in known.get("arguments", {}).items())
    return f"{known.get('name')}({shorten(str(given), _RESULT)})"


def _items(value: Json) -> list[Json]:
    return cast("list[Json]", value) if isinstance(value, list) else []


def where(told: Account, visit: str) -> str:
    """Return where something happened, by the name that the author of the flow gave: inside an agent, the agent's."""
    known = told.visits[visit]
    if known.agent is None:
        return f"{known.name} (visit {visit})"
    what = "its call of a tool" if "tools" in known.node.about else "its request to the model"
    if known.node.name not in {"model", "answer", "tool", "act"}:
        what = f"at {known.name!r} inside it"
    return f"agent {known.agent!r} ({what}, visit {visit})"


def can_go_on(told: Account) -> bool:
    """Say if it makes sense to resume a run that stopped: at an end for failures it would only end once more."""
    if told.status == "failed" and told.failed_at is not None:
        return told.visits[told.failed_at].node.kind != "end"
    return told.status in {"failed", "cancelled"}


def fact_text(error: ErrorInfo, *, caught: bool) -> str:
    """Return an error in a line; of one that an edge caught only what happened, for the advice has been taken."""
    from graphrt.told import without_advice

    text = error_text(error)
    return without_advice(text) if caught else text
