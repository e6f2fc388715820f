"""A write that nothing ever reads.

On every way from there the field is replaced before anybody has read it, so the work was in vain. Where a branch ends,
all fields count as read, because they are the result of the run; when the settings say which fields of the result are
looked at (`outputs`), only those do.

Example:
    class Essay(BaseModel):
        topic: str
        text: str = ""


    flow = Flow("essay", Essay)
    s = flow.state


    @flow.task(writes=s.text)
    def outline(topic: str) -> str: ...


    @flow.task(writes=s.text)
    def write(topic: str) -> str: ...


    flow.edge(outline, write)

Instead:
    class Essay(BaseModel):
        topic: str
        plan: str = ""
        text: str = ""


    flow = Flow("essay", Essay)
    s = flow.state


    @flow.task(writes=s.plan)
    def outline(topic: str) -> str: ...


    @flow.task(writes=s.text)
    def write(topic: str, plan: str) -> str: ...


    flow.edge(outline, write)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.finding import Found
from graphrt.checks.rule import Rule
from graphrt.checks.wording import edge_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.checks.subject import Subject


def _find(at: Subject) -> Iterator[Found]:
    for n in at.nodes:
        if n.index not in at.reachable:
            continue
        after = at.liveness.after(n)
        for name in n.writes:
            if name in after:
                continue
            yield Found(
                message=f"what {n.name!r} writes to {name!r} {_fate(at, n.index, name)}; remove the write, write"
                " another field, or read it before",
                node=n,
            )
        for e in n.edges:
            live = at.liveness.set_on(e)
            for c in e.set:
                if at.is_open(e) and c.field not in live:
                    yield Found(
                        message=f"what edge {e.index} ({edge_text(at.graph, e)}) sets {c.field!r} to"
                        f" {_fate(at, e.target, c.field)}; remove the assignment, or read it before",
                        node=n,
                        edge=e,
                    )


def _fate(at: Subject, index: int, name: str) -> str:
    """Say what becomes of a write that nobody reads."""
    way = at.path(at.after[index] or [index], lambda i: name in at.nodes[i].writes)
    if not way:
        return "is read by nothing"
    return f"is replaced by {at.nodes[way[-1]].name!r} before anything reads it"


RULE = Rule("GR302", "lost-write", "warning", _find, __doc__)
