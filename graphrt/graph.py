"""The frozen definition of a flow: nodes, edges, state fields; its JSON form and its digest.

A graph never changes and knows how to be drawn and analysed without the code it was made from. It runs nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

import msgspec
from msgspec.structs import force_setattr

from graphrt.errors import UseError, type_name
from graphrt.varying import varied

if TYPE_CHECKING:
    from collections.abc import Callable

    from graphrt.fields import Field
    from graphrt.guards import Change, Guard
    from graphrt.inputs import Json, Limits

OnCrash: TypeAlias = Literal["retry", "ask", "fail"]
NodeKind: TypeAlias = Literal["task", "agent", "router", "ask", "join", "end", "subgraph"]


Kinds: TypeAlias = "type[BaseException] | str | Iterable[type[BaseException] | str]"
"""Exception types, or their names: one, or several."""


@varied
class Retry(msgspec.Struct, frozen=True, omit_defaults=True):
    """How often and when a failed attempt is repeated: exponential backoff with jitter from the run's seed."""

    attempts: int = 3
    """Attempts in total, the first included; at least 1."""
    wait_s: float = 1.0
    """Wait after the first failed attempt, in seconds."""
    factor: float = 2.0
    """Each further wait is this many times as long."""
    most_s: float = 60.0
    """No wait is longer, unless the failing party asks for it (`retry_after_s`) …"""
    jitter: float = 0.1
    """Each wait is lengthened by a random share of itself, up to this."""
    most_asked_s: float = 600.0
    """… and also then none is longer than this."""
    on: tuple[str, ...] = ()
    """The exception types worth another attempt, given as types or by name; empty for all."""
    never: tuple[str, ...] = ()
    """Exception types that are not worth another attempt, likewise."""

    if TYPE_CHECKING:

        def __init__(
            self,
            attempts: int = 3,
            wait_s: float = 1.0,
            factor: float = 2.0,
            most_s: float = 60.0,
            jitter: float = 0.1,
            most_asked_s: float = 600.0,
            on: Kinds = (),
            never: Kinds = (),
        ) -> None: ...

    def __post_init__(self) -> None:
        """Keep types by their names: a policy is compared with errors that a trace has recorded.

        Raises:
            UseError: a number cannot be meant; with all that cannot.
        """
        found: list[str] = []
        for name, least in (("attempts", 1), *((name, 0) for name in _DURATIONS)):
            value: object = getattr(self, name)
            kinds = int if name == "attempts" else int | float
            if not isinstance(value, kinds) or isinstance(value, bool) or not value >= least:
                found.append(f"{name}={value!r}, which is no {'whole ' if kinds is int else ''}number from {least}")
        if found:
            raise UseError(f"Retry has {', and '.join(found)}")
        force_setattr(self, "on", _names("on", self.on))
        force_setattr(self, "never", _names("never", self.never))


_DURATIONS: Final = ("wait_s", "factor", "most_s", "jitter", "most_asked_s")
"""Numbers of a `Retry` that are 0 or more."""


def _names(what: str, kinds: object) -> tuple[str, ...]:
    several = hasattr(kinds, "__iter__") and not isinstance(kinds, str | type)
    given = cast("Iterable[object]", kinds) if several else (kinds,)
    names: list[str] = []
    for kind in given:
        if isinstance(kind, type) and issubclass(kind, BaseException):
            names.append(type_name(kind))
        elif isinstance(kind, str):
            names.append(kind)
        else:
            message = f"Retry({what}=…) holds {kind!r}; give exception types, or their names"
            raise TypeError(message)
    return tuple(names)


class Work(msgspec.Struct, frozen=True):
    """The Python function behind a node, and how its parameters are filled."""

    fn: Callable[..., Any]
    params: tuple[tuple[str, str], ...] = ()
    """(parameter, field of the state) in the order of the signature."""
    context: str | None = None
    """The parameter that receives the `Context`."""
    whole: str | None = None
    """The parameter that receives the whole state, as an instance of the state type."""
    state_type: type[Any] | None = None
    is_async: bool = False
    lists: tuple[str, ...] = ()
    """The parameters for which a list of the state is copied, since they are declared as lists."""


class Each(msgspec.Struct, frozen=True):
    """Dynamic fan-out: one branch per item of a list field."""

    of: str
    """The list field."""
    item: str
    """The branch-local field that holds the item."""
    at_once: int | None = None
    """How many branches of this edge may be under way at the same time; None for all."""


class Edge(msgspec.Struct, frozen=True):
    """A transition `on [when] / set`, in UML's words."""

    source: int
    target: int
    index: int
    """Its place among the edges of its source, in the order of the definition."""
    on: str | None = None
    """The answer (of a router or an ask) that triggers it; None for any."""
    on_error: str | None = None
    """The exception type that triggers it; then it is an error edge."""
    when: Guard | None = None
    set: tuple[Change, ...] = ()
    each: Each | None = None
    at_most: int | None = None
    local: tuple[str, ...] = ()
    """Fields that belong to the branch which this edge starts, without `each.item`."""
    place: str | None = None
    """`file:line` where it was written; not part of the digest."""


class Node(msgspec.Struct, frozen=True):
    """One unit of work, or a place where lines meet or end."""

    index: int
    name: str
    kind: NodeKind
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    edges: tuple[Edge, ...] = ()
    fork: bool = False
    """Takes every matching edge instead of the first."""
    answers: tuple[str, ...] = ()
    """What a router or an ask can answer."""
    wait: int | None = None
    """A join: how many distinct branches it waits for; None for all."""
    of: int | None = None
    """A join: its opener, if the author named one."""
    opener: int | None = None
    """A join: the node whose branches it gathers; None for the whole run."""
    closes: bool = False
    """A join: whether it closes the scope of its opener, or gathers part of it."""
    stop: bool = False
    """An end: whether it stops the whole run."""
    failure: bool = False
    """An end: whether reaching it fails the run."""
    question: str = ""
    """An ask: what is asked."""
    deadline_s: float | None = None
    """An ask: seconds until it gives up waiting."""
    retry: Retry | None = None
    timeout_s: float | None = None
    """Bound of each attempt, in seconds."""
    on_crash: OnCrash = "retry"
    graph: Graph | None = None
    """The graph inside: of a subgraph, or of an agent or router that is one."""
    inputs: tuple[Change, ...] = ()
    """A node with a graph inside: assignments to the inner state's fields from the outer state.

    Of another node that reads parts of fields: all that it reads, by parameter, or by the name that is shown.
    """
    outputs: tuple[Change, ...] = ()
    """… and to the outer state's fields from the inner state."""
    about: dict[str, Json] = {}
    """What pictures and people want to know: `instructions`, `tools`, `model`, `doc`."""
    work: Work | None = None
    """The code; absent in a graph that was read from its JSON form."""
    policies: tuple[Any, ...] = ()
    """What wraps the models that are asked in it (see `graphrt.policies`), outermost first; not part of the digest."""
    place: str | None = None
    """`file:line` where it was written; not part of the digest."""
    ignore: tuple[tuple[str, str], ...] = ()
    """Rules of the checker that are not to speak of this node, each with the reason; not part of the digest."""

    @property
    def sees(self) -> tuple[str, ...]:
        """What it reads, as its author wrote it: `message`, `plan.step`."""
        if self.kind == "subgraph" or not self.inputs:
            return self.reads
        return tuple(c.value_text for c in self.inputs)

    @property
    def splits(self) -> bool:
        """Whether leaving it can start more than one branch."""
        return (self.fork and sum(e.on_error is None for e in self.edges) > 1) or any(e.each for e in self.edges)


@dataclass(frozen=True, eq=False, repr=False)
class Graph:
    """A checked definition, ready to run, to draw and to analyse."""

    name: str
    """Name of the flow."""
    fields: tuple[Field, ...]
    """The fields of its state, in the order of the state type."""
    nodes: tuple[Node, ...]
    """The nodes with their edges, in the order of definition."""
    start: int = 0
    """Number of the node with which a run begins."""
    limits: Limits | None = None
    """Bounds of its runs, unless a run says others."""
    state_type: type[Any] | None = None
    """The pydantic model; absent in a graph that was read from its JSON form."""
    policies: tuple[Any, ...] = ()
    """What wraps the models that are asked in any of its nodes, outermost first; not part of the digest."""

    @cached_property
    def by_name(self) -> dict[str, Node]:
        """Nodes by their names."""
        return {n.name: n for n in self.nodes}

    @cached_property
    def field(self) -> dict[str, Field]:
        """State fields by their names."""
        return {f.name: f for f in self.fields}

    @cached_property
    def json(self) -> dict[str, Json]:
        """The JSON form: everything but code and places; `graph_from_json` reads it back."""
        return graph_to_json(self)

    @cached_property
    def digest(self) -> str:
        """Sixteen hex digits that change with the definition and with nothing else."""
        text = msgspec.json.encode(self.json, order="sorted")
        return hashlib.sha256(text).hexdigest()[:16]

    def __repr__(self) -> str:
        edges = sum(len(n.edges) for n in self.nodes)
        return f"Graph({self.name!r}: {len(self.nodes)} nodes, {edges} edges, {len(self.fields)} fields)"


def _edge_to_json(graph: Graph, edge: Edge) -> dict[str, Json]:
    out: dict[str, Json] = {"to": graph.nodes[edge.target].name}
    if edge.on is not None:
        out["on"] = edge.on
    if edge.on_error is not None:
        out["on_error"] = edge.on_error
    if edge.when is not None:
        out["when"] = edge.when.to_json()
    if edge.set:
        out["set"] = [c.to_json() for c in edge.set]
    if edge.each is not None:
        bound = {} if edge.each.at_once is None else {"at_once": edge.each.at_once}
        out["each"] = {"of": edge.each.of, "item": edge.each.item, **bound}
    if edge.at_most is not None:
        out["at_most"] = edge.at_most
    if edge.local:
        out["local"] = list(edge.local)
    return out


# Plain attributes of a node that stand in the JSON form under their own name when they differ from the default.
_PLAIN: tuple[tuple[str, Any], ...] = (
    ("fork", False),
    ("wait", None),
    ("closes", False),
    ("stop", False),
    ("failure", False),
    ("question", ""),
    ("deadline_s", None),
    ("timeout_s", None),
    ("on_crash", "retry"),
)


def _node_to_json(graph: Graph, node: Node) -> dict[str, Json]:
    out: dict[str, Json] = {"name": node.name, "kind": node.kind}
    for key in ("reads", "writes", "answers"):
        if getattr(node, key):
            out[key] = list(getattr(node, key))
    for key, default in _PLAIN:
        if getattr(node, key) != default:
            out[key] = getattr(node, key)
    for key in ("of", "opener"):
        place: int | None = getattr(node, key)
        if place is not None:
            out[key] = graph.nodes[place].name
    if node.retry is not None:
        out["retry"] = msgspec.to_builtins(node.retry)
    if node.graph is not None:
        out["graph"] = node.graph.json
        out["inputs"] = [c.to_json() for c in node.inputs]
        out["outputs"] = [c.to_json() for c in node.outputs]
    elif node.inputs:
        out["inputs"] = [c.to_json() for c in node.inputs]
    if node.about:
        out["about"] = node.about
    if node.edges:
        out["edges"] = [_edge_to_json(graph, e) for e in node.edges]
    return out


def graph_to_json(graph: Graph) -> dict[str, Json]:
    """Return the JSON form of a graph: names instead of indices, no code, no places."""
    out: dict[str, Json] = {
        "name": graph.name,
        "start": graph.nodes[graph.start].name,
        "fields": [f.to_json() for f in graph.fields],
        "nodes": [_node_to_json(graph, n) for n in graph.nodes],
    }
    if graph.limits is not None:
        limits = msgspec.to_builtins(graph.limits)
        # 300 and 300.0 seconds are one limit, so they must be written alike: the digest is of what is written.
        out["limits"] = {k: int(v) if isinstance(v, float) and v.is_integer() else v for k, v in limits.items()}
    return out


def graph_from_json(data: dict[str, Json]) -> Graph:
    """Read a graph back from its JSON form: it can be drawn, analysed and folded, but runs no code.

    Raises:
        KeyError, TypeError, ValueError: `data` is not the JSON form of a graph.
    """
    # Those modules are of the same layer, and `fields` brings pydantic: load them when a graph is read.
    from graphrt.fields import Field  # noqa: PLC0415
    from graphrt.guards import change_from_json, guard_from_json  # noqa: PLC0415 - as above
    from graphrt.inputs import Limits  # noqa: PLC0415 - as above

    index = {n["name"]: i for i, n in enumerate(data["nodes"])}

    def edge(source: int, place: int, e: dict[str, Json]) -> Edge:
        each = e.get("each")
        return Edge(
            source=source,
            target=index[e["to"]],
            index=place,
            on=e.get("on"),
            on_error=e.get("on_error"),
            when=guard_from_json(e["when"]) if "when" in e else None,
            set=tuple(change_from_json(c) for c in e.get("set", ())),
            each=Each(each["of"], each["item"], each.get("at_once")) if each else None,
            at_most=e.get("at_most"),
            local=tuple(e.get("local", ())),
        )

    def node(i: int, n: dict[str, Json]) -> Node:
        return Node(
            index=i,
            name=n["name"],
            kind=n["kind"],
            reads=tuple(n.get("reads", ())),
            writes=tuple(n.get("writes", ())),
            answers=tuple(n.get("answers", ())),
            edges=tuple(edge(i, k, e) for k, e in enumerate(n.get("edges", ()))),
            of=index[n["of"]] if "of" in n else None,
            opener=index[n["opener"]] if "opener" in n else None,
            retry=msgspec.convert(n["retry"], Retry) if "retry" in n else None,
            graph=graph_from_json(n["graph"]) if "graph" in n else None,
            inputs=tuple(change_from_json(c) for c in n.get("inputs", ())),
            outputs=tuple(change_from_json(c) for c in n.get("outputs", ())),
            about=n.get("about", {}),
            **{key: n.get(key, default) for key, default in _PLAIN},
        )

    return Graph(
        name=data["name"],
        fields=tuple(Field.from_json(f) for f in data["fields"]),
        nodes=tuple(node(i, n) for i, n in enumerate(data["nodes"])),
        start=index[data["start"]],
        limits=msgspec.convert(data["limits"], Limits) if "limits" in data else None,
    )
