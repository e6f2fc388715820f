"""An assignment on an edge whose value cannot be of the field's type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Union

from graphrt import guards, hints
from graphrt.checks.rule import Finds, Found, Node, Subject, each_node, rule
from graphrt.checks.wording import edge_text
from graphrt.guards import CONDITIONS, Arithmetic, Attribute, Constant, IsNone, Negative, Not, Read, Size, Tree
from graphrt.signatures import UNSAID, fits

if TYPE_CHECKING:
    from graphrt.graph import Edge, Graph


@rule("GR305", "assignment-type", "error", mistakes=("set-value", "returns", "reads-type"))
@each_node
def assignment_type(at: Subject, node: Node) -> Finds:
    for e in node.edges:
        for c in e.set:
            if isinstance(c.tree, Constant):
                continue  # looked at when the flow was frozen
            have, want = _type_of(at.graph, c.tree), at.graph.field[c.field].annotation
            if want is None or have is UNSAID:
                continue
            if _is_asked(at, e, c.tree):
                have = _without_none(have)
            if not fits(have, want):
                yield Found(
                    f"edge {e.index + 1} ({edge_text(at.graph, e)}) sets {c.text}, which is"
                    f" {hints.text_of(have)}, but {c.field!r} is {hints.text_of(want)}; the run fails when it is"
                    " crossed; compute it in a task, or change the type of the field",
                    edge=e,
                )


def _type_of(graph: Graph, tree: Tree) -> Any:  # noqa: ANN401 - an annotation
    """Return the type of a value, UNSAID if that is not certain."""
    match tree:
        case Read():
            known = graph.field.get(tree.field)
            return UNSAID if known is None or known.annotation is None else hints.bare(known.annotation)
        case Attribute():
            of = _type_of(graph, tree.of)
            members = () if of is UNSAID else hints.without_none(of)
            return hints.inner(members[0]).get(tree.name, UNSAID) if len(members) == 1 else UNSAID
        case Constant():
            kind: Any = tree.value.__class__
            return kind
        case Size():
            return int
        case Negative():
            return _type_of(graph, tree.of)
        case Arithmetic():
            left, right = _type_of(graph, tree.left), _type_of(graph, tree.right)
            if not {left, right} <= {int, float}:
                return UNSAID
            return float if tree.op == "/" or float in {left, right} else int
        case _:
            return bool if isinstance(tree, CONDITIONS) else UNSAID


def _is_asked(at: Subject, edge: Edge, tree: Tree) -> bool:
    """Tell whether it is known that a value is not None where an edge is crossed."""
    known = list(at.trusted.at_exit(edge.source))
    if edge.when is not None:
        known += edge.when.tree.parts if isinstance(edge.when.tree, guards.And) else [edge.when.tree]
    for other in at.nodes[edge.source].edges[: edge.index]:
        if other.when is not None and other.on_error is None and other.at_most is None and other.on is None:
            known.append(Not(other.when.tree))
    return any(
        (isinstance(f, Not) and isinstance(f.of, IsNone) and f.of.of == tree)
        or (isinstance(f, Not) and isinstance(f.of, Not) and isinstance(f.of.of, IsNone) and f.of.of.of == tree)
        or (isinstance(f, guards.Compare) and f.left == tree and f.op != "!=")
        for f in known
    )


def _without_none(annotation: Any) -> Any:  # noqa: ANN401 - an annotation
    members: Any = hints.without_none(annotation)
    return Union[members] if members else annotation  # noqa: UP007 - of a tuple that is only known now
