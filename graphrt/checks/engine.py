"""Running the rules: over a graph and the flows inside it, in a fixed order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from graphrt.checks.finding import Finding
from graphrt.checks.settings import Settings
from graphrt.checks.subject import Subject
from graphrt.checks.table import BY_MISTAKE, rules_of
from graphrt.errors import DefinitionError, Mistake
from graphrt.graph import Graph

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from graphrt.checks.finding import Found
    from graphrt.checks.rule import Rule
    from graphrt.flow import Flow


def check(
    target: Graph | Flow[Any],
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    settings: Settings | None = None,
) -> list[Finding]:
    """Return what is wrong with a flow or graph, by graph, node and edge in the order of the definition.

    A flow that cannot be frozen gives the mistakes that freezing reports, whatever is selected: nothing else can be
    known about it.

    Args:
        target: a flow, or its graph.
        select: rules to look for, by code (`GR201`), beginning of a code (`GR2`) or name (`guard-gap`); all by default.
        ignore: of these, rules to leave out.
        settings: what else is known; `select` and `ignore` add to what it says.

    Raises:
        UseError: `select` or `ignore` names no rule.
    """
    given = settings or Settings()
    given = replace(given, select=(*given.select, *select), ignore=(*given.ignore, *ignore))
    rules = rules_of(given.select, given.ignore)
    if isinstance(target, Graph):
        graph = target
    else:
        try:
            graph = target.freeze()
        except DefinitionError as wrong:
            return [of_mistake(m, wrong.graph) for m in wrong.mistakes]
    found: list[Finding] = []
    for name, part, filled in graphs_in(graph):
        found += _checked(Subject(part, given, name, filled), rules)
    return found


def of_mistake(mistake: Mistake, graph: str) -> Finding:
    """Return a mistake of a definition as a finding: of the rule that stands for it, else of its own code."""
    rule = BY_MISTAKE.get(mistake.code)
    return Finding(
        code=mistake.code if rule is None else rule.code,
        name=mistake.code if rule is None else rule.name,
        severity="error",
        graph=graph,
        message=mistake.message,
        place=mistake.place,
    )


def graphs_in(graph: Graph) -> Iterator[tuple[str, Graph, tuple[str, ...]]]:
    """Yield a graph and the flows inside it, each once: the names that lead to it, and the fields that it is given.

    What an agent is made of is not its author's to mend, so the rules look at agents from outside.
    """
    todo: list[tuple[str, Graph, tuple[str, ...]]] = [(graph.name, graph, ())]
    seen: list[Graph] = []
    while todo:
        name, part, filled = todo.pop(0)
        if any(part is other for other in seen):
            continue
        seen.append(part)
        yield name, part, filled
        todo += [
            (f"{name}/{n.name}", n.graph, tuple(c.field for c in n.inputs))
            for n in part.nodes
            if n.kind == "subgraph" and n.graph is not None
        ]


def _checked(at: Subject, rules: Collection[Rule]) -> list[Finding]:
    found = [_finding(at, rule, one) for rule in rules for one in rule.find(at)]
    order = {n.name: n.index for n in at.nodes}
    return sorted(
        found,
        key=lambda f: (
            order[f.node] if f.node is not None else -1,
            f.edge if f.edge is not None else -1,
            f.code,
            f.message,
        ),
    )


def _finding(at: Subject, rule: Rule, one: Found) -> Finding:
    node, edge = one.node, one.edge
    place = one.place or (edge.place if edge is not None else None) or (node.place if node is not None else None)
    target = at.nodes[edge.target].name if edge is not None else None
    about = {*one.nodes, *one.path, *([node.name] if node is not None else []), *([target] if target else [])}
    return Finding(
        code=rule.code,
        name=rule.name,
        severity=rule.severity,
        graph=at.name,
        message=one.message,
        node=node.name if node is not None else None,
        edge=edge.index if edge is not None else None,
        target=target,
        place=place,
        witness=dict(one.witness),
        path=one.path,
        nodes=tuple(n.name for n in at.nodes if n.name in about),
    )
