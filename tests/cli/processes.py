"""The program as a process of its own: started, held in the middle of a run, signalled, and seen on a terminal."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_WRAPPED: Final = re.compile(r"\x1b\[(\??[\d;]*)([A-Za-z])|\x1b[=>]|[\s\S]")


def environment(**more: str) -> dict[str, str]:
    """Return the settings of a process of the program: none of this machine's own."""
    cleared = {
        "GRAPHRT_STORE",
        "GRAPHRT_MODEL",
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "NO_COLOR",
        "FORCE_COLOR",
        "COLUMNS",
        "LINES",
    }
    kept = {name: value for name, value in os.environ.items() if name not in cleared}
    path = os.pathsep.join((str(ROOT), str(ROOT / "viz")))
    return {**kept, "PYTHONPATH": path, "TZ": "UTC", "TERM": "xterm-256color", **more}


def start(
    folder: Path, *args: str, out: int = subprocess.PIPE, stdin: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    """Start the program in a folder."""
    command = [sys.executable, "-m", "graphrt", *args]
    return subprocess.Popen(command, cwd=folder, env=environment(), stdin=stdin, stdout=out, stderr=out)


class Held:
    """The pipes by which work of `flows/held.py` is held."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        os.mkfifo(folder / "reached")
        os.mkfifo(folder / "go")

    def wait(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until the work of a process is in its middle."""
        end = os.open(self.folder / "reached", os.O_RDONLY | os.O_NONBLOCK)
        try:
            waiting = select.poll()
            waiting.register(end, select.POLLIN)
            while not waiting.poll(100):
                assert process.poll() is None, "the process ended before its work was in the middle"
            assert os.read(end, 100) == b"work"
        finally:
            os.close(end)

    def let_go(self) -> None:
        """Let it go on."""
        (self.folder / "go").write_text("on")

    def remove(self) -> None:
        """Let nothing be held from here on."""
        (self.folder / "reached").unlink()
        (self.folder / "go").unlink()

    def effects(self) -> list[str]:
        """Return what has begun so far."""
        return (self.folder / "effects.txt").read_text().split()


class Terminal:
    """What a terminal shows after it was sent some bytes; it knows what a live region needs, and no more."""

    def __init__(self, width: int = 80) -> None:
        self.rows: list[list[str]] = [[]]
        self.at: tuple[int, int] = (0, 0)
        self.width = width
        self.cursor = True
        """Whether the cursor is shown."""

    def feed(self, text: str) -> None:
        """Take what was sent."""
        for found in _WRAPPED.finditer(text):
            if found[2] is not None:
                self._control(found[1], found[2])
            else:
                self._character(found[0])

    @property
    def lines(self) -> list[str]:
        """Return the lines, without what cannot be seen at their ends."""
        return ["".join(row).rstrip() for row in self.rows]

    def _control(self, numbers: str, what: str) -> None:
        row, column = self.at
        if what in "lh" and numbers == "?25":
            self.cursor = what == "h"
        elif what == "A":
            assert row >= int(numbers or 1), "the cursor is moved above the screen"
            self.at = (row - int(numbers or 1), column)
        elif what == "K":
            assert numbers == "2", "only whole lines are erased"
            self.rows[row] = []
        else:
            assert what == "m", f"a terminal of a test does not know {numbers}{what}"

    def _character(self, character: str) -> None:
        row, column = self.at
        if character == "\n":
            self.at = (row + 1, 0)
            if row + 1 == len(self.rows):
                self.rows.append([])
        elif character == "\r":
            self.at = (row, 0)
        else:
            assert character.isprintable(), f"the control character {character!r} reaches the terminal"
            assert column < self.width, f"a line is wider than the terminal: {''.join(self.rows[row])!r}"
            line = self.rows[row]
            line += [" "] * (column + 1 - len(line))
            line[column] = character
            self.at = (row, column + 1)
