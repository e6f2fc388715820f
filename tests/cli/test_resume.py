"""`graphrt resume`, and what it goes on after: crashes, Ctrl-C, other processes, failures, changes, deadlines."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from graphrt.errors import StoreFault
from graphrt.events import AttemptLost
from graphrt.inputs import AttemptSucceeded
from graphrt.stores.sqlite import SqliteStore
from tests.cli.calling import Program
from tests.cli.flows import support
from tests.cli.processes import Held, Terminal, environment, start
from tests.cli.scenes import GOOD, TICKET, cancelled, completed, cut_off, suspended, suspended_now
from tests.cli.staged import Stage
from tests.cli.test_run import BREAKS, GREET, write


@contextmanager
def held(program: Program, flow: str, *args: str) -> Generator[tuple[subprocess.Popen[bytes], Held]]:
    """Run a flow of `held.py` in a process of its own, up to the middle of its work."""
    program.flow("held.py")
    hold = Held(program.folder)
    process = start(program.folder, "run", f"held.py:{flow}", "--run-id", "r1", *args)
    try:
        hold.wait(process)
        yield process, hold
    finally:
        process.kill()
        process.wait()
        for end in (process.stdout, process.stderr):
            if end is not None:
                end.close()


# -- crashes ----------------------------------------------------------------------------------------------------------


def test_a_killed_run_goes_on_and_repeats_nothing_that_has_a_result(program: Program) -> None:
    """After kill -9 a new process goes on; only the attempt that was cut off is made again, and is told as in doubt."""
    with held(program, "plain") as (process, hold):
        process.kill()
        process.communicate()
        hold.remove()
        assert "cut off" in program("runs").out
        before = program.trace("r1")

        again = start(program.folder, "resume", "r1")
        out, err = again.communicate()
        assert again.returncode == 0, err
        assert hold.effects() == ["before", "work", "work", "after"]
        assert "attempt 1 was cut off, its effect is not known; it runs again" in err.decode()
        assert "in doubt: attempt 1 of work (visit 1) was cut off" in out.decode()
        assert "attempt 1 was cut off: whether its effect took place is in doubt" in program("show", "r1").out

    after = program.trace("r1")
    assert list(after.records[: len(before.records)]) == list(before.records)
    ended = [r.input.visit for r in after.records if isinstance(r.input, AttemptSucceeded)]
    assert ended == ["0", "1", "2"]


def test_a_node_that_must_not_run_twice_is_asked_about(program: Program) -> None:
    """With `on_crash="ask"` the run is suspended after a crash, and says how to answer."""
    with held(program, "asking") as (process, hold):
        process.kill()
        process.communicate()
        hold.remove()
        ran = program("resume", "r1")
        assert ran.code == 3
        assert "answers: retry, fail" in ran.out
        assert "graphrt answer r1 1 ANSWER" in ran.out
        assert hold.effects() == ["before", "work"]


ONCE = """\
import os
from pathlib import Path

from pydantic import BaseModel

from graphrt import Flow


class Order(BaseModel):
    receipt: str = ""


flow = Flow("once", Order)


@flow.task(writes=flow.state.receipt, on_crash="fail")
async def pay() -> str:
    paid = Path("paid.txt")
    first = not paid.exists()
    with paid.open("a") as file:
        file.write("paid\\n")
    if first:
        os._exit(9)
    return "paid"
"""


def test_a_node_that_must_not_run_again_never_does(program: Program) -> None:
    """With `on_crash="fail"` no resume makes the attempt again; the command that would is named, and is a fork."""
    write(program, "once.py", ONCE)
    process = start(program.folder, "run", "once.py", "--run-id", "z")
    process.communicate()
    assert process.returncode == 9
    paid = program.folder / "paid.txt"
    for _ in range(2):
        ran = program("resume", "z")
        assert ran.code == 1
        assert "InDoubt: attempt 1 of 'pay'" in ran.out
        assert "graphrt fork z --at 0" in ran.out
        assert "graphrt resume z" not in ran.out
        assert paid.read_text() == "paid\n"
    assert program("fork", "z", "--at", "0").code == 0
    assert paid.read_text() == "paid\npaid\n"


def test_a_run_cut_off_elsewhere_goes_on(program: Program) -> None:
    """A trace that was imported goes on where its process died; in doubt is what had started."""
    program.flow("support.py")
    program.keep(cut_off())
    ran = program("resume", "crashed", "--json")
    told = json.loads(ran.out)
    assert (ran.code, told["status"]) == (3, "suspended")
    assert told["in_doubt"] == [{"visit": "4", "node": "draft", "attempt": 1}]
    assert [e.visit for e in program.trace("crashed").events() if isinstance(e, AttemptLost)] == ["4"]


# -- Ctrl-C -----------------------------------------------------------------------------------------------------------


def test_ctrl_c_leaves_a_run_that_can_be_resumed(program: Program) -> None:
    """The process ends at once with 130 and says how to go on; the run goes on from there, and is not cancelled."""
    with held(program, "plain") as (process, hold):
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out) == (130, b"")
        assert "stopped by Ctrl-C; go on with: graphrt resume r1" in err.decode()
        assert "in doubt: attempt 1 of work (visit 1)" in err.decode()
        assert b"Traceback" not in err
        hold.remove()
        assert program("resume", "r1").code == 0
        assert hold.effects() == ["before", "work", "work", "after"]


def test_a_second_ctrl_c_ends_a_process_that_hears_nothing(program: Program) -> None:
    """While a node holds the event loop the first signal can only be noted; the second ends the process.

    The command that goes on with the run is said, with its store.
    """
    with held(program, "blocking", "--store", "other.db") as (process, hold):
        assert process.stderr is not None
        process.send_signal(signal.SIGINT)
        for line in process.stderr:
            if line == b"stopping; Ctrl-C again stops at once\n":
                break
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        assert process.returncode == 130
        assert err == b"stopped at once; go on with: graphrt resume r1 --store other.db\n"
        hold.remove()
        assert program("resume", "r1", "--store", "other.db").code == 0


def test_a_polite_kill_is_taken_like_ctrl_c(program: Program) -> None:
    """SIGTERM leaves the run in order, with the exit code of a process that was told to end."""
    with held(program, "speaking") as (process, hold):
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
        assert process.returncode == 143
        assert "stopped by SIGTERM; go on with: graphrt resume r1" in err.decode()
        hold.remove()
        assert program("resume", "r1").code == 0


# -- surroundings that fail -------------------------------------------------------------------------------------------


def test_a_store_that_fails_in_the_middle_stops_the_run(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit code says that the run did not end well, the fault is told, and the run goes on once it is mended."""
    program.flow("held.py")
    whole, calls = SqliteStore.append, list[int]()

    def append(self: SqliteStore, *args: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise StoreFault("the disk is full; free some space")
        return whole(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(SqliteStore, "append", append)
        ran = program("run", "held.py:plain", "--run-id", "r1")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.splitlines()[-2:] == [
        "graphrt: the disk is full; free some space",
        "run r1 stopped where it was; go on with: graphrt resume r1",
    ]
    assert program("resume", "r1").code == 0


@pytest.mark.parametrize("how", ["--events", "--json", "--quiet", "progress"])
def test_a_run_that_nobody_reads_any_more_goes_on_to_its_end(program: Program, how: str) -> None:
    """Closing the pipe loses what would have been told, and nothing else: no traceback, the run's own exit code."""
    with held(program, "plain", *([] if how == "progress" else [how])) as (process, hold):
        assert process.stdout is not None
        assert process.stderr is not None
        if how == "--events":
            assert json.loads(process.stdout.readline())["type"] == "run_started"
        process.stdout.close()
        if how == "progress":
            process.stderr.close()
        hold.let_go()
        assert process.wait(timeout=20) == 0
        if how == "--events":
            assert process.stderr.read() == b""
        elif how != "progress":
            assert b"Error" not in process.stderr.read()
        assert hold.effects() == ["before", "work", "after"]
        assert json.loads(program("show", "r1", "--json").out)["status"] == "completed"


# -- two processes ----------------------------------------------------------------------------------------------------


def test_only_one_process_drives_a_run(program: Program) -> None:
    """A second one is refused with the number and host of the first; the run goes on undisturbed."""
    with held(program, "plain") as (process, hold):
        ran = program("resume", "r1")
        assert (ran.code, ran.out) == (2, "")
        host = os.uname().nodename
        assert ran.err == (
            f"graphrt: run 'r1' is being driven by process {process.pid} on {host}; wait for it, or cancel it\n"
        )
        hold.let_go()
        process.communicate()
        assert process.returncode == 0
    assert hold.effects() == ["before", "work", "after"]


def test_a_run_that_another_process_cancels_says_so(program: Program) -> None:
    """The exit code is 4, and the run can be resumed all the same."""
    with held(program, "plain") as (process, hold):
        assert program("cancel", "r1", "--by", "ada").code == 0
        out, _ = process.communicate(timeout=20)
        assert process.returncode == 4
        assert "■ cancelled by ada" in out.decode()
        assert "goes on all the same" in out.decode()
        hold.remove()
        assert program("resume", "r1").code == 0


# -- on a terminal ----------------------------------------------------------------------------------------------------


@contextmanager
def on_terminal(folder: Path, *args: str) -> Generator[tuple[subprocess.Popen[bytes], int]]:
    """Start the program on a terminal of 80 columns and 24 rows; give the process and the terminal's other side."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = ["graphrt", *args]
    process = subprocess.Popen(
        [os.sys.executable, "-m", *command],  # type: ignore[attr-defined]  # os imports it
        cwd=folder,
        env=environment(),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    try:
        yield process, master
    finally:
        process.kill()
        process.wait()
        os.close(master)


def read_until(master: int, text: str | None) -> str:
    """Read what the program writes until a text comes, or to its end."""
    got = b""
    while text is None or text.encode() not in got:
        try:
            more = os.read(master, 65536)
        except OSError:  # its other side was closed
            more = b""
        if not more:
            assert text is None, f"the program ended without saying {text!r}: {got!r}"
            break
        got += more
    return got.decode()


def test_a_live_region_leaves_no_garbage_on_a_terminal(program: Program) -> None:
    """While a node works, the terminal shows it, its words and the time; at the end only lines and result are left."""
    program.flow("held.py")
    hold = Held(program.folder)
    with on_terminal(program.folder, "run", "held.py:speaking", "--run-id", "r1") as (process, master):
        hold.wait(process)
        got = read_until(master, "the end")
        got += read_until(master, "Ctrl-C stops")
        screen = Terminal(80)
        screen.feed(got)
        assert not screen.cursor
        hold.let_go()
        got += read_until(master, None)
        assert process.wait() == 0

    assert re.search(r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] ", got)
    assert "\\x1b[31mthe end" in got, "control characters of a model are shown, not sent"
    screen = Terminal(80)
    screen.feed(got)
    assert screen.cursor
    lines = [re.sub(r" +(?:<1 ms|\d+(?:\.\d)? (?:ms|s))(?=$|  )", " <time>", line) for line in screen.lines]
    assert lines == [
        "run r1 of speaking",
        "STEP  VISIT  NODE",
        '1     0      before      ✓ completed <time>  log = "before"  → work',
        "a node prints",
        '2     1      work        ✓ completed <time>  log = "work"  → after',
        '3     2      after       ✓ completed <time>  log = "after"',
        "",
        '  log  ["before", "work", "after"]',
        re.sub(r"\S+ \S+$", "<time>", "✓ completed  3 visits · 1 s"),
        "graphrt render r1 -o r1.svg  draws it on its flow",
        "graphrt show r1              every step",
        "",
    ]


def test_ctrl_c_on_a_terminal_gives_it_back_whole(program: Program) -> None:
    """The live region is gone, the cursor is back, and the last words say how to go on."""
    program.flow("held.py")
    hold = Held(program.folder)
    with on_terminal(program.folder, "run", "held.py:plain", "--run-id", "r1") as (process, master):
        hold.wait(process)
        got = read_until(master, "Ctrl-C stops")
        process.send_signal(signal.SIGINT)
        got += read_until(master, None)
        assert process.wait() == 130
    screen = Terminal(80)
    screen.feed(got)
    assert screen.cursor
    assert screen.lines[-3:] == [
        "stopped by Ctrl-C; go on with: graphrt resume r1",
        "  in doubt: attempt 1 of work (visit 1)",
        "",
    ]
    assert not any("Ctrl-C stops" in line for line in screen.lines)


def test_a_second_ctrl_c_on_a_terminal_shows_the_cursor_again(program: Program) -> None:
    """However the process ends, the terminal can be used as before."""
    program.flow("held.py")
    hold = Held(program.folder)
    with on_terminal(program.folder, "run", "held.py:blocking", "--run-id", "r1") as (process, master):
        hold.wait(process)
        got = read_until(master, "Ctrl-C stops")
        process.send_signal(signal.SIGINT)
        got += read_until(master, "Ctrl-C again stops at once")
        process.send_signal(signal.SIGINT)
        got += read_until(master, None)
        assert process.wait() == 130
    screen = Terminal(80)
    screen.feed(got)
    assert screen.cursor
    assert screen.lines[-2:] == ["stopped at once; go on with: graphrt resume r1", ""]


# -- failures and changes ---------------------------------------------------------------------------------------------


def test_a_failed_run_goes_on_once_its_code_is_mended(program: Program) -> None:
    """The failed node gets new attempts with the code of today; what had a result is not done again."""
    write(program, "breaks.py", BREAKS)
    assert program("run", "breaks.py", "--run-id", "r1").code == 1
    write(program, "breaks.py", BREAKS.replace("raise ValueError(f", "return str(f"))
    ran = start(program.folder, "resume", "r1", "--json")
    out, err = ran.communicate()
    assert ran.returncode == 0, err
    assert json.loads(out)["state"] == {"n": 7, "text": "7 is\x1b[2J not enough"}
    assert (program.folder / "effects.txt").read_text() == "first\n"
    assert "goes on: it had failed" in err.decode()


def test_a_flow_that_was_changed_is_refused_unless_that_is_allowed(program: Program) -> None:
    """The digest tells; what to do is said, and the past stays as it is recorded."""
    program.flow("support.py", ("< 0.8", "< 0.7"))
    program.keep(suspended_now())
    before = program.contents()
    ran = program("resume", "desk")
    assert (ran.code, ran.out) == (2, "")
    assert re.match(r"graphrt: flow 'support' has changed since run desk \(then \w{7}, now \w{7}\): ", ran.err)
    assert "(guard: score < 0.8 → score < 0.7); see `graphrt replay desk --verify`" in ran.err
    assert "`graphrt resume desk --allow-changed` goes on all the same" in ran.err
    assert program.contents() == before
    assert program("resume", "desk", "--allow-changed").code == 3


def test_a_cancelled_run_can_be_resumed(program: Program) -> None:
    """It asks its question again."""
    program.flow("support.py")
    program.keep(cancelled())
    ran = program("resume", "stopped")
    assert ran.code == 3
    assert "goes on: it was cancelled" in ran.err
    assert "approve (visit 6) asks: Send this answer?" in ran.out


# -- which run, and which code ----------------------------------------------------------------------------------------


def test_the_target_of_a_run_is_remembered_and_can_be_said_anew(program: Program) -> None:
    """Without a target that still leads to the flow, `--target` says where it is now."""
    program.flow("support.py", to="moved.py")
    program.keep(suspended_now())
    ran = program("resume", "desk")
    assert (ran.code, ran.out) == (2, "")
    assert "run desk began with support.py:flow: there is no file support.py" in ran.err
    assert program("resume", "desk", "--target", "moved.py").code == 3


WRONG = [
    pytest.param(
        ["sent"],
        "run sent has completed, nothing of it is left to be done; `graphrt show sent` shows it",
        id="completed",
    ),
    pytest.param(["nope"], "the store has no run 'nope'; `graphrt runs` lists those it has", id="unknown"),
    pytest.param(["dask"], "the store has no run 'dask'; did you mean desk?", id="misspelt"),
    pytest.param([], "name the run to go on with, or say --due for all whose time has come", id="none"),
    pytest.param(["desk", "--due"], "name the run to go on with, or say --due for all whose time has come", id="both"),
    pytest.param(
        ["lost"], "run lost does not say where its flow 'support' is; say it: --target file.py:name", id="no target"
    ),
    pytest.param(
        ["desk", "--target", "greet.py"],
        "run desk is of flow 'support', but greet.py:flow is flow 'greet'",
        id="other flow",
    ),
    pytest.param(["desk", "--store", "none.db"], "there is no store at none.db; run a flow first", id="no store"),
    pytest.param(["desk", "--max-cost", "x"], "invalid value for '--max-cost'", id="no limit"),
]


@pytest.mark.parametrize(("args", "says"), WRONG)
def test_what_cannot_be_resumed_is_told_and_nothing_happens(program: Program, args: list[str], says: str) -> None:
    """One line, exit code 2, and the store is as it was."""
    program.flow("support.py")
    write(program, "greet.py", GREET)
    program.keep(suspended(), completed(), Stage(support.flow.freeze(), GOOD, run="lost").start(TICKET).trace)
    before = program.contents()
    ran = program("resume", *(args or ["-q"]))
    assert (ran.code, ran.out) == (2, "")
    assert len(ran.err.splitlines()) == 1
    assert says in ran.err
    assert program.contents() == before


# -- deadlines --------------------------------------------------------------------------------------------------------


def asked(run: str, hours_ago: float, target: str | None = "support.py:flow") -> Stage:
    """A question that was put some hours ago; it waits for 24 hours."""
    stage = Stage(support.flow.freeze(), GOOD, run=run, target=target)
    stage.now = time.time() - hours_ago * 3600
    return stage.start(TICKET)


def test_due_resumes_every_run_whose_deadline_has_passed(program: Program) -> None:
    """Each is told with its own result, the others are left alone, and the exit code is the gravest."""
    program.flow("support.py")
    program.keep(asked("old", 30).trace, asked("older", 40).trace, asked("young", 1).trace)
    ran = program("resume", "--due", "--json")
    told = {line["run"]: line for line in map(json.loads, ran.out.splitlines())}
    assert ran.code == 1
    assert {run: line["error"]["type"] for run, line in told.items()} == {
        "old": "DeadlinePassed",
        "older": "DeadlinePassed",
    }
    assert len(program.trace("young").records) == len(asked("young", 1).records)
    assert program("resume", "--due").out == "no run is due\n"


def test_a_due_run_that_cannot_go_on_does_not_hold_up_the_others(program: Program) -> None:
    """What is wrong with one is told; the others go on."""
    program.flow("support.py")
    program.keep(asked("gone", 30, target="gone.py:flow").trace, asked("old", 30).trace)
    ran = program("resume", "--due")
    assert ran.code == 1
    assert "run gone began with gone.py:flow: there is no file gone.py" in ran.err
    assert "DeadlinePassed" in ran.out
