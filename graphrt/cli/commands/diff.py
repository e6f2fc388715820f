"""`graphrt diff`: what differs between two runs, or between two flows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphrt.cli.arguments import DEFAULT_STORE, JsonOption, StoreOption, targets_or_runs

if TYPE_CHECKING:
    from graphrt.graph import Graph
    from graphrt.trace import Trace

EXAMPLES = (
    "graphrt diff 4fz latest",
    "graphrt diff good.jsonl bad.jsonl --json",
    "graphrt diff old/support.py flows/support.py",
)

_ARGUMENT = typer.Argument(
    metavar="RUN|TARGET",
    help="A run (id, 'latest', trace file), or a flow; both of one kind.",
    autocompletion=targets_or_runs,
    show_default=False,
)


def diff(
    first: Annotated[str, _ARGUMENT],
    second: Annotated[str, _ARGUMENT],
    as_json: JsonOption = False,
    store: StoreOption = DEFAULT_STORE,
) -> int:
    """Tell what differs between two runs or two flows, and exit with 1 if anything does.

    Of two runs it is the first visit at which they part, and the state at the end; of two flows each node and edge that
    is new, gone or changed. `graphrt render` with the same two draws both on one picture.
    """
    from graphrt.cli.commands.render import shown
    from graphrt.errors import UseError
    from graphrt.graph import Graph

    one, other = shown(first, store), shown(second, store)
    if isinstance(one, Graph) and isinstance(other, Graph):
        return _flows(one, other, as_json=as_json)
    if isinstance(one, Graph) or isinstance(other, Graph):
        raise UseError(f"{first} and {second} are a flow and a run; what differs is told of two of a kind")
    return _runs(one, other, as_json=as_json)


def _runs(first: Trace, second: Trace, *, as_json: bool) -> int:
    from graphrt.cli.screen import say, say_json
    from graphrt.trace import graph_of
    from graphrt_viz import difference_of_runs

    found = difference_of_runs(first, second)
    same = found.divergence is None and not found.state and not found.definitions
    if not as_json:
        say(found.picture.subtitle, "", *found.lines)
        return 0 if same else 1
    parted: dict[str, Any] | None = None
    if found.divergence is not None:
        at = found.divergence
        parted = {"visit": at.visit, "name": at.name, "first": at.first, "second": at.second}
    state = [{"field": name, "first": one, "second": other} for name, one, other in found.state]
    digests = [graph_of(trace).digest for trace in (first, second)]
    runs = {"first": first.header.run, "second": second.header.run}
    say_json({"same": same, **runs, "definitions": digests, "parted": parted, "state": state})
    return 0 if same else 1


def _flows(first: Graph, second: Graph, *, as_json: bool) -> int:
    from graphrt.cli.screen import say, say_json
    from graphrt_viz import difference_of
    from graphrt_viz.views.difference import changes_in, whole_changes

    picture = difference_of(first, second, opened="all")
    changes = changes_in(picture)
    same = first.digest == second.digest
    if as_json:
        listed = [{"what": what, "change": change, "notes": list(notes)} for what, change, notes in changes]
        say_json(
            {
                "same": same,
                "first": first.digest,
                "second": second.digest,
                "whole": whole_changes(first, second),
                "changes": listed,
            }
        )
    else:
        say(picture.subtitle)
        for what, change, notes in changes:
            say(f"{change:<8} {what}", *(f"         {note}" for note in notes))
    return 0 if same else 1
