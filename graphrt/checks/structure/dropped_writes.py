"""A join that does not wait for all branches, though only some of them write what is read behind it.

What the losing branches wrote is dropped with them. A field that not every branch writes is then there or not there by
luck of timing. Branches that race should write the same fields.

Example:
    class Question(BaseModel):
        text: str
        quick: str | None = None
        sources: Annotated[list[str], append] = []


    flow = Flow("question", Question)
    s = flow.state


    @flow.task
    def begin() -> None: ...


    @flow.task(writes=s.quick)
    def guess(text: str) -> str: ...


    @flow.task(writes=s.sources)
    def search(text: str) -> str: ...


    @flow.task
    def tell(sources: list[str], quick: str | None) -> None: ...


    first = flow.join("first", wait="any")
    flow.fork(begin, [guess, search])
    flow.edge([guess, search], first)
    flow.edge(first, tell)

Instead:
    class Question(BaseModel):
        text: str
        answer: str | None = None


    flow = Flow("question", Question)
    s = flow.state


    @flow.task
    def begin() -> None: ...


    @flow.task(writes=s.answer)
    def guess(text: str) -> str: ...


    @flow.task(writes=s.answer)
    def search(text: str) -> str: ...


    @flow.task
    def tell(answer: str | None) -> None: ...


    first = flow.join("first", wait="any")
    flow.fork(begin, [guess, search])
    flow.edge([guess, search], first)
    flow.edge(first, tell)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.elements import assigned
from graphrt.checks.finding import Found
from graphrt.checks.rule import Rule
from graphrt.openers import reached

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.checks.branching import Branch
    from graphrt.checks.subject import Subject


def _find(at: Subject) -> Iterator[Found]:
    for n in at.nodes:
        if n.kind != "join" or n.wait is None or n.opener not in at.branches:
            continue
        racing = [b for b in at.branches[n.opener] if b.edge is not None and n.index in b.stops]
        if len(racing) <= n.wait:
            continue
        written = [_written(at, b) for b in racing]
        behind = reached(at.after, at.after[n.index])
        for name in (f.name for f in at.graph.fields):
            reader = next((at.nodes[i] for i in sorted(behind) if name in at.reads(i)), None)
            some = [b for b, names in zip(racing, written, strict=True) if name in names]
            if reader is None or not some or len(some) == len(racing):
                continue
            begin = at.nodes[some[0].edge.target].name if some[0].edge is not None else n.name
            yield Found(
                message=f"{reader.name!r} reads {name!r}, which of the branches that race for join {n.name!r} only"
                f" the one by {begin!r} writes; when another wins, the write is dropped; let all of them write it, or"
                " wait for all",
                node=n,
                nodes=(reader.name, begin),
            )


def _written(at: Subject, branch: Branch) -> set[str]:
    """Return the fields that a branch writes, without those that it keeps to itself."""
    found = {name for i in branch.nodes for name in at.nodes[i].writes}
    for i in branch.nodes:
        for e in at.nodes[i].edges:
            found.update(assigned(e))
    if branch.edge is not None:
        found.update(assigned(branch.edge))
    return found - branch.local


RULE = Rule("GR110", "dropped-writes", "warning", _find, __doc__)
