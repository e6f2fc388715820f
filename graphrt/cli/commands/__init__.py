"""The commands, by what a person wants to do. Each is a file of this folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from graphrt.cli.commands import (
    answer,
    cancel,
    chat,
    check,
    delete,
    diff,
    explain,
    export,
    fork,
    import_,
    prune,
    render,
    replay,
    resume,
    run,
    runs,
    show,
    stats,
    why,
)


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the program."""

    name: str
    brief: str
    """What the list of commands says of it."""
    function: Callable[..., Any]
    examples: tuple[str, ...]
    needs_args: bool = True
    """Whether it prints its help when it is called without arguments."""
    choices: Callable[[], Mapping[str, Sequence[tuple[str, str]]]] | None = None
    """Makes further sections of its help: what can be chosen, and what each choice means."""


GROUPS: Final[Mapping[str, tuple[Command, ...]]] = {
    "Run flows": (
        Command("run", "Run a flow, with live progress.", run.run, run.EXAMPLES),
        Command("chat", "Talk to a flow, turn by turn.", chat.chat, chat.EXAMPLES),
        Command("resume", "Go on with a run that did not complete.", resume.resume, resume.EXAMPLES),
    ),
    "Look at flows": (
        Command("check", "Find the mistakes in a flow without running it.", check.check, check.EXAMPLES),
        Command("explain", "Tell about a rule of the check.", explain.explain, explain.EXAMPLES),
        Command(
            "render",
            "Draw flows, runs on their flow, and what differs.",
            render.render,
            render.EXAMPLES,
            choices=render.choices,
        ),
    ),
    "Look at runs": (
        Command("runs", "List the runs of the store.", runs.runs, runs.EXAMPLES, needs_args=False),
        Command("show", "Show a run step by step.", show.show, show.EXAMPLES),
        Command("why", "Tell why a run went where it went.", why.why, why.EXAMPLES),
        Command("diff", "Tell what differs between two runs, or two flows.", diff.diff, diff.EXAMPLES),
        Command("stats", "Tell what many runs did.", stats.stats, stats.EXAMPLES),
        Command("replay", "Walk through a run, or check it against today's code.", replay.replay, replay.EXAMPLES),
    ),
    "Change runs": (
        Command("answer", "Answer the question of a run.", answer.answer, answer.EXAMPLES),
        Command("cancel", "Stop a run.", cancel.cancel, cancel.EXAMPLES),
        Command("fork", "Begin a new run from the middle of an old one.", fork.fork, fork.EXAMPLES),
        Command("delete", "Delete runs.", delete.delete, delete.EXAMPLES),
        Command("prune", "Delete the runs that are old.", prune.prune, prune.EXAMPLES),
    ),
    "Carry runs around": (
        Command(
            "export",
            "Write a run to a file, for other tools too.",
            export.export,
            export.EXAMPLES,
            choices=export.choices,
        ),
        Command("import", "Put a trace file into the store.", import_.import_, import_.EXAMPLES),
    ),
}
