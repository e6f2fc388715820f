"""What the shell offers when Tab is pressed: runs and visits of the store, files with flows and the flows in them.

It never runs the user's code, and says nothing where it knows nothing: a file is parsed, not imported.
"""

from __future__ import annotations

import ast
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from graphrt.ports import Store
    from graphrt.told import Account

Offer = tuple[str, str]
"""A word that would fit, and what it means."""

_MOST: Final = 200
_SKIPPED: Final = frozenset({"__pycache__", "node_modules"})


def _path(params: dict[str, Any]) -> str:
    """Return the store that the line so far means."""
    from graphrt.cli.arguments import DEFAULT_STORE

    return str(params.get("store") or os.environ.get("GRAPHRT_STORE") or DEFAULT_STORE)


@contextmanager
def _store(params: dict[str, Any]) -> Generator[Store | None]:
    """Open that store; give None if there is none."""
    from graphrt.errors import GraphrtError
    from graphrt.stores import open_store

    try:
        store = open_store(_path(params), create=False)
    except (GraphrtError, OSError):
        yield None
        return
    try:
        yield store
    finally:
        store.close()


def runs(params: dict[str, Any], incomplete: str) -> list[Offer]:
    """Offer the runs of the store, newest first."""
    with _store(params) as store:
        if store is None:
            return []
        found = store.runs(limit=_MOST)
    known = [("latest", "the newest run"), *((r.run, f"{r.flow}, {r.status}") for r in found)]
    return [k for k in known if k[0].startswith(incomplete)]


def flows(params: dict[str, Any], incomplete: str) -> list[str]:
    """Offer the flows that the store has runs of."""
    with _store(params) as store:
        found = store.runs(limit=_MOST) if store is not None else []
    return [name for name in dict.fromkeys(r.flow for r in found) if name.startswith(incomplete)]


def visits(params: dict[str, Any], incomplete: str) -> list[Offer]:
    """Offer the visits of the run that stands on the line."""
    told = _told(params)
    found = told.visits.values() if told is not None else ()
    return [(v.id, v.name) for v in found if v.id.startswith(incomplete)][:_MOST]


def _told(params: dict[str, Any]) -> Account | None:
    """Return what the trace of the run on the line tells; None if there is none."""
    from graphrt.cli.which import account_of, read_run
    from graphrt.errors import GraphrtError

    run = params.get("run")
    try:
        return account_of(read_run(run, _path(params))) if run else None
    except (GraphrtError, OSError):
        return None


def answers(params: dict[str, Any], incomplete: str) -> list[Offer]:
    """Offer the visits that ask something, and what may be answered."""
    told = _told(params)
    if told is None:
        return []
    waiting = [v for v in told.visits.values() if v.status == "waiting"]
    words: list[str] = params.get("words") or []
    named = [v for v in waiting if words and words[0] in {v.id, v.name, v.node.name}]
    offers = [] if named else [(v.id, v.question or v.name) for v in waiting]
    offers += [(a, v.name) for v in (named or (waiting if len(waiting) == 1 else [])) for a in v.answers]
    return [o for o in offers if o[0].startswith(incomplete)]


def targets(incomplete: str) -> list[str]:
    """Offer Python files and folders; behind `file.py:` the flows of that file."""
    place, colon, name = incomplete.rpartition(":")
    if colon and place.endswith(".py"):
        return [f"{place}:{n}" for n in _flows(Path(place)) if n.startswith(name)]
    folder, _, start = incomplete.rpartition("/")
    shown = f"{folder}/" if "/" in incomplete else ""
    try:
        entries = sorted(Path(shown or ".").iterdir())
    except OSError:
        return []
    found: list[str] = []
    for entry in entries:
        if not entry.name.startswith(start) or entry.name in _SKIPPED or (entry.name[0] == "." and not start):
            continue
        if entry.is_dir():
            found.append(f"{shown}{entry.name}/")
        elif entry.suffix == ".py":
            found.append(f"{shown}{entry.name}")
    return found[:_MOST]


def _flows(path: Path) -> Iterator[str]:
    """Yield the names in a file that look like flows: `name = Flow(…)`, and functions that say they return one."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, ValueError, SyntaxError):
        return
    for node in tree.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=made))
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.Call(func=made))
            ) if _is_flow(made):
                yield name
            case ast.FunctionDef(name=name, returns=ast.expr() as returned) if _is_flow(returned):
                yield name
            case _:
                pass


def _is_flow(node: ast.expr) -> bool:
    """Say if an expression names Flow or Graph, perhaps with a module before it or a type behind it."""
    if isinstance(node, ast.Subscript):
        node = node.value
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name in {"Flow", "Graph"}
