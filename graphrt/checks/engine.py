"""Running the rules: over a graph and the flows inside it, in a fixed order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from graphrt.checks.finding import Finding, Found
from graphrt.checks.settings import Settings
from graphrt.checks.subject import Subject
from graphrt.checks.table import BY_MISTAKE, RULES, rules_of
from graphrt.checks.unused_ignore import unused_ignore
from graphrt.errors import DefinitionError, Mistake
from graphrt.graph import Graph

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from graphrt.checks.rule import Rule
    from graphrt.flow import Flow
    from graphrt.graph import Node


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
    for part in parts_of(graph):
        found += _checked(Subject(part.graph, given, part.name, part.filled), rules)
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


@dataclass(frozen=True, slots=True)
class Part:
    """A graph that is looked at: the whole, or a flow inside it."""

    name: str
    """The name of the whole, and of the nodes that lead to it: `support/clerk`."""
    graph: Graph
    trail: tuple[str, ...] = ()
    """The nodes that lead to it, one by one."""
    filled: tuple[str, ...] = ()
    """Fields that it is given before it starts."""


def parts_of(graph: Graph) -> Iterator[Part]:
    """Yield a graph and the flows inside it, each once.

    What an agent is made of is not its author's to mend, so the rules look at agents from outside.
    """
    todo = [Part(graph.name, graph)]
    seen: list[Graph] = []
    while todo:
        part = todo.pop(0)
        if any(part.graph is other for other in seen):
            continue
        seen.append(part.graph)
        yield part
        todo += [
            Part(f"{part.name}/{n.name}", n.graph, (*part.trail, n.name), tuple(c.field for c in n.inputs))
            for n in part.graph.nodes
            if n.kind == "subgraph" and n.graph is not None
        ]


def _checked(at: Subject, rules: Collection[Rule]) -> list[Finding]:
    ignored = [(n, code, reason) for n in at.nodes for code, reason in n.ignore]
    found: list[Finding] = []
    used: set[tuple[str, str]] = set()
    for rule in rules:
        for one in rule.find(at):
            entry = _ignoring(one, rule)
            if entry is None:
                found.append(_finding(at, rule, one))
            else:
                used.add(entry)
    if unused_ignore in rules:
        looked_for = {r.code for r in rules} | {r.name for r in rules}
        for n, code, reason in ignored:
            if (n.name, code) not in used and (code in looked_for or not _is_rule(code)):
                found.append(_finding(at, unused_ignore, _unused(n, code, reason)))
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


def _ignoring(one: Found, rule: Rule) -> tuple[str, str] | None:
    """Return the node and the entry of its `ignore` that keeps a finding quiet."""
    for code, _ in one.node.ignore if one.node is not None else ():
        if one.node is not None and code in {rule.code, rule.name}:
            return one.node.name, code
    return None


def _is_rule(code: str) -> bool:
    return any(code in {r.code, r.name} for r in RULES)


def _unused(node: Node, code: str, reason: str) -> Found:
    why = "finds nothing here" if _is_rule(code) else "is no rule"
    return Found(f"{node.name!r} ignores {code} ({reason}), which {why}; remove ignore=", node=node)


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
