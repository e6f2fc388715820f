"""Which nodes of a graph play the same part: the coarsest division in which edges tell no two nodes of a part apart.

Two nodes are told apart when one of them has an edge into, or from, a part that the other has none into, or from.
Refining in rounds looks at every edge in every round, and a chain takes as many rounds as it is long. Paige and Tarjan
(Three partition refinement algorithms, SIAM J. Comput. 16, 1987) look at an edge again only when the part at its other
end was split off something at least twice as large: O(log n) times, and all in all O(m log n).

Beside the parts there are unions of them, and parts are stable against a union: in each part all nodes have edges into
it or none has. As long as a union holds several parts, the smaller of two is split off. Against that one and against
the rest of the union parts become stable again when three kinds of nodes are told apart: without an edge into the
smaller one, with edges into both, and into the smaller one alone. That is seen from the number of edges that a node has
into either. The same is done with the edges turned round. There is one coarsest division, so the order of the work
cannot be seen in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def parts_of(kinds: Sequence[object], edges: Iterable[tuple[int, int]], most: int) -> list[int] | None:
    """Return the number of the part that each node is in; None once there are more than `most` parts.

    Args:
        kinds: what each node is; nodes of different kinds never play the same part.
        edges: source and target of each edge, as places in `kinds`; none comes twice.
        most: how many parts are of use.
    """
    before: list[list[int]] = [[] for _ in kinds]
    after: list[list[int]] = [[] for _ in kinds]
    for source, target in edges:
        before[target].append(source)
        after[source].append(target)
    division = _Division(kinds, before, after)
    while division.compound:
        if len(division.parts) > most:
            return None
        division.split_off()
    return division.part if len(division.parts) <= most else None


class _Division:
    """Parts, and the unions of parts that they are stable against."""

    def __init__(self, kinds: Sequence[object], before: list[list[int]], after: list[list[int]]) -> None:
        numbers: dict[object, int] = {}
        self.part = [
            numbers.setdefault((kind, not into, not out), len(numbers))
            for kind, into, out in zip(kinds, before, after, strict=True)
        ]
        self.parts: list[set[int]] = [set() for _ in numbers]
        for node, part in enumerate(self.part):
            self.parts[part].add(node)
        self.union_of = [0] * len(self.parts)
        self.unions = [list(range(len(self.parts)))]
        self.compound = [0] if len(self.parts) > 1 else []
        """The unions that hold several parts."""
        self.sides = (
            (before, [{0: len(out)} if out else {} for out in after]),
            (after, [{0: len(into)} if into else {} for into in before]),
        )
        """For edges, and for edges turned round: the nodes behind each, and how many of its edges lead into a union."""

    def split_off(self) -> None:
        """Make a union of its own of the smaller of two parts of a compound one, and all parts stable against both."""
        union = self.compound.pop()
        held = self.unions[union]
        one, other = held.pop(), held.pop()
        small, large = (one, other) if len(self.parts[one]) < len(self.parts[other]) else (other, one)
        held.append(large)
        if len(held) > 1:
            self.compound.append(union)
        own = self.union_of[small] = len(self.unions)
        self.unions.append([small])
        nodes = list(self.parts[small])
        for behind, into in self.sides:
            found: dict[int, int] = {}
            for node in nodes:
                for other_end in behind[node]:
                    found[other_end] = found.get(other_end, 0) + 1
            self._tell_apart(found, into, union, own)

    def _tell_apart(self, found: dict[int, int], into: list[dict[int, int]], union: int, own: int) -> None:
        """Split parts by who has edges into a new union, whose number `found` holds, and who besides into the rest."""
        alike: dict[tuple[int, bool], list[int]] = {}
        for node, number in found.items():
            numbers = into[node]
            rest = numbers[union] - number
            if rest:
                numbers[union] = rest
            else:
                del numbers[union]
            numbers[own] = number
            alike.setdefault((self.part[node], rest > 0), []).append(node)
        for (part, _), nodes in alike.items():
            if len(nodes) < len(self.parts[part]):
                self._split(part, nodes)

    def _split(self, part: int, nodes: list[int]) -> None:
        new, union = len(self.parts), self.union_of[part]
        self.parts[part].difference_update(nodes)
        self.parts.append(set(nodes))
        self.union_of.append(union)
        for node in nodes:
            self.part[node] = new
        self.unions[union].append(new)
        if len(self.unions[union]) == 2:
            self.compound.append(union)
