"""A guard that cannot be computed in some state.

Comparing None with a number raises, and so does the length of None. The run then fails with `GuardError`. Ask
`is_none` first: `not_(is_none(s.score)) & (s.score < 0.4)`; what stands behind `&` is only computed if what stands
before it holds.

Example:
    class Ticket(BaseModel):
        message: str
        score: float | None = None


    flow = Flow("support", Ticket)
    s = flow.state


    @flow.task(writes=s.score)
    def grade(message: str) -> float | None: ...


    sent, refused = flow.end("sent"), flow.end("refused")
    flow.edge(grade, refused, when=s.score < 0.4)
    flow.edge(grade, sent)

Instead:
    class Ticket(BaseModel):
        message: str
        score: float | None = None


    flow = Flow("support", Ticket)
    s = flow.state


    @flow.task(writes=s.score)
    def grade(message: str) -> float | None: ...


    sent, refused = flow.end("sent"), flow.end("refused")
    flow.edge(grade, refused, when=is_none(s.score) | (s.score < 0.4))
    flow.edge(grade, sent)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.finding import Found
from graphrt.checks.rule import Rule
from graphrt.checks.wording import edge_text, when_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.checks.subject import Subject


def _find(at: Subject) -> Iterator[Found]:
    for n in at.nodes:
        for index, (shown, error) in sorted(at.decisions[n.index].raising.items()):
            e = n.edges[index]
            yield Found(
                message=f"{when_text(shown, n)}: the guard of edge {index} ({edge_text(at.graph, e)}) raises"
                f" {error}; ask is_none first",
                node=n,
                edge=e,
                witness=shown.witness,
            )


RULE = Rule("GR205", "raising-guard", "error", _find, __doc__)
