"""An edge that is never taken, because the edges before it take everything that it would.

Edges are tried in the order in which they were written, and the first that matches is taken. Usually the general case
stands before the special one; turn them round.

Example:
    class Order(BaseModel):
        price: float


    flow = Flow("order", Order)
    s = flow.state


    @flow.task
    def receive(price: float) -> None: ...


    @flow.task
    def ship() -> None: ...


    @flow.task
    def ask_boss() -> None: ...


    flow.start(receive)
    flow.edge(receive, ship, when=s.price > 0)
    flow.edge(receive, ask_boss, when=s.price > 1000)
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
    def ask_boss() -> None: ...


    flow.start(receive)
    flow.edge(receive, ask_boss, when=s.price > 1000)
    flow.edge(receive, ship)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.elements import covering
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
            by = covering(n, e)
            if by is None and never.get(e.index) != "covered":
                continue
            if by is None:
                before = [o for o in n.edges[: e.index] if o.on_error is None and o.on in {None, e.on}]
                whole = next((o for o in before if o.when is None and o.at_most is None), None)
                by = whole or (before[0] if len(before) == 1 else None)
            who = f"edge {by.index} ({edge_text(at.graph, by)})" if by is not None else "the edges before it"
            yield Found(
                message=f"edge {e.index} ({edge_text(at.graph, e)}) is never taken: {who}"
                f" {'take' if by is None else 'takes'} everything that it would"
                f"{at.cut_off([e])}; put it first, or remove it",
                node=n,
                edge=e,
            )


RULE = Rule("GR202", "shadowed-edge", "error", _find, __doc__)
