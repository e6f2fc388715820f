"""Where a picture goes: into a file, or onto the screen."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO, Final

from graphrt.cli.screen import console, framed, say, write
from graphrt.errors import UseError

STANDARD_OUTPUT: Final = Path("-")
"""What `-o` calls it, as `--input` calls standard input."""
_STAMP: Final = "graphrt-picture "
"""Begins the line of a text that only --check reads."""


def write_picture(content: str | bytes, output: Path) -> None:
    """Write a picture to its file, which is as it was where that fails.

    Raises:
        UseError: the file cannot be written.
    """
    from graphrt.stores.whole_files import write_whole

    try:
        write_whole(output, content if isinstance(content, bytes) else content.encode())
    except OSError as error:
        raise UseError(f"cannot write {output}: {error.strerror or error}") from error


def print_picture(content: str | bytes, form: str) -> None:
    """Print a picture to standard output: a text as a person reads it, all else as it is.

    Raises:
        UseError: it is no text, and standard output is a terminal.
    """
    if isinstance(content, str):
        if form == "text" and console().is_terminal:
            print_text(content, sys.stdout)
            return
        write(content if content.endswith("\n") else content + "\n")
        return
    if sys.stdout.isatty():
        raise UseError(f"{form} is no text; add -o FILE.{form}, or redirect the output")
    sys.stdout.buffer.write(content)
    sys.stdout.flush()


def print_text(content: str, file: IO[str]) -> None:
    """Print a text picture, on a terminal no wider than that is."""
    screen = console(file)
    rows = [row for row in content.rstrip("\n").split("\n") if not row.startswith(_STAMP)]
    if screen.is_terminal:
        say(*(part for row in rows for part in framed(row, screen.width)), file=file)
    else:
        say(*rows, file=file)
