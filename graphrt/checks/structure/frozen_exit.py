"""A cycle that can only be left by guards over fields which nothing in the cycle changes.

What the guards say in the first round they say in every round: a run leaves at once or never. Usually the counter was
not counted up, or a node writes another field than the one that the guard reads.

Example:
    class Job(BaseModel):
        url: str
        page: str = ""
        tries: int = 0


    flow = Flow("fetch", Job)
    s = flow.state


    @flow.task(writes=s.page)
    def fetch(url: str) -> str: ...


    @flow.task
    def store(page: str) -> None: ...


    flow.start(fetch)
    flow.edge(fetch, fetch, when=s.tries < 3)
    flow.edge(fetch, store)

Instead:
    class Job(BaseModel):
        url: str
        page: str = ""
        tries: int = 0


    flow = Flow("fetch", Job)
    s = flow.state


    @flow.task(writes=s.page)
    def fetch(url: str) -> str: ...


    @flow.task
    def store(page: str) -> None: ...


    flow.start(fetch)
    flow.edge(fetch, fetch, when=s.tries < 3, set=let(s.tries).be(s.tries + 1))
    flow.edge(fetch, store)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.finding import Found
from graphrt.checks.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.checks.subject import Subject


def _find(at: Subject) -> Iterator[Found]:
    for part in at.unbounded:
        exits = [e for e in at.edges() if e.source in part and e.target not in part]
        if not exits or any(e.on_error is not None for e in exits):
            continue
        deciding = [at.nodes[i] for i in sorted({e.source for e in exits})]
        if any(e.on is not None for n in deciding for e in n.edges):
            continue  # an answer is given anew each time
        reads = {name for n in deciding for e in n.edges if e.when is not None for name in e.when.reads}
        if not reads or reads & at.changed_in(part):
            continue
        first = deciding[0]
        cycle = at.cycle(first.index, part)
        fields = ", ".join(repr(f.name) for f in at.graph.fields if f.name in reads)
        yield Found(
            message=f"the cycle {at.trail(cycle)} is left by guards over {fields}, which nothing in it changes: a run"
            " leaves it in the first round or never; change the field in the cycle (set=, or a node that writes it)"
            " or bound an edge by at_most",
            node=first,
            edge=next(e for e in exits if e.source == first.index),
            path=at.names(cycle),
            nodes=at.names(sorted(part)),
        )


RULE = Rule("GR104", "frozen-exit", "error", _find, __doc__)
