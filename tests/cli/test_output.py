"""Where output goes that nobody takes: to closed streams, to a full disk, to a terminal that knows few characters."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli import scenes
from tests.cli.calling import Program
from tests.cli.processes import Held, environment

NEEDS_FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
COMMANDS = ["export run.jsonl", "render run.jsonl -f svg", "replay run.jsonl"]


def shell(folder: Path, command: str, redirection: str, **settings: str) -> subprocess.CompletedProcess[bytes]:
    """Call the program from a shell that leads its streams elsewhere."""
    line = f'exec "$0" -m graphrt {command} {redirection}'
    return subprocess.run(
        ["sh", "-c", line, sys.executable], cwd=folder, env=environment(**settings), capture_output=True, check=False
    )


@pytest.fixture
def folder(program: Program) -> Path:
    """A folder with a trace."""
    program.file("run.jsonl", scenes.completed())
    return program.folder


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_closed_streams_change_nothing(folder: Path, command: str, closed: str) -> None:
    """Without standard output or error a command does what it does, ends as it ends, and shows no traceback."""
    ran = shell(folder, command, closed)
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert bool(ran.stdout) == (closed == "2>&-")


def test_a_run_without_streams_goes_to_its_end(program: Program) -> None:
    """A run that was started without standard output and error is driven and kept like any other."""
    program.flow("longest.py")
    ran = shell(program.folder, "run longest.py --run-id unseen", ">&- 2>&-")
    assert ran.returncode == 0
    assert program("show", "unseen").code == 0


@NEEDS_FULL
@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_is_told_in_a_line(folder: Path, command: str) -> None:
    """What cannot be printed is told on standard error, with what is wrong and no number of an error."""
    ran = shell(folder, command, "> /dev/full")
    assert ran.returncode == 2
    assert ran.stderr.decode() == "graphrt: cannot go on: No space left on device\n"


@NEEDS_FULL
@pytest.mark.parametrize(
    ("options", "redirection", "says"),
    [
        pytest.param("", "2> /dev/full", "", id="progress"),
        pytest.param("", "> /dev/full 2> /dev/full", "", id="progress and result"),
        pytest.param("--quiet", "> /dev/full", "the result could not be printed", id="result"),
        pytest.param("--events", "> /dev/full", "the events could not all be written", id="events"),
        pytest.param("--events --json", "> /dev/full", "the events could not all be written", id="events and result"),
    ],
)
def test_a_full_disk_cuts_no_run_off(program: Program, options: str, redirection: str, says: str) -> None:
    """What shows a run has no effect on it: it goes to its end, and one line tells what was not written, and why."""
    program.flow("longest.py")
    ran = shell(program.folder, f"run longest.py --run-id unseen {options}", redirection)
    assert ran.returncode == 0
    said = ran.stderr.decode().splitlines()
    if says:
        assert said == [
            (
                f"graphrt: {says}: No space left on device; run unseen is completed all the same, see it with: graphrt"
                " show unseen"
            )
        ]
    else:
        assert not said
    assert "✓ completed" in program("show", "unseen").out


@NEEDS_FULL
@pytest.mark.parametrize("command", ["show none", "run", "run none.py", "nonsense"])
def test_a_mistake_that_cannot_be_told_is_still_one(folder: Path, command: str) -> None:
    """Where standard error takes nothing, the exit code says that a command was used wrongly."""
    ran = shell(folder, command, "2> /dev/full")
    assert (ran.returncode, ran.stdout) == (2, b"")


@pytest.mark.parametrize("options", [[], ["--events"], ["--quiet"]])
def test_a_terminal_that_is_closed_cuts_no_run_off(program: Program, options: list[str]) -> None:
    """A run whose terminal goes away meanwhile goes to its end, whatever was shown on it."""
    program.flow("held.py")
    held = Held(program.folder)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "graphrt", "run", "held.py:plain", "--run-id", "left", *options],
        cwd=program.folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    held.wait(process)
    os.close(ours)
    held.let_go()
    assert process.wait(30) == 0
    assert "✓ completed" in program("show", "left").out


def test_a_terminal_with_few_characters_gets_signs_like_them(folder: Path) -> None:
    """In an encoding that lacks them, our signs are printed as ASCII writes them, other characters as escapes."""
    ran = shell(folder, "show run.jsonl", "", PYTHONIOENCODING="ascii")
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert ran.stdout.isascii()
    assert b"+ completed" in ran.stdout
    assert b"\\u" not in ran.stdout
    drawn = shell(folder, "render run.jsonl", "", PYTHONIOENCODING="latin-1").stdout.decode("latin-1")
    assert "`-" in drawn
    assert "\\u" not in drawn


@pytest.mark.parametrize(
    "command",
    [
        "render run.jsonl -o made.svg",
        "render run.jsonl -o made.html",
        "render run.jsonl -o made.txt",
        "export run.jsonl -o made.jsonl",
        "export run.jsonl -f otlp -o made.json",
        "export run.jsonl -o made.perfetto",
        "run longest.py -q --store memory: --otel made.json",
    ],
)
@pytest.mark.parametrize("older", [True, False], ids=["older", "new"])
def test_a_full_disk_takes_no_older_file_away(program: Program, folder: Path, command: str, older: bool) -> None:
    """Where a file cannot be written whole, the older one stays, no half of a new one, and a line tells why."""
    program.flow("longest.py")
    made = folder / command.rsplit(maxsplit=1)[-1]
    if older:
        made.write_text("older")
    before = program.contents()
    limited = f'ulimit -f 1; exec "$0" -m graphrt {command}'
    settings = environment(PYTHONDONTWRITEBYTECODE="1")  # Python itself would leave halves
    ran = subprocess.run(
        ["sh", "-c", limited, sys.executable], cwd=folder, env=settings, capture_output=True, check=False
    )
    assert ran.returncode == (0 if command.startswith("run") else 2)
    assert b"File too large" in ran.stderr
    assert program.contents() == before
