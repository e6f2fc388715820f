"""Bring a JSON schema into the narrower form that strict structured output accepts, and read the answer back.

Strict endpoints want an object at the root, every property required, no property beside them, and no keyword next to a
``$ref``. A schema whose root is no object is wrapped into ``{"value": …}``; one with a free mapping cannot be strict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from pydantic import JsonValue

from graphrt.agents.model import JsonSchema

WRAPPED = "value"


@dataclass(frozen=True, slots=True)
class Asked:
    """A schema as an endpoint is asked for it."""

    schema: JsonSchema
    strict: bool
    """False when the schema allows what strict mode cannot: a mapping with free keys."""
    wrapped: bool
    """True when the answer stands under the key ``value``."""

    def unwrap(self, value: JsonValue) -> JsonValue:
        """Return the value that the original schema describes; one that came without its wrapping is taken as it is."""
        if self.wrapped and isinstance(value, dict) and set(value) == {WRAPPED}:
            return value[WRAPPED]
        return value


def asked(schema: JsonSchema) -> Asked:
    """Prepare a schema for an endpoint."""
    definitions = schema.get("$defs")
    known: JsonSchema = definitions if isinstance(definitions, dict) else {}
    root: JsonSchema = _resolved(schema, known)
    wrapped = root.get("type") != "object"
    if wrapped:
        bare: JsonSchema = {key: part for key, part in schema.items() if key != "$defs"}
        root = {"type": "object", "properties": {WRAPPED: bare}, "required": [WRAPPED]}
    if known:
        root = {**root, "$defs": known}
    strict = not _has_free_mapping(root)
    narrowed = cast("JsonSchema", _narrowed(root, known)) if strict else root
    return Asked(schema=narrowed, strict=strict, wrapped=wrapped)


def fits(value: JsonValue, schema: JsonSchema) -> bool:
    """Tell whether a value has the outer shape of a schema: enough to notice an endpoint that ignored it."""
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    definitions = schema.get("$defs")
    root = _resolved(schema, definitions if isinstance(definitions, dict) else {})
    kind = root.get("type")
    if kind in {"number", "integer"}:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(kind, str) and kind in kinds and not isinstance(value, kinds[kind]):
        return False
    required = root.get("required")
    return not (isinstance(value, dict) and isinstance(required, list)) or all(key in value for key in required)


def _resolved(schema: JsonSchema, definitions: dict[str, JsonValue]) -> JsonSchema:
    """Replace a reference at the top by what it refers to; keywords beside it stay."""
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    target = definitions.get(reference.removeprefix("#/$defs/"))
    if not isinstance(target, dict):
        return schema
    return {**target, **{key: part for key, part in schema.items() if key != "$ref"}}


def _has_free_mapping(part: JsonValue) -> bool:
    if isinstance(part, list):
        return any(_has_free_mapping(item) for item in part)
    if not isinstance(part, dict):
        return False
    if part.get("type") == "object" and (
        part.get("additionalProperties", False) is not False or "properties" not in part
    ):
        return True
    return any(_has_free_mapping(item) for item in part.values())


def _narrowed(part: JsonValue, definitions: dict[str, JsonValue]) -> JsonValue:
    if isinstance(part, list):
        return [_narrowed(item, definitions) for item in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part and len(part) > 1:
        part = _resolved(part, definitions)
    out: JsonSchema = {}
    for key, item in part.items():
        if key in {"properties", "$defs"} and isinstance(item, dict):  # names here are the author's, not keywords
            out[key] = {name: _narrowed(sub, definitions) for name, sub in item.items()}
        elif key not in {"default", "examples"}:
            out[key] = _narrowed(item, definitions)
    properties = out.get("properties")
    if out.get("type") == "object" and isinstance(properties, dict):
        out["required"] = list(properties)
        out["additionalProperties"] = False
    return out
