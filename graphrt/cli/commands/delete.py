"""`graphrt delete`: forget runs that are named."""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import TYPE_CHECKING, Annotated

import typer

from graphrt.cli.arguments import DEFAULT_STORE, StoreOption, complete_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphrt.ports import RunInfo, Store
    from graphrt.stores.pruning import Pruning

EXAMPLES = (
    "graphrt delete latest",
    "graphrt delete 4fz 7ks --yes",
    "graphrt delete --conversation tea",
)


def delete(
    run: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN...",
            help="Runs: the id or the beginning of it, or 'latest'.",
            autocompletion=complete_runs,
            show_default=False,
        ),
    ] = None,
    conversation: Annotated[
        str | None, typer.Option("--conversation", "-c", metavar="ID", help="All turns of a conversation.")
    ] = None,
    forks: Annotated[bool, typer.Option("--forks", help="Their forks too, and the forks of those.")] = False,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Also runs that wait for an answer, or were cut off.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    store: StoreOption = DEFAULT_STORE,
) -> int:
    """Delete runs for good: their records, and what was asked of them.

    At a terminal you are asked first; elsewhere --yes is needed. A run that somebody drives is never deleted, one that
    waits or was cut off only with --unfinished. All that are named are deleted, or none.
    """
    import asyncio

    from graphrt.cli.deleting import deleted
    from graphrt.cli.outcome import again
    from graphrt.cli.stopping import told
    from graphrt.cli.which import opened
    from graphrt.stores.pruning import carry_out, to_delete

    with opened(store) as open_:
        named = _named(open_, run or (), conversation)
        planned = to_delete(open_, _with_forks(open_, named) if forks else named)
        _check(planned, unfinished=unfinished)
        if not yes:
            _ask(planned.runs)
        with told(f"`{again('runs', store)}` tells what was deleted"):
            done = asyncio.run(carry_out(open_, planned))
        return deleted(open_, done, store)


def _named(store: Store, runs: Sequence[str], conversation: str | None) -> list[str]:
    from graphrt.cli.which import stored_run
    from graphrt.errors import RunNotFound, UseError
    from graphrt.stores.pruning import turns_of

    if not runs and conversation is None:
        raise UseError("expected runs, or --conversation ID; `graphrt prune` deletes all that are old")
    named = [stored_run(store, text) for text in runs]
    if conversation is not None:
        turns = turns_of(store, conversation)
        if not turns:
            raise RunNotFound(f"the store has no conversation {conversation!r}", conversation=conversation)
        named += turns
    return list(dict.fromkeys(named))


def _with_forks(store: Store, runs: Sequence[str]) -> list[str]:
    """Return runs with their forks, and the forks of those."""
    forks: defaultdict[str | None, list[str]] = defaultdict(list)
    for info in store.runs():
        forks[info.parent].append(info.run)
    found = list(runs)
    for run in found:  # grows meanwhile
        found += forks[run]
    return list(dict.fromkeys(found))


def _check(planned: Pruning, *, unfinished: bool) -> None:
    """See that all that were named can go.

    Raises:
        UseError: one cannot; says what would help.
    """
    from graphrt.errors import UseError

    if planned.kept:
        info, why = planned.kept[0]
        hint = (
            f"stop it first: graphrt cancel {info.run}"
            if info.live
            else "--forks deletes those too"
            if "fork" in why
            else f"delete all of it: graphrt delete --conversation {info.run.rpartition('-')[0]}"
        )
        raise UseError(f"run {info.run} cannot be deleted: {why}; {hint}", run=info.run)
    for info in planned.runs:
        if info.status in {"running", "suspended"} and not unfinished:
            how = "waits for an answer" if info.status == "suspended" else "was cut off"
            message = f"run {info.run} {how}; --unfinished deletes it all the same"
            raise UseError(message, run=info.run, status=info.status)


def _ask(runs: Sequence[RunInfo]) -> None:
    """Ask whether that is meant.

    Raises:
        UseError: there is nobody to ask.
        Abort: it is not.
    """
    from graphrt.cli.deleting import named
    from graphrt.cli.stopping import asked
    from graphrt.errors import UseError

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UseError(f"nobody is there who can be asked; --yes deletes {named(runs)}")
    said = asked(f"delete {named(runs)} for good? (yes, or no)> ", "nothing was deleted").lower()
    if not said or not "yes".startswith(said):
        raise typer.Abort("nothing was deleted")
