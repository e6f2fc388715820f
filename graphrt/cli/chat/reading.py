"""Where what is said comes from: a person with a line editor, or the lines of a pipe."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final, Protocol

from graphrt.cli.screen import console
from graphrt.errors import UseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TextIO

_MOST: Final = 4 * 1024 * 1024
"""Characters of a message at most."""


class Reader(Protocol):
    """Gives what is said, piece by piece."""

    is_person: bool
    """Whether somebody is there who can be asked."""

    def read(self, prompt: str) -> str:
        """Return the next line.

        Raises:
            EOFError: nothing more will be said.
            UseError: it is no text; the next line may be.
        """
        ...


class Person:
    """A person at a terminal, who can edit a line, and bring back what was said before with the arrow keys."""

    is_person = True

    def __init__(self, said: Iterable[str], commands: Sequence[str]) -> None:
        """Begin with what was said so far, and the commands that the tab key completes."""
        self._editor = _editor(said, commands)
        self._bold = console().color_system is not None and not console().no_color

    def read(self, prompt: str) -> str:
        """Let a line be typed."""
        bold = self._bold and self._editor is not None
        # The marks tell the editor what takes no room.
        shown = f"\x01\x1b[1m\x02{prompt}\x01\x1b[0m\x02" if bold else prompt
        try:
            return _checked(input(shown))
        except UnicodeDecodeError as error:
            raise UseError(f"the line is not {error.encoding} text: byte {error.start}") from None


class Lines:
    """The lines of standard input. With `quoted`, a line that is a JSON text stands for the text, line ends and all."""

    is_person = False

    def __init__(self, file: TextIO, *, quoted: bool = False) -> None:
        """Read from a pipe or a file."""
        self._file = file
        self._quoted = quoted

    def read(self, prompt: str) -> str:  # noqa: ARG002 - nobody reads it
        """Return the next line."""
        try:
            line = self._file.readline(_MOST + 1)
        except UnicodeDecodeError as error:
            raise UseError(f"standard input is not {error.encoding} text: byte {error.start}") from None
        if not line:
            raise EOFError
        text = _checked(line.removesuffix("\n").removesuffix("\r"))
        if self._quoted and text.startswith('"'):
            try:
                value: Any = json.loads(text)
            except ValueError as error:
                raise UseError(f"a line begins with a quote but is no JSON text: {error}") from None
            return _checked(str(value))
        return text


def whole(file: TextIO) -> str:
    """Return all of standard input as one message.

    Raises:
        UseError: it is no text, or too long.
    """
    try:
        return _checked(file.read(_MOST + 1)).strip("\r\n")
    except UnicodeDecodeError as error:
        raise UseError(f"standard input is not {error.encoding} text: byte {error.start}") from None


def _checked(text: str) -> str:
    if len(text) > _MOST:
        raise UseError(f"a message has more than {_MOST // 1024**2} million characters")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UseError(f"the line is not UTF-8 text at character {error.start + 1}; it was not sent") from None
    return text


def _editor(said: Iterable[str], commands: Sequence[str]) -> Any | None:  # noqa: ANN401 - a module, or none
    """Return the line editor of this machine, made ready; None if it has none, then lines are typed plainly."""
    try:
        import readline
    except ImportError:  # Windows
        return None
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return None
    readline.clear_history()
    for text in said:
        if text and "\n" not in text:
            readline.add_history(text)

    def complete(begun: str, number: int) -> str | None:
        fitting = [c for c in commands if begun and c.startswith(begun)]
        return fitting[number] if number < len(fitting) else None

    readline.set_completer(complete)
    readline.set_completer_delims(" ")
    libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if libedit else "tab: complete")
    if not libedit:
        readline.parse_and_bind("set enable-bracketed-paste on")  # a paste of several lines is one message
    return readline
