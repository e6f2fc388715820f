"""What a run's branches are made of: lines and what they wrote, visits, scopes, fan-outs.

Things with names, and no decisions: `branches` moves them, `merging` folds what they wrote.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from graphrt.errors import WriteRefused

if TYPE_CHECKING:
    from graphrt.branches import Branches
    from graphrt.errors import JoinShort
    from graphrt.fields import Field
    from graphrt.graph import Edge, Node, OnCrash
    from graphrt.inputs import ErrorInfo

State: TypeAlias = dict[str, Any]
Key: TypeAlias = tuple[int, ...]
"""Orders lines and visits. Three numbers for each part of a name; flat, because there are many and each is compared."""
Crossed: TypeAlias = dict[tuple[int, int], int]


class Delta(msgspec.Struct, eq=False, gc=False):  # nothing that it holds leads back to it
    """What a line wrote to one field: possibly a replacing value, then values that went through the reducer."""

    replaced: bool = False
    value: Any = None
    added: list[Any] | tuple[Any, ...] = ()
    """A list from the second on: most branches write a field once, and a tuple is nothing to the collector."""
    node: str = ""
    """Who wrote it last: the name of the node …"""
    visit: str = ""
    """… and the visit of it."""

    def add(self, value: Any) -> None:  # noqa: ANN401 - any value of the state
        """Note a write that goes through the reducer."""
        added = self.added
        if not added:
            self.added = (value,)
        elif isinstance(added, list):
            added.append(value)
        else:
            self.added = [*added, value]

    def replace(self, value: Any) -> None:  # noqa: ANN401 - any value of the state
        """Note a write that replaces what was there."""
        self.replaced, self.value, self.added = True, value, ()

    def absorb(self, later: Delta) -> None:
        """Put the writes of a later line behind these."""
        if later.replaced:
            self.replace(later.value)
        for each in later.added:
            self.add(each)
        self.node, self.visit = later.node, later.visit

    def apply(self, field: Field, value: Any) -> Any:  # noqa: ANN401 - any value of the state
        """Return the field's value after these writes."""
        if self.replaced:
            value = self.value
        for each in self.added:
            value = reduced(field, value, each)
        return value


def reduced(field: Field, old: Any, new: Any) -> Any:  # noqa: ANN401 - values of the field
    """Return what a field's reducer makes of the old and a new value.

    Raises:
        WriteRefused: it raised.
    """
    try:
        return field.reduce(old, new)
    except Exception as error:
        message = f"the reducer of field {field.name!r} raised {type(error).__name__}: {error}"
        raise WriteRefused(message, field=field.name) from error


class Tally(msgspec.Struct, eq=False):
    """The last number that a visit has under the name of a line."""

    last: int = -1


class Line(msgspec.Struct, eq=False):
    """A sequence of visits, and the state its next visit sees."""

    key: Key
    prefix: str
    state: State
    delta: dict[str, Delta] | None
    """Writes since the line began; None for the run's first line, which nothing is merged with."""
    behind: tuple[Line, ...]
    """The lines at whose ends this one begins."""
    crossed: Crossed
    local: frozenset[str]
    scopes: tuple[Scope, ...]
    """The scopes around it, outermost first."""
    item: str | None = None
    """The field that holds its item, of an `each` branch whose first visit has not begun."""
    apart: Key | None = None
    """Its order, where that is not its key."""
    cause: str = ""
    """Of a line that waits at a join, or has ended: the visit that it came from …"""
    place: Key = ()
    """… and where that stands among others."""
    numbers: Tally = msgspec.field(default_factory=Tally)
    """Of its visits; shared with the lines that go on from it under its name."""

    @property
    def order(self) -> Key:
        """Where it stands among other lines in canonical order, as far as causes leave that open."""
        return self.key if self.apart is None else self.apart


class Visit(msgspec.Struct, eq=False):
    """One execution of one node, as long as it is live."""

    id: str
    number: int
    """On its line."""
    node: Node
    line: Line
    causes: tuple[str, ...]
    outer: Branches
    """The branches it belongs to."""
    inner: Branches | None = None
    """The branches of the graph inside its node."""
    item: Any = None
    outcome: str | None = None
    """The answer that it ended with."""
    short: ErrorInfo | None = None
    """Of a join that came up short: the error it stands at."""
    attempt: int = 0
    """Attempts so far, over all rounds."""
    tries: int = 0
    """Attempts so far in this round."""
    phase: str = "ready"
    lost: OnCrash | None = None
    """What is to become of its attempt that was cut off, once that has been said."""

    @property
    def place(self) -> Key:
        """Orders visits of one graph canonically."""
        return (*self.line.key, 0, self.number, 0)


class Scope:
    """What runs below one visit of an opener, or the whole of a graph, or one branch of a bounded fan-out."""

    __slots__ = (
        "at",
        "branches",
        "closing",
        "count",
        "crossed",
        "ended",
        "examined",
        "fan",
        "fired",
        "leaked",
        "line",
        "local",
        "mask",
        "members",
        "nodes",
        "opener",
        "outer",
        "parked",
    )

    def __init__(
        self, line: Line, opener: Node | None, at: str, outer: tuple[Scope, ...], closing: Node | None, *, masked: bool
    ) -> None:
        self.line = line
        """The line that opened it and goes on when it closes."""
        self.opener = opener
        self.at = at
        """The visit that opened it."""
        self.outer = outer
        self.closing = closing
        """The join it waits for; None if none of the taken edges leads to it."""
        self.crossed = line.crossed
        self.local = line.local
        self.count = 0
        """Tokens."""
        self.nodes: dict[int, int] | None = {} if masked else None
        """Tokens by node, where partial joins have to ask."""
        self.mask = 0
        """The nodes of `nodes` as bits."""
        self.parked: dict[int, list[Line]] = {}
        """Lines that wait at its joins."""
        self.ended: list[Line] = []
        """Lines that ended without arriving, if this scope's closing join gathers them."""
        self.fired: dict[int, int] = {}
        self.leaked = False
        """Whether a line inside went to wait at a join outside, so that it will not be gathered here."""
        counts = closing is not None and closing.wait is not None
        self.members: dict[Visit | Scope | Fan, None] | None = {} if counts else None
        """If its closing join may leave others behind: the live visits, open scopes and bounded fan-outs inside."""
        self.branches: set[Key] | None = None
        """If its closing join counts: the branches that have arrived there …"""
        self.examined = 0
        """… by so many arrivals."""
        self.fan: Fan | None = None
        """For a branch of a bounded fan-out: where to tell that it has ended."""

    def hold(self, node: int) -> None:
        """Add a token at a node."""
        self.count += 1
        if self.nodes is not None:
            had = self.nodes.get(node, 0)
            self.nodes[node] = had + 1
            if not had:
                self.mask |= 1 << node

    def release(self, node: int) -> None:
        """Take a token away from a node."""
        self.count -= 1
        if self.nodes is not None:
            left = self.nodes[node] - 1
            if left:
                self.nodes[node] = left
            else:
                del self.nodes[node]
                self.mask &= ~(1 << node)


class Fan:
    """The branches of a bounded `each` edge that have not started yet."""

    __slots__ = ("causes", "line", "place", "target", "waiting")

    def __init__(self, line: Line, causes: tuple[str, ...], place: Key, target: int) -> None:
        self.line = line
        """The line that they leave; its scopes hold a token for each."""
        self.causes = causes
        self.place = place
        self.target = target
        self.waiting: deque[Line] = deque()


class Crossing(msgspec.Struct, eq=False):
    """A line on its way over an edge."""

    edge: Edge
    line: Line
    fan: Fan | None = None
    queued: bool = False
    """Whether it has to wait until a branch of its bounded fan-out has ended."""


class Fired:
    """A join that fired: what an observer is told, and the visit that goes on."""

    __slots__ = ("arrived", "dropped", "of", "short", "visit")

    def __init__(
        self, visit: Visit, of: str | None, arrived: int, dropped: tuple[Visit, ...], short: JoinShort | None
    ) -> None:
        self.visit = visit
        self.of = of
        self.arrived = arrived
        self.dropped = dropped
        self.short = short
