"""A tool that changes the world, which nobody approves and which cannot tell a second call from the first."""

from __future__ import annotations

from graphrt.checks.elements import inner_nodes
from graphrt.checks.rule import Finds, Found, Node, Subject, each_node, rule


@rule("GR401", "unguarded-tool", "warning")
@each_node
def unguarded_tool(at: Subject, node: Node) -> Finds:
    # A call that a person must agree to is chosen by a router inside, by the name of its tool.
    approved = [{e.on for e in r.edges} for r in inner_nodes(node) if r.kind == "router" and r.answers]
    for inner in inner_nodes(node):
        if inner.on_crash != "ask" or "tools" not in inner.about:
            continue
        keyed = inner.about.get("keyed", ())
        for name in inner.about["tools"]:
            if name not in keyed and not any(name in asked for asked in approved):
                yield Found(
                    f"tool {name!r} of {node.name!r} changes the world, but nobody approves its calls and it"
                    " takes no Context, so a call that is repeated acts again; give it approval=, or a Context"
                    " whose idempotency_key it hands on",
                )
