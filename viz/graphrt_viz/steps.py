"""A run as steps: the records that its views and its report are made from.

They hold texts and places, no objects of a run, so whoever shows a step needs to know neither graphs nor traces.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphrt.inputs import Json
    from graphrt_viz.picture import NodeKind, Picture, Status

What: TypeAlias = Literal["attempt", "visit", "arrival"]


@dataclass(frozen=True, slots=True)
class Exit:
    """An edge that was considered when a visit was left."""

    edge: int | None
    """Its place among the edges of the picture; None if it is not drawn."""
    target: str
    condition: str
    result: str
    """`taken`, `false`, `used up`, `not tried`, `other answer`."""
    reason: str
    """The values that decided, or why it was not tried."""


@dataclass(frozen=True, slots=True)
class Brief:
    """What the definition says of a node: what its work is made from."""

    reads: tuple[str, ...] = ()
    doc: str = ""
    instructions: str = ""
    """Of an agent, and of the nodes inside it that ask its model."""
    tools: tuple[str, ...] = ()


_NO_BRIEF: Final = Brief()


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was sent to a model; what the run has already stands in it by reference."""

    model: str
    messages: tuple[Json, ...]
    """The conversation in order, as `graphrt.inputs.Sent` has it."""
    rest: Mapping[str, Json]
    """Instructions, tools, settings: `{"kept": NAME}` stands for a part that the chronicle keeps."""


@dataclass(slots=True)
class Step:
    """One step of a run. Times are seconds since the run began."""

    label: str
    """What people call it; unique in the run."""
    what: What
    visit: str
    """Id of the visit; of an arrival, the visit that arrives."""
    ident: str
    """Id of its node, as in a picture in which every graph is opened."""
    shown: str
    """Id of the node or frame of the picture that stands for it."""
    name: str
    kind: NodeKind
    started: float
    ended: float | None = None
    attempt: int = 1
    attempts: int = 0
    """How many attempts the visit had in all."""
    status: Status = "running"
    retried: bool = False
    """A failed attempt after which another was made."""
    busy_s: float | None = None
    took_s: float = 0.0
    """What its visit took, all attempts of it together, as far as it got."""
    outcome: str | None = None
    error: str | None = None
    """What went wrong; of a step that went well, what the model was told of a call that did not."""
    tokens: int | None = None
    cost_usd: float | None = None
    uncounted: bool = False
    """Whether it said what it used, and not all its tokens …"""
    unpriced: bool = False
    """… or not their price."""
    model: str | None = None
    marks: tuple[str, ...] = ()
    """What happened besides, such as a cache hit."""
    item: str = ""
    brief: Brief = _NO_BRIEF
    requests: tuple[Asked, ...] = ()
    """What was sent to models in it."""
    question: str = ""
    answers: tuple[str, ...] = ()
    """What can be answered."""
    asked: dict[str, str] = field(default_factory=dict[str, str])
    """The fields that the question showed, with their values."""
    by: str = ""
    """Who answered."""
    via: tuple[int, ...] = ()
    """The edges of the picture that were crossed to it, by their places."""
    exits: tuple[Exit, ...] = ()
    definition: str = ""
    """Digest of the definition that it ran under; empty if the run had only one."""
    causes: tuple[int, ...] = ()
    """Places of the steps it follows from."""
    base: int | None = None
    """Place of the step whose state it began with; None for the first of a graph."""
    entered: dict[str, str] = field(default_factory=dict[str, str])
    """Fields that differ from the state after `base`, with their values: what edges set and joins merged."""
    wrote: dict[str, str] = field(default_factory=dict[str, str])
    """Fields that it changed, with their values after it."""
    added: dict[str, str] = field(default_factory=dict[str, str])
    """Of these, what was handed to the reducer of the field."""

    @property
    def lane(self) -> str:
        """The branch that it is on: its visit's id without the last number."""
        outer, slash, own = self.visit.rpartition("/")
        return outer + slash + own.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Chronicle:
    """A run, in the order in which it happened."""

    picture: Picture
    """The run on its definition."""
    run: str
    flow: str
    status: str
    began: float
    """Seconds since the epoch."""
    lasted: float
    """Seconds until the last record."""
    steps: tuple[Step, ...]
    error: str | None = None
    kept: Mapping[str, Json] = field(default_factory=dict[str, "Json"])
    """Long parts of what was sent to models, by their names."""
    has_states: bool = True
    """Whether the states are known: not for a trace that cannot be folded, such as a cut one."""
