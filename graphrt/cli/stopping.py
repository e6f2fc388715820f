"""Ctrl-C and the polite kill of a command, where nothing more particular becomes of them: a line, and an exit code.

A run that is driven takes them itself (`driving`), and so does a conversation (`chat.turns`).
"""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from graphrt.cli import exits

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType


class Terminated(KeyboardInterrupt):
    """The process was asked to end (SIGTERM). What takes Ctrl-C takes it alike, but for the exit code."""


@contextmanager
def heeded() -> Generator[None]:
    """Take SIGTERM as `Terminated`; Python lets only the main thread have it, and who is not to hear it does not."""
    before = signal.getsignal(signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread() or before in {None, signal.SIG_IGN}:
        yield
        return
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def told(how_far: str) -> Generator[None]:
    """Let whoever stops the command meanwhile be told what they may wonder about: how far it has come."""
    try:
        yield
    except KeyboardInterrupt as stop:
        raise type(stop)(how_far) from None


def asked(prompt: str, undone: str) -> str:
    """Return what a person types behind a prompt; `undone` is what they are told if they type nothing.

    Raises:
        Abort: they gave up (Ctrl-D).
        KeyboardInterrupt: the command was stopped.
    """
    import typer

    try:
        return input(prompt).strip()
    except EOFError:
        sys.stdout.write("\n")  # the cursor stands behind the prompt
        raise typer.Abort(undone) from None
    except KeyboardInterrupt as stop:
        sys.stdout.write("\n")
        raise type(stop)(undone) from None


def stopped(stop: KeyboardInterrupt) -> int:
    """Tell in a line that a command was stopped; return the exit code.

    Whoever presses Ctrl-C knows that they did: they are told only how far it has come.
    """
    from graphrt.cli.screen import say

    terminated, how_far = isinstance(stop, Terminated), str(stop)
    if terminated or how_far:
        by = "SIGTERM" if terminated else "Ctrl-C"
        say(f"stopped by {by}{'; ' if how_far else ''}{how_far}", file=sys.stderr)
    return exits.TERMINATED if terminated else exits.INTERRUPTED


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated
