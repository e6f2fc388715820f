"""Graphviz behind one function: which program, what it refuses."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from pathlib import Path

import pytest

from graphrt_viz import layout
from graphrt_viz.errors import LayoutError


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Forget which program was found, before and after."""
    layout.dot_program.cache_clear()
    yield
    layout.dot_program.cache_clear()


def test_the_program_comes_with_a_python_distribution() -> None:
    """No system package is needed: the program stands in this environment."""
    assert Path(layout.dot_program()).stem == "graphviz-pure"


def test_a_configured_program_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """GRAPHRT_DOT names the program to use."""
    monkeypatch.setenv("GRAPHRT_DOT", "/opt/dot")
    assert layout.dot_program() == "/opt/dot"


def test_the_path_is_the_last_resort(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the distribution a `dot` on the PATH is used; without that the message says what to install."""

    def none(_distribution: str) -> None:
        return None

    monkeypatch.setattr(importlib.metadata, "files", none)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LayoutError, match="pip install graphviz-pure"):
        layout.dot_program()
    program = tmp_path / "dot"
    program.touch(mode=0o755)
    assert layout.dot_program() == str(program)


def test_a_program_that_cannot_start_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message holds the path that was tried."""
    monkeypatch.setenv("GRAPHRT_DOT", "/nowhere/dot")
    with pytest.raises(LayoutError, match="/nowhere/dot"):
        layout.run_dot("digraph {}", "json", nodes=0)


def test_what_graphviz_says_is_told() -> None:
    """A text that it cannot read gives an error with its own words."""
    with pytest.raises(LayoutError, match="ended with code"):
        layout.run_dot("digraph { a -> ", "json", nodes=1)
