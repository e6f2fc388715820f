"""PlantUML: a plain state diagram, for documents and tools that draw it themselves.

Ids are n1, n2 … only. All but letters, digits and a few harmless signs is written as `<U+hhhh>`, so that neither its
preprocessor nor its markup finds anything in a name.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from graphrt_viz import story
from graphrt_viz.looks import BARS, TAGS, tag
from graphrt_viz.outline import Outline
from graphrt_viz.wording import is_word, shorten, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from graphrt_viz.exporters.dot import Direction
    from graphrt_viz.looks import Room
    from graphrt_viz.picture import PEdge, Picture, PNode
    from graphrt_viz.theme import Theme

_UNSAFE: Final = re.compile(r"[^\w ,.()]|[_\u00b2-\u00be\u2070-\u218f]|(?<= ) |^[ (]| $")
_MOST: Final = 80


def export(picture: Picture, theme: Theme, direction: Direction = "TB", room: Room | None = None) -> str:
    """Return the picture as a PlantUML state diagram; `room` has no meaning here."""
    del room
    outline = Outline(picture, dot="[*]")
    ids = outline.ids
    starts = {
        frame: [_edge(e, picture, ids, theme) for e in edges] for frame, edges in story.beginnings(picture).items()
    }
    lines = [
        "@startuml",
        f"' graphrt-picture sha256:{picture.digest} theme={theme.name} direction={direction}",
        *(f"' {visible(about)}: {visible(text)}" for about, text in story.all_remarked(picture)),
        "hide empty description",
        *(["left to right direction"] if direction == "LR" else []),
        f"title {safe(shorten(picture.title, _MOST)) or '<U+0020>'}",
        *_skin(theme),
        *_inside(picture, None, outline, starts, ""),
        *(_edge(e, picture, ids, theme) for e in picture.edges if ids[e.source] != "[*]"),
        "@enduml",
    ]
    return "\n".join(lines) + "\n"


def safe(text: str) -> str:
    """Return `text` as PlantUML shows it, whatever it holds."""
    if is_word(text):
        return text.replace("_", "<U+005F>")
    return _UNSAFE.sub(lambda m: f"<U+{ord(m[0]):04X}>", visible(text))


def _skin(theme: Theme) -> Iterable[str]:
    yield f"skinparam backgroundColor {theme.background}"
    yield f"skinparam defaultFontColor {theme.ink}"
    yield f"skinparam titleFontColor {theme.ink}"
    yield f"skinparam ArrowColor {theme.edge}"
    yield f"skinparam ArrowFontColor {theme.ink}"
    yield "skinparam state {"
    yield f"  BackgroundColor {theme.task.fill}"
    yield f"  BorderColor {theme.task.stroke}"
    yield f"  FontColor {theme.ink}"
    yield f"  StartColor {theme.ink}"
    yield "}"


def _inside(
    picture: Picture,
    cluster: str | None,
    outline: Outline,
    starts: Mapping[str | None, Sequence[str]],
    indent: str,
) -> Iterable[str]:
    ids = outline.ids
    for text in starts.get(cluster, ()):
        yield indent + text
    for node in outline.within(cluster):
        if (key := ids[node.id]) != "[*]":
            yield indent + _node(node, picture, key)
    for frame in outline.inside(cluster):
        yield f'{indent}state "{safe(shorten(frame.name, _MOST)) or "<U+0020>"}" as {ids[frame.id]} {{'
        yield from _inside(picture, frame.id, outline, starts, indent + "  ")
        yield f"{indent}}}"


def _node(node: PNode, picture: Picture, key: str) -> str:
    if node.kind in BARS and not node.name:
        return f"state {key} <<{node.kind}>>"
    lines = _lines(node, picture)
    label = "\\n".join([safe(text) or "<U+0020>" for text in lines]) if len(lines) > 1 else safe(lines[0]) or "<U+0020>"
    kind = tag(node, run=picture.shows == "run") if node.kind in TAGS else node.kind.replace("_", " ").upper()
    return f'state "<size:9>{_safe_tag(kind)}</size>\\n{label}" as {key}{_colour(node, picture)}'


def _lines(node: PNode, picture: Picture) -> list[str]:
    """Return what a node's label says, below its kind."""
    lines = [shorten(node.name or node.kind.replace("_", " "), _MOST)]
    if node.subtitle and picture.shows == "flow":
        lines.append(shorten(node.subtitle, _MOST))
    if node.tools:
        lines.append(shorten(", ".join(story.tool_text(node, t) for t in node.tools), _MOST))
    lines += [shorten(text, _MOST) for text in story.guarded(node)]
    if node.mark is not None:
        lines += [text for text in (story.brief(node.mark), shorten(node.mark.error or "", _MOST)) if text]
    if node.notes or node.remarks:
        lines += [shorten(text, _MOST) for text in (*node.notes, *story.badges(node))]
    return lines


@lru_cache(256)
def _safe_tag(text: str) -> str:
    """Return the word above a name; they are the same few in a whole picture."""
    return safe(text)


def _colour(node: PNode, picture: Picture) -> str:
    """Return how a node that stands out is painted; the others keep the common look."""
    if picture.shows == "flow" and not node.change:
        return ""
    if story.is_ghost(node, picture) or node.change in {"removed", "second"}:
        return " #line.dashed"
    failed = node.mark is not None and node.mark.status == "failed" and not node.mark.caught
    return " #line.bold" if failed or node.change in {"added", "changed", "first", "parted"} else ""


def _edge(edge: PEdge, picture: Picture, ids: Mapping[str, str], theme: Theme) -> str:
    if picture.shows == "flow" and story.is_bare(edge):
        return f"{ids[edge.source]} --> {ids[edge.target]}"
    taken = edge.mark is not None and edge.mark.taken > 0
    style = [theme.bad.stroke] if edge.error else [theme.path] if taken else []
    style += ["dashed"] if story.is_dashed(edge, picture) else ["bold"] if taken or edge.change or edge.level else []
    words = [f"({number})"] if edge.mark is not None and (number := story.crossings(edge.mark)) and taken else []
    words += [text] if (text := story.condition(edge)) else []
    lines = [" ".join(words)] if words else []
    if edge.mark is not None:
        lines += [text for text in (story.values(edge.mark), edge.mark.reason) if text]
    lines += [*story.compared(edge), *story.badges(edge)]
    label = "\\n".join(safe(shorten(text, 2 * _MOST)) for text in lines)
    arrow = f"-[{','.join(style)}]->" if style else "-->"
    return f"{ids[edge.source]} {arrow} {ids[edge.target]}" + (f" : {label}" if label else "")
