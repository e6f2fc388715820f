"""Instructions of an agent with a field in braces that the agent does not read, so nothing fills it in."""

from __future__ import annotations

import re

from graphrt.checks.rule import Finds, Found, Node, Subject, each_node, rule


@rule("GR406", "unfilled-instructions", "warning")
@each_node
def unfilled_instructions(at: Subject, node: Node) -> Finds:
    for name in dict.fromkeys(re.findall(r"\{([A-Za-z_]\w*)\}", str(node.about.get("instructions", "")))):
        if name in at.graph.field and name not in {*node.reads, *(c.field for c in node.inputs)}:
            yield Found(
                f"the instructions of {node.name!r} name {{{name}}}, but {node.name!r} does not read {name!r}, so the"
                f" model is sent the braces; add {name!r} to reads="
            )
