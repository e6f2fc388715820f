"""The Python of nodes, where its source is at hand: read as text, never run."""

from __future__ import annotations

import ast
import inspect
import linecache
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

Function: TypeAlias = "ast.FunctionDef | ast.AsyncFunctionDef"


def source_of(fn: Callable[..., Any]) -> tuple[str, Function] | None:
    """Return the file and the syntax tree of a function; None if it is no `def`, or its source is not at hand."""
    try:
        code = inspect.unwrap(fn).__code__
    except (AttributeError, ValueError):
        return None
    text = "".join(linecache.getlines(code.co_filename))
    found = _functions_in(text).get(code.co_firstlineno) if text else None
    return (code.co_filename, found) if found is not None and found.name == code.co_name else None


@lru_cache(maxsize=64)
def _functions_in(text: str) -> dict[int, Function]:
    """Return the functions of a module by the line that they begin in, which is that of their first decorator."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return {}
    found: dict[int, Function] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found[min([node.lineno, *(d.lineno for d in node.decorator_list)])] = node
    return found
