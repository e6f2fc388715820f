"""`graphrt stats`: what many runs of a flow did, node by node and edge by edge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphrt.cli.arguments import DEFAULT_STORE, JsonOption, StoreOption, targets_or_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.cli.screen import Part
    from graphrt.graph import Graph
    from graphrt_viz.views.heat import Heat, NodeHeat

EXAMPLES = (
    "graphrt stats flows/support.py",
    "graphrt stats monday.jsonl tuesday.jsonl",
    "graphrt stats flows/support.py --json | jq '.nodes[] | select(.failures > 0)'",
)


def stats(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="TARGET|RUN...",
            help="A flow, for all its runs in the store; or runs (id, 'latest', trace file).",
            autocompletion=targets_or_runs,
            show_default=False,
        ),
    ],
    as_json: JsonOption = False,
    store: StoreOption = DEFAULT_STORE,
) -> int:
    """Tell what many runs did, node by node and edge by edge.

    Of each node its visits, how long they took (p50 and p95), failures, tokens and cost; of each edge how often it was
    crossed. Nodes inside others stand below them. `graphrt render` with `--heat` draws the same on the flow.
    """
    from graphrt.cli.commands.render import runs_of, shown
    from graphrt.cli.screen import say, say_json, say_table
    from graphrt.trace import graph_of
    from graphrt_viz.extract import picture_of
    from graphrt_viz.views.heat import edges_of, heat_of, hot

    runs = runs_of([shown(one, store) for one in what], store)
    graph = graph_of(runs[-1])
    heat = heat_of(runs, graph)
    picture = picture_of(graph, opened="all")
    names = {n.id: n.name for n in picture.nodes} | {c.id: c.name for c in picture.clusters}
    edges = [
        (names[e.source], names[e.target], condition, n, share) for e, condition, n, share in edges_of(picture, heat)
    ]
    if as_json:
        say_json(_as_json(heat, graph.name, names, edges))
        return 0
    say(f"{graph.name} · {hot(picture, heat).subtitle.replace(' · coloured by time', '')}", "")
    heads = ("NODE", "VISITS", "OF RUNS", "P50", "P95", "FAILED", "FAILED ATTEMPTS", "TOKENS", "COST")
    rows = [_row(ident, name, heat) for ident, name in _named(graph, "")]
    say_table(heads, rows, right=tuple(range(1, len(heads))))
    say("")
    say_table(
        ("FROM", "TO", "WHEN", "TIMES", "SHARE"),
        [[source, target, condition, str(n), share] for source, target, condition, n, share in edges],
        right=(3, 4),
    )
    return 0


def _named(graph: Graph, path: str) -> Iterator[tuple[str, str]]:
    """Yield the id and the name of each node, those inside a node behind it."""
    from graphrt_viz.extract import step_into

    for node in graph.nodes:
        ident = step_into(path, node.name)
        yield ident, node.name
        if node.graph is not None:
            yield from _named(node.graph, ident)


def _row(ident: str, name: str, heat: Heat) -> list[Part]:
    from graphrt_viz.wording import count, money

    node = heat.nodes.get(ident)
    shown = f"{'  ' * ident.count('/')}{name}"
    if node is None or not node.visits:
        return [(shown, "dim"), *[("–", "dim")] * 2, *[""] * 6]
    p50, p95 = _percentiles(node)
    return [
        shown,
        count(node.visits),
        f"{round(100 * node.runs / heat.runs)} %",
        p50,
        p95,
        (count(node.failures), "red") if node.failures else "",
        count(node.failed_attempts) if node.failed_attempts else "",
        _known(count(node.spent.tokens) if node.spent.tokens else "", partly=node.spent.uncounted > 0),
        _known(money(node.spent.cost_usd) if node.spent.cost_usd else "", partly=node.spent.unpriced > 0),
    ]


def _known(amount: str, *, partly: bool) -> Part:
    """Return an amount as a cell; what nobody said is unknown, never 0."""
    if not partly:
        return amount
    return f"≥ {amount}" if amount else ("unknown", "dim")


def _percentiles(node: NodeHeat) -> tuple[str, str]:
    from graphrt_viz.views.heat import percentile
    from graphrt_viz.wording import duration

    if not any(node.seconds):
        return "", ""
    return duration(percentile(node.seconds, 0.5)), duration(percentile(node.seconds, 0.95))


def _as_json(
    heat: Heat, flow: str, names: dict[str, str], edges: list[tuple[str, str, str, int, str]]
) -> dict[str, Any]:
    from graphrt_viz.views.heat import percentile

    nodes: list[dict[str, Any]] = []
    for ident in names:
        node = heat.nodes.get(ident)
        if node is None:
            continue
        nodes.append(
            {
                "node": ident,
                "visits": node.visits,
                "runs": node.runs,
                "p50_s": percentile(node.seconds, 0.5) if node.seconds else None,
                "p95_s": percentile(node.seconds, 0.95) if node.seconds else None,
                "waits": node.waits,
                "failures": node.failures,
                "failed_attempts": node.failed_attempts,
                "tokens": None if node.spent.uncounted else node.spent.tokens,
                "cost_usd": None if node.spent.unpriced else node.spent.cost_usd,
            }
        )
    return {
        "flow": flow,
        "runs": heat.runs,
        "of_another_definition": heat.other,
        "statuses": heat.statuses,
        "nodes": nodes,
        "edges": [
            {"from": source, "to": target, "when": condition, "times": n} for source, target, condition, n, _ in edges
        ],
    }
