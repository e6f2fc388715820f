"""Read what the modules of the runtime say of themselves: records, their fields, and the strings below them."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import graphrt

ROOT = Path(__file__).parent.parent


@dataclass
class Field:
    """A field of a struct, as its source has it."""

    name: str
    type: str
    default: str | None
    doc: str


@dataclass
class Struct:
    """A record type: name, meaning, fields."""

    name: str
    doc: str
    fields: list[Field]
    tag: str | None


def structs(module: ModuleType) -> dict[str, Struct]:
    """Read the structs of a module, with the strings that stand below their fields."""
    tree = ast.parse(inspect.getsource(module))
    found: dict[str, Struct] = {}
    for node in tree.body:
        if not isinstance(node, ast.ClassDef) or not any("Struct" in ast.unparse(b) for b in node.bases):
            continue
        tags = [k.value for k in node.keywords if k.arg == "tag"]
        tag = str(ast.literal_eval(tags[0])) if tags else None
        found[node.name] = Struct(node.name, ast.get_docstring(node) or "", fields_of(node), tag)
    return found


def fields_of(node: ast.ClassDef) -> list[Field]:
    """Read the annotated fields of a class and the documentation string below each."""
    fields: list[Field] = []
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            default = None if statement.value is None else ast.unparse(statement.value)
            fields.append(Field(statement.target.id, ast.unparse(statement.annotation), default, ""))
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant) and fields:
            fields[-1].doc = " ".join(str(statement.value.value).split())
    return fields


def packages() -> Iterator[ModuleType]:
    """Import every module of the runtime."""
    for info in pkgutil.walk_packages(graphrt.__path__, "graphrt."):
        if not info.name.endswith("__main__"):
            yield importlib.import_module(info.name)


def sources() -> Iterator[tuple[Path, ast.Module]]:
    """Parse every module of the runtime."""
    for path in sorted((ROOT / "graphrt").rglob("*.py")):
        yield path, ast.parse(path.read_text("utf-8"))
