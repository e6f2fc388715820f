"""Where can a run be without having written a field?

A search from the start that stops wherever the field is written. It knows on the way what answers, constants and
defaults say, and leaves out edges that this excludes, so that a path through `topic == "refund"` is none behind the
answer `product`. A join behind a fork counts as written if one of the branches that are always taken writes the field
on all of its ways. A search that grows too large finds nothing.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from graphrt import guards, trees
from graphrt.checks.elements import assigned
from graphrt.checks.knowledge import answer_value
from graphrt.fields import MISSING
from graphrt.trees import And, Constant, Not, Or, Predicate, Tree

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from graphrt.checks.branching import Branch
    from graphrt.checks.subject import Subject
    from graphrt.graph import Edge, Node

Values: TypeAlias = tuple[tuple[str, Any], ...]
"""Fields whose value is known, with their value, in the order of their names."""

MOST_PLACES: Final = 4_000
"""A search that has come to more places (a node, and what is known there) is given up."""


class Writing:
    """Who writes what in one graph."""

    def __init__(self, at: Subject) -> None:
        self.at = at
        self._sure: dict[tuple[int, str], bool] = {}
        """Per fork and field, whether one of its branches surely writes it."""
        self._beside: dict[int, frozenset[str]] = {}
        asked = {name for n in at.nodes for e in n.edges if e.when is not None for name in e.when.reads}
        self._asked = asked & {f.name for f in at.graph.fields}

    def unwritten(self, field: str) -> dict[int, tuple[int, ...]]:
        """Return the nodes that a run can come to without having written a field, each with a shortest way there."""
        start = self.at.graph.start
        defaults = {
            f.name: f.default_json
            for f in self.at.graph.fields
            if f.name in self._asked and f.name not in self.at.filled and f.default_json is not MISSING
        }
        known = {
            name: self.at.graph.field[name].decode_whole(value)
            for name, value in defaults.items()
            if value is None or isinstance(value, (bool, int, float, str))
        }
        return self._search([(start, _sorted(known))], field)

    def _search(
        self, starts: Iterable[tuple[int, Values]], field: str, without: Collection[int] = ()
    ) -> dict[int, tuple[int, ...]]:
        came: dict[tuple[int, Values], tuple[int, Values] | None] = {s: None for s in starts if s[0] not in without}
        todo = deque(came)
        found: dict[int, tuple[int, ...]] = {}
        while todo:
            if len(came) > MOST_PLACES:
                return {}
            place = todo.popleft()
            index, known = place
            if index not in found:
                found[index] = tuple(p for p in _back(came, place))
            node = self.at.nodes[index]
            for edge in self._leaving(node, dict(known)):
                writes = edge.on_error is None and field in node.writes
                if writes or field in assigned(edge) or edge.target in without:
                    continue
                target = self.at.nodes[edge.target]
                if target.kind == "join" and target.wait is None and self._is_gathered(target, field):
                    continue
                there = (edge.target, _sorted(self._after(node, edge, dict(known))))
                if there not in came:
                    came[there] = place
                    todo.append(there)
        return found

    def _leaving(self, node: Node, known: dict[str, Any]) -> list[Edge]:
        """Return the edges by which a run may leave a node, as far as that is known."""
        known = {name: value for name, value in known.items() if name not in node.writes}
        found: list[Edge] = []
        sure: list[Edge] = []
        for e in node.edges:
            if not self.at.is_open(e):
                continue
            if e.on_error is not None:
                found.append(e)
                continue
            holds = True if e.when is None else kleene(e.when.tree, self._answered(node, e, known))
            if holds is False or (not node.fork and any(s.on in {None, e.on} for s in sure)):
                continue
            found.append(e)
            if holds and e.at_most is None:
                sure.append(e)
        return found

    def _answered(self, node: Node, edge: Edge, known: dict[str, Any]) -> dict[str, Any]:
        if edge.on is None or len(node.writes) != 1:
            return known
        value = answer_value(self.at.graph, node.writes[0], edge.on)
        return known if value is None else {**known, node.writes[0]: value}

    def _after(self, node: Node, edge: Edge, known: dict[str, Any]) -> dict[str, Any]:
        """Return what is known where an edge has been crossed."""
        if edge.on_error is None:
            known = {name: value for name, value in known.items() if name not in node.writes}
            known = self._answered(node, edge, known)
        known = {name: value for name, value in known.items() if name not in assigned(edge)}
        for change in edge.set:
            if isinstance(change.tree, Constant) and isinstance(change.tree.value, (bool, int, float, str, type(None))):
                known[change.field] = change.tree.value
        target = self.at.nodes[edge.target]
        others = self._changed_beside(target) if target.kind == "join" else frozenset[str]()
        return {name: value for name, value in known.items() if name in self._asked and name not in others}

    def _changed_beside(self, join: Node) -> frozenset[str]:
        """Return what the branches that a join gathers may have changed."""
        if join.index not in self._beside:
            openers = [bs for bs in self.at.branches.values() if any(join.index in b.stops for b in bs)]
            inside = {i for bs in openers for b in bs for i in b.nodes}
            self._beside[join.index] = frozenset(self.at.changed_by(inside))
        return self._beside[join.index]

    # -- joins --------------------------------------------------------------------------------------------------------

    def _is_gathered(self, join: Node, field: str) -> bool:
        """Tell whether a branch that is always taken surely writes the field before its join."""
        forks = [f for f, bs in self.at.branches.items() if any(join.index in b.stops for b in bs)]
        return any(self._surely(f, field) for f in forks)

    def _surely(self, fork: int, field: str) -> bool:
        key = fork, field
        if key not in self._sure:
            self._sure[key] = False  # while it is looked for, inside a loop
            self._sure[key] = any(self._writes_always(b, field) for b in self.at.branches[fork])
        return self._sure[key]

    def _writes_always(self, branch: Branch, field: str) -> bool:
        edge = branch.edge
        if edge is None or edge.when is not None or edge.at_most is not None or field in branch.local:
            return False
        if field in assigned(edge):
            return True
        came = self._search([(edge.target, ())], field, branch.stops)
        last = [i for i in came if not any(e.on_error is None for e in self.at.nodes[i].edges)]
        if any(field not in self.at.nodes[i].writes for i in last):
            return False
        # Whoever comes to a join without the field came from a node that does not write it.
        return (
            not any(
                e.target in branch.stops and field not in assigned(e) and field not in self.at.nodes[i].writes
                for i in came
                for e in self.at.nodes[i].edges
                if self.at.is_open(e)
            )
            and edge.target not in branch.stops
        )


def kleene(tree: Tree, known: Mapping[str, Any]) -> bool | None:
    """Compute a condition as far as the values of some fields decide it; None if they do not."""
    match tree:
        case And():
            parts = [kleene(p, known) for p in tree.parts]
            return False if False in parts else None if None in parts else True
        case Or():
            parts = [kleene(p, known) for p in tree.parts]
            return True if True in parts else None if None in parts else False
        case Not():
            of = kleene(tree.of, known)
            return None if of is None else not of
        case Predicate():
            return None
        case _:
            if any(name not in known for name in trees.reads_of(tree)):
                return None
            try:
                return bool(guards.compiled(tree, noting=False)(known, {}))
            except Exception:  # noqa: BLE001 - a guard that raises is another rule's matter
                return None


def _sorted(known: Mapping[str, Any]) -> Values:
    return tuple(sorted(known.items()))


def _back(came: Mapping[tuple[int, Values], tuple[int, Values] | None], place: tuple[int, Values]) -> list[int]:
    back: list[int] = []
    step: tuple[int, Values] | None = place
    while step is not None:
        back.append(step[0])
        step = came[step]
    return back[::-1]
