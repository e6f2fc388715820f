"""Joins of one fork that can each wait for the other.

Each fires only when nothing can reach it any more, and each can be reached from the other. graphrt then lets the first
in the order of the definition fire, so the run goes on; but which that is says the order of two lines of code, and what
the other gathers follows from it.

Example:
    class Text(BaseModel):
        text: str
        notes: Annotated[list[str], append] = []


    flow = Flow("text", Text)
    s = flow.state


    @flow.task
    def begin() -> None: ...


    @flow.task(writes=s.notes)
    def style(text: str) -> str: ...


    @flow.task(writes=s.notes)
    def facts(text: str) -> str: ...


    styled = flow.join("styled")
    checked = flow.join("checked")
    done = flow.join("done")
    flow.fork(begin, [style, facts])
    flow.edge(style, styled)
    flow.edge(facts, checked)
    flow.edge(styled, facts, when=size(s.notes) < 2)
    flow.edge(styled, done)
    flow.edge(checked, style, when=size(s.notes) < 2)
    flow.edge(checked, done)

Instead:
    class Text(BaseModel):
        text: str
        notes: Annotated[list[str], append] = []


    flow = Flow("text", Text)
    s = flow.state


    @flow.task
    def begin() -> None: ...


    @flow.task(writes=s.notes)
    def style(text: str) -> str: ...


    @flow.task(writes=s.notes)
    def facts(text: str) -> str: ...


    done = flow.join("done")
    flow.fork(begin, [style, facts])
    flow.edge([style, facts], done)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.finding import Found
from graphrt.checks.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.checks.subject import Subject
    from graphrt.graph import Node


def _find(at: Subject) -> Iterator[Found]:
    partial = [n for n in at.nodes if n.kind == "join" and not n.closes and n.index in at.reachable]
    for k, one in enumerate(partial):
        for other in partial[k + 1 :]:
            if one.opener != other.opener:
                continue
            there, back = _way(at, one, other), _way(at, other, one)
            if not there or not back:
                continue
            yield Found(
                message=f"joins {one.name!r} and {other.name!r} can each wait for the other: {at.trail(there)} and"
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


RULE = Rule("GR108", "joins-wait", "warning", _find, __doc__)
