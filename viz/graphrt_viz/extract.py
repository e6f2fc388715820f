"""A graph as a picture: definition in, picture out, without the code the graph was made from.

Nodes are called by their path of names (`research/plan`), so that a run's marks find them. Subgraphs are opened
into frames, agents stay closed; both can be asked for otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, cast

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
    idents = [step_into(path, node.name) for node in graph.nodes]
    nodes.append(PNode(start_of(path), "start", cluster=frame, tooltip=f"start of {graph.name}"))
    edges.append(PEdge(start_of(path), idents[graph.start]))
    for node in _from_start(graph):
        ident = idents[node.index]
        retry = node.retry or outer_retry
        if node.graph is not None and is_open(node, ident, opened):
            clusters.append(PCluster(ident, node.name, _cluster_tag(node), frame, node_tooltip(graph, node)))
            _collect(node.graph, ident, ident, opened, retry, nodes, edges, clusters)
        else:
            nodes.append(_node(graph, node, ident, frame))
            if retry is not None and retry.attempts > 1 and node.kind not in {"ask", "join", "end"}:
                edges.append(_retry_loop(ident, retry))
        roles = _roles(node)
        edges += [_edge(graph, edge, roles[edge.index], ident, idents[edge.target]) for edge in node.edges]


def _from_start(graph: Graph) -> Iterator[Node]:
    """Yield the nodes with the start first: layouts break cycles where they begin."""
    yield graph.nodes[graph.start]
    yield from (n for n in graph.nodes if n.index != graph.start)


# ---- nodes


def tools_of(node: Node) -> tuple[str, ...]:
    """Return the names of the tools of an agent."""
    found = node.about.get("tools", ())
    if not found or not isinstance(found, (list, tuple)):
        return ()
    return tuple(name for t in cast("Sequence[object]", found) if (name := named(t)))


def guards_of(node: Node) -> tuple[str, ...]:
    """Return the guardrails of an agent, each with the side that it looks at."""
    found = node.about.get("guardrails", ())
    return tuple(str(g) for g in cast("Sequence[object]", found)) if isinstance(found, (list, tuple)) else ()


def asking_of(node: Node) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the tools of an agent of which a person must agree to each call, and to some calls."""
    inner = node.graph.by_name if node.graph is not None else {}
    asking = [name for name in tools_of(node) if (q := inner.get(f"approve {name}")) is not None and q.kind == "ask"]
    some = node.about.get("asks_some", ())
    some = cast("Sequence[object]", some) if isinstance(some, (list, tuple)) else ()
    return tuple(n for n in asking if n not in some), tuple(n for n in asking if n in some)


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
    about = node.about
    tools = tools_of(node) if about else ()
    asks, asks_some = asking_of(node) if tools else ((), ())
    return PNode(
        id=ident,
        kind=_kind(node),
        name=node.name,
        subtitle=_subtitle(node),
        tools=tools,
        cluster=frame,
        tooltip=node_tooltip(graph, node),
        asks=asks,
        asks_some=asks_some,
        guards=guards_of(node) if about else (),
    )


def _subtitle(node: Node) -> str:
    if node.kind == "join":
        return "" if node.wait is None else "any" if node.wait == 1 else f"first {node.wait}"
    if node.kind == "end":
        return "stops the run" if node.stop else ""
    if node.kind == "subgraph" and node.graph is not None:
        return f"{node.graph.name} · {plural(len(node.graph.nodes), 'node')}"
    if not node.question and not node.about:
        return ""
    for text in (node.question, node.about.get("doc"), node.about.get("instructions")):
        if isinstance(text, str) and text.strip():
            return text.strip().splitlines()[0]
    return ""


def node_tooltip(graph: Graph, node: Node) -> str:
    """Return all that a definition says of a node, in lines."""
    lines = [f"{node.name} ({node.kind})"]
    if sees := node.sees:
        lines.append(f"reads: {_cut(', '.join(sees))}")
    if node.writes:
        lines.append(f"writes: {_cut(', '.join(node.writes))}")
    if node.kind != "task" or node.about:
        lines += [f"{key}: {_cut(value)}" for key, value in _purpose(node)]
    if node.deadline_s is not None:
        lines.append(f"deadline: {duration(node.deadline_s)}")
    if node.timeout_s is not None:
        lines.append(f"timeout: {duration(node.timeout_s)}")
    if node.retry is not None:
        lines.append(f"retry: {_cut(_retry_text(node.retry))}")
    if node.on_crash != "retry":
        lines.append(f"after a crash: {node.on_crash}")
    if node.wait is not None:
        lines.append(f"waits for: {plural(node.wait, 'line')}")
    if node.opener is not None:
        lines.append(f"gathers what starts at: {_cut(graph.nodes[node.opener].name)}")
    if node.fork:
        lines.append("leaves by: all edges that match")
    if node.about:
        lines += [f"{key}: {_cut(node.about[key])}" for key in ("doc", "instructions") if node.about.get(key)]
    return "\n".join(lines)


def _purpose(node: Node) -> Iterator[tuple[str, object]]:
    """Yield what a node asks, whom, and with what."""
    about = node.about
    if node.question:
        yield "question", node.question
    if node.answers:
        yield "answers", ", ".join(node.answers)
    if about and about.get("model"):
        yield "model", about["model"]
    if tools := tools_of(node):
        yield "tools", ", ".join(tools)
        always, some = asking_of(node)
        if always:
            yield "asks before", ", ".join(always)
        if some:
            yield "may ask before", ", ".join(some)
    if guards := guards_of(node):
        yield "guarded", ", ".join(guards)


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
    source, target = graph.nodes[edge.source], graph.nodes[edge.target]
    return _edge(graph, edge, _roles(source)[edge.index], step_into(path, source.name), step_into(path, target.name))


class _Role(NamedTuple):
    """What an edge is among the others that leave its node."""

    number: int | None = None
    """Its place in the order in which they are tried; None if the order does not matter."""
    fork: bool = False
    otherwise: bool = False


_LONE: Final = (_Role(),)


def _roles(node: Node) -> Sequence[_Role]:
    """Return what each edge of a node is among the others."""
    if len(node.edges) == 1:
        return _LONE
    forking = node.fork and sum(e.on_error is None for e in node.edges) > 1
    rivals: dict[tuple[str | None, str | None], int] = {}
    for e in node.edges:
        if e.when is not None or e.at_most is not None:
            rivals[e.on, e.on_error] = rivals.get((e.on, e.on_error), 0) + 1
    roles: list[_Role] = []
    before: set[str | None] = set()
    for e in node.edges:
        fork = forking and e.on_error is None
        conditional = e.when is not None or e.at_most is not None
        numbered = conditional and not fork and rivals[e.on, e.on_error] > 1
        free = e.when is None and e.on_error is None and e.each is None
        otherwise = free and not fork and (bool(before) if e.on is None else e.on in before)
        roles.append(_Role(e.index + 1 if numbered else None, fork, otherwise))
        if e.on_error is None and (e.each is None or e.when is not None):
            before.add(e.on)
    return roles


def _edge(graph: Graph, edge: Edge, role: _Role, source: str, target: str) -> PEdge:
    on_error, each = edge.on_error, edge.each
    whole = f"{graph.nodes[edge.source].name} → {graph.nodes[edge.target].name}"
    if not (edge.when or edge.on or on_error or edge.set or each or edge.local) and edge.at_most is None:
        return PEdge(source, target, number=role.number, fork=role.fork, otherwise=role.otherwise, tooltip=whole)
    guard = edge.when.text if edge.when is not None else ""
    action = "; ".join([change.text for change in edge.set]) if edge.set else ""
    items = f"{each.item} in {each.of}" if each is not None else ""
    at_once = each.at_once if each is not None else None
    lines = [whole]
    if on_error or edge.on:
        lines.append(f"on error: {_cut(on_error)}" if on_error else f"on: {_cut(edge.on)}")
    if guard:
        lines.append(f"when: {_cut(guard)}")
    if action:
        lines.append(f"set: {_cut(action)}")
    if edge.at_most is not None:
        lines.append(f"at most: {edge.at_most}")
    if items:
        lines.append(f"each: {_cut(items)}")
    if at_once is not None:
        lines.append(f"at once: {at_once}")
    if edge.local:
        lines.append(f"local: {_cut(', '.join(edge.local))}")
    return PEdge(
        source=source,
        target=target,
        number=role.number,
        on=edge.on if edge.on is not None else on_error.rpartition(".")[2] if on_error else "",
        guard=guard,
        action=action,
        bound=edge.at_most,
        each=items,
        at_once=at_once,
        fork=role.fork,
        otherwise=role.otherwise,
        error=on_error is not None,
        tooltip="\n".join(lines),
    )
