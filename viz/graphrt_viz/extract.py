"""A graph as a picture: definition in, picture out, without the code the graph was made from.

Nodes are called by their path of names (`research/plan`), so that a run's marks find them. Subgraphs are opened
into frames, agents stay closed; both can be asked for otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

from graphrt_viz.picture import PCluster, PEdge, Picture, PNode
from graphrt_viz.wording import duration, plural

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from graphrt.graph import Edge, Graph, Node, Retry
    from graphrt_viz.picture import NodeKind

Opened: TypeAlias = "Collection[str] | Literal['all', 'none'] | None"
"""Which nodes with a graph inside are drawn open: ids, all, none, or (None) subgraphs but not agents."""

MOST_OPEN: Final = 300
"""Nodes up to which subgraphs are drawn open unless it is asked for otherwise."""
_LONG: Final = 400
"""Characters of a text that a tooltip shows."""
_FEW_ERRORS: Final = 2
"""Types of errors up to which a retry loop names them; the tooltip names all."""


def step_into(path: str, name: str) -> str:
    """Return the id of the node `name` of the graph at `path` (empty for the outermost).

    A slash in a name is written `~1`, a tilde `~0`.
    """
    plain = name.replace("~", "~0").replace("/", "~1")
    return f"{path}/{plain}" if path else plain


def start_of(path: str) -> str:
    """Return the id of the dot at which the graph at `path` begins; no node can have it."""
    return f"{path}//"


def is_open(node: Node, ident: str, opened: Opened) -> bool:
    """Say whether a node is drawn as a frame around the graph inside it."""
    if node.graph is None or opened == "none":
        return False
    if opened is None:
        return node.kind == "subgraph"
    return opened == "all" or ident in opened


def picture_of(graph: Graph, *, opened: Opened = None) -> Picture:
    """Return the picture of a definition.

    Args:
        graph: the definition.
        opened: which nodes with a graph inside are drawn open; by default subgraphs, as long as all nodes together are
            few enough to be looked at.
    """
    closed = opened is None and _inside(graph) > MOST_OPEN
    if closed:
        opened = "none"
    nodes: list[PNode] = []
    edges: list[PEdge] = []
    clusters: list[PCluster] = []
    _collect(graph, "", None, opened, None, nodes, edges, clusters)
    parts = [
        f"sha {graph.digest[:7]}",
        plural(sum(n.kind != "start" for n in nodes) + len(clusters), "node"),
        plural(sum(not e.retry and not e.source.endswith("//") for e in edges), "edge"),
    ]
    if closed and (hidden := _inside(graph) - len(graph.nodes)):
        parts.append(f"subgraphs closed: {plural(hidden, 'node')} inside")
    return Picture(graph.name, " · ".join(parts), tuple(nodes), tuple(edges), tuple(clusters))


def _inside(graph: Graph) -> int:
    """Count the nodes that are drawn with all subgraphs open."""
    return len(graph.nodes) + sum(_inside(n.graph) for n in graph.nodes if n.kind == "subgraph" and n.graph is not None)


def opened_to(graph: Graph, depth: int, *, agents: bool = False, path: str = "") -> tuple[str, ...]:
    """Return the ids of the nodes to open so that so many levels of graphs are drawn; agents too, if asked."""
    found: list[str] = []
    for node in graph.nodes if depth > 0 else ():
        if node.graph is not None and (agents or node.kind == "subgraph"):
            ident = step_into(path, node.name)
            found += [ident, *opened_to(node.graph, depth - 1, agents=agents, path=ident)]
    return tuple(found)


def _collect(
    graph: Graph,
    path: str,
    frame: str | None,
    opened: Opened,
    outer_retry: Retry | None,
    nodes: list[PNode],
    edges: list[PEdge],
    clusters: list[PCluster],
) -> None:
    """Add the nodes and edges of one graph and of those opened inside it, in the order of the definition."""
    nodes.append(PNode(start_of(path), "start", cluster=frame, tooltip=f"start of {graph.name}"))
    edges.append(PEdge(start_of(path), step_into(path, graph.nodes[graph.start].name)))
    for node in _from_start(graph):
        ident = step_into(path, node.name)
        retry = node.retry or outer_retry
        if is_open(node, ident, opened) and node.graph is not None:
            clusters.append(PCluster(ident, node.name, _cluster_tag(node), frame, node_tooltip(graph, node)))
            _collect(node.graph, ident, ident, opened, retry, nodes, edges, clusters)
        else:
            nodes.append(_node(graph, node, ident, frame))
            if retry is not None and retry.attempts > 1 and node.kind not in {"ask", "join", "end"}:
                edges.append(_retry_loop(ident, retry))
        edges += [edge_of(graph, edge, path) for edge in node.edges]


def _from_start(graph: Graph) -> Iterator[Node]:
    """Yield the nodes with the start first: layouts break cycles where they begin."""
    yield graph.nodes[graph.start]
    yield from (n for n in graph.nodes if n.index != graph.start)


# ---- nodes


def tools_of(node: Node) -> tuple[str, ...]:
    """Return the names of the tools of an agent."""
    found = node.about.get("tools", ())
    if not isinstance(found, (list, tuple)):
        return ()
    return tuple(name for t in cast("Sequence[object]", found) if (name := named(t)))


def named(value: object) -> str:
    """Return the name in a value that is a name, or an object that has one; else nothing."""
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        value = fields.get("name") or fields.get("tool")
    return value if isinstance(value, str) else ""


def _kind(node: Node) -> NodeKind:
    if node.kind == "end":
        return "failure_end" if node.failure else "end"
    if node.kind == "agent" and tools_of(node):
        return "tool_agent"
    return node.kind


def _cluster_tag(node: Node) -> str:
    return {"agent": "AGENT + TOOLS" if tools_of(node) else "AGENT", "router": "ROUTER"}.get(node.kind, "SUBGRAPH")


def _node(graph: Graph, node: Node, ident: str, frame: str | None) -> PNode:
    return PNode(
        id=ident,
        kind=_kind(node),
        name=node.name,
        subtitle=_subtitle(node),
        tools=tools_of(node),
        cluster=frame,
        tooltip=node_tooltip(graph, node),
    )


def _subtitle(node: Node) -> str:
    if node.kind == "join":
        return "" if node.wait is None else "any" if node.wait == 1 else f"first {node.wait}"
    if node.kind == "end":
        return "stops the run" if node.stop else ""
    if node.kind == "subgraph" and node.graph is not None:
        return f"{node.graph.name} · {plural(len(node.graph.nodes), 'node')}"
    for text in (node.question, node.about.get("doc"), node.about.get("instructions")):
        if isinstance(text, str) and text.strip():
            return text.strip().splitlines()[0]
    return ""


def node_tooltip(graph: Graph, node: Node) -> str:
    """Return all that a definition says of a node, in lines."""
    said: list[tuple[str, object]] = [
        ("reads", ", ".join(node.reads)),
        ("writes", ", ".join(node.writes)),
        ("question", node.question),
        ("answers", ", ".join(node.answers)),
        ("model", node.about.get("model")),
        ("tools", ", ".join(tools_of(node))),
        ("deadline", duration(node.deadline_s) if node.deadline_s is not None else ""),
        ("timeout", duration(node.timeout_s) if node.timeout_s is not None else ""),
        ("retry", _retry_text(node.retry) if node.retry is not None else ""),
        ("after a crash", node.on_crash if node.on_crash != "retry" else ""),
        ("waits for", "" if node.wait is None else plural(node.wait, "line")),
        ("gathers what starts at", graph.nodes[node.opener].name if node.opener is not None else ""),
        ("leaves by", "all edges that match" if node.fork else ""),
        ("doc", node.about.get("doc")),
        ("instructions", node.about.get("instructions")),
    ]
    return "\n".join([f"{node.name} ({node.kind})", *(f"{key}: {_cut(value)}" for key, value in said if value)])


def _cut(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LONG else text[: _LONG - 1] + "…"


def _retry_text(retry: Retry) -> str:
    text = f"{plural(retry.attempts, 'attempt')}, first wait {duration(retry.wait_s)}, then ×{retry.factor:g}"
    if retry.on:
        text += f", on {', '.join(retry.on)}"
    return text + (f", never on {', '.join(retry.never)}" if retry.never else "")


def _retry_loop(ident: str, retry: Retry) -> PEdge:
    names = [name.rpartition(".")[2] for name in retry.on]
    on = ", ".join(names) if len(names) <= _FEW_ERRORS else f"{len(names)} kinds of error"
    return PEdge(ident, ident, on=on, bound=retry.attempts - 1, retry=True, tooltip=f"retry: {_retry_text(retry)}")


# ---- edges


def edge_of(graph: Graph, edge: Edge, path: str) -> PEdge:
    """Return a transition of the graph at `path`."""
    node = graph.nodes[edge.source]
    forks = node.fork and edge.on_error is None and sum(e.on_error is None for e in node.edges) > 1
    on_error, each = edge.on_error, edge.each
    guard = edge.when.text if edge.when is not None else ""
    action = "; ".join([change.text for change in edge.set]) if edge.set else ""
    each_text = f"{each.item} in {each.of}" if each is not None else ""
    target = graph.nodes[edge.target].name
    said = (
        ("on error" if on_error is not None else "on", on_error or edge.on),
        ("when", guard),
        ("set", action),
        ("at most", edge.at_most),
        ("each", each_text),
        ("at once", each.at_once if each is not None else None),
        ("local", ", ".join(edge.local)),
    )
    lines = [f"{node.name} → {target}", *[f"{k}: {_cut(v)}" for k, v in said if v or v == 0]]
    return PEdge(
        source=step_into(path, node.name),
        target=step_into(path, target),
        number=_number(node, edge) if not forks else None,
        on=edge.on if edge.on is not None else (on_error or "").rpartition(".")[2],
        guard=guard,
        action=action,
        bound=edge.at_most,
        each=each_text,
        at_once=each.at_once if each is not None else None,
        fork=forks,
        otherwise=not forks and _is_otherwise(node, edge),
        error=on_error is not None,
        tooltip="\n".join(lines),
    )


def _rivals(node: Node, edge: Edge) -> list[Edge]:
    """Return the edges that are tried for the same outcome, `edge` itself included."""
    return [e for e in node.edges if e.on_error == edge.on_error and e.on == edge.on]


def _number(node: Node, edge: Edge) -> int | None:
    if len(node.edges) == 1:
        return None
    conditional = [e for e in _rivals(node, edge) if e.when is not None or e.at_most is not None]
    return edge.index + 1 if edge in conditional and len(conditional) > 1 else None


def _is_otherwise(node: Node, edge: Edge) -> bool:
    """Say whether an edge without a condition stands behind others that may be taken instead."""
    if edge.when is not None or edge.on_error is not None or edge.each is not None:
        return False
    return any(
        e.on_error is None and (e.on == edge.on or edge.on is None)
        for e in node.edges[: edge.index]
        if e.each is None or e.when
    )
