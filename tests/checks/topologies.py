"""The 46 real flows as graphs of graphrt, as far as their drawings tell what they mean.

Where a function returns the name of the next node, the node is a router with these answers; comparisons that are simple
enough become guards over fields, which the deciding node writes; whatever else decides is a named function. Nodes fork
where their system takes every edge. A join stands behind what runs side by side inside a group, and before a node that
its system starts only when all that leads to it has come. What else is read or written is not drawn.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphrt.fields import Field
from graphrt.graph import Each, Edge, Graph, Node
from graphrt.guards import Guard
from graphrt.openers import place_joins
from graphrt.trees import Compare, Constant, Predicate, Read, Size, Tree

FOLDER = Path(__file__).parent.parent / "viz" / "data" / "topologies"
NAMES = sorted(p.stem for p in FOLDER.glob("*.json"))

_RUN_ALL = ("n8n", "dify", "flowise", "wf-")
"""Systems in which a node is followed by all its successors, unless it is a router."""
_FORK = ("tornado-magentic",)
"""Systems in which every edge whose guard holds is taken."""
_WAIT_FOR_ALL = ("dify", "wf-")
"""Systems that start a node once, when all that leads to it has come."""

Link = dict[str, Any]


@dataclass
class Drawn:
    """A topology on its way to a graph."""

    name: str
    kinds: dict[str, str] = field(default_factory=dict[str, str])
    links: list[Link] = field(default_factory=list[Link])

    def leaving(self, node: str) -> list[Link]:
        """Return the edges of a node."""
        return [e for e in self.links if e["from"] == node]

    def entering(self, node: str) -> list[Link]:
        """Return the edges that lead to a node."""
        return [e for e in self.links if e["to"] == node]

    def link(self, source: str, target: str, kind: str = "normal", **more: str) -> None:
        """Add an edge."""
        self.links.append({"from": source, "to": target, "kind": kind, **more})


def drawn(name: str) -> Drawn:
    """Read a topology and make explicit what its system means by it."""
    data = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    links = [e for e in data["edges"] if e["kind"] != "attach"]
    linked = {end for e in links for end in (e["from"], e["to"])}
    attached = {end for e in data["edges"] if e["kind"] == "attach" for end in (e["from"], e["to"])} - linked
    flow = Drawn(name, {n["id"]: n["kind"] for n in data["nodes"] if n["id"] not in attached}, links)
    for group in data["groups"]:
        _enter(flow, group["id"].partition("/")[0], group["nodes"])
    for holder in dict.fromkeys(g["id"].partition("/")[0] for g in data["groups"]):
        _gather(flow, holder, {n for g in data["groups"] if g["id"].partition("/")[0] == holder for n in g["nodes"]})
    if name.startswith("n8n"):
        _outputs(flow)
    roots = [n for n in flow.kinds if not flow.entering(n)]
    if len(roots) == 1:
        flow.kinds = {roots[0]: flow.kinds[roots[0]], **flow.kinds}
    else:
        flow.kinds = {"(start)": "fork", **flow.kinds}
        for root in roots or [*flow.kinds][1:2]:
            flow.link("(start)", root)
    if name.startswith(_WAIT_FOR_ALL):
        _wait(flow)
    return flow


def _enter(flow: Drawn, holder: str, body: list[str]) -> None:
    """Lead a node that runs what is drawn inside it to the beginning of that."""
    entered = {e["to"] for e in flow.links}
    for first in body:
        if first not in entered:
            flow.link(holder, first, "map")


def _gather(flow: Drawn, holder: str, body: set[str]) -> None:
    """Put a join behind what is drawn inside a node; what followed the node follows the join."""
    join = f"after {holder}"
    begun = [e for e in flow.leaving(holder) if e["to"] in body]
    flow.kinds[join] = "join" if len(begun) > 1 or any(e["kind"] == "map" for e in begun) else "work"
    for e in flow.leaving(holder):
        if e["to"] not in body and e["kind"] != "error":
            e["from"] = join
    for last in body:
        if not [e for e in flow.leaving(last) if e["kind"] != "error"]:
            flow.kinds[last] = "work"
            flow.link(last, join)


def _outputs(flow: Drawn) -> None:
    """Make choices of the numbered outputs of a node; an output with several edges forks."""
    for n in list(flow.kinds):
        by_output: dict[str, list[Link]] = {}
        for e in flow.leaving(n):
            by_output.setdefault(str(e.get("label", "0")).rpartition(" ")[2], []).append(e)
        if len(by_output) < 2:
            continue
        flow.kinds[n] = "router"
        for output, links in by_output.items():
            if len(links) > 1:
                middle = f"{n} #{output}"
                flow.kinds[middle] = "fork"
                for e in links:
                    e["from"] = middle
                flow.link(n, middle, label=output)


def _wait(flow: Drawn) -> None:
    """Put a join before each node that waits for several."""
    for n in [n for n, kind in flow.kinds.items() if kind != "join" and len(flow.entering(n)) > 1]:
        join = f"before {n}"
        flow.kinds[join] = "join"
        for e in flow.entering(n):
            e["to"] = join
        flow.link(join, n)


def topology(name: str) -> tuple[Graph | None, tuple[str, ...]]:
    """Return a topology as a graph, or what freezing says against it."""
    flow = drawn(name)
    index = {n: i for i, n in enumerate(flow.kinds)}
    fields: dict[str, Field] = {}
    nodes = tuple(_node(flow, n, index, fields) for n in flow.kinds)
    placed, mistakes = place_joins(nodes, 0)
    return (None if mistakes else Graph(name, tuple(fields.values()), placed)), tuple(m.code for m in mistakes)


def _node(flow: Drawn, name: str, index: dict[str, int], fields: dict[str, Field]) -> Node:
    kind, leaving = flow.kinds[name], flow.leaving(name)
    answers = _answers(flow, name)
    edges: list[Edge] = []
    for k, e in enumerate(leaving):
        how: dict[str, Any] = {}
        guard = e.get("guard")
        if e["kind"] == "error":
            how["on_error"] = f"Error{k}"
        elif e["kind"] == "map":
            fields.setdefault("items", Field("items", list[str], default_json=[], required=False))
            fields.setdefault("item", Field("item", str, default_json="", required=False))
            how["each"] = Each("items", "item")
        elif answers:
            how["on"] = answers[k]
        elif guard not in {None, "else", "true"} and e["kind"] != "default":
            how["when"] = Guard(_tree(str(guard), name, fields))
        edges.append(Edge(index[name], index[e["to"]], k, **how))
    side_by_side = any(e["kind"] == "parallel" for e in leaving)
    runs_all = side_by_side or kind == "fork" or (flow.name.startswith(_RUN_ALL) and kind != "router")
    takes_all = flow.name.startswith(_FORK)
    normal = [e for e in edges if e.on_error is None]
    decides_by = dict.fromkeys(f for e in edges if e.when is not None for f in e.when.reads)
    is_end = kind == "end" and not edges
    return Node(
        index[name],
        name,
        "end"
        if is_end
        else "join"
        if kind == "join"
        else "router"
        if answers
        else "agent"
        if kind == "agent"
        else "task",
        writes=tuple(decides_by),
        edges=tuple(edges),
        fork=len(normal) > 1 and not answers and (takes_all or (runs_all and all(e.when is None for e in normal))),
        answers=tuple(dict.fromkeys(answers)),
    )


def _answers(flow: Drawn, name: str) -> list[str]:
    """Return the answer for each edge, if the node chooses between them by name."""
    leaving, kind = flow.leaving(name), flow.kinds[name]
    guards = [e.get("guard") for e in leaving]
    if len(leaving) < 2 or any(e["kind"] in {"error", "map", "parallel"} for e in leaving):
        return []
    if flow.name.startswith("lg") and all(guards):
        return [str(e["to"]) for e in leaving]
    asks = "humanInput" in name
    if (kind == "router" or asks) and not any(guards) and not any(e["kind"] == "default" for e in leaving):
        return [str(k) for k in range(len(leaving))]
    return []


def _tree(guard: str, node: str, fields: dict[str, Field]) -> Tree:
    """Return a guard over a field, where it is a simple comparison, else as a function."""
    found = re.fullmatch(r"when\((\w+)=(.+)\)", guard)
    if found:
        texts = {"True": True, "False": False}
        value: Any = texts.get(found[2], int(found[2]) if found[2].isdigit() else found[2].strip("'"))
        fields.setdefault(found[1], Field(found[1], type(value)))
        return Compare("==", Read(found[1]), Constant(value))
    found = re.fullmatch(r"expr\('(len\()?(\w+)\)? *([<>=]+) *(\d+)'\)", guard)
    if found:
        fields.setdefault(found[2], Field(found[2], list[str] if found[1] else int))
        left = Size(Read(found[2])) if found[1] else Read(found[2])
        return Compare(found[3], left, Constant(int(found[4])))
    return Predicate(f"{node}: {guard}".replace(".", "·"), ())
