"""`graphrt fork`: a new run from the middle of an old one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphrt.cli.arguments import DEFAULT_STORE, ForkAtOption, OriginOption, StoredRun, StoreOption
from graphrt.cli.drive_options import DepthOption, EventsOption, ModelOption, QuietOption, ResultOption, WaitOption
from graphrt.cli.otel import OtelOption

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from graphrt.graph import Graph
    from graphrt.inputs import Json
    from graphrt.ports import Store
    from graphrt.runtime import Result
    from graphrt.runtime.options import Surroundings
    from graphrt.told import Account, VisitAccount

EXAMPLES = (
    "graphrt fork latest --at 'draft #2'",
    "graphrt fork 4fz --at 'review #2' --set score=0.3",
    "graphrt fork 4fz --at 'draft #1' --set facts='[\"none\"]' --run-id second-try",
)


def fork(
    run: StoredRun,
    at: ForkAtOption = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="Replace a field of the state that the visit sees: text, or JSON. May be given often.",
            show_default=False,
        ),
    ] = None,
    new_id: Annotated[
        str | None, typer.Option("--run-id", metavar="ID", help="Name the new run.", show_default="made up")
    ] = None,
    target: OriginOption = None,
    model: ModelOption = None,
    wait: WaitOption = 0.0,
    otel: OtelOption = None,
    depth: DepthOption = 0,
    events: EventsOption = False,
    as_json: ResultOption = False,
    quiet: QuietOption = False,
    store: StoreOption = DEFAULT_STORE,
) -> int:
    """Begin a new run from a visit of an old one: all before it is the old run's past, from there on it is live.

    The visit does its work again, on the state that --set has changed; so do the others that were under way beside it.
    The old run is left as it is, and so is everything that it did; the new one has idempotency keys of its own.
    """
    from graphrt import runtime
    from graphrt.cli.driving import Manner, drive
    from graphrt.cli.origin import changes_since, load_origin
    from graphrt.cli.otel import spans_to
    from graphrt.cli.screen import note
    from graphrt.cli.surroundings import find_around
    from graphrt.cli.which import account_of, opened, stored_run, the_visit
    from graphrt.errors import UseError
    from graphrt.ports import check_run_id
    from graphrt.replay import branch_off, fold

    if new_id is not None:
        check_run_id(new_id)
    if at is None:
        raise UseError("say where the new run leaves the old one: --at VISIT; `graphrt show RUN` lists its visits")
    with opened(store) as open_:
        ident = stored_run(open_, run)
        trace = open_.trace(ident)
        told = account_of(trace)
        visit = _fit(told, the_visit(told, at))
        loaded = load_origin(trace.header, target)
        graph = loaded.graph()
        change = _changes(graph, visit, changes or ())
        around = find_around(loaded, graph, model)
        manner = Manner(store, events, as_json, quiet, depth, events, spans_to(otel), wait)
        if not quiet:
            around.tell(trace)
            if (what := changes_since(trace, graph)) is not None:
                fold(trace, graph, upto=branch_off(trace, visit.id))  # refused, if it has not the way that was gone
                note(f"{what}; the new run goes on under the changed one")

        def go(watched: Store, surroundings: Surroundings) -> Coroutine[Any, Any, Result[Any]]:
            return runtime.fork(
                watched, ident, visit.id, graph, change=change, new_id=new_id, target=loaded.target, **surroundings
            )

        return drive(go, graph, open_, around, manner)


def _fit(told: Account, visit: VisitAccount) -> VisitAccount:
    """Return a visit from which a run can be forked.

    Raises:
        UseError: its node does no work that could be done again.
    """
    from graphrt.errors import UseError

    if visit.node.kind in {"join", "end"}:
        before = ", ".join(f"{c} ({told.visits[c].name})" for c in visit.causes)
        message = f"{visit.name} (visit {visit.id}) is a{'n' if visit.node.kind == 'end' else ''} {visit.node.kind}"
        raise UseError(f"{message} and does no work that could be done again; fork before it, at {before}")
    return visit


def _changes(graph: Graph, visit: VisitAccount, given: Sequence[str]) -> dict[str, Json]:
    """Read `field=value` into values of the state that a visit sees.

    Raises:
        UseError: there is no such field, a value does not fit it, or one is given twice.
    """
    import difflib

    from graphrt.cli.inputs import value_for
    from graphrt.errors import InputRefused, UseError
    from graphrt.values import ValueRefused

    inside = _graph_inside(graph, visit)
    found: dict[str, Json] = {}
    for one in given:
        name, equals, text = one.partition("=")
        if not equals:
            raise UseError(f"--set {one!r} gives no value; expected FIELD=VALUE")
        if name in found:
            raise UseError(f"--set {name} is given twice; a field has one value")
        field = inside.field.get(name)
        if field is None:
            near = difflib.get_close_matches(name, inside.field, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"its fields are {', '.join(inside.field)}"
            raise InputRefused(f"--set: flow {inside.name!r} has no field {name!r}; {hint}", field=name)
        try:
            found[name] = field.encode_whole(value_for(field, text))
        except ValueRefused as error:
            raise InputRefused(f"--set {name}: {error}", **error.facts) from error
    return found


def _graph_inside(graph: Graph, visit: VisitAccount) -> Graph:
    """Return the graph of today that a visit's node stands in.

    Raises:
        GraphChanged: it has no such node any more.
    """
    from graphrt.errors import GraphChanged

    for name in visit.path[:-1]:
        node = graph.by_name.get(name)
        if node is None or node.graph is None:
            raise GraphChanged(f"flow {graph.name!r} has no {name!r} any more, which visit {visit.id} was inside of")
        graph = node.graph
    return graph
