"""Writing a small graph down: nodes in their order, edges by the names of their targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from graphrt.graph import Edge, Node

if TYPE_CHECKING:
    from graphrt.graph import Each
    from graphrt.guards import Guard


class To:
    """An edge by the name of its target."""

    def __init__(
        self,
        target: str,
        *,
        on: str | None = None,
        when: Guard | None = None,
        each: Each | None = None,
        at_most: int | None = None,
        local: tuple[str, ...] = (),
    ) -> None:
        """Say where it leads, and when it is taken."""
        self.target = target
        self.facts: dict[str, Any] = {"on": on, "when": when, "each": each, "at_most": at_most, "local": local}


class Sketch:
    """Nodes in the order in which they are added, with edges by name."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._nodes: list[tuple[Node, tuple[To, ...]]] = []

    def add(self, node: Node, *edges: To | None) -> None:
        """Add a node with its edges in their order; None is no edge."""
        self._nodes.append((node, tuple(edge for edge in edges if edge is not None)))

    def wired(self) -> tuple[Node, ...]:
        """Return the nodes, numbered and connected."""
        index = {node.name: i for i, (node, _) in enumerate(self._nodes)}
        return tuple(
            replace(
                node,
                index=i,
                edges=tuple(Edge(i, index[to.target], k, **to.facts) for k, to in enumerate(edges)),
            )
            for i, (node, edges) in enumerate(self._nodes)
        )
