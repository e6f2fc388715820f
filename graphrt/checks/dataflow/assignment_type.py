"""An assignment on an edge whose value cannot be of the field's type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Union, get_origin

from graphrt import hints, trees
from graphrt.checks.rule import Finds, Found, Node, Subject, each_node, rule
from graphrt.checks.wording import edge_text
from graphrt.hints import UNSAID
from graphrt.kinds import type_of
from graphrt.signatures import fits
from graphrt.trees import Constant, IsNone, Not, Tree

if TYPE_CHECKING:
    from graphrt.graph import Edge

_PLAIN: Final[frozenset[Any]] = hints.SCALARS | {list, dict, set, frozenset, tuple}
"""Types whose values JSON has itself, and collections of them."""


@rule("GR305", "assignment-type", "error", mistakes=("set-value", "returns", "reads-type"))
@each_node
def assignment_type(at: Subject, node: Node) -> Finds:
    for e in node.edges:
        for c in e.set:
            if isinstance(c.tree, Constant):
                continue  # looked at when the flow was frozen
            field = at.graph.field[c.field]
            have, want = type_of(c.tree, at.graph.field), field.annotation if c.reducer is None else field.takes
            if want is None or have is UNSAID:
                continue
            if _is_asked(at, e, c.tree):
                have = _without_none(have)
            if not fits(have, want) and not _may_fit_as_json(have, want):
                yield Found(
                    f"edge {e.index + 1} ({edge_text(at.graph, e)}) sets {c.text}, which is"
                    f" {hints.text_of(have)}, but {c.field!r} {'is' if c.reducer is None else 'takes'}"
                    f" {hints.text_of(want)}; the run fails when it is crossed; compute it in a task, or change the"
                    " type of the field",
                    edge=e,
                )


def _may_fit_as_json(have: Any, want: Any) -> bool:  # noqa: ANN401 - annotations
    """Tell whether values of one type may stand for those of another in JSON: a text for a date, a dict for a model."""
    plain = {hints.bare(get_origin(part) or part) for part in hints.parts(have)}
    rich = [get_origin(part) or part for part in hints.parts(want)]
    return bool(plain & {str, int, float, dict}) and any(isinstance(r, type) and r not in _PLAIN for r in rich)


def _is_asked(at: Subject, edge: Edge, tree: Tree) -> bool:
    """Tell whether it is known that a value is not None where an edge is crossed."""
    known = list(at.trusted.at_exit(edge.source))
    if edge.when is not None:
        known += edge.when.tree.parts if isinstance(edge.when.tree, trees.And) else [edge.when.tree]
    for other in at.nodes[edge.source].edges[: edge.index]:
        if other.when is not None and other.on_error is None and other.at_most is None and other.on is None:
            known.append(Not(other.when.tree))
    return any(
        (isinstance(f, Not) and isinstance(f.of, IsNone) and f.of.of == tree)
        or (isinstance(f, Not) and isinstance(f.of, Not) and isinstance(f.of.of, IsNone) and f.of.of.of == tree)
        or (isinstance(f, trees.Compare) and f.left == tree and f.op != "!=")
        for f in known
    )


def _without_none(annotation: Any) -> Any:  # noqa: ANN401 - an annotation
    members: Any = hints.without_none(annotation)
    return Union[members] if members else annotation  # noqa: UP007 - of a tuple that is only known now
