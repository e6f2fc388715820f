"""The program as a process of its own: started, held in the middle of a run, signalled, and seen on a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
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


class OnTerminal:
    """The program on a terminal of its own."""

    def __init__(
        self, args: list[str], folder: Path, *, term: str = "xterm-256color", size: tuple[int, int] = (80, 24)
    ) -> None:
        """Start it."""
        env = {**os.environ, "TERM": term, "COLUMNS": str(size[0]), "LINES": str(size[1])}
        ours, theirs = pty.openpty()
        self._fd = ours
        self._process = subprocess.Popen(
            [sys.executable, "-m", "graphrt", *args],
            cwd=folder,
            env=env,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - the terminal sends it Ctrl-C
        )
        os.close(theirs)
        self.seen = ""

    def until(self, text: str, again: str = "") -> str:
        """Read until a text is there, pressing the keys `again` each second; give what came since the last call."""
        new = ""
        pressed = time.monotonic()
        deadline = pressed + 30
        while text not in new:
            now = time.monotonic()
            assert now < deadline, f"{text!r} never came; came {new[-2000:]!r}"
            if again and now > pressed + 1:
                self.press(again)
                pressed = now
            if select.select([self._fd], [], [], 0.5)[0]:
                try:
                    new += os.read(self._fd, 65536).decode("utf-8", "replace")
                except OSError:
                    break
        self.seen += new
        return new

    def press(self, keys: str) -> None:
        """Send keys."""
        os.write(self._fd, keys.encode())

    def code(self) -> int:
        """Wait for its end, and close the terminal."""
        deadline = time.monotonic() + 30
        while self._process.poll() is None or select.select([self._fd], [], [], 0)[0]:
            assert time.monotonic() < deadline, f"it does not end; it showed {self.seen[-500:]!r}"
            if not select.select([self._fd], [], [], 0.1)[0]:
                continue
            try:
                self.seen += os.read(self._fd, 65536).decode("utf-8", "replace")
            except OSError:
                break
        return self._process.wait(30)

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.press("\x03")

    def leave(self) -> str:
        """Press Ctrl-C at the prompt until the program says goodbye; give what it says.

        A person presses again, and so has this to: a signal that comes after the prompt is shown and before Python's
        line editor waits for keys is not acted on before the next key.
        """
        self.interrupt()
        return self.until("go on with: ", again="\x03")

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End it, however it stands."""
        self._process.kill()
        self._process.wait()
        os.close(self._fd)
