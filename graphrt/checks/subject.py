"""One graph under the eyes of the rules: what several of them need to know is computed once, when first asked for.

Nothing here judges. Paths follow the edges that a run can take (`open`), so a rule never argues with an edge that
another rule has shown to be dead.
"""

from __future__ import annotations

from collections import deque
from functools import cached_property
from typing import TYPE_CHECKING

from graphrt.checks.branching import Branch, branches_of
from graphrt.checks.deciding import Decision, decide
from graphrt.checks.domains import Kind
from graphrt.checks.elements import assigned, read_by, untriggered
from graphrt.checks.knowledge import Knowledge
from graphrt.checks.liveness import Liveness
from graphrt.checks.writing import Writing
from graphrt.openers import Shape, reached

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from graphrt.checks.settings import Recorded, Settings
    from graphrt.graph import Edge, Graph


class Subject:
    """A graph and what is known about it."""

    def __init__(
        self, graph: Graph, settings: Settings, name: str, filled: Collection[str] = (), *, as_drawn: bool = False
    ) -> None:
        self.graph = graph
        self.settings = settings
        self.name = name
        """Where it stands: its own name, or the nodes that lead to it."""
        self.filled = frozenset(filled)
        """Fields that are given a value before it starts, by the node that it stands in."""
        self.is_inside = name != graph.name
        """Whether it is a flow inside another."""
        self.nodes = graph.nodes
        self.drawn: Subject = self if as_drawn else Subject(graph, settings, name, filled, as_drawn=True)
        """The same, with every edge open: what is decided about edges is decided on it."""

    # -- edges --------------------------------------------------------------------------------------------------------

    @cached_property
    def never(self) -> frozenset[tuple[int, int]]:
        """Edges that no run can take, as (source, number)."""
        if self.drawn is self:
            return frozenset()
        dead = {(i, k) for i, d in self.decisions.items() for k in d.never}
        return frozenset(dead | {(e.source, e.index) for n in self.nodes for e in untriggered(n)})

    @cached_property
    def decisions(self) -> dict[int, Decision]:
        """Per node, what can become of its edges."""
        return {n.index: decide(self.drawn, n) for n in self.nodes}

    @cached_property
    def known(self) -> Knowledge:
        """What is known where a node completes."""
        return Knowledge(self, trusting=False) if self.drawn is self else self.drawn.known

    @cached_property
    def trusted(self) -> Knowledge:
        """The same, if annotations are believed."""
        if self.drawn is not self:
            return self.drawn.trusted
        if any(f.reducer is None and Kind.of_field(f).nullable for f in self.graph.fields):
            return Knowledge(self, trusting=True)
        return self.known

    def may_repeat(self, edge: Edge) -> bool:
        """Tell whether a line may cross an edge more than once, as far as the drawing says."""
        return edge.target in self.drawn.cycle_of.get(edge.source, ())

    def is_open(self, edge: Edge) -> bool:
        """Tell whether a run may take an edge."""
        return (edge.source, edge.index) not in self.never

    def edges(self) -> Iterator[Edge]:
        """Yield every edge that may be taken, in the order of the definition."""
        return (e for n in self.nodes for e in n.edges if self.is_open(e))

    @cached_property
    def after(self) -> list[list[int]]:
        """Per node, where its open edges lead."""
        return [[e.target for e in n.edges if self.is_open(e)] for n in self.nodes]

    @cached_property
    def prior(self) -> list[list[int]]:
        """Per node, from where open edges lead to it."""
        found: list[list[int]] = [[] for _ in self.nodes]
        for e in self.edges():
            found[e.target].append(e.source)
        return found

    @cached_property
    def shape(self) -> Shape:
        """Dominators, over all edges as they are drawn."""
        return Shape(self.nodes, self.graph.start)

    def cut_off(self, dead: Iterable[Edge]) -> str:
        """Print which node is never reached because of edges that are never taken."""
        lost = self.drawn.reachable - self.reachable
        first = [e.target for e in dead if e.target in lost]
        return f", so {self.nodes[first[0]].name!r} is never reached" if first else ""

    # -- reaching -----------------------------------------------------------------------------------------------------

    @cached_property
    def reachable(self) -> frozenset[int]:
        """Nodes that a run can come to."""
        return frozenset(reached(self.after, [self.graph.start]))

    @cached_property
    def ending(self) -> frozenset[int]:
        """Nodes from which an end, or a node that nothing follows, can be reached."""
        last = [n.index for n in self.nodes if not any(e.on_error is None for e in n.edges)]
        return frozenset(reached(self.prior, last))

    def path(
        self, starts: Iterable[int], hits: Callable[[int], bool], without: Collection[int] = ()
    ) -> tuple[int, ...]:
        """Return a shortest way from one of `starts` to a node that `hits`, both included; empty if there is none."""
        came: dict[int, int | None] = {s: None for s in starts if s not in without}
        todo = deque(came)
        while todo:
            at = todo.popleft()
            if hits(at):
                back: list[int] = []
                step: int | None = at
                while step is not None:
                    back.append(step)
                    step = came[step]
                return tuple(reversed(back))
            for i in self.after[at]:
                if i not in came and i not in without:
                    came[i] = at
                    todo.append(i)
        return ()

    def cycle(self, at: int, within: Collection[int]) -> tuple[int, ...]:
        """Return a shortest cycle through a node, which stands at its beginning and its end."""
        outside = [i for i in range(len(self.nodes)) if i not in within]
        back = self.path([i for i in self.after[at] if i in within], at.__eq__, outside)
        return (at, *back) if back else ()

    def names(self, indices: Iterable[int]) -> tuple[str, ...]:
        """Return the names of nodes."""
        return tuple(self.nodes[i].name for i in indices)

    def trail(self, indices: Iterable[int]) -> str:
        """Print a path."""
        names = self.names(indices)
        return " → ".join(names if len(names) <= 12 else (*names[:6], "…", *names[-5:]))

    # -- cycles -------------------------------------------------------------------------------------------------------

    @cached_property
    def cycles(self) -> tuple[frozenset[int], ...]:
        """Sets of nodes that can all reach each other, each with at least one cycle; by their first node."""
        return strongly_connected(self.after)

    @cached_property
    def cycle_of(self) -> dict[int, frozenset[int]]:
        """Per node on a cycle, the set of `cycles` that it belongs to."""
        return {i: part for part in self.cycles for i in part}

    @cached_property
    def unbounded(self) -> tuple[frozenset[int], ...]:
        """As `cycles`, but of those cycles only that no `at_most` bounds."""
        free = [[e.target for e in n.edges if self.is_open(e) and e.at_most is None] for n in self.nodes]
        return strongly_connected(free)

    # -- branches -----------------------------------------------------------------------------------------------------

    @cached_property
    def branches(self) -> dict[int, tuple[Branch, ...]]:
        """Per node that splits, its branches."""
        return {n.index: branches_of(self, n) for n in self.nodes if n.splits and n.index in self.reachable}

    def exclude_each_other(self, one: Edge, other: Edge) -> bool:
        """Tell whether no state lets two edges of a fork match together."""
        if self.drawn is self:
            return False
        decision = self.decisions[one.source]
        pair = (min(one.index, other.index), max(one.index, other.index))
        return decision.is_complete and not decision.all_together and pair not in decision.together

    # -- fields -------------------------------------------------------------------------------------------------------

    @cached_property
    def writers(self) -> dict[str, list[int]]:
        """Per field, the nodes that write it, or an edge from which sets it."""
        found: dict[str, list[int]] = {f.name: [] for f in self.graph.fields}
        for n in self.nodes:
            for name in dict.fromkeys((*n.writes, *(f for e in n.edges for f in assigned(e)))):
                found.setdefault(name, []).append(n.index)
        return found

    @property
    def runs(self) -> tuple[Recorded, ...]:
        """The recorded runs that were tried against it; a flow inside another has none of its own."""
        return () if self.is_inside else self.settings.against

    @property
    def outputs(self) -> tuple[str, ...] | None:
        """The fields of the result that somebody looks at; None if all may be."""
        return self.settings.outputs.get(self.name)

    @cached_property
    def liveness(self) -> Liveness:
        """Which writes are read."""
        return Liveness(self)

    @cached_property
    def writing(self) -> Writing:
        """Where a field has not been written."""
        return Writing(self)

    @cached_property
    def _reads(self) -> list[frozenset[str]]:
        return [frozenset({*n.reads, *(name for e in n.edges for name in read_by(e))}) for n in self.nodes]

    def reads(self, index: int) -> frozenset[str]:
        """Return the fields that a node, its guards or the actions of its edges read."""
        return self._reads[index]

    @property
    def has_limits(self) -> bool:
        """Whether the flow itself bounds how much a run may do."""
        limits = self.graph.limits
        return limits is not None and any(
            bound is not None for bound in (limits.visits, limits.active_s, limits.tokens, limits.cost_usd)
        )

    def changed_in(self, part: frozenset[int]) -> set[str]:
        """Return the fields that may change while a run goes round in a part of the graph."""
        inside: Collection[int] = part
        if any(self.nodes[i].splits for i in part):
            # A branch that ends early is merged as well when its fork is closed.
            inside = reached(self.after, part)
        return self.changed_by(inside)

    def changed_by(self, indices: Iterable[int]) -> set[str]:
        """Return the fields that nodes write or edges from them set."""
        found: set[str] = set()
        for i in indices:
            found.update(self.nodes[i].writes)
            for e in self.nodes[i].edges:
                found.update(assigned(e))
        return found


def strongly_connected(after: list[list[int]]) -> tuple[frozenset[int], ...]:
    """Return the parts of a graph whose nodes all reach each other, leaving out single nodes without a loop."""
    import networkx as nx  # noqa: PLC0415 - slow to load, and not every graph is checked

    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(range(len(after)))
    graph.add_edges_from((i, k) for i, targets in enumerate(after) for k in targets)
    parts = [frozenset(p) for p in nx.strongly_connected_components(graph)]
    return tuple(sorted((p for p in parts if len(p) > 1 or graph.has_edge(i := min(p), i)), key=min))
