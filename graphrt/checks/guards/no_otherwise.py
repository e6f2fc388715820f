"""A node all of whose edges are guarded, where it cannot be decided that one of them always matches.

Guards that call a Python function are not looked into, of patterns and of sums of fractions only some values are
tried, and where there are too many combinations none is. A last edge without `when=` makes it certain, whatever the
guards say.

Example:
    class Ticket(BaseModel):
        message: str


    flow = Flow("support", Ticket)
    s = flow.state


    @flow.task
    def receive(message: str) -> None: ...


    def is_polite(message: str) -> bool: ...


    def is_rude(message: str) -> bool: ...


    polite, rude = flow.end("polite"), flow.end("rude")
    flow.edge(receive, polite, when=is_polite)
    flow.edge(receive, rude, when=is_rude)

Instead:
    class Ticket(BaseModel):
        message: str


    flow = Flow("support", Ticket)
    s = flow.state


    @flow.task
    def receive(message: str) -> None: ...


    def is_polite(message: str) -> bool: ...


    polite, rude = flow.end("polite"), flow.end("rude")
    flow.edge(receive, polite, when=is_polite)
    flow.edge(receive, rude)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.finding import Found
from graphrt.checks.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.checks.subject import Subject


def _find(at: Subject) -> Iterator[Found]:
    for n in at.nodes:
        decision = at.decisions[n.index]
        if not decision.is_open or decision.gap is not None:
            continue
        guards = [e.when.text for e in n.edges if e.when is not None and e.on_error is None]
        shown = "; ".join(guards[:3]) + ("; …" if len(guards) > 3 else "")
        why = "" if decision.is_complete else ", because there are too many cases to try"
        yield Found(
            message=f"it is not decided whether one of the guards of {n.name!r} always holds{why} ({shown}): a state in"
            " which none does fails the run with NoRoute; add a last edge without when=",
            node=n,
        )


RULE = Rule("GR206", "no-otherwise", "warning", _find, __doc__)
