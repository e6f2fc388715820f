"""What a run has used so far, and which of its limits it has passed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from graphrt.inputs import Limits, Usage

GRACE_SHARE: Final = 0.1
"""How much more than a limit a run may use, as a share, once an edge has caught that it was passed."""
GRACE_VISITS: Final = 10
"""The least number of further visits that it then has."""
_BOUNDED: Final = ("visits", "active_s", "tokens", "cost_usd")
_NONE: Final[frozenset[str]] = frozenset()


class Totals:
    """What a run has used so far; tokens and cost as far as they are known."""

    __slots__ = (*_BOUNDED, "uncounted", "unpriced")

    def __init__(self) -> None:
        self.visits = 0
        self.active_s = 0.0
        self.tokens = 0
        self.cost_usd = 0.0
        self.uncounted = 0
        """Requests to models that did not say how many tokens they took …"""
        self.unpriced = 0
        """… and those whose price is not known."""

    def __repr__(self) -> str:
        return f"Totals({', '.join(f'{name}={getattr(self, name)!r}' for name in self.__slots__)})"


class Passed(NamedTuple):
    """A limit that a run has passed."""

    limit: str
    used: float
    allowed: float


class Meter:
    """Adds up what a run uses and compares it with its limits."""

    __slots__ = ("_graced", "_limits", "bounds", "totals")

    def __init__(self) -> None:
        self.totals = Totals()
        self._limits: Limits | None = None
        self._graced = _NONE
        self.bounds: tuple[tuple[str, float], ...] = ()
        """What the run may use, by name; empty if it has no limits."""

    def limit(self, limits: Limits | None) -> None:
        """Set the limits from here on; grace that was given under earlier ones ends."""
        self._limits = limits
        self._graced = _NONE
        self._reckon()

    def use(self, duration_s: float, usage: Usage | None) -> None:
        """Add what an attempt used."""
        totals = self.totals
        totals.active_s += duration_s
        if usage is not None:
            totals.tokens += (usage.input_tokens or 0) + (usage.output_tokens or 0)
            totals.cost_usd += usage.cost_usd or 0.0
            totals.uncounted += usage.input_tokens is None or usage.output_tokens is None
            totals.unpriced += usage.cost_usd is None

    def passed(self) -> Passed | None:
        """Return the first limit that the run has passed."""
        for name, allowed in self.bounds:
            used = getattr(self.totals, name)
            if used > allowed:
                return Passed(name, used, allowed)
        return None

    def is_graced(self, limit: str) -> bool:
        """Say whether the run uses up its grace beyond a limit already."""
        return limit in self._graced

    def grace(self, limit: str) -> None:
        """Let the run go a little beyond a limit, so that it can end in order."""
        self._graced |= {limit}
        self._reckon()

    def withdraw(self, limit: str) -> None:
        """Take that back."""
        self._graced -= {limit}
        self._reckon()

    def _reckon(self) -> None:
        self.bounds = tuple(
            (name, allowed + self._more(name, allowed))
            for name in _BOUNDED
            if (allowed := getattr(self._limits, name, None)) is not None
        )

    def _more(self, name: str, allowed: float) -> float:
        if name not in self._graced:
            return 0
        return max(allowed * GRACE_SHARE, GRACE_VISITS if name == "visits" else 0)
