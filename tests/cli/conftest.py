"""The program as every test of the command line meets it: the same width, zone and colours on every machine."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.calling import Program
from tests.cli.processes import OnTerminal


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Program]:
    """The program in an empty folder; nothing of this machine's settings reaches it, no model least of all."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in (
        "GRAPHRT_STORE",
        "GRAPHRT_MODEL",
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "FORCE_COLOR",
        "TTY_COMPATIBLE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    path, modules = list(sys.path), set(sys.modules)
    yield Program(folder, capsys)
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]  # another test has a file of the same name
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def terminal(program: Program) -> Iterator[Callable[..., OnTerminal]]:
    """Opens terminals that end with the test."""
    opened: list[OnTerminal] = []

    def open_(*args: str, term: str = "xterm-256color") -> OnTerminal:
        opened.append(OnTerminal(list(args), program.folder, term=term))
        return opened[-1]

    yield open_
    for one in opened:
        one.close()
