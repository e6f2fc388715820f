"""Calling the program in this process, in a folder of its own, as if its output went to a file."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from graphrt.cli import main
from graphrt.stores import open_store
from graphrt.stores.trace_files import write_trace
from graphrt.trace import Trace

FLOWS = Path(__file__).parent / "flows"
GOLDEN = Path(__file__).parent / "golden"


@dataclass(frozen=True)
class Ran:
    """What came of a call."""

    code: int
    out: str
    err: str


class Program:
    """The program, in a working folder."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def __call__(self, *args: str | Path) -> Ran:
        """Call it; what it prints is kept apart from what was printed before."""
        self._capsys.readouterr()
        try:
            code = main([str(a) for a in args])
        except SystemExit as ended:  # as the options end that only say something
            code = ended.code if isinstance(ended.code, int) else 1
        printed = self._capsys.readouterr()
        return Ran(code, printed.out, printed.err)

    def flow(self, name: str, change: tuple[str, str] | None = None, *, to: str | None = None) -> Path:
        """Put a file of flows into the folder, perhaps with a change in its text."""
        target = self.folder / (to or name)
        shutil.copy(FLOWS / name, target)
        if change is not None:
            text = target.read_text("utf-8")
            assert change[0] in text
            target.write_text(text.replace(*change), "utf-8")
        return target

    def file(self, name: str, trace: Trace) -> Path:
        """Write a trace file into the folder."""
        write_trace(self.folder / name, trace)
        return self.folder / name

    def keep(self, *traces: Trace) -> None:
        """Put runs into the default store of the folder."""
        for k, trace in enumerate(traces):
            ran = self("import", self.file(f".kept-{k}.jsonl", trace))
            assert ran.code == 0, ran.err
            (self.folder / f".kept-{k}.jsonl").unlink()

    def trace(self, run: str) -> Trace:
        """Return the trace of a run of the default store."""
        store = open_store(self.folder / ".graphrt/runs.db", create=False)
        try:
            return store.trace(run)
        finally:
            store.close()

    def contents(self) -> dict[str, str]:
        """Return what is in the folder, file by file, as hashes; a database by what it holds."""
        found: dict[str, str] = {}
        for path in sorted(self.folder.rglob("*")):
            if path.is_file() and not path.name.endswith(("-wal", "-shm", ".pyc")):
                content = _rows(path) if path.suffix == ".db" else path.read_bytes()
                found[str(path.relative_to(self.folder))] = hashlib.sha256(content).hexdigest()
        return found


def _rows(path: Path) -> bytes:
    """Return all that a database holds: its file changes also when only its write-ahead log is merged into it."""
    import sqlite3

    database = sqlite3.connect(path)
    try:
        if not path.read_bytes().startswith(b"SQLite format 3"):
            return path.read_bytes()
        return "\n".join(database.iterdump()).encode()
    finally:
        database.close()


def same_as_golden(name: str, text: str) -> None:
    """Compare with a golden file; `GRAPHRT_REDRAW=1` writes it anew instead, to be looked at in the diff."""
    path = GOLDEN / name
    if os.environ.get("GRAPHRT_REDRAW"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    assert path.read_text("utf-8") == text, f"{path} is not what is printed now; GRAPHRT_REDRAW=1 writes it again"
