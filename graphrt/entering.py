"""How the graph inside a node begins: its state, filled from the state around it.

A field that is filled with a field of the same type takes the value as it stands: it was validated when it came into
the state, and values of a state never change, so a conversation of 100,000 messages is handed on as fast as a number.
Everything else is validated as a write is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from graphrt.fields import MISSING
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
    """How the state inside one node is filled."""

    __slots__ = ("_fills",)

    def __init__(self, outer: Graph, node: Node) -> None:
        inner = node.graph
        assert inner is not None, "only a node with a graph inside is entered"
        given = {c.field: c for c in node.inputs}
        self._fills: Final = tuple([(f.name, _fill(outer, f, given.get(f.name))) for f in inner.fields])

    def state(self, around: State) -> dict[str, Any]:
        """Return the state with which the graph inside begins.

        Raises:
            Exception: whatever an expression or a validator raises.
        """
        return {name: fill(around) for name, fill in self._fills}


def _fill(outer: Graph, field: Field, change: Change | None) -> Fill:
    if change is None:
        return lambda _state: field.decode_whole(_default(field))
    value = change.value
    source = outer.field.get(change.tree.field) if isinstance(change.tree, Read) else None
    if source is not None and source.is_typed_as(field):
        return value
    return lambda state: field.decode_whole(field.encode_whole(value(state)))


def _default(field: Field) -> Json:
    if field.default_json is MISSING:
        message = f"field {field.name!r} has no fixed default; map a value to it with inputs=let(…).be(…)"
        raise ValueError(message)
    return field.default_json
