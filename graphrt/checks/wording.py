"""How findings spell values, edges and states."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from graphrt.abbreviation import show

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from graphrt.checks.deciding import Shown
    from graphrt.graph import Edge, Graph, Node
    from graphrt.inputs import Json

_NAMED: Final = 3


def value_text(value: Json) -> str:
    """Print a value of the state as Python would, abbreviated if it is long."""
    shown = show(value)
    return json.dumps(shown, ensure_ascii=False) if isinstance(shown, str) else repr(shown)


def state_text(witness: Mapping[str, Json]) -> str:
    """Print as much of a state as matters: `topic = None, score = 0.5`."""
    return ", ".join(f"{name} = {value_text(value)}" for name, value in witness.items())


def when_text(shown: Shown, node: Node) -> str:
    """Print under what circumstances something happens: state, answer, edges used up."""
    parts = [f"{node.name!r} answers {shown.answer!r}"] if shown.answer is not None else []
    parts += [state_text(shown.witness)] if shown.read else []
    for index in shown.used:
        edge = next(e for e in node.edges if e.index == index)
        parts.append(f"edge {index + 1} has been taken {edge.at_most} of {edge.at_most} times")
    return " and ".join(parts)


def edge_text(graph: Graph, edge: Edge) -> str:
    """Print an edge: `'review' -> 'draft'`, with its trigger and its guard."""
    text = f"{graph.nodes[edge.source].name!r} -> {graph.nodes[edge.target].name!r}"
    trigger = edge.on or edge.on_error
    if trigger is not None:
        text += f" on {trigger}"
    return text if edge.when is None else f"{text} when {edge.when.text}"


def listed(names: Iterable[object]) -> str:
    """Print names: `'a', 'b' and 'c'`."""
    texts = [repr(n) for n in names]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def runs_text(runs: Sequence[str]) -> str:
    """Print runs by their ids, the first three of many: `runs a, b, c and 20 more`."""
    if len(runs) == 1:
        return f"run {runs[0]}"
    named = list(runs[:_NAMED]) if len(runs) > _NAMED + 1 else list(runs)
    last = named.pop() if len(named) == len(runs) else f"{len(runs) - len(named)} more"
    return f"runs {', '.join(named)} and {last}"
