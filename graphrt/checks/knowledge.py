"""What is known about the state when a run comes to a node, wherever it came from.

Guards that were taken, guards before them that were not, and answers. A fact goes on until a field that it reads may
have changed. Several ways to a node keep what all of them know. A join knows what its fork knew, and what only one
branch writes that is always taken. Facts are conditions like guards.

With `trusting`, also that a field is no longer None when a function has written it whose annotation says so: good
enough to show fewer states in which something goes wrong, not to call anything impossible.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, TypeAlias, get_args, get_origin

from graphrt import hints, trees
from graphrt.checks.domains import Asked, Kind, Unknown, values_for
from graphrt.checks.elements import assigned
from graphrt.recorded import label_of
from graphrt.signatures import returned, signature_of
from graphrt.trees import And, Compare, Constant, IsNone, Not, Or, Read, Tree

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from graphrt.checks.subject import Subject
    from graphrt.graph import Edge, Graph, Node

Facts: TypeAlias = tuple[Tree, ...]

MOST_FACTS: Final = 12
"""So many facts are carried along; older ones are dropped."""
_MOST_ROUNDS: Final = 50


class Knowledge:
    """What is known at every node of a graph, as it is drawn."""

    def __init__(self, at: Subject, *, trusting: bool) -> None:
        self.at = at
        self.graph = at.graph
        self.into: list[list[Edge]] = [[] for _ in at.nodes]
        for n in at.nodes:
            for e in n.edges:
                self.into[e.target].append(e)
        self._written = [_of_writes(at.graph, n) if trusting else () for n in at.nodes]
        self._branches = at.branches if any(n.kind == "join" for n in at.nodes) else {}
        self._reads: dict[int, tuple[Tree, frozenset[str]]] = {}
        """By identity, with the fact itself, so that no other takes over its id."""
        self._choices: dict[tuple[int, int], Sequence[Tree]] = {}
        self._at_entry: list[Facts | None] = [None] * len(at.nodes)
        self._solve()

    def at_exit(self, index: int) -> Facts:
        """Return what is known where a node has completed and its edges are tried."""
        return self._exit(index) or ()

    def reads(self, fact: Tree) -> frozenset[str]:
        """Return the fields that a fact is about."""
        known = self._reads.get(id(fact))
        if known is None:
            known = self._reads[id(fact)] = fact, frozenset(trees.reads_of(fact))
        return known[1]

    def _without(self, facts: Facts, changed: Collection[str]) -> Facts:
        """Return the facts that hold whatever became of some fields."""
        return tuple(f for f in facts if self.reads(f).isdisjoint(changed)) if changed else facts

    # -- going through the graph until nothing changes ----------------------------------------------------------------

    def _solve(self) -> None:
        todo = list(range(len(self.at.nodes)))
        rounds = [0] * len(self.at.nodes)
        todo.sort(key=lambda i: i != self.graph.start)
        waiting = set(todo)
        while todo:
            i = todo.pop(0)
            waiting.discard(i)
            now = self._entry(i)
            if now == self._at_entry[i]:
                continue
            rounds[i] += 1
            self._at_entry[i] = now if rounds[i] < _MOST_ROUNDS else ()
            for k in dict.fromkeys((*self.at.after[i], *self._joins_of(i))):
                if k not in waiting:
                    waiting.add(k)
                    todo.append(k)

    def _joins_of(self, index: int) -> list[int]:
        return [n.index for n in self.at.nodes if n.kind == "join" and n.opener == index] if self._branches else []

    def _entry(self, index: int) -> Facts | None:
        node = self.at.nodes[index]
        if index == self.graph.start:
            return ()
        if node.kind == "join":
            return self._gathered(node)
        ways = [self.crossing(e) for e in self.into[index]]
        known = [w for w in ways if w is not None]
        if not known:
            return None
        return _merged(known, alternatives=index not in self.at.cycle_of)

    def _exit(self, index: int) -> Facts | None:
        entry = self._at_entry[index]
        if entry is None:
            return None
        node = self.at.nodes[index]
        return _limited((*self._without(entry, node.writes), *self._written[index]))

    def crossing(self, edge: Edge) -> Facts | None:
        """Return what is known where an edge has been crossed; None if nothing is known of its source yet."""
        entry = self._at_entry[edge.source]
        facts = self._exit(edge.source)
        if facts is None or entry is None:
            return None
        node = self.at.nodes[edge.source]
        failed = edge.on_error is not None
        facts = self._without(entry, node.writes) if failed else (*facts, *self._chosen(node, edge))
        facts = self._without(facts, assigned(edge))
        return _limited(
            (
                *facts,
                *(_of_change(c.field, c.tree) for c in edge.set if c.reducer is None and isinstance(c.tree, Constant)),
            )
        )

    def _chosen(self, node: Node, edge: Edge) -> Sequence[Tree]:
        """Return what follows from the choice of an edge."""
        key = edge.source, edge.index
        if key not in self._choices:
            self._choices[key] = self._why(node, edge)
        return self._choices[key]

    def _why(self, node: Node, edge: Edge) -> list[Tree]:
        found: list[Tree] = []
        if not node.fork:
            for other in node.edges[max(0, edge.index - MOST_FACTS) : edge.index]:
                if other.on_error is None and other.at_most is None and other.on in {None, edge.on}:
                    found += [Not(other.when.tree)] if other.when is not None else []
        if edge.on is not None and len(node.writes) == 1:
            found += _answered(self.graph, node.writes[0], edge.on)
        if edge.when is not None:
            found += edge.when.tree.parts if isinstance(edge.when.tree, And) else (edge.when.tree,)
        return found

    def _gathered(self, join: Node) -> Facts | None:
        """Return what is known behind a join: what no branch touches, and what one that is always taken has found."""
        if join.opener is None or join.opener not in self._branches:
            return ()
        before = self._exit(join.opener)
        if before is None:
            return None
        branches = self._branches[join.opener]
        changed = [self.at.changed_by(b.nodes) | set(assigned(b.edge) if b.edge is not None else ()) for b in branches]
        facts = list(self._without(before, {name for names in changed for name in names}))
        writers = Counter(name for names in changed for name in names)
        for k, b in enumerate(branches):
            sure = b.edge is not None and b.edge.when is None and b.edge.each is None and b.edge.at_most is None
            if not sure or b.ends or b.stops != frozenset({join.index}) or join.wait is not None or not join.closes:
                continue
            if not b.nodes:  # it leads straight to the join
                continue
            ways = [w for e in self.into[join.index] if e.source in b.nodes and (w := self.crossing(e)) is not None]
            others = {name for name, count in writers.items() if count > (name in changed[k])} | b.local
            for fact in _merged(ways, alternatives=False) if ways else ():
                reads = self.reads(fact)
                if reads & changed[k] and not reads & others and fact not in facts:
                    facts.append(fact)
        return _limited(facts)


def _limited(facts: Iterable[Tree]) -> Facts:
    """Return the latest of some facts, each once."""
    distinct: list[Tree] = []
    for f in reversed(tuple(facts)):
        if f not in distinct:
            distinct.append(f)
            if len(distinct) == MOST_FACTS:
                break
    return tuple(reversed(distinct))


def _merged(ways: Sequence[Facts], *, alternatives: bool) -> Facts:
    """Return what is known whichever way was taken."""
    common = [f for f in ways[0] if all(f in w for w in ways[1:])]
    rest = [tuple(f for f in w if f not in common) for w in ways]
    if alternatives and 1 < len(rest) <= 4 and all(rest):
        each = [r[0] if len(r) == 1 else And(r) for r in rest]
        common.append(Or(tuple(each)))
    return _limited(common)


def _of_change(name: str, value: Constant) -> Tree:
    return IsNone(Read(name)) if value.value is None else Compare("==", Read(name), value)


def answer_value(graph: Graph, name: str, answer: str) -> Any:  # noqa: ANN401 - a value of the field
    """Return the value of a field that an answer stands for; None if that is not known."""
    field = graph.field[name]
    try:
        values = values_for(Kind.of_field(field), Asked())
    except Unknown:
        return None
    return next((v for v in values if v is not None and label_of(field.encode_whole(v)) == answer), None)


def _answered(graph: Graph, name: str, answer: str) -> list[Tree]:
    """Return that a field has the value which an answer stands for."""
    value = answer_value(graph, name, answer)
    return [] if value is None else [Compare("==", Read(name), Constant(value))]


def _of_writes(graph: Graph, node: Node) -> Facts:
    """Return that fields which a node has written are not None."""
    names = [name for name, some in zip(node.writes, _never_none(graph, node), strict=True) if some]
    known = [graph.field[name] for name in names if name in graph.field]
    return tuple(Not(IsNone(Read(f.name))) for f in known if f.reducer is None and Kind.of_field(f).nullable)


def _never_none(graph: Graph, node: Node) -> list[bool]:
    if graph.state_type is None or node.answers:
        # A graph without code does not tell what its functions return; an answer is never None.
        return [True] * len(node.writes)
    if node.work is None:
        return [False] * len(node.writes)
    have = returned(signature_of(node.work.fn))
    if len(node.writes) == 1:
        return [_excludes_none(have)]
    parts = get_args(have) if get_origin(have) is tuple else ()
    if len(parts) != len(node.writes) or Ellipsis in parts:
        return [False] * len(node.writes)
    return [_excludes_none(p) for p in parts]


def _excludes_none(annotation: object) -> bool:
    members = hints.members(annotation)
    return all(isinstance(get_origin(m) or m, type) and m is not type(None) and m is not object for m in members) or (
        hints.literal_values(annotation) is not None and not any(m is None or m is type(None) for m in members)
    )
