"""`graphrt run`: a new run of a flow, with live progress."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphrt.cli.arguments import DEFAULT_STORE, StoreOption, TargetArgument
from graphrt.cli.drive_options import (
    DepthOption,
    EventsOption,
    MaxCostOption,
    MaxSecondsOption,
    MaxTokensOption,
    MaxVisitsOption,
    ModelOption,
    QuietOption,
    ResultOption,
    WaitOption,
)
from graphrt.cli.otel import OtelOption

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from graphrt.ports import Store
    from graphrt.runtime import Result
    from graphrt.runtime.options import Surroundings

EXAMPLES = (
    "graphrt run flows/support.py --input 'Where is my order A-1042?'",
    "graphrt run flows/support.py:flow --input @ticket.json --field topic=bug",
    "graphrt run flows/support.py -i hello --otel run.otlp.json",
    'graphrt run shop.flows:refunds -i \'{"order": "B-2001"}\' --max-cost 0.50',
    "graphrt run flows/support.py -i hello --events | jq -c .type",
)


def run(
    target: TargetArgument,
    given: Annotated[
        str | None,
        typer.Option(
            "--input",
            "-i",
            metavar="JSON|TEXT|@FILE|-",
            help="The state to begin with: a JSON object, or plain text for the only required text field, or to say to "
            "a conversation; @FILE reads it from a file, - from standard input.",
            show_default="the defaults of the state",
        ),
    ] = None,
    fields: Annotated[
        list[str] | None,
        typer.Option("--field", "-f", metavar="NAME=VALUE", help="One field of the state; may be repeated."),
    ] = None,
    run_id: Annotated[
        str | None, typer.Option("--run-id", metavar="ID", help="Name the run.", show_default="made up")
    ] = None,
    model: ModelOption = None,
    max_visits: MaxVisitsOption = None,
    max_seconds: MaxSecondsOption = None,
    max_tokens: MaxTokensOption = None,
    max_cost: MaxCostOption = None,
    wait: WaitOption = 0.0,
    otel: OtelOption = None,
    depth: DepthOption = 0,
    events: EventsOption = False,
    as_json: ResultOption = False,
    quiet: QuietOption = False,
    store: StoreOption = DEFAULT_STORE,
) -> int:
    """Run a flow, show how it goes on, and print what comes of it. Every step is kept in the store.

    Progress goes to standard error, the result to standard output. Ctrl-C stops a run so that `graphrt resume` can go
    on with it. The exit code is 0 if it completed, 1 if it failed, 3 if it waits for an answer, 4 if it was cancelled.
    """
    from graphrt.cli.drive_options import limited
    from graphrt.cli.driving import Manner, drive
    from graphrt.cli.inputs import read_state
    from graphrt.cli.otel import spans_to
    from graphrt.cli.surroundings import find_around
    from graphrt.cli.target import load
    from graphrt.cli.which import opened
    from graphrt.ports import check_run_id
    from graphrt.runtime import run as run_graph

    # Whatever can be wrong is found before the store is opened: a run that cannot begin leaves no trace.
    if run_id is not None:
        check_run_id(run_id)
    loaded = load(target)
    graph = loaded.graph()
    state = read_state(graph, given, fields or ())
    around = find_around(loaded, graph, model)
    manner = Manner(store, events, as_json, quiet, depth, events, spans_to(otel), wait)
    limits = limited(graph.limits, max_visits, max_seconds, max_tokens, max_cost)

    def go(watched: Store, surroundings: Surroundings) -> Coroutine[Any, Any, Result[Any]]:
        return run_graph(
            graph, state, store=watched, run_id=run_id, limits=limits, target=loaded.target, **surroundings
        )

    if not quiet:
        around.tell()
    with opened(store, create=True) as open_:
        return drive(go, graph, open_, around, manner)
