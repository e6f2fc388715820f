"""Mermaid's state diagram: the same picture in the words of states and transitions, for readers who think in UML.

It follows the rules that keep Mermaid's flowcharts whole: harmless ids, and signs beyond letters and digits as codes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from graphrt_viz import story
from graphrt_viz.collapse import collapsed
from graphrt_viz.exporters import mermaid
from graphrt_viz.looks import BARS
from graphrt_viz.outline import Outline
from graphrt_viz.wording import shorten

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from graphrt_viz.exporters.dot import Direction
    from graphrt_viz.looks import Room
    from graphrt_viz.picture import PEdge, Picture, PNode
    from graphrt_viz.theme import Theme

_MOST = 80


def export(picture: Picture, theme: Theme, direction: Direction = "TB", room: Room | None = None) -> str:
    """Return the picture as a Mermaid state diagram; `room` has no meaning here."""
    del room
    drawn = collapsed(picture, mermaid.MOST_EDGES)
    outline = Outline(drawn, dot="[*]")
    lines = [
        f"%% graphrt-picture sha256:{picture.digest} theme={theme.name} direction={direction}",
        f"%% {re.sub(r'[^ -z|~]', '', shorten(picture.title, 80))}",
        *mermaid.collapse_note(picture, drawn),
        *mermaid.remarks(picture),
        "stateDiagram-v2",
        f"  direction {direction}",
        *_inside(drawn, None, outline, story.beginnings(drawn), "  "),
        *_transitions(drawn, outline.ids),
        *_styles(drawn, theme, outline.ids),
    ]
    return "\n".join(lines) + "\n"


def _inside(
    picture: Picture,
    cluster: str | None,
    outline: Outline,
    starts: Mapping[str | None, Sequence[PEdge]],
    indent: str,
) -> Iterable[str]:
    ids = outline.ids
    for node in outline.within(cluster):
        if not _is_dot(node):
            bar = node.kind in BARS and not node.name
            yield f"{indent}state {ids[node.id]} <<{node.kind}>>" if bar else _state(node, picture, ids, indent)
    for frame in outline.inside(cluster):
        yield f'{indent}state "{_plain(mermaid.safe(shorten(frame.name, _MOST)))}" as {ids[frame.id]}'
        yield f"{indent}state {ids[frame.id]} {{"
        for edge in starts.get(frame.id, ()):
            yield f"{indent}  {_transition(edge, picture, ids)}"
        yield from _inside(picture, frame.id, outline, starts, indent + "  ")
        yield f"{indent}}}"


def _plain(label: str) -> str:
    """Return a label without what only a flowchart needs."""
    return label.replace("<wbr/>", "")


def _is_dot(node: PNode) -> bool:
    return node.kind == "start" and not node.name


def _state(node: PNode, picture: Picture, ids: Mapping[str, str], indent: str) -> str:
    return f'{indent}state "{_plain(mermaid.node_text(node, picture, _MOST))}" as {ids[node.id]}'


def _transitions(picture: Picture, ids: Mapping[str, str]) -> Iterable[str]:
    starts = story.beginnings(picture)
    dots = {e.source for frame, edges in starts.items() if frame is not None for e in edges}
    for edge in picture.edges:
        if edge.source not in dots:
            yield f"  {_transition(edge, picture, ids)}"
    for node in picture.nodes:
        if node.kind in {"end", "failure_end"} and node.cluster is None:
            yield f"  {ids[node.id]} --> [*]"


def _transition(edge: PEdge, picture: Picture, ids: Mapping[str, str]) -> str:
    if picture.shows == "flow" and story.is_bare(edge):
        return f"{ids[edge.source]} --> {ids[edge.target]}"
    label = _plain(mermaid.edge_text(edge, picture, _MOST))
    return f"{ids[edge.source]} --> {ids[edge.target]}" + (f" : {label}" if label else "")


def _styles(picture: Picture, theme: Theme, ids: Mapping[str, str]) -> Iterable[str]:
    groups: dict[str, list[str]] = {}
    for node in picture.nodes:
        if not _is_dot(node) and (node.name or node.kind not in BARS):
            groups.setdefault(mermaid.style_of(node, picture), []).append(ids[node.id])
    for name in sorted(groups):
        yield f"  classDef {name} {mermaid.style_text(name, theme)}"
        yield f"  class {','.join(groups[name])} {name}"
