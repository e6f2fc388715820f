"""Whether the owner of a run still lives, told by its name alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from graphrt.stores import owner

ROOT = Path(__file__).parents[2]
NAME = "from graphrt.stores.owner import new_owner; print(new_owner(), flush=True); input()"


def _started() -> tuple[subprocess.Popen[str], str]:
    """Start a process that waits for a line; return it with its name."""
    process = subprocess.Popen(
        [sys.executable, "-c", NAME], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_names_are_of_one_store_each() -> None:
    """Two stores of one process are two owners."""
    assert owner.new_owner() != owner.new_owner()


def test_this_process_lives() -> None:
    """The name of a living process is not dead."""
    assert not owner.is_dead(owner.new_owner())


def test_a_killed_process_is_dead_before_and_after_its_parent_has_noticed() -> None:
    """A process that was killed owns nothing from then on, also while nobody has asked for its exit code."""
    process, name = _started()
    try:
        assert not owner.is_dead(name)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and stays a zombie
        assert owner.is_dead(name)
    finally:
        process.kill()
        process.communicate()
    assert owner.is_dead(name)


def test_a_number_that_was_used_again_is_another_process() -> None:
    """A living process with the number of a dead one is told apart by its start."""
    place, pid, started, token = owner.new_owner().rsplit(" ", 3)
    assert owner.is_dead(f"{place} {pid} {int(started) - 1} {token}")


@pytest.mark.parametrize("name", ["elsewhere/boot/1 1 1 x", "", "x", "a b c d", "/ 99999999 1 x"])
def test_what_cannot_be_known_from_here_is_not_dead(name: str) -> None:
    """Owners of other machines, and names that make no sense, are left to the time of their leases."""
    assert not owner.is_dead(name)


@pytest.mark.parametrize("number", ["0", "-1", "9" * 30, "1e3", "²"])
def test_strange_numbers_do_no_harm(number: str) -> None:
    """No text in a store sends a signal to anybody or raises."""
    place = owner.new_owner().rsplit(" ", 3)[0]
    assert owner.is_dead(f"{place} {number} - x") in {True, False}
