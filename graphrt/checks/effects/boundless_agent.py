"""An agent that nothing keeps from calling its tools for ever.

The graph inside it has a cycle without `at_most`, and the flow has no `Limits`. An `Agent` of graphrt has `max_turns`;
this is about agents of other makes.

Example:
    from graphrt.drafts import Expansion, ExpansionSpec
    from graphrt.guards import Change, Read


    class Turn(BaseModel):
        message: str
        calls: int = 0
        reply: str = ""


    class Ticket(BaseModel):
        message: str
        reply: str = ""


    class Eager:
        def expand(self, spec: ExpansionSpec) -> Expansion:
            inside = Flow(spec.node, Turn)
            t = inside.state

            @inside.task(writes=(t.calls, t.reply))
            def model(message: str) -> tuple[int, str]: ...

            @inside.task
            def call() -> None: ...

            done = inside.end("done")
            inside.start(model)
            inside.edge(model, call, when=t.calls > 0)
            inside.edge(model, done)
            inside.edge(call, model)
            return Expansion(
                inside.freeze(), (Change("message", Read("message")),), (Change("reply", Read("reply")),)
            )


    flow = Flow("support", Ticket)
    s = flow.state
    flow.agent("clerk", Eager(), reads=s.message, writes=s.reply)

Instead:
    class Ticket(BaseModel):
        message: str
        reply: str = ""


    def look_up(order: str) -> str: ...


    flow = Flow("support", Ticket)
    s = flow.state
    flow.agent("clerk", Agent("Help.", tools=[look_up], max_turns=5), reads=s.message, writes=s.reply)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.elements import is_model
from graphrt.checks.finding import Found
from graphrt.checks.rule import Rule
from graphrt.checks.subject import Subject

if TYPE_CHECKING:
    from collections.abc import Iterator


def _find(at: Subject) -> Iterator[Found]:
    if at.has_limits:
        return
    for n in at.nodes:
        if not is_model(n) or n.graph is None:
            continue
        inside = Subject(n.graph, at.settings, f"{at.name}/{n.name}")
        for part in inside.unbounded:
            cycle = inside.trail(inside.cycle(min(part), part))
            yield Found(
                message=f"nothing bounds how often agent {n.name!r} goes round ({cycle}); give an edge inside it"
                " at_most=…, or the flow Limits(visits=…)",
                node=n,
            )


RULE = Rule("GR403", "boundless-agent", "warning", _find, __doc__)
