"""A terminal that a person walks through a run on: single keys in, whole screens out.

Where keys cannot be read one by one (no POSIX terminal, a dumb one), the same commands are typed as lines.
"""

from __future__ import annotations

import codecs
import os
import re
import select
import shutil
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, TypeAlias

from graphrt.cli.screen import console, interactive, say

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from rich.text import Text

    from graphrt.cli.stepping import Stepping

    Draw: TypeAlias = Callable[[int, int, str | None], list[Text]]
    """Makes a screen of a width and a height; the text is what is being typed at its bottom."""

_KEYS: Final[Mapping[str, str]] = {
    "\x1b[A": "up",
    "\x1b[B": "down",
    "\x1b[C": "right",
    "\x1b[D": "left",
    "\x1bOA": "up",
    "\x1bOB": "down",
    "\x1bOC": "right",
    "\x1bOD": "left",
    "\x1b[H": "home",
    "\x1b[F": "end",
    "\x1bOH": "home",
    "\x1bOF": "end",
    "\x1b[1~": "home",
    "\x1b[4~": "end",
    "\x1b[7~": "home",
    "\x1b[8~": "end",
    "\x1b[5~": "page up",
    "\x1b[6~": "page down",
    "\r": "enter",
    "\n": "enter",
    " ": "space",
    "\t": "tab",
    "\x7f": "backspace",
    "\x08": "backspace",
    "\x04": "q",
    "\x1b": "escape",
}
"""What terminals send for keys that have no letter, and the command that it means."""
_SEQUENCE: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.)")
"""A key that is sent as several characters."""
_ENTER: Final = frozenset("\r\n")
_ERASE: Final = frozenset("\x7f\x08")
_ON: Final = "\x1b[?1049h\x1b[?25l\x1b[?7l"
"""Another screen than the one with the history, no cursor, and no line that goes on below."""
_OFF: Final = "\x1b[?7h\x1b[?25h\x1b[?1049l"
_LOOK_S: Final = 0.2
"""How often to look whether the size of the terminal has changed."""

_PAUSE_S: Final = 0.05
"""After an escape, how long to wait for the rest of the key that it begins."""


def play(stepping: Stepping) -> None:
    """Let a person walk through a run until they quit."""
    if interactive() and find_spec("termios") is not None:
        _by_keys(stepping)
    else:
        _by_lines(stepping)


def _by_lines(stepping: Stepping) -> None:
    going = True
    while going:
        width = max(40, shutil.get_terminal_size().columns)
        say("", f"{stepping.step.place} of {len(stepping.walk.steps)}", *stepping.lines(width))
        if stepping.note:
            say(stepping.note)
        try:
            given = input(f"replay {stepping.step.number}/{len(stepping.walk.steps)} (? for help)> ")
        except EOFError:
            return
        going = stepping.do(given)


# -- keys -------------------------------------------------------------------------------------------------------------


def _by_keys(stepping: Stepping) -> None:
    with _Terminal.taken() as terminal:
        going = True
        while going:
            key = terminal.key(stepping.screen)
            if key == "g":
                given = terminal.ask(stepping.screen, "go to: ")
                going = given is None or stepping.do(f"g {given}")
            elif key == "/":
                given = terminal.ask(stepping.screen, "/")
                going = given is None or stepping.do(f"/{given}")
            else:
                going = stepping.do(_KEYS.get(key, key))


class _Terminal:
    """Standard input and output as keys and screens."""

    def __init__(self) -> None:
        self._in = sys.stdin.fileno()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = ""

    @classmethod
    @contextmanager
    def taken(cls) -> Generator[_Terminal]:
        """Take the terminal over, and give it back as it was."""
        import termios
        import tty

        terminal = cls()
        before = termios.tcgetattr(terminal._in)
        try:
            tty.setcbreak(terminal._in)
            terminal._write(_ON)
            yield terminal
        finally:
            terminal._write(_OFF)
            termios.tcsetattr(terminal._in, termios.TCSADRAIN, before)

    def key(self, draw: Draw, asked: str | None = None) -> str:
        """Show the screen, and again when the size changes; return the next key as the terminal sends it."""
        size = None
        while True:
            if not self._pending and size != (now := shutil.get_terminal_size()):
                size = now
                self._show(draw(max(20, size.columns), max(8, size.lines), asked))
            if not self._pending and self._arrives(_LOOK_S):
                self._read()
            if self._pending and (key := self._next()) is not None:
                return key

    def ask(self, draw: Draw, prompt: str) -> str | None:
        """Let a line be typed at the bottom; None if it was given up."""
        typed = ""
        while True:
            key = self.key(draw, prompt + typed)
            if key in _ENTER:
                return typed
            if key in {"\x1b", "\x04"}:
                return None
            if key in _ERASE:
                if not typed:
                    return None
                typed = typed[:-1]
            elif key.isprintable():
                typed += key

    def _next(self) -> str | None:
        """Take one key off what was read; None if it is one that we do not know."""
        found = _SEQUENCE.match(self._pending)
        size = found.end() if found is not None else 1
        key, self._pending = self._pending[:size], self._pending[size:]
        return None if found is not None and key not in _KEYS else key

    def _read(self) -> None:
        data = os.read(self._in, 1024)
        if data == b"\x1b" and self._arrives(_PAUSE_S):
            data += os.read(self._in, 1024)
        self._pending += self._decoder.decode(data) if data else "\x04"

    def _arrives(self, within_s: float) -> bool:
        return bool(select.select([self._in], [], [], within_s)[0])

    def _show(self, rows: list[Text]) -> None:
        screen = console()
        with screen.capture() as frame:
            for row in rows:
                screen.print(row, soft_wrap=True)
        lines = frame.get().split("\n")[:-1]
        # Each line is cleared before it is written: behind a full line the cursor stands on its last cell.
        self._write("\x1b[H" + "\r\n".join(f"\x1b[2K{text}" for text in lines))

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()
