"""Text as it comes from a model, set in lines of a terminal: whole words, safe characters, an indent.

A word is held back until it is known to be whole, so that none is broken in its middle; scripts without spaces are
broken anywhere. Nothing here moves the cursor but a line end.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len

from graphrt_viz.wording import visible

if TYPE_CHECKING:
    from collections.abc import Callable

_PIECES: Final = re.compile(r"\n|[ \t]+|[^\s]+|\s")
_TAB: Final = "    "


class Speech:
    """Sets one stream of text; `write` takes what is to be shown."""

    def __init__(self, write: Callable[[str], object], width: int, indent: int = 2) -> None:
        self._write = write
        self._width = max(10, width - 1)  # no terminal is asked to wrap: the last column stays free
        self._indent = " " * indent
        self._column = 0
        """Cells that are taken in the present line; 0 if nothing stands in it."""
        self._word = ""
        """The end of what came, which may go on."""
        self._gap = ""
        """Space before it, which is left out at the end of a line."""

    @property
    def is_open(self) -> bool:
        """Whether something stands in the present line, or waits to."""
        return self._column > 0 or bool(self._word)

    def feed(self, text: str) -> None:
        """Take the next piece."""
        for piece in _PIECES.findall(text.replace("\r\n", "\n")):
            if piece == "\n":
                self._flush()
                self._break()
            elif not piece.strip(" \t"):
                self._flush()
                self._gap += piece.replace("\t", _TAB)
            else:
                self._add(piece)

    def end(self) -> None:
        """Show what was held back, and end the line."""
        self._flush()
        if self._column:
            self._break()
        self._gap = ""

    def _add(self, piece: str) -> None:
        """Add to the present word. A line may be broken before and behind each wide character."""
        if piece.isascii():
            self._word += piece
            return
        for character in piece:
            wide = cell_len(character) > 1
            if wide:
                self._flush()
            self._word += character
            if wide:
                self._flush()

    def _flush(self) -> None:
        word, self._word = visible(self._word), ""
        if not word:
            return
        gap, self._gap = self._gap, ""
        if self._column and self._column + len(gap) + cell_len(word) > self._width:
            self._break()
            gap = ""
        self._put(gap)
        for part in self._parts(word):
            if self._column and self._column + cell_len(part) > self._width:
                self._break()
            self._put(part)

    def _parts(self, word: str) -> list[str]:
        """Return a word in parts that fit a line; most are one."""
        room = self._width - len(self._indent)
        if self._column + cell_len(word) <= self._width or cell_len(word) <= room:
            return [word]
        return list(word)

    def _put(self, text: str) -> None:
        if not text:
            return
        if not self._column:
            self._write(self._indent)
            self._column = len(self._indent)
        self._write(text)
        self._column += cell_len(text)

    def _break(self) -> None:
        self._write("\n")
        self._column = 0
        self._gap = ""
