"""`graphrt replay`: walk through a run, or check it against today's code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphrt.cli.arguments import DEFAULT_STORE, AtOption, JsonOption, OptionalRun, OriginOption, StoreOption

if TYPE_CHECKING:
    from graphrt.cli.steps import Step, Walk
    from graphrt.inputs import Json

EXAMPLES = (
    "graphrt replay latest",
    "graphrt replay 4fz --at 'review #2'",
    "graphrt replay 4fz --verify",
    "graphrt replay bug.jsonl --verify --target flows/support.py",
    "graphrt replay --verify --all",
)


def replay(
    run: OptionalRun = None,
    at: AtOption = None,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Check that the code of today goes the same way; exit code 1 and the first difference if it does not.",
        ),
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="With --verify: every run of the store.")] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="Walk on a plain screen, also where the app could be used (extra `tui`).")
    ] = False,
    target: OriginOption = None,
    as_json: JsonOption = False,
    store: StoreOption = DEFAULT_STORE,
) -> int:
    """Walk through a run: what each visit read and wrote, which edges were tried, what followed.

    On a terminal, keys lead through it, forwards and backwards (? lists them); elsewhere every step is printed. With
    --verify the recorded inputs are fed to the flow as it is now, and all that follows from them is compared. Nothing
    is called either way: no model, no tool, no function of a node.
    """
    from graphrt.errors import UseError

    if run is None and not (verify and every):
        raise UseError("say which run: `graphrt replay RUN`, or --verify --all for every run of the store")
    if every and (run is not None or not verify):
        raise UseError("--all stands for every run of the store, with --verify and without a RUN")
    if verify and at is not None:
        raise UseError("--at is a place to walk from; --verify checks the whole run")
    if target is not None and not verify:
        raise UseError("--target is the code to check against with --verify; walking needs none")
    if verify:
        from graphrt.cli.verifying import verify_all, verify_one

        return verify_one(run, store, target, as_json=as_json) if run else verify_all(store, target, as_json=as_json)
    assert run is not None, "checked above"
    return _walk(run, store, at, as_json=as_json, plain=plain)


def _walk(run: str, store: str, at: str | None, *, as_json: bool, plain: bool) -> int:
    """Let a person walk through the run, or print its steps."""
    from graphrt.cli.screen import say, say_json
    from graphrt.cli.steps import walk
    from graphrt.cli.which import looked_at, read_known

    walked = walk(*read_known(run, store))
    first = walked.step_of(looked_at(walked.told, at)).number - 1 if at is not None else 0
    shown = walked.steps[first:]
    if as_json:
        say_json([_as_json(step) for step in shown])
    elif not shown:
        say(f"run {walked.told.run} has no steps yet")
    elif sys.stdin.isatty() and sys.stdout.isatty():
        _play(walked, first, plain=plain)
    else:
        _print(walked, shown)
    return 0


def _play(walked: Walk, first: int, *, plain: bool) -> None:
    """Let a person walk: in the app where its library is installed and the terminal can show it, else plainly."""
    from importlib.util import find_spec

    from graphrt.cli.screen import interactive

    if not plain and interactive() and find_spec("textual") is not None:
        from graphrt.cli.tui import play_app

        play_app(walked, first)
        return
    from graphrt.cli.keys import play
    from graphrt.cli.stepping import Stepping

    play(Stepping(walked, first))


def _print(walked: Walk, steps: tuple[Step, ...]) -> None:
    from graphrt.cli.commands.show import facts, heading
    from graphrt.cli.screen import say
    from graphrt.cli.step_lines import detail

    say(heading(walked.told), facts(walked.told))
    for step in steps:
        say("", (f"{step.place} of {len(walked.steps)}", "dim"), *detail(step, walked))


def _as_json(step: Step) -> dict[str, Json]:
    import msgspec

    from graphrt.cli.steps import MISSING

    def changed(level: Any) -> dict[str, Json]:  # noqa: ANN401 - a Level; named here it would be imported
        found: dict[str, Json] = {}
        for change in level.changes():
            if change.added is not None:
                found[change.field] = {"added": change.added}
            elif change.old is MISSING:
                found[change.field] = {"new": change.new}
            else:
                found[change.field] = {"old": change.old, "new": change.new}
        return found

    return {
        "moment": step.number,
        "step": step.label or None,
        "record": step.record.seq,
        "at": step.record.at,
        "visit": step.visit.id if step.visit is not None else None,
        "node": step.visit.node.name if step.visit is not None else None,
        "name": step.name,
        "input": msgspec.to_builtins(step.record.input),
        "read": dict(step.saw),
        "events": msgspec.to_builtins(step.record.events),
        "changed": [{"inside": level.around or None, "fields": changed(level)} for level in step.levels],
        "known": step.known,
        "failed": step.failed,
    }
