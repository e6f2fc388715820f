"""A guard that holds in every state that can come to it.

It reads as if there were a choice where there is none. Often it should have been another comparison, or the field can
never have the other values.

Example:
    class Order(BaseModel):
        items: list[str]


    flow = Flow("order", Order)
    s = flow.state


    @flow.task
    def receive(items: list[str]) -> None: ...


    @flow.task
    def ship() -> None: ...


    flow.edge(receive, ship, when=size(s.items) >= 0)

Instead:
    class Order(BaseModel):
        items: list[str]


    flow = Flow("order", Order)
    s = flow.state


    @flow.task
    def receive(items: list[str]) -> None: ...


    @flow.task
    def ship() -> None: ...


    empty = flow.end("empty", failure=True)
    flow.edge(receive, ship, when=size(s.items) > 0)
    flow.edge(receive, empty)
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
        decision = at.decisions[n.index]
        for e in n.edges:
            if e.index in decision.always and e.index not in decision.never:
                yield Found(
                    message=f"the guard of edge {e.index} ({edge_text(at.graph, e)}) holds in every state that can"
                    " come here; leave it out, or mend it",
                    node=n,
                    edge=e,
                )


RULE = Rule("GR204", "needless-guard", "warning", _find, __doc__)
