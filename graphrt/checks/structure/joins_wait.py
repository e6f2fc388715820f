"""Joins of one fork that can each wait for the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.rule import Finds, Found, Subject, rule

if TYPE_CHECKING:
    from graphrt.graph import Node


@rule("GR108", "joins-wait", "warning")
def joins_wait(at: Subject) -> Finds:
    partial = [n for n in at.nodes if n.kind == "join" and not n.closes and n.index in at.reachable]
    for k, one in enumerate(partial):
        for other in partial[k + 1 :]:
            if one.opener != other.opener:
                continue
            there, back = _way(at, one, other), _way(at, other, one)
            if not there or not back:
                continue
            yield Found(
                f"joins {one.name!r} and {other.name!r} can each wait for the other: {at.trail(there)} and"
                f" {at.trail(back)}; then {one.name!r} fires first because it was defined first; lead both to one"
                " join, or let only one lead to the other",
                node=one,
                path=at.names((*there, *back[1:])),
            )


def _way(at: Subject, source: Node, target: Node) -> tuple[int, ...]:
    closing = {n.index for n in at.nodes if n.closes and n.opener == source.opener}
    around = closing if source.opener is None else closing | {source.opener}
    way = at.path([i for i in at.after[source.index] if i not in around], target.index.__eq__, around)
    return (source.index, *way) if way else ()
