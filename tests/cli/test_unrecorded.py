"""A run of which nothing is on record: its process died between its first line in the store and its first record."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli import scenes
from tests.cli.calling import Program
from tests.cli.processes import environment

DIES = """
import os, sys
from graphrt.stores.jsonl import JsonlStore
from graphrt.stores.sqlite import SqliteStore
for store in (JsonlStore, SqliteStore):
    store.append = lambda *_, **__: os.kill(os.getpid(), 9)
from graphrt.cli import main
main(["run", "support.py", "--run-id", "desk", "-i", "hello", "--store", sys.argv[1]])
"""
HINT = "was cut off before anything of it was on record; run the flow again (--run-id desk if it is to have this id)"


@pytest.fixture(params=["runs.db", "runs/"])
def store(request: pytest.FixtureRequest, program: Program) -> str:
    """A store with such a run."""
    program.flow("support.py")
    where: str = request.param
    command = [sys.executable, "-c", DIES, where]
    died = subprocess.run(command, cwd=program.folder, env=environment(), capture_output=True, check=False)
    assert died.returncode == -9, died.stderr
    return where


def test_it_is_shown_as_it_is(program: Program, store: str) -> None:
    """`show` says that nothing is on record yet and what can be done, in the list, as a tree and as JSON."""
    for options in ((), ("--tree",)):
        ran = program("show", "desk", "--store", store, *options)
        assert (ran.code, ran.err) == (0, "")
        assert "run desk of support  ! cut off" in ran.out
        assert HINT in ran.out
        assert f"graphrt delete desk --unfinished --store {store}" in ran.out
        assert "resume" not in ran.out
    assert '"visits": []' in program("show", "desk", "--json", "--store", store).out


def test_a_file_of_it_is_shown(program: Program, store: str) -> None:
    """It can be exported, and the file shown: nothing is on record yet."""
    assert program("export", "desk", "-o", "desk.jsonl", "--store", store).code == 0
    ran = program("show", "desk.jsonl")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.endswith("nothing is on record yet\n")


@pytest.mark.parametrize("command", [("cancel", "desk"), ("resume", "desk")])
def test_it_can_be_neither_cancelled_nor_resumed(program: Program, store: str, command: tuple[str, str]) -> None:
    """One line says why there is nothing to be done with it, and what there is: another run, or forgetting it."""
    ran = program(*command, "--store", store)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"graphrt: run desk {HINT}, or forget it: graphrt delete desk --unfinished")
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("why", "desk"), 2),
        (("why", "desk", "draft"), 2),
        (("answer", "desk", "send"), 2),
        (("fork", "desk", "--at", "draft"), 2),
        (("replay", "desk"), 0),
        (("replay", "desk", "--verify"), 0),
        (("stats", "desk"), 0),
        (("render", "desk"), 0),
        (("diff", "desk", "desk"), 0),
        (("delete", "desk", "--yes", "--unfinished"), 0),
    ],
)
def test_every_other_command_takes_it_or_says_no(
    program: Program, store: str, command: tuple[str, ...], code: int
) -> None:
    """What can be done with it is done, all else is refused in a line."""
    ran = program(*command, "--store", store)
    assert ran.code == code
    assert ran.err.count("\n") <= 1


def test_it_makes_room_for_a_run_of_its_id(program: Program, store: str) -> None:
    """A trace file with its id can be imported, as a new run could have its id."""
    ran = program("import", program.file("other.jsonl", scenes.suspended()), "--store", store)
    assert (ran.code, ran.err) == (0, "")
    assert "? suspended" in program("show", "desk", "--store", store).out
