"""An agent that writes a field whose type says nothing to a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from graphrt.checks.elements import is_model
from graphrt.checks.rule import Finds, Found, Node, Subject, each_node, rule
from graphrt.hints import is_mapping
from graphrt.items import is_listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphrt.fields import Field


@rule("GR405", "vague-output", "warning")
@each_node
def vague_output(at: Subject, node: Node) -> Finds:
    if not is_model(node) or node.answers or node.about.get("speaks"):
        return  # who speaks answers with text, which becomes a message
    for name in node.writes:
        where = _vague(_written(at.graph.field[name]), name)
        if where is not None:
            yield Found(
                f"{node.name!r} has a model write {name!r} ({at.graph.field[name].takes_text}), but {where}"
                " may be anything, so the model is told nothing and nothing is checked; give it a type that names"
                " what is in it",
            )


def _written(field: Field) -> Mapping[str, Any]:
    """Return the schema of what is written to a field."""
    schema: dict[str, Any] = field.schema
    if field.reducer is None or field.takes is None or field.takes is field.annotation:
        return schema
    if field.reducer.name == "append":
        return {**schema.get("items", {}), "$defs": schema.get("$defs", {})}
    return TypeAdapter(field.takes).json_schema()


def _vague(schema: Mapping[str, Any], where: str, depth: int = 8) -> str | None:
    """Return the first place in a schema that allows everything."""
    rest = {k: v for k, v in schema.items() if k not in {"$defs", "description", "default", "title"}}
    if not rest:
        return where
    if depth == 0 or "$ref" in rest:
        # What a model refers to is looked at where it is defined.
        return _in_definitions(schema, where, depth)
    for option in (*rest.get("anyOf", ()), *rest.get("oneOf", ())):
        found = _vague(option, where, depth - 1)
        if found is not None:
            return found
    if rest.get("type") == "array":
        if "items" not in rest and "prefixItems" not in rest:
            return f"an item of {where}"
        return _vague(rest.get("items", {"type": "null"}), f"an item of {where}", depth - 1)
    if rest.get("type") == "object":
        return _vague_object(rest, where, depth) or _in_definitions(schema, where, depth)
    return _in_definitions(schema, where, depth)


def _vague_object(schema: Mapping[str, Any], where: str, depth: int) -> str | None:
    more = schema.get("additionalProperties")
    if "properties" not in schema and (more is None or more is True):
        return f"a value of {where}"
    if is_mapping(more):
        found = _vague(more, f"a value of {where}", depth - 1)
        if found is not None:
            return found
    for name, inner in schema.get("properties", {}).items():
        found = _vague(inner, f"{where}.{name}", depth - 1)
        if found is not None:
            return found
    return None


def _in_definitions(schema: Mapping[str, Any], where: str, depth: int) -> str | None:
    for name, inner in schema.get("$defs", {}).items():
        if is_mapping(inner) and not is_listed(inner):
            found = _vague(inner, f"{name} (in {where})", depth - 1) if depth else None
            if found is not None:
                return found
    return None
