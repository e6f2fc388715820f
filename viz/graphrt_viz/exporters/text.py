"""Plain text: each node with its edges below it, for terminals, logs and diffs.

Every line says its fact in words; the drawn characters only help the eye: `──▶` an edge, `╌╌▷` a dashed one or
one not taken, `══▶` one that a run took.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from graphrt_viz import story
from graphrt_viz.looks import TAGS
from graphrt_viz.outline import Outline
from graphrt_viz.wording import shorten, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from graphrt_viz.exporters.dot import Direction
    from graphrt_viz.looks import Room
    from graphrt_viz.picture import NodeMark, PEdge, Picture, PNode
    from graphrt_viz.theme import Theme

_SIGNS: Final[Mapping[str, str]] = {
    "start": "●",
    "task": "▢",
    "agent": "▣",
    "tool_agent": "▣",
    "router": "⬡",
    "ask": "?",
    "join": "━",
    "fork": "━",
    "end": "◎",
    "failure_end": "⊗",
    "subgraph": "▤",
}
_KINDS: Final[Mapping[str, str]] = {"tool_agent": "agent with tools", "failure_end": "failure end"}
_MOST: Final = 100


def export(picture: Picture, theme: Theme, direction: Direction = "TB", room: Room | None = None) -> str:
    """Return the picture as text; theme, direction and room have no meaning here."""
    del theme, direction, room
    names = story.names_of(picture)
    leaving: dict[str, list[PEdge]] = {}
    for edge in picture.edges:
        leaving.setdefault(edge.source, []).append(edge)
    lines = [" · ".join(visible(t) for t in (picture.title, picture.subtitle) if t)]
    lines += _inside(picture, None, Outline(picture), names, leaving, "")
    lines += _remarks(picture)
    lines += ["", f"graphrt-picture sha256:{picture.digest}"]
    return "\n".join(text.rstrip() for text in lines) + "\n"


def _inside(
    picture: Picture,
    cluster: str | None,
    outline: Outline,
    names: Mapping[str, str],
    leaving: Mapping[str, list[PEdge]],
    indent: str,
) -> Iterable[str]:
    for node in outline.within(cluster):
        yield indent
        yield indent + _node(node, names, picture)
        yield from _edges(leaving.get(node.id, ()), names, picture, indent)
    for frame in outline.inside(cluster):
        yield indent
        facts = "".join(f" · {visible(text)}" for text in (*story.compared(frame), *story.badges(frame)))
        facts += f" · {_story(frame.mark)}" if frame.mark is not None else ""
        yield f"{indent}┌ {names[frame.id]} · {visible(frame.tag or 'subgraph').lower()}{facts}"
        yield from _inside(picture, frame.id, outline, names, leaving, indent + "│ ")
        yield indent + "└"
        yield from _edges(leaving.get(frame.id, ()), names, picture, indent)


def _node(node: PNode, names: Mapping[str, str], picture: Picture) -> str:
    parts = [f"{_SIGNS[node.kind]} {names[node.id]}"]
    if node.kind != "start":
        parts.append(visible(node.tag).lower() if node.tag else _KINDS.get(node.kind, node.kind))
    if node.subtitle and (picture.shows == "flow" or node.kind not in TAGS):  # in a run, what became of it counts
        parts.append(shorten(node.subtitle, _MOST))
    if node.tools:
        parts.append("tools: " + ", ".join(_tool(name, node) for name in node.tools))
    parts += story.guarded(node)
    if picture.shows == "run":
        parts.append(_story(node.mark) if node.mark is not None else "" if node.kind == "start" else "not visited")
    elif picture.shows == "heat" and node.level is None and node.kind != "start":
        parts.append("not visited")
    parts += [visible(text) for text in (*story.compared(node), *story.badges(node))]
    return " · ".join([p for p in parts if p])


def _remarks(picture: Picture) -> Iterable[str]:
    """List what was remarked, in full: the drawing has the codes alone."""
    for number, (about, text) in enumerate(story.all_remarked(picture)):
        if number == 0:
            yield ""
        yield visible(f"{about}: {text}" if about else text)


def _tool(name: str, node: PNode) -> str:
    used = next((t for t in node.mark.tools if t.name == name), None) if node.mark is not None else None
    failed = f" ({used.failed} failed)" if used is not None and used.failed else ""
    return story.tool_text(node, name) + (f" ×{used.calls}{failed}" if used is not None else "")


def _edges(edges: Iterable[PEdge], names: Mapping[str, str], picture: Picture, indent: str) -> Iterable[str]:
    listed = list(edges)
    for i, edge in enumerate(listed):
        branch = "└" if i == len(listed) - 1 else "├"
        if picture.shows == "flow" and story.is_bare(edge):
            yield f"{indent}{branch}──▶ {names[edge.target]}"
            continue
        strong = edge.level is not None or (edge.mark is not None and edge.mark.taken > 0)
        stroke, head = ("╌", "▷") if story.is_dashed(edge, picture) else ("═" if strong else "─", "▶")
        label = _label(edge)
        middle = f" {label} " if label else ""
        said = "".join([f"   ({visible(text)})" for text in story.badges(edge)])
        yield f"{indent}{branch}{stroke}{middle}{stroke}{head} {names[edge.target]}{_crossed(edge, picture)}{said}"


def _label(edge: PEdge) -> str:
    words = [f"{edge.number}."] if edge.number is not None else []
    words += ["on error"] if edge.error else []
    words += ["fork"] if edge.fork else []
    words += [f"each {visible(edge.each)}"] if edge.each else []
    words += [visible(edge.on)] if edge.on else []
    words += [f"[{visible(edge.guard)}]"] if edge.guard else []
    words += ["otherwise"] if edge.otherwise else []
    words += [f"/ {visible(edge.action)}"] if edge.action else []
    words += ["retry"] if edge.retry else []
    return " ".join(words + story.bounds(edge))


def _crossed(edge: PEdge, picture: Picture) -> str:
    """Return what a run did at an edge."""
    mark = edge.mark
    if said := story.compared(edge):
        return f"   ({' · '.join(visible(text) for text in said)})"
    if picture.shows != "run" or mark is None or not (mark.taken or mark.reason):
        return ""
    return f"   ({' · '.join(visible(text) for text in story.edge_story(mark))})"


def _story(mark: NodeMark) -> str:
    return " · ".join(shorten(text, _MOST) for text in story.node_story(replace(mark, tools=())))
