"""A state in which no edge of a node matches.

The run then fails with `NoRoute`. The state in the finding is a real one: put into a run, none of the guards holds. An
edge with `at_most` counts as one that may be used up. A last edge without `when=` takes whatever is left.

Example:
    class Ticket(BaseModel):
        message: str
        score: float = 0.0


    flow = Flow("support", Ticket)
    s = flow.state


    @flow.task(writes=s.score)
    def grade(message: str) -> float: ...


    sent, refused = flow.end("sent"), flow.end("refused")
    flow.edge(grade, refused, when=s.score < 0.4)
    flow.edge(grade, sent, when=s.score > 0.4)

Instead:
    class Ticket(BaseModel):
        message: str
        score: float = 0.0


    flow = Flow("support", Ticket)
    s = flow.state


    @flow.task(writes=s.score)
    def grade(message: str) -> float: ...


    sent, refused = flow.end("sent"), flow.end("refused")
    flow.edge(grade, refused, when=s.score < 0.4)
    flow.edge(grade, sent)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.finding import Found
from graphrt.checks.rule import Rule
from graphrt.checks.wording import when_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.checks.subject import Subject


def _find(at: Subject) -> Iterator[Found]:
    for n in at.nodes:
        shown = at.decisions[n.index].gap
        if shown is None:
            continue
        when = when_text(shown, n)
        yield Found(
            message=f"{when}: no edge of {n.name!r} matches, and the run fails with NoRoute; add a last edge without"
            " when=, or widen a guard",
            node=n,
            witness=shown.witness,
        )


RULE = Rule("GR201", "guard-gap", "error", _find, __doc__)
