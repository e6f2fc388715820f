"""What a check found: which rule, where, why, and the state or the path that shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphrt.graph import Edge, Node
    from graphrt.inputs import Json

Severity: TypeAlias = Literal["error", "warning"]
"""`error`: a run that comes there fails, hangs or never takes what is drawn. `warning`: probably not what was meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a rule says about one graph, in that graph's own terms."""

    message: str = field(kw_only=False)
    """What was found, what was expected, what to do; one line."""
    node: Node | None = None
    edge: Edge | None = None
    place: str | None = None
    """Where it was written; that of the edge, else of the node, if this is left out."""
    witness: Mapping[str, Json] = field(default_factory=dict[str, "Json"])
    """A state, or as much of it as matters, in which it happens: field to value."""
    path: tuple[str, ...] = ()
    """Nodes in the order in which a run would come to it; a cycle begins and ends with the same one."""
    nodes: tuple[str, ...] = ()
    """Further nodes that it is about, besides `node` and those of the path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding of `graphrt.checks.check`."""

    code: str
    """`GR201`; what freezing reports and no rule stands for has that mistake's own code, such as `reads-type`."""
    name: str
    """The rule's name: `guard-gap`."""
    severity: Severity
    graph: str
    """Name of the graph; of a graph inside another, the nodes that lead to it: `support/clerk`."""
    message: str
    node: str | None = None
    edge: int | None = None
    """Number of the edge among those of its node, counted from 0 in the order of the definition."""
    target: str | None = None
    """The node that the edge leads to."""
    place: str | None = None
    """`file:line` where it was written; None for a graph that was read from a trace."""
    witness: Mapping[str, Json] = field(default_factory=dict[str, "Json"])
    path: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    """All nodes that it is about, in the order of the definition."""

    def __str__(self) -> str:
        """Print place first, as compilers do."""
        where = self.place or (f"{self.graph}: {self.node}" if self.node else self.graph)
        return f"{where}: {self.code} {self.message}"
