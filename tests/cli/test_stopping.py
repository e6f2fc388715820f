"""Ctrl-C and SIGTERM where no run is driven: one line, the exit code, and a terminal as it was."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest

from tests.cli import scenes
from tests.cli.calling import Program
from tests.cli.processes import OnTerminal, environment, start

Open = Callable[..., OnTerminal]

LOOKS = "`graphrt runs` tells"
WRITING = [
    pytest.param(("prune", "--older-than", "1s", "--status", "suspended", "--yes"), f"{LOOKS} what was deleted"),
    pytest.param(("delete", "desk", "--yes", "--unfinished"), f"{LOOKS} what was deleted"),
    pytest.param(("cancel", "desk"), f"{LOOKS} whether run desk is cancelled"),
    pytest.param(("answer", "desk", "send"), "`graphrt runs` marks a run whose answer is stored"),
    pytest.param(("import", "sent.jsonl"), f"{LOOKS} what was imported"),
]
BOTH = pytest.mark.parametrize(
    ("number", "name", "code"), [(signal.SIGINT, "Ctrl-C", 130), (signal.SIGTERM, "SIGTERM", 143)]
)


@contextmanager
def locked(program: Program) -> Generator[sqlite3.Connection]:
    """Let another program write to the store, so that whoever else wants to has to wait."""
    database = sqlite3.connect(program.folder / ".graphrt/runs.db", isolation_level=None)
    try:
        database.execute("begin immediate")
        yield database
    finally:
        database.close()


def waits_for_the_store(process: subprocess.Popen[bytes]) -> None:
    """Wait until a process has handed its work to the thread that writes, and that thread waits for the lock."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        with open(f"/proc/{process.pid}/status", encoding="ascii") as status:  # noqa: PTH123 - of the system
            if any(row.split() == ["Threads:", "2"] for row in status):
                return
        time.sleep(0.02)


def insist(shown: OnTerminal, stop: Callable[[], None]) -> None:
    """Stop it, again and again as a person would: what comes just before a line editor waits is not acted on then."""
    while shown._process.poll() is None:
        stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            shown._process.wait(0.5)


@BOTH
@pytest.mark.parametrize(("command", "says"), WRITING)
def test_a_command_that_waits_for_the_store_says_that_it_was_stopped(
    program: Program, command: tuple[str, ...], says: str, number: signal.Signals, name: str, code: int
) -> None:
    """One line names what stopped it, and the command that tells how far it came."""
    program.flow("support.py")
    program.keep(scenes.suspended())
    program.file("sent.jsonl", scenes.completed())
    with locked(program) as database:
        process = start(program.folder, *command)
        waits_for_the_store(process)
        process.send_signal(number)
        time.sleep(0.2)  # the store stays locked until the signal has come
        database.execute("commit")
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err.decode()) == (code, b"", f"stopped by {name}; {says}\n")


@pytest.mark.parametrize(
    ("keys", "says"),
    [("\x03", "stopped by Ctrl-C; nothing was {}"), ("\x04", "nothing was {}")],
    ids=["Ctrl-C", "Ctrl-D"],
)
@pytest.mark.parametrize(
    ("command", "done"), [("answer", "answered; the question stays open"), ("delete", "deleted")], ids=str
)
def test_who_gives_up_where_they_are_asked_is_told_that_nothing_was_done(
    program: Program, terminal: Open, command: str, done: str, keys: str, says: str
) -> None:
    """At the prompt of `answer` or `delete`, Ctrl-C and Ctrl-D change nothing, and a line of its own says so."""
    program.keep(scenes.suspended())
    before = program.contents()
    asked = terminal(command, "desk", *(["--unfinished"] if command == "delete" else []))
    asked.until(")> ")
    insist(asked, lambda: asked.press(keys))
    assert asked.code() == 130
    assert f"\n{says.format(done)}\r\n" in asked.seen
    assert program.contents() == before


LOADS = """
import sys

class Interrupted:
    def find_spec(self, name, *_):
        if name == sys.argv[1]:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupted())
import runpy
runpy.run_module("graphrt", run_name="__main__")
"""


@pytest.mark.parametrize("module", ["graphrt.cli", "graphrt.cli.app", "graphrt.cli.commands.show"])
def test_ctrl_c_while_the_program_is_loaded(program: Program, module: str) -> None:
    """From the first of our modules on, Ctrl-C ends the program with its exit code, and without a traceback."""
    command = [sys.executable, "-c", LOADS, module]
    ran = subprocess.run(command, cwd=program.folder, env=environment(), capture_output=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, b"", b"")


@pytest.mark.parametrize("options", [(), ("--plain",)], ids=["app", "plain"])
def test_the_polite_kill_of_a_walk_gives_the_terminal_back(
    program: Program, terminal: Open, options: tuple[str, ...]
) -> None:
    """SIGTERM ends `graphrt replay` with 143: the screen with the history, cursor, mouse and keys are as they were."""
    if not options:
        pytest.importorskip("textual")
    walked = terminal("replay", str(program.file("run.jsonl", scenes.suspended())), *options)
    before = termios.tcgetattr(walked._fd)
    walked.until("quit")
    assert termios.tcgetattr(walked._fd) != before
    walked._process.send_signal(signal.SIGTERM)
    assert walked.code() == 143
    for mode in (1049, 1000, 1003, 1006, 2004):
        assert walked.seen.rfind(f"\x1b[?{mode}l") >= walked.seen.rfind(f"\x1b[?{mode}h"), f"{mode} is left on"
    assert walked.seen.rfind("\x1b[?25h") > walked.seen.rfind("\x1b[?25l"), "the cursor is hidden"
    assert walked.seen.rstrip().endswith("stopped by SIGTERM")
    assert termios.tcgetattr(walked._fd) == before


TALK = """
import asyncio
from graphrt import Agent, single
from graphrt.testing import ScriptedModel, Turn

flow = single(Agent("Talk.", name="talker"), name="talk")

def graphrt_resources():
    slow = Turn.say("slowly ", *["and on "] * 2000, delay_s=0.02)
    return [ScriptedModel([slow], sleep=asyncio.sleep)]
"""
"""A conversation with a model of the command line, which is closed when it ends."""


@pytest.mark.parametrize("said", [(), ("slow",)], ids=["at the prompt", "in a turn"])
def test_the_polite_kill_of_a_conversation_is_no_mistake(
    program: Program, terminal: Open, said: tuple[str, ...]
) -> None:
    """SIGTERM ends `graphrt chat` with 143 wherever it is, after its models were closed, and shows no traceback."""
    (program.folder / "talk.py").write_text(TALK, "utf-8")
    talked = terminal("chat", "talk.py", "-c", "t", *said)
    talked.until("slowly and" if said else "you> ")
    insist(talked, lambda: talked._process.send_signal(signal.SIGTERM))
    assert talked.code() == 143
    assert "Traceback" not in talked.seen


@BOTH
def test_a_piped_conversation_that_is_stopped_in_a_turn(
    program: Program, number: signal.Signals, name: str, code: int
) -> None:
    """Without a terminal too, the exit code is that of the signal, and there is no traceback."""
    del name
    (program.folder / "talk.py").write_text(TALK, "utf-8")
    process = start(program.folder, "chat", "talk.py", "slow", "-c", "t", "--json")
    assert process.stdout is not None
    said = b""
    while b"slowly" not in said:
        said += process.stdout.read1()  # type: ignore[attr-defined]  # it is buffered
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert b"Traceback" not in err
