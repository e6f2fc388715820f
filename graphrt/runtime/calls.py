"""How a node's function is called: which parameters it gets, and how what it returns becomes writes.

Prepared once per graph, because it is done at every step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias, cast
from weakref import WeakKeyDictionary

from graphrt.errors import GuardError, UseError, WriteRefused
from graphrt.fields import Field, plain
from graphrt.graph import Graph, Node, Work
from graphrt.guards import Change
from graphrt.inputs import Json
from graphrt.tree_forms import text_of
from graphrt.trees import Attribute, Index, is_part
from graphrt.values import Convert, same

State: TypeAlias = dict[str, Any]
Fill: TypeAlias = Callable[[State], dict[str, Any]]
Encode: TypeAlias = Callable[[Any], dict[str, Json]]

_BOUNDED: Final = (int, float, bool)
_WORKING: Final = frozenset({"task", "agent", "router"})


class Call:
    """What calling one node takes."""

    __slots__ = ("context", "encode", "fill", "fn", "is_async", "unbounded")

    def __init__(self, node: Node, work: Work, graph: Graph) -> None:
        """Prepare the call of a node of `graph`."""
        self.fn = work.fn
        self.is_async = work.is_async
        self.context = work.context
        """The parameter that receives the Context."""
        self.fill = _with_parts(node, _filler(work, graph))
        """State that the visit sees to keyword arguments."""
        self.encode = _encoder(node, graph)
        """Returned value to writes. Raises WriteRefused."""
        self.unbounded = not all(graph.field[name].takes in _BOUNDED for name in node.writes)
        """Whether what it writes may be of any size."""


_prepared: WeakKeyDictionary[Graph, dict[int, Call]] = WeakKeyDictionary()


def calls_of(graph: Graph) -> dict[int, Call]:
    """Return the calls of all nodes of a graph and of the graphs inside it, by the identity of the node.

    Raises:
        UseError: a node has no code, as in a graph that was read from its JSON form.
    """
    found = _prepared.get(graph)
    if found is None:
        found = _prepared[graph] = _prepare(graph, {})
    return found


def _prepare(graph: Graph, into: dict[int, Call]) -> dict[int, Call]:
    for node in graph.nodes:
        if node.graph is not None:
            _prepare(node.graph, into)
        elif node.work is not None:
            into[id(node)] = Call(node, node.work, graph)
        elif node.kind in _WORKING:
            message = (
                f"node {node.name!r} of {graph.name!r} has no code to run (the graph was read from its JSON form); "
                "pass the graph of the flow itself"
            )
            raise UseError(message, graph=graph.name, node=node.name)
    return into


def _filler(work: Work, graph: Graph) -> Fill:
    if work.whole is not None:
        return _with_whole_state(work, graph)
    taken = tuple(_taken(work, graph))
    if not taken:
        return _nothing
    if all(hand is same for _, _, hand in taken):
        if len(taken) == 1:
            ((param, name, _),) = taken
            return lambda state: {param: state[name]}
        plain = tuple((param, name) for param, name, _ in taken)
        return lambda state: {param: state[name] for param, name in plain}
    return lambda state: {param: hand(state[name]) for param, name, hand in taken}


def _taken(work: Work, graph: Graph) -> Iterator[tuple[str, str, Convert]]:
    """Yield for each parameter the field that fills it, and what protects the state's value."""
    for param, name in work.params:
        field = graph.field[name]
        yield param, name, field.hand_list if param in work.lists else field.hand


def _with_parts(node: Node, fill: Fill) -> Fill:
    """Fill as well the parameters that read parts of fields."""
    parts = tuple(c for c in node.inputs if is_part(c.tree))
    if not parts:
        return fill

    def filled(state: State) -> dict[str, Any]:
        out = fill(state)
        for part in parts:
            try:
                out[part.field] = plain(part.value(state))
            except (AttributeError, LookupError, TypeError) as error:
                message = (
                    f"{node.kind} {node.name!r} reads {part.value_text} for its parameter {part.field!r}, but"
                    f" {_absent(part, state) or error}; lead a guarded edge past it, or read the whole field"
                )
                raise GuardError(message, node=node.name, parameter=part.field) from error
        return out

    return filled


def _absent(part: Change, state: State) -> str:
    """Say which value on the way to a part of a field is None; nothing if none is."""
    tree = part.tree
    while isinstance(tree, (Attribute, Index)):
        tree = tree.of
        try:
            if Change(part.field, tree).value(state) is None:
                return f"{text_of(tree)} is None"
        except (AttributeError, LookupError, TypeError):
            continue
    return ""


def _nothing(_state: State) -> dict[str, Any]:
    return {}


def _with_whole_state(work: Work, graph: Graph) -> Fill:
    """Hand out a new instance of the state type; changing it changes nothing."""
    whole, state_type = cast("str", work.whole), work.state_type
    if state_type is None:
        message = f"parameter {whole!r} takes the whole state of {graph.name!r}, but its state type is not known"
        raise UseError(message, graph=graph.name)
    fields = tuple((f.name, f.hand_list) for f in graph.fields)
    params = tuple(_taken(work, graph))

    def fill(state: State) -> dict[str, Any]:
        out = {param: hand(state[name]) for param, name, hand in params}
        out[whole] = state_type.model_construct(**{name: hand(state[name]) for name, hand in fields if name in state})
        return out

    return fill


def _encoder(node: Node, graph: Graph) -> Encode:
    fields = tuple(graph.field[name] for name in node.writes)
    if not fields:
        return _discard
    if len(fields) == 1:
        name, encode = fields[0].name, fields[0].encode

        def one(value: Any) -> dict[str, Json]:  # noqa: ANN401 - whatever the function returned
            try:
                return {name: encode(value)}
            except ValueError as error:
                raise _refused(node, error) from error

        return one

    def several(value: Any) -> dict[str, Json]:  # noqa: ANN401 - whatever the function returned
        try:
            return {field.name: field.encode(item) for field, item in _matched(node, fields, value)}
        except ValueError as error:
            raise _refused(node, error) from error

    return several


def _discard(_value: object) -> dict[str, Json]:
    """A node that writes nothing may return what it likes."""
    return {}


def _matched(node: Node, fields: tuple[Field, ...], value: Any) -> list[tuple[Field, Any]]:  # noqa: ANN401 - as above
    names = ", ".join(node.writes)
    if isinstance(value, Mapping):
        mapping = cast("Mapping[object, Any]", value)
        unknown = [key for key in mapping if key not in node.writes]
        if unknown:
            message = f"node {node.name!r} returned a mapping with {unknown[0]!r}; it writes {names}"
            raise WriteRefused(message, node=node.name, field=str(unknown[0]))
        return [(field, mapping[field.name]) for field in fields if field.name in mapping]
    if isinstance(value, tuple) and len(cast("tuple[Any, ...]", value)) == len(fields):
        return list(zip(fields, cast("tuple[Any, ...]", value), strict=True))
    size = f"of {len(cast('tuple[Any, ...]', value))} " if isinstance(value, tuple) else ""
    kind = type(cast("object", value)).__name__
    message = (
        f"node {node.name!r} returned a {kind} {size}where it writes {len(fields)} fields; "
        f"return a tuple ({names}) or a mapping with these keys"
    )
    raise WriteRefused(message, node=node.name)


def _refused(node: Node, error: ValueError) -> WriteRefused:
    facts = getattr(error, "facts", {})
    return WriteRefused(f"node {node.name!r} returned what it cannot write: {error}", **{**facts, "node": node.name})
