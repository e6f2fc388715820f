"""How the graph inside a node begins: its state, filled from the state around it.

A field that is filled with a field of the same type takes the value as it stands, if that cannot but be valid: values
of a state never change, so a conversation of 100,000 messages is handed on as fast as a number. Everything else is
validated as a write is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from graphrt.fields import MISSING
from graphrt.items import is_items
from graphrt.trees import Read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from graphrt.fields import Field
    from graphrt.graph import Graph, Node
    from graphrt.guards import Change
    from graphrt.inputs import Json

State: TypeAlias = "Mapping[str, Any]"
Fill: TypeAlias = "Callable[[State], Any]"
"""Returns the value of one field inside, from the state around."""


class Entry:
    """How the graph inside one node begins."""

    __slots__ = ("_defaults", "_fills", "_names", "graph")

    def __init__(self, outer: Graph, node: Node) -> None:
        assert node.graph is not None, "only a node with a graph inside is entered"
        self.graph: Final = node.graph
        field = node.graph.field
        self._fills: Final = tuple([(c.field, _fill(outer, field[c.field], c)) for c in node.inputs])
        self._names: Final = tuple([f.name for f in node.graph.fields])
        given = {c.field for c in node.inputs}
        self._defaults: Final = tuple([f for f in node.graph.fields if f.name not in given])

    def state(self, around: State) -> dict[str, Any]:
        """Return the state with which the graph inside begins.

        Raises:
            Exception: whatever an expression or a validator raises.
        """
        found = {name: fill(around) for name, fill in self._fills}
        for field in self._defaults:
            found[field.name] = field.decode_whole(_default(field))
        return {name: found[name] for name in self._names}


def _fill(outer: Graph, field: Field, change: Change) -> Fill:
    value = change.value
    source = outer.field.get(change.tree.field) if isinstance(change.tree, Read) else None
    if source is not None and source.stands_for(field):
        return lambda state: _lent(value(state))
    return lambda state: field.decode_whole(field.encode_whole(value(state)))


def _lent(value: Any) -> Any:  # noqa: ANN401 - a value of the state around
    return value.apart() if is_items(value) else value


def _default(field: Field) -> Json:
    if field.default_json is MISSING:
        message = f"field {field.name!r} has no fixed default; map a value to it with inputs=let(…).be(…)"
        raise ValueError(message)
    return field.default_json
