"""Pictures made by hand: a support flow, a run of it, flows of other projects, and large ones."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from graphrt_viz.picture import (
    EdgeMark,
    Failure,
    NodeKind,
    NodeMark,
    PCluster,
    PEdge,
    Picture,
    PNode,
    Remark,
    ToolMark,
)

DATA = Path(__file__).parent / "data"
GOLDEN = Path(__file__).parent / "golden"

_NODES = (
    PNode("start", "start"),
    PNode("triage", "router", "triage"),
    PNode("oncall", "agent", "oncall_brief", subtitle="summarise for pager"),
    PNode("billing", "tool_agent", "billing", tools=("lookup_invoice", "refund")),
    PNode("faq", "agent", "faq", subtitle="answer from handbook"),
    PNode("approve", "ask", "approve_refund"),
    PNode("join", "join"),
    PNode("reply", "agent", "compose_reply"),
    PNode("done", "end", "done"),
    PNode("failed", "failure_end", "gave up"),
)
_EDGES = (
    PEdge("start", "triage"),
    PEdge("triage", "oncall", number=1, guard='priority == "urgent"'),
    PEdge("triage", "billing", number=2, guard='intent == "billing"'),
    PEdge("triage", "faq", otherwise=True),
    PEdge("billing", "billing", on="tool_error", bound=3, retry=True),
    PEdge("billing", "failed", guard="attempts > 3", error=True),
    PEdge("billing", "approve", guard="refund_eur > 200"),
    PEdge("billing", "join", otherwise=True),
    PEdge("approve", "billing", on="rejected"),
    PEdge("approve", "join", on="approved"),
    PEdge("oncall", "join"),
    PEdge("faq", "join"),
    PEdge("join", "reply"),
    PEdge("reply", "done"),
)
FLOW = Picture("support_triage", "v3 · sha 9f2c41d · 9 nodes · 13 edges", _NODES, _EDGES)

REMARKED = replace(
    FLOW,
    nodes=tuple(
        replace(
            n,
            remarks={
                "triage": (Remark("GR201", "error", "intent = None: no edge of 'triage' matches"),),
                "billing": (
                    Remark("GR401", "warning", "tool 'refund' of 'billing' changes the world"),
                    Remark("GR301", "warning", "'billing' reads 'invoice', which nobody has written"),
                    Remark("GR402", "warning", "'billing' is retried"),
                    Remark("GR405", "warning", "'billing' has a model write anything"),
                ),
                "join": (Remark("GR107", "warning", "join 'join' never has more than one line to wait for"),),
                "failed": (Remark("GR101", "error", "node 'gave up' cannot be reached from 'triage'"),),
            }.get(n.id, ()),
        )
        for n in FLOW.nodes
    ),
    edges=tuple(
        replace(e, remarks=(Remark("GR203", "error", "edge 1 ('billing' -> 'approve') is never taken"),))
        if e.target == "approve"
        else replace(e, remarks=(Remark("GR106", "warning", "edges 0 and 1 both lead to 'reply'"),))
        if e.target == "reply"
        else e
        for e in FLOW.edges
    ),
    remarks=(Remark("GR303", "warning", "nothing in the flow reads or writes field 'urgency'; remove it, or use it"),),
)
"""The support flow with what somebody has to say of it."""

_NODE_MARKS = {
    "start": NodeMark(),
    "triage": NodeMark(took_s=1.1, good_s=1.1),
    "billing": NodeMark(
        attempts=2,
        took_s=8.2,
        good_s=5.0,
        failed_s=3.2,
        failures=(Failure(1, "refund: HTTP 502", 4, 2.0, "3"),),
        tools=(ToolMark("lookup_invoice", 2), ToolMark("refund", 2, 1)),
    ),
    "approve": NodeMark(waited_s=372, outcome="approved"),
    "join": NodeMark(),
    "reply": NodeMark(took_s=3.4, good_s=3.4, tokens=1204),
    "done": NodeMark(),
}
_EDGE_MARKS = (
    EdgeMark(1, ("1",), values="ticket #4821"),
    EdgeMark(reason='false: priority = "normal"'),
    EdgeMark(1, ("2",), 'intent = "billing"'),
    EdgeMark(reason="not tried: rule 2 matched"),
    EdgeMark(1, ("3",)),
    EdgeMark(reason="false: attempts = 2"),
    EdgeMark(1, ("4",), "refund_eur = 240"),
    EdgeMark(reason="not tried: rule 2 matched"),
    EdgeMark(reason="answer: approved"),
    EdgeMark(1, ("5",)),
    None,
    None,
    EdgeMark(1, ("6",)),
    EdgeMark(1, ("7",)),
)
RUN = Picture(
    "support_triage",
    "run 7f3a · completed · 7 steps · 6 m 24.9 s wall · 12.7 s busy · 4 812 tok · $0.021",
    tuple(replace(n, mark=_NODE_MARKS.get(n.id)) for n in _NODES),
    tuple(replace(e, mark=m) for e, m in zip(_EDGES, _EDGE_MARKS, strict=True)),
    shows="run",
    status="completed",
)

_KIND: dict[str, NodeKind] = {
    "work": "task",
    "agent": "agent",
    "router": "router",
    "end": "end",
    "map": "task",
    "trigger": "start",
    "start": "start",
    "wait": "ask",
    "join": "join",
    "fork": "fork",
}


def topology(name: str) -> Picture:
    """Return a flow of another project, by the name of its file."""
    data: dict[str, Any] = json.loads((DATA / "topologies" / f"{name}.json").read_text("utf-8"))
    labels = {n["id"]: n["label"] for n in data["nodes"]}
    frames = {n: f"group:{g['id']}" for g in data["groups"] for n in g["nodes"]}
    maps = {n["id"] for n in data["nodes"] if n["kind"] == "map"}
    return Picture(
        data["title"],
        f"{len(data['nodes'])} nodes",
        tuple(PNode(n["id"], _KIND[n["kind"]], n["label"], cluster=frames.get(n["id"])) for n in data["nodes"]),
        tuple(
            PEdge(
                e["from"],
                e["to"],
                on=e.get("label", ""),
                guard=e.get("guard", ""),
                error=e["kind"] == "error",
                otherwise=e["kind"] == "default",
                each="item in items" if e["from"] in maps else "",
            )
            for e in data["edges"]
        ),
        tuple(PCluster(f"group:{g['id']}", g.get("label") or labels.get(g["id"], g["id"])) for g in data["groups"]),
    )


TOPOLOGIES = ("asl-saga", "asl-quorum", "burr-multimodal", "flowise-iterations", "lg-self-rag")
"""A few of them, of every shape."""
ALL_TOPOLOGIES = tuple(sorted(p.stem for p in (DATA / "topologies").glob("*.json")))


def large(nodes: int, seed: int = 1) -> Picture:
    """Return a picture of that many nodes, deep rather than wide, with some guards and some loops."""
    draw = random.Random(seed)
    kinds: tuple[NodeKind, ...] = ("task", "agent", "router")
    parts = tuple(PNode(f"n{i}", draw.choice(kinds), f"node_{i}") for i in range(nodes))
    tree = [
        PEdge(f"n{draw.randrange(max(0, i - 12), i)}", f"n{i}", guard=f"x > {i}" if i % 4 == 0 else "")
        for i in range(1, nodes)
    ]
    more: list[PEdge] = []
    for _ in range(nodes // 4):
        i = draw.randrange(nodes)
        more.append(PEdge(f"n{i}", f"n{min(nodes - 1, max(0, i + draw.randrange(-8, 14)))}"))
    return Picture("large", f"{nodes} nodes", parts, (*tree, *more))


def nasty_strings() -> list[str]:
    """Return strings that have broken programs, each once."""
    listed: list[str] = json.loads((DATA / "blns.json").read_text())
    listed += json.loads((DATA / "labels_extra.json").read_text())
    listed += ["\x00", "a\x00b", "".join(map(chr, range(32))), "\ud800 lone", "\\N", "\\G", "\\E", "a\\", "\\n\\l\\r"]
    listed += ["<", ">", "&", "&#0;", "\ufffe\uffff", "\U0001f600\U0001f469\u200d\U0001f467", "\x7f\x85\xa0", "]]>"]
    listed += [
        "<B>x</B>",
        "</TABLE>",
        "<!--",
        "-->",
        '\\"',
        "%s {0}",
        "x" * 10_000,
        "日本語" * 30,
        " ",
        "\u200b",
        "$$$x$$$",
    ]
    return list(dict.fromkeys(listed))


def nasty_pictures(each: int = 12) -> list[Picture]:
    """Return pictures in which every nasty string stands as a name, a guard, a tooltip, and now and then elsewhere."""
    kinds: tuple[NodeKind, ...] = (
        "task",
        "agent",
        "tool_agent",
        "router",
        "ask",
        "join",
        "end",
        "failure_end",
        "subgraph",
    )
    texts = nasty_strings()
    pictures: list[Picture] = []
    for first in range(0, len(texts), each):
        part = texts[first : first + each]
        nodes = [PNode("start", "start")]
        edges = [PEdge("start", "i0")]
        for k, text in enumerate(part):
            kind = kinds[(first + k) % len(kinds)]
            frame = "frame" if k % 3 == 0 else None
            tools = (text, text) if kind == "tool_agent" else ()
            said = (Remark(text, "error" if k % 2 else "warning", text),) if k % 4 == 0 else ()
            nodes.append(
                PNode(f"i{k}", kind, text, subtitle=text, tools=tools, cluster=frame, tooltip=text, remarks=said)
            )
            if k:
                on, each_text = text if k % 2 else "", text if k % 7 == 0 else ""
                edge = PEdge(f"i{k - 1}", f"i{k}", on=on, guard=text, action=text, each=each_text, tooltip=text)
                edges.append(replace(edge, remarks=said))
        whole = (Remark(part[0], "warning", part[-1]),)
        frames = (PCluster("frame", part[0], tooltip=part[0], remarks=whole),)
        pictures.append(Picture(part[-1], part[0], tuple(nodes), tuple(edges), frames, remarks=whole))
    return pictures
