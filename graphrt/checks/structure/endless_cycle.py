"""A cycle that no edge leaves.

A run that comes into it goes round until a limit of the run stops it or, if its edges are bounded by `at_most`, fails
with `NoRoute` when they are used up. A node that fails may break it, if nothing catches the error.

Example:
    class Watch(BaseModel):
        url: str
        page: str = ""


    flow = Flow("watch", Watch)
    s = flow.state


    @flow.task(writes=s.page)
    def fetch(url: str) -> str: ...


    @flow.task
    def compare(page: str) -> None: ...


    flow.start(fetch)
    flow.edge(fetch, compare)
    flow.edge(compare, fetch)

Instead:
    class Watch(BaseModel):
        url: str
        page: str = ""
        changed: bool = False


    flow = Flow("watch", Watch)
    s = flow.state


    @flow.task(writes=s.page)
    def fetch(url: str) -> str: ...


    @flow.task(writes=s.changed)
    def compare(page: str) -> bool: ...


    told = flow.end("told")
    flow.start(fetch)
    flow.edge(fetch, compare)
    flow.edge(compare, told, when=s.changed)
    flow.edge(compare, fetch)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.finding import Found
from graphrt.checks.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.checks.subject import Subject


def _find(at: Subject) -> Iterator[Found]:
    for part in at.cycles:
        first = min(part)
        if first not in at.reachable or any(k not in part for i in part for k in at.after[i]):
            continue
        if part & at.ending:
            continue
        cycle = at.cycle(first, part)
        free = any(part & other for other in at.unbounded)
        then = "a run would go round for ever" if free else "a run fails with NoRoute when `at_most` is used up"
        yield Found(
            message=f"no edge leaves the cycle {at.trail(cycle)}: {then}; lead an edge from one of its nodes to an end",
            node=at.nodes[first],
            path=at.names(cycle),
            nodes=at.names(sorted(part)),
        )


RULE = Rule("GR103", "endless-cycle", "error", _find, __doc__, mistakes=("idle-cycle",))
