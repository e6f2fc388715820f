"""A tool that changes the world, which nobody approves and which cannot tell a second call from the first.

After a crash in the middle of a call, and whenever a model asks twice, the effect may happen twice. Either a person
agrees to each call (`approval="always"`, or a function of the arguments), or the tool takes a `Context` and hands
`context.idempotency_key`, which is the same for every attempt, to whatever it calls.

Example:
    class Ticket(BaseModel):
        message: str
        reply: str = ""


    @tool(writes=True)
    def refund(order: str) -> str: ...


    flow = Flow("support", Ticket)
    s = flow.state
    flow.agent("clerk", Agent("Help the customer.", tools=[refund]), reads=s.message, writes=s.reply)

Instead:
    class Ticket(BaseModel):
        message: str
        reply: str = ""


    @tool(writes=True, approval="always")
    def refund(order: str) -> str: ...


    flow = Flow("support", Ticket)
    s = flow.state
    flow.agent("clerk", Agent("Help the customer.", tools=[refund]), reads=s.message, writes=s.reply)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.elements import inner_nodes
from graphrt.checks.finding import Found
from graphrt.checks.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.checks.subject import Subject


def _find(at: Subject) -> Iterator[Found]:
    for n in at.nodes:
        # A call that a person must agree to is chosen by a router inside, by the name of its tool.
        approved = [{e.on for e in r.edges} for r in inner_nodes(n) if r.kind == "router" and r.answers]
        for inner in inner_nodes(n):
            if inner.on_crash != "ask" or "tools" not in inner.about:
                continue
            keyed = inner.about.get("keyed", ())
            for name in inner.about["tools"]:
                if name not in keyed and not any(name in asked for asked in approved):
                    yield Found(
                        message=f"tool {name!r} of {n.name!r} changes the world, but nobody approves its calls and it"
                        " takes no Context, so a call that is repeated acts again; give it approval=, or a Context"
                        " whose idempotency_key it hands on",
                        node=n,
                    )


RULE = Rule("GR401", "unguarded-tool", "warning", _find, __doc__)
