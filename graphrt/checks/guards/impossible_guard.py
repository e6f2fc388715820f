"""An edge whose guard holds in no state that can come to it.

It contradicts itself, the type of a field, or a guard or an answer that must have come before. The edge is drawn, but
no run takes it.

Example:
    class Order(BaseModel):
        price: float = Field(ge=0)


    flow = Flow("order", Order)
    s = flow.state


    @flow.task
    def receive(price: float) -> None: ...


    @flow.task
    def ship() -> None: ...


    @flow.task
    def refund() -> None: ...


    flow.edge(receive, refund, when=s.price < 0)
    flow.edge(receive, ship)

Instead:
    class Order(BaseModel):
        price: float


    flow = Flow("order", Order)
    s = flow.state


    @flow.task
    def receive(price: float) -> None: ...


    @flow.task
    def ship() -> None: ...


    @flow.task
    def refund() -> None: ...


    flow.edge(receive, refund, when=s.price < 0)
    flow.edge(receive, ship)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt import guards
from graphrt.checks.finding import Found
from graphrt.checks.rule import Rule
from graphrt.checks.wording import edge_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.checks.subject import Subject


def _find(at: Subject) -> Iterator[Found]:
    for n in at.nodes:
        never = at.decisions[n.index].never
        for e in n.edges:
            if e.when is None or never.get(e.index) != "guard":
                continue
            reads = set(e.when.reads)
            known = [guards.text_of(f) for f in at.known.at_exit(n.index) if reads & set(guards.reads_of(f))]
            told = f" (known here: {'; '.join(known[:3])})" if known else ""
            yield Found(
                message=f"edge {e.index} ({edge_text(at.graph, e)}) is never taken: its guard holds in no state that"
                f" can come here{told}{at.cut_off([e])}; mend the guard, or remove the edge",
                node=n,
                edge=e,
            )


RULE = Rule("GR203", "impossible-guard", "error", _find, __doc__, mistakes=("never-equal",))
