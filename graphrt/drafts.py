"""What an author has written so far, before it is checked: nodes as handles and drafts, edges as drafts.

Nothing is judged here: a draft keeps whatever it was given; `graphrt.freezing` turns drafts into a graph or says all
that is wrong.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, LiteralString, ParamSpec, Protocol, TypeAlias, TypeVar

import msgspec

if TYPE_CHECKING:
    from graphrt.errors import Mistake
    from graphrt.expressions import Space
    from graphrt.fields import Field
    from graphrt.graph import Graph, NodeKind, Retry
    from graphrt.guards import Change
    from graphrt.inputs import Json

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
L = TypeVar("L", bound=LiteralString | Enum | None)

Place: TypeAlias = tuple[str, int]
"""File and line."""


def place_of_call() -> Place:
    """Return where the code outside graphrt stands that called us."""
    frame = inspect.currentframe()
    place = ("?", 0)
    while frame is not None:
        place = frame.f_code.co_filename, frame.f_lineno
        if not frame.f_globals.get("__name__", "").startswith("graphrt."):
            break
        frame = frame.f_back
    return place


class Node:
    """A node of a flow, to draw edges from and to. Made by the methods of `Flow`."""

    __slots__ = ("flow", "index", "name")

    def __init__(self, flow: object, index: int, name: str) -> None:
        self.flow = flow
        self.index = index
        self.name = name

    def __repr__(self) -> str:
        return f"<node {self.name!r}>"


class Task(Node, Generic[P, R_co]):
    """A task. It can still be called as the function that it was made from."""

    __slots__ = ("__dict__", "fn")

    def __init__(self, flow: object, index: int, name: str, fn: Callable[P, R_co]) -> None:
        super().__init__(flow, index, name)
        self.fn = fn
        self.__doc__ = fn.__doc__
        self.__name__ = name
        self.__wrapped__ = fn

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function itself, outside of any run."""
        return self.fn(*args, **kwargs)


class Choice(Node, Generic[L]):
    """A router, or an ask with fixed answers; invariant in `L`, so that type checkers know what `on=` may be."""

    __slots__ = ("_answers",)

    _answers: list[L]


class NodeDraft(msgspec.Struct, eq=False):
    """A node as it was written."""

    kind: NodeKind
    name: Any
    place: Place
    fn: Any = None
    """The function of a task or router."""
    agent: Any = None
    """What expands to a graph."""
    inner: Any = None
    """The flow of a subgraph."""
    reads: Any = ()
    writes: Any = None
    options: Mapping[str, Any] = {}
    """retry, timeout, on_crash, policies, ignore."""
    question: str = ""
    deadline: Any = None
    wait: Any = "all"
    of: Any = None
    stop: bool = False
    failure: bool = False
    inputs: Any = None
    outputs: Any = None


class EdgeDraft(msgspec.Struct, eq=False):
    """One call of `edge`, `fork` or `each`, as it was written."""

    verb: str
    source: Any
    target: Any
    place: Place
    on: Any = None
    when: Any = None
    set: Any = ()
    at_most: Any = None
    item: Any = None
    of: Any = None
    local: Any = ()
    at_once: Any = None


@dataclass(frozen=True, slots=True)
class ExpansionSpec:
    """What a node needs of the graph inside it."""

    node: str
    """Name of the node."""
    reads: tuple[Field, ...]
    """Fields of the outer state that it may look at."""
    writes: tuple[Field, ...]
    """Fields of the outer state that it must write; a value is validated against what the field's reducer takes."""
    answers: tuple[str, ...] = ()
    """A router: the texts it may answer, as they stand in the written field's JSON. Empty for an agent."""
    retry: Retry | None = None
    """The node's own retry policy; None leaves it to the graph inside."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """A node opened up: the graph inside it, and how its state meets the outer one."""

    graph: Graph
    inputs: tuple[Change, ...] = ()
    """Assignments to fields of the inner state, from the outer one."""
    outputs: tuple[Change, ...] = ()
    """Assignments to fields of the outer state, from the inner one; each is a write, taken by the field's reducer."""
    about: Mapping[str, Json] = field(default_factory=dict[str, Any])
    """What people want to know: instructions, tools, model."""
    mistakes: tuple[str | Mistake, ...] = ()
    """What is wrong with it in this place; then the flow cannot be frozen."""


class Expands(Protocol):
    """Whatever `flow.agent` and `flow.router` take: something that is a graph once it knows its place.

    With a method `retries(said)` it says what `retry=4` or `retry=Retry(…)` at its node means; without one every
    failure is repeated that the policy does not exclude.
    """

    def expand(self, spec: ExpansionSpec, /) -> Expansion:
        """Return the graph inside a node. Called when the flow is frozen; the same spec must give the same graph."""
        ...


class Policy(Protocol):
    """What stands around the models that are asked in a place: `graphrt.policies` has them."""

    def wrap(self, model: Any, /) -> Any:  # noqa: ANN401 - what a model is, layers above know
        """Return what is asked instead of `model`; anything that it does not apply to, unchanged."""
        ...


class Flowing(Protocol):
    """What a subgraph is made of: a flow."""

    @property
    def name(self) -> str:
        """Name of the flow."""
        ...

    @property
    def space(self) -> Space:
        """Its state, as expressions."""
        ...

    def freeze(self) -> Graph:
        """Return its graph."""
        ...
