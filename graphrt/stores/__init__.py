"""Where traces are kept: in memory, in JSON-lines files, in SQLite. `open_store` opens what a text names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from graphrt.errors import UseError

if TYPE_CHECKING:
    from graphrt.ports import Store

DEFAULT_PATH = ".graphrt/runs.db"
"""The store of a project, in its working folder."""


def open_store(spec: str | Path = DEFAULT_PATH, *, create: bool = True) -> Store:
    """Open the store that `spec` names; import only what that kind needs.

    `memory:`; `sqlite:PATH` (with `?synchronous=normal` for speed instead of safety from power cuts); `jsonl:PATH`; or
    a plain path: of a folder or a file `*.jsonl` for JSON lines, of any other file for SQLite. With `create=False` a
    store that does not exist is a fault, for whoever only wants to read.

    Raises:
        UseError: the spec names no kind of store.
        StoreFault: the store cannot be opened.
    """
    text = str(spec)
    kind, colon, rest = text.partition(":")
    if not colon or len(kind) == 1:  # a plain path, perhaps with a drive letter
        path = Path(text)
        kind = "jsonl" if path.suffix == ".jsonl" or path.is_dir() or text.endswith("/") else "sqlite"
        rest = text
    rest, _, option = rest.partition("?")
    if kind == "memory" and not rest and not option:
        from graphrt.stores.memory import MemoryStore  # noqa: PLC0415 - only what is needed

        return MemoryStore()
    if kind == "jsonl" and rest and not option:
        from graphrt.stores.jsonl import JsonlStore  # noqa: PLC0415 - only what is needed

        return JsonlStore(rest, create=create)
    if kind == "sqlite" and rest and option in {"", "synchronous=full", "synchronous=normal"}:
        from graphrt.stores.sqlite import SqliteStore  # noqa: PLC0415 - only what is needed

        return SqliteStore(rest, synchronous="normal" if option.endswith("normal") else "full", create=create)
    message = (
        f"{text!r} names no store; expected a path, 'memory:', 'jsonl:PATH', 'sqlite:PATH' or "
        "'sqlite:PATH?synchronous=normal'"
    )
    raise UseError(message, store=text)
