"""Instructions of an agent with a field in braces, which nothing fills in."""

from __future__ import annotations

import re

from graphrt.checks.rule import Finds, Found, Node, Subject, each_node, rule


@rule("GR406", "unfilled-instructions", "warning")
@each_node
def unfilled_instructions(at: Subject, node: Node) -> Finds:
    for name in dict.fromkeys(re.findall(r"\{(\w+)\}", str(node.about.get("instructions", "")))):
        if name in at.graph.field:
            yield Found(
                f"the instructions of {node.name!r} name {{{name}}}, but nothing is filled into instructions;"
                f" name it in Agent(prompt=…), and let the node read {name!r}",
            )
