"""Which fork does each join close? Decided once per graph, from its shape alone.

Theory. A node *dominates* another if every path from the start to the other passes it. Walking up the dominators of a
join, the first node that can split a line, and that no join on the way has already closed, is the join's *opener*:
whatever arrives at the join descends from one visit of it. All that descends from a visit of an opener is a *scope*.
One join of an opener *closes* it: the one that all its other joins can reach and that reaches none of them (without
passing the opener again); the others gather part of a scope and are called *partial*. A join without an opener gathers
lines of the whole run.

Shapes in which a line could enter a scope again without having left it would multiply branches without bound; they are
refused here, with the repair. Dominators: Cooper, Harvey, Kennedy, "A Simple, Fast Dominance Algorithm" (2001), as
networkx has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from graphrt.errors import Mistake

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from graphrt.graph import Edge, Node

Reach = list[list[int]]
_NONE: frozenset[int] = frozenset()


def reached(adjacent: Reach, starts: Iterable[int], without: Collection[int] = _NONE) -> set[int]:
    """Return the nodes that can be reached from `starts`, these included, on paths that avoid `without`."""
    todo = [i for i in starts if i not in without]
    seen = set(todo)
    while todo:
        for i in adjacent[todo.pop()]:
            if i not in seen and i not in without:
                seen.add(i)
                todo.append(i)
    return seen


def _beyond(adjacent: Reach, start: int, without: Collection[int] = _NONE) -> set[int]:
    """Return what can be reached from `start` by at least one step; `start` itself only through a cycle of one edge."""
    found = reached(adjacent, adjacent[start], without)
    if start not in adjacent[start]:
        found.discard(start)
    return found


def prior_of(nodes: Sequence[Node]) -> Reach:
    """Return for each node those from which an edge leads to it, once for each edge."""
    prior: Reach = [[] for _ in nodes]
    for n in nodes:
        for e in n.edges:
            prior[e.target].append(n.index)
    return prior


class Shape:
    """The graph as adjacency lists, with dominators computed when first needed."""

    def __init__(self, nodes: Sequence[Node], start: int) -> None:
        self.nodes = nodes
        self.start = start
        self.after: Reach = [[e.target for e in n.edges] for n in nodes]
        self.prior: Reach = prior_of(nodes)
        self._up: dict[int, int] | None = None

    def up(self, index: int) -> int | None:
        """Return the immediate dominator; None for the start."""
        if self._up is None:
            import networkx as nx  # noqa: PLC0415 - slow to load, needed by graphs with joins only

            graph: nx.DiGraph[int] = nx.DiGraph()
            graph.add_nodes_from(range(len(self.nodes)))
            graph.add_edges_from((i, k) for i, targets in enumerate(self.after) for k in targets)
            self._up = {k: v for k, v in nx.immediate_dominators(graph, self.start).items() if v is not None}
        return None if index == self.start else self._up.get(index)

    def dominates(self, above: int, index: int) -> bool:
        """Tell whether every path from the start to `index` passes `above` (a node dominates itself)."""
        at: int | None = index
        while at is not None and at != above:
            at = self.up(at)
        return at == above

    def depth_order(self, indices: Iterable[int]) -> list[int]:
        """Return nodes so that those above (in the dominator tree) come first."""
        depth = {self.start: 0}

        def known(index: int) -> int:
            way: list[int] = []
            at: int | None = index
            while at is not None and at not in depth:
                way.append(at)
                at = self.up(at)
            above = depth[at] if at is not None else -1
            for below, each in enumerate(reversed(way), 1):
                depth[each] = above + below
            return depth[index]

        return sorted(indices, key=lambda i: (known(i), i))


def _opener(shape: Shape, join: int, openers: dict[int, int | None]) -> int | None:
    """Walk up the dominators of `join`; the openers of all joins above it are known already."""
    closed: set[int] = set()
    at = shape.up(join)
    while at is not None:
        node = shape.nodes[at]
        if node.splits and at not in closed:
            return at
        if node.kind == "join" and at != join:
            above = openers[at]
            if above is None:
                return None
            if above not in closed and above != at:
                closed.add(above)
                at = above if shape.nodes[above].kind == "join" and above != join else shape.up(above)
                continue
        at = shape.up(at)
    return None


def _find_openers(shape: Shape, mistakes: list[Mistake]) -> dict[int, int | None]:
    openers: dict[int, int | None] = {}
    for j in shape.depth_order(n.index for n in shape.nodes if n.kind == "join"):
        node = shape.nodes[j]
        if node.of is None:
            openers[j] = _opener(shape, j, openers)
            continue
        of = shape.nodes[node.of]
        if node.of == j or not shape.dominates(node.of, j):
            mistakes.append(
                Mistake(
                    "join-of",
                    f"join {node.name!r} names {of.name!r} as its opener, but there is a way to {node.name!r} that"
                    " does not pass"
                    f" {of.name!r}; name a node that every path to the join passes, or leave `of` out",
                    node.place,
                )
            )
            openers[j] = _opener(shape, j, openers)  # so that the other joins can be looked at
        else:
            openers[j] = node.of
    return openers


def _closing(shape: Shape, opener: int, joins: list[int]) -> int | None:
    """Return the join that every other join of the opener reaches and that reaches none of them."""
    down = {j: _beyond(shape.after, j, {opener}) for j in joins} if len(joins) > 1 else {}
    for j in joins:
        if all(k not in down[j] and j in down[k] for k in joins if k != j):
            return j
    return None


def leading(nodes: Sequence[Node], prior: Reach, opener: int, closing: int) -> tuple[Edge, ...]:
    """Return the edges of an opener from which its closing join can be reached without passing the opener again."""
    before = reached(prior, [closing], {opener})
    return tuple(e for e in nodes[opener].edges if e.target in before)


def before_join(nodes: Sequence[Node], prior: Reach, join: Node) -> int:
    """Return, as a bit mask of node indices, the nodes from which a live line can still reach a partial join.

    Paths pass neither the join's opener nor the join that closes that opener.
    """
    without: set[int] = set()
    if join.opener is not None:
        without = {join.opener} | {n.index for n in nodes if n.closes and n.opener == join.opener}
    without.discard(join.index)
    mask = 0
    for i in _beyond(prior, join.index, without):
        mask |= 1 << i
    return mask


class _Refusals:
    """The shapes in which branches would multiply."""

    def __init__(
        self, shape: Shape, joins: dict[int, list[int]], closing: dict[int, int], mistakes: list[Mistake]
    ) -> None:
        self.shape = shape
        self.joins = joins
        self.closing = closing
        self.mistakes = mistakes
        self.gathered = {j for js in joins.values() for j in js}
        """Joins that have an opener."""
        self.cyclic = _in_cycles(shape)
        self._opened_by = {c: o for o, c in closing.items()}
        self._around: dict[int, tuple[int, ...]] = {shape.start: ()}
        self._behind: dict[int, set[int]] = {}

    def check(self, f: int) -> None:
        """Refuse branches of `f` that lead back to it, and joins of it that an inner fork may reach again."""
        inside = self._inside(f)
        node = self.shape.nodes[f]
        if f in inside:
            join = next((self.shape.nodes[j].name for j in self.joins.get(f, [])), None)
            repair = f"lead it through join {join!r}" if join else "gather the branches in a join"
            self.mistakes.append(
                Mistake(
                    "branch-leads-back",
                    f"a branch of {node.name!r} leads back to {node.name!r} without passing a join that"
                    f" gathers its branches, so branches would multiply; {repair} before it goes back",
                    node.place,
                )
            )
        if not node.splits:
            self._left_by_a_join(f, inside)
        for j in self.joins.get(f, []):
            if self.shape.nodes[j].of is None:
                self._ambiguous(f, j, inside)

    def _left_by_a_join(self, f: int, inside: set[int]) -> None:
        """Refuse a join of the whole run inside what `of=` made a scope.

        The line would leave the scope, and the scope close without it.
        """
        for j in self.joins.get(f, []):
            for k in sorted(inside):
                between = self.shape.nodes[k]
                if (
                    between.kind == "join"
                    and between.index not in self.gathered
                    and j in _beyond(self.shape.after, k, {f})
                ):
                    join, opener = self.shape.nodes[j], self.shape.nodes[f]
                    self.mistakes.append(
                        Mistake(
                            "join-between",
                            f"join {between.name!r} lies between {opener.name!r} and join {join.name!r}"
                            f" (of={opener.name}), but gathers lines of"
                            f" the whole run; say that it belongs there: join({between.name!r}, of={opener.name})",
                            between.place,
                        )
                    )
                    return

    def _inside(self, f: int) -> set[int]:
        """Return what branches of `f` can visit before they are gathered."""
        cut = {self.closing[f]} - {f} if f in self.closing else set[int]()
        for h in self._openers_around(f):
            if self.closing[h] != f and f not in self._beyond_closing(h):
                cut.add(self.closing[h])
        return reached(self.shape.after, [e.target for e in self._branching(f)], cut)

    def _openers_around(self, f: int) -> tuple[int, ...]:
        """Return the openers that dominate `f`, without those whose closing join does so too: `f` lies behind these.

        Known for a node from what is known for its dominator, so a row of scopes costs no more than its length.
        """
        way: list[int] = []
        at = f
        while at not in self._around:
            way.append(at)
            above = self.shape.up(at)
            assert above is not None, "every node can be reached from the start"
            at = above
        around = self._around[at]
        for each in reversed(way):
            closed = self._opened_by.get(at)
            around = tuple(h for h in around if h != closed)
            if at in self.closing:
                around += (at,)
            self._around[each] = around
            at = each
        return around

    def _beyond_closing(self, h: int) -> set[int]:
        """Return what lies behind the closing join of `h`, on paths that do not pass `h` again."""
        if h not in self._behind:
            self._behind[h] = _beyond(self.shape.after, self.closing[h], {h})
        return self._behind[h]

    def _branching(self, f: int) -> list[Edge]:
        """Return the edges of `f` that start a branch; the others go on in its own line."""
        node = self.shape.nodes[f]
        if f in self.joins and f not in self.closing:
            return list(node.edges)
        leads = (
            {e.index for e in leading(self.shape.nodes, self.shape.prior, f, self.closing[f])}
            if f in self.closing
            else set[int]()
        )
        return [e for e in node.edges if e.each or e.index in leads or (node.fork and e.on_error is None)]

    def _ambiguous(self, f: int, j: int, inside: set[int]) -> None:
        shape = self.shape
        several = any(e.each for e in shape.nodes[f].edges)
        for h in (shape.nodes[i] for i in sorted(inside)):
            if not h.splits or h.index == f or not (several or h.index in self.cyclic):
                continue
            around = {c for o, c in self.closing.items() if c != j and o != f and shape.dominates(o, h.index)}
            if h.index not in around and j in _beyond(shape.after, h.index, around):
                join, fork = shape.nodes[j], shape.nodes[f]
                self.mistakes.append(
                    Mistake(
                        "join-ambiguous",
                        f"join {join.name!r} could gather the branches of {fork.name!r} or those of {h.name!r}, which"
                        " may run more"
                        f" than once inside; say which: join({join.name!r}, of={fork.name}) or of={h.name}",
                        join.place,
                    )
                )
                return


def _in_cycles(shape: Shape) -> set[int]:
    import networkx as nx  # noqa: PLC0415 - slow to load, needed by graphs with joins only

    graph: nx.DiGraph[int] = nx.DiGraph((i, k) for i, targets in enumerate(shape.after) for k in targets)
    return {i for part in nx.strongly_connected_components(graph) if len(part) > 1 for i in part}


def _unreachable(shape: Shape) -> list[Mistake]:
    seen = reached(shape.after, [shape.start])
    return [
        Mistake(
            "unreachable",
            f"node {n.name!r} cannot be reached from {shape.nodes[shape.start].name!r}; lead an edge to it or remove"
            " it",
            n.place,
        )
        for n in shape.nodes
        if n.index not in seen
    ]


def _idle_cycles(shape: Shape) -> list[Mistake]:
    """Find cycles in which no node does any work: a run would never leave them."""
    idle = {n.index for n in shape.nodes if _works_never(n)}
    mistakes: list[Mistake] = []
    if not idle:
        return mistakes
    busy = [i for i in range(len(shape.nodes)) if i not in idle]
    for i in sorted(idle):
        if i in reached(shape.after, shape.after[i], busy):
            node = shape.nodes[i]
            mistakes.append(
                Mistake(
                    "idle-cycle",
                    f"{node.name!r} lies on a cycle of nodes that do no work; a run would never leave it",
                    node.place,
                )
            )
            break
    return mistakes


def _works_never(node: Node) -> bool:
    if node.graph is not None:
        return all(_works_never(n) for n in node.graph.nodes)
    return node.kind in {"join", "end"}


def _partial_counts(nodes: Sequence[Node], openers: dict[int, int | None], closing: dict[int, int]) -> list[Mistake]:
    return [
        Mistake(
            "join-partial-count",
            f"join {n.name!r} waits for {n.wait}, but it does not close the scope of {nodes[o].name!r};"
            " only the closing join may go on before all branches have arrived",
            n.place,
        )
        for n in nodes
        if n.kind == "join" and n.wait is not None and (o := openers[n.index]) is not None and closing.get(o) != n.index
    ]


def place_joins(nodes: tuple[Node, ...], start: int) -> tuple[tuple[Node, ...], tuple[Mistake, ...]]:
    """Find the opener of each join and whether it closes it; report shapes that cannot run.

    Returns:
        The nodes, joins completed, and the mistakes found (in the order of the definition where that means something).
    """
    shape = Shape(nodes, start)
    mistakes = _unreachable(shape) + _idle_cycles(shape)
    if mistakes or not any(n.kind == "join" or n.splits for n in nodes):
        return nodes, tuple(mistakes)
    openers = _find_openers(shape, mistakes)
    if mistakes:
        return nodes, tuple(mistakes)
    joins: dict[int, list[int]] = {}
    for j in sorted(openers):
        if (o := openers[j]) is not None:
            joins.setdefault(o, []).append(j)
    closing = {o: c for o, js in joins.items() if (c := _closing(shape, o, js)) is not None}
    refusals = _Refusals(shape, joins, closing, mistakes)
    for n in nodes:
        if n.splits or n.index in joins:
            refusals.check(n.index)
    mistakes += _partial_counts(nodes, openers, closing)
    closes = set(closing.values())
    placed = tuple(
        replace(n, opener=openers[n.index], closes=n.index in closes) if n.kind == "join" else n for n in nodes
    )
    return placed, tuple(mistakes)
