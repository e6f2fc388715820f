"""Turn token probabilities into a probability for each label.

An endpoint that reports log probabilities gives, for each token it wrote, the likeliest alternatives at that position.
The labels form a tree of texts, and the written tokens walk down one path of it. At each position

* an alternative that leaves the path gives its mass to the labels that begin with the text so far plus that token,
  shared equally if there are several (their difference lies further down a road not taken);
* the written token keeps its mass on the path;
* what is left on the path when only one label fits goes to that label.

Mass on texts that begin no label is dropped, and the rest is scaled to sum to 1. If nothing is left there are none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Position:
    """One written token and what could have stood in its place."""

    token: str
    logprob: float
    """Natural logarithm of the token's probability."""
    others: tuple[tuple[str, float], ...] = field(default=())
    """Other likely tokens with their log probabilities; may repeat the written one."""


def label_scores(positions: Sequence[Position], labels: Sequence[str]) -> dict[str, float] | None:
    """Compute the probability of each label from an answer that was asked to be a label and nothing else.

    ``None`` when the positions say nothing about any label.
    """
    mass = dict.fromkeys(labels, 0.0)
    plain = {label: _plain(label) for label in labels}
    walked, on_path = "", 1.0
    for position in positions:
        alternatives = {position.token: position.logprob, **dict(position.others)}
        for token, logprob in alternatives.items():
            if token != position.token:
                _share(mass, _beginning(plain, walked + token), on_path * math.exp(min(0.0, logprob)))
        walked += position.token
        on_path *= math.exp(min(0.0, position.logprob))
        if len(_beginning(plain, walked)) <= 1:
            break
    _share(mass, _said(plain, walked), on_path)
    return normalised(mass)


def normalised(mass: Mapping[str, float]) -> dict[str, float] | None:
    """Scale weights to sum to 1; ``None`` when they are all zero."""
    total = math.fsum(mass.values())
    return {label: weight / total for label, weight in mass.items()} if total > 0 else None


def _plain(text: str) -> str:
    return text.lstrip(" \t\n\"'`*").casefold()


def _beginning(plain: Mapping[str, str], text: str) -> list[str]:
    begun = _plain(text)
    # Before the first letter every label is still possible, which says nothing about any of them.
    return [label for label, spelled in plain.items() if spelled.startswith(begun)] if begun else list(plain)


def _said(plain: Mapping[str, str], text: str) -> list[str]:
    """Return the labels an answer stands for: those it begins, else the longest that begins it (as in "billing.")."""
    begun = _plain(text)
    if not begun:
        return []
    open_labels = _beginning(plain, text)
    exact = [label for label in open_labels if plain[label] == begun]
    if exact or open_labels:
        return exact or open_labels
    inside = [label for label, spelled in plain.items() if begun.startswith(spelled)]
    return [max(inside, key=len)] if inside else []


def _share(mass: dict[str, float], labels: Sequence[str], amount: float) -> None:
    for label in labels:
        mass[label] += amount / len(labels)
