"""`graphrt cancel`: at once where nobody drives the run, by asking where somebody does."""

from __future__ import annotations

from typing import Any

import pytest

from graphrt.events import RunCancelled, VisitCancelled
from tests.cli import scenes
from tests.cli.calling import Program
from tests.cli.processes import Held, start


@pytest.mark.parametrize("make", [scenes.suspended, scenes.cut_off, scenes.researched])
def test_a_run_that_nobody_drives_is_cancelled_at_once(program: Program, make: Any) -> None:
    """Suspended or cut off, it is on record as cancelled when the command returns, with who and why; no code needed."""
    trace = make()
    program.keep(trace)
    ran = program("cancel", "latest", "--by", "ada", "--reason", "the customer called")
    assert (ran.code, ran.out, ran.err) == (0, f"run {trace.header.run} is cancelled\n", "")
    last = program.trace(trace.header.run).records[-1]
    assert last.events[-1] == RunCancelled("ada", "the customer called")
    assert any(isinstance(e, VisitCancelled) for e in last.events)
    assert "■ cancelled" in program("runs").out


@pytest.mark.parametrize("make", [scenes.completed, scenes.failed, scenes.cancelled])
def test_a_run_that_has_ended_cannot_be_cancelled(program: Program, make: Any) -> None:
    """There is nothing to stop: one line says how it ended, and nothing is written."""
    trace = make()
    program.keep(trace)
    before = program.contents()
    ran = program("cancel", trace.header.run)
    status = {"sent": "completed", "broken": "failed", "stopped": "cancelled"}[trace.header.run]
    says = f"graphrt: run {trace.header.run} is {status} already; there is nothing to cancel\n"
    assert (ran.code, ran.out, ran.err) == (2, "", says)
    assert program.contents() == before


@pytest.mark.parametrize("in_time", [True, False])
def test_a_run_that_a_process_drives_is_asked_to_stop(program: Program, in_time: bool) -> None:
    """The process that drives it cancels its node and ends with 4; whoever asked learns whether it has stopped yet."""
    program.flow("held.py")
    hold = Held(program.folder)
    process = start(program.folder, "run", "held.py:" + ("plain" if in_time else "blocking"), "--run-id", "r1", "-q")
    try:
        hold.wait(process)
        ran = program("cancel", "r1", *([] if in_time else ["--wait", "2"]))
        if in_time:
            assert (ran.code, ran.out) == (0, "run r1 is cancelled\n")
        else:  # its node blocks the event loop, so it hears of nothing until that ends
            assert (ran.code, ran.out) == (1, "the process that drives run r1 was asked to stop it, and has not yet\n")
            hold.let_go()
        process.communicate(timeout=60)
        assert process.returncode == 4
    finally:
        process.kill()
        process.communicate()
    assert program.trace("r1").records[-1].events[-1] == RunCancelled()
