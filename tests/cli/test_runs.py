"""`graphrt runs`: the list of the store, filtered and for programs."""

from __future__ import annotations

import json

import pytest

from tests.cli import scenes
from tests.cli.calling import Program, same_as_golden


@pytest.fixture
def full(program: Program) -> Program:
    """A store with a run of each kind."""
    program.keep(*(make() for make in (scenes.suspended, scenes.completed, scenes.failed, scenes.cancelled)))
    program.keep(scenes.cut_off(), scenes.researched())
    return program


def test_each_run_has_a_row(full: Program) -> None:
    """Newest first, with how it stands: what was cut off and what is due can be told from what runs and waits."""
    rows = full("runs").out.splitlines()
    assert "overdue since" in rows[-1] or "due 2026-11-25" in rows[-1]
    same_as_golden("runs.txt", "\n".join(row.partition("  due")[0].partition("  overdue")[0] for row in rows) + "\n")


@pytest.mark.parametrize(
    ("args", "runs"),
    [
        (("--status", "suspended"), ["study", "desk"]),
        (("--status", "running"), ["crashed"]),
        (("--flow", "research"), ["study"]),
        (("--flow", "nothing"), []),
        (("--limit", "2"), ["study", "crashed"]),
        (("--parent", "desk"), []),
        (("--limit", "0"), ["study", "crashed", "stopped", "broken", "sent", "desk"]),
    ],
)
def test_filters(full: Program, args: tuple[str, ...], runs: list[str]) -> None:
    """Each filter leaves what fits, newest first."""
    assert [r["run"] for r in json.loads(full("runs", *args, "--json").out)] == runs


def test_what_is_left_out_is_said(full: Program) -> None:
    """A list that was cut says how to see the rest; one that is empty says why."""
    assert full("runs", "-n", "2").err == "the newest 2; `--limit 0` lists all\n"
    assert full("runs", "--flow", "nothing").out == "no run fits\n"


def test_an_empty_store_says_how_to_begin(program: Program) -> None:
    """A store without runs says how to begin one."""
    program.keep(scenes.failed())
    (program.folder / "empty").mkdir()
    ran = program("runs", "--store", "empty/")
    assert (ran.code, ran.out) == (0, "the store has no runs yet; start one with `graphrt run TARGET`\n")
