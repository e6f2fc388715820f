"""Mermaid: a flowchart that GitHub and many editors draw by themselves.

Ids are n1, n2 … only, since words like `end` or `click` break a flowchart. Of ASCII, all but letters, digits and
a few harmless signs is written as `#<decimal>;`. Mermaid draws no more than 500 edges, so a larger picture is
collapsed first.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from graphrt_viz import story
from graphrt_viz.collapse import collapsed
from graphrt_viz.looks import TAGS, tag
from graphrt_viz.outline import Outline
from graphrt_viz.spine import spine
from graphrt_viz.theme import Shade
from graphrt_viz.wording import is_word, plural, shorten, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from graphrt_viz.exporters.dot import Direction
    from graphrt_viz.looks import Room
    from graphrt_viz.picture import PCluster, PEdge, Picture, PNode
    from graphrt_viz.theme import Theme

MOST_EDGES: Final = 500
_MOST_TEXT: Final = 45_000
"""Characters; Mermaid refuses texts above 50,000."""
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9 =.,!?/()'+\-\u00a0-\U0010ffff]")
_SHAPES: Final[Mapping[str, tuple[str, str]]] = {
    "start": ("((", "))"),
    "task": ("[", "]"),
    "agent": ("(", ")"),
    "tool_agent": ("[[", "]]"),
    "router": ("{{", "}}"),
    "ask": ("[/", "\\]"),
    "join": ("[", "]"),
    "fork": ("[", "]"),
    "end": ("(((", ")))"),
    "failure_end": ("(((", ")))"),
    "subgraph": ("[(", ")]"),
}


def export(picture: Picture, theme: Theme, direction: Direction = "TB", room: Room | None = None) -> str:
    """Return the picture as a Mermaid flowchart; `room` has no meaning here."""
    del room
    most = 80
    drawn = collapsed(picture, MOST_EDGES)
    while len(text := _text(picture, drawn, theme, direction, most)) > _MOST_TEXT and most > 12:
        most //= 2
    return text if len(text) <= _MOST_TEXT else _text(picture, collapsed(picture, 0), theme, direction, most)


def _text(picture: Picture, drawn: Picture, theme: Theme, direction: Direction, most: int) -> str:
    outline = Outline(drawn)
    lines = [
        f"%% graphrt-picture sha256:{picture.digest} theme={theme.name} direction={direction}",
        f"%% {re.sub(r'[^ -z|~]', '', shorten(picture.title, 80))}",
        *collapse_note(picture, drawn),
        *remarks(picture),
        f"flowchart {'LR' if direction == 'LR' else 'TD'}",
        *_body(drawn, outline, most),
        *_styles(drawn, outline, theme),
    ]
    return "\n".join(lines) + "\n"


def collapse_note(picture: Picture, drawn: Picture) -> list[str]:
    """Return a comment that says how much is hidden, if anything is."""
    if drawn is picture:
        return []
    hidden = f"{plural(len(picture.nodes), 'node')} and {plural(len(picture.edges), 'edge')}"
    shown = f"{plural(len(drawn.nodes), 'node')} and {plural(len(drawn.edges), 'edge')}"
    why = f"for Mermaid draws at most {MOST_EDGES} edges; svg, dot and text show all"
    return [f"%% collapsed: {hidden} shown as {shown}, {why}"]


def remarks(picture: Picture) -> list[str]:
    """Return what was remarked, in full, as comments: labels have the codes alone."""
    said = [f"{about}: {text}" if about else text for about, text in story.all_remarked(picture)]
    return [f"%% {re.sub(r'[^ -z|~]', '', visible(text))}" for text in said]


def safe(text: str) -> str:
    """Return `text` as the content of a quoted Mermaid label, never empty."""
    if is_word(text):
        return text.replace("_", "#95;")
    shown = visible(text)
    out = _UNSAFE.sub(lambda m: f"#{ord(m[0])};", shown)
    out = out.replace("#92;n", "#92;<wbr/>n")  # else the two are taken for the end of a line
    out = re.sub("#36;(?=#36;)", "#36;<wbr/>", out)  # else what stands between two pairs is set as a formula
    out = re.sub(r"direction\s", "direction#32;", out)  # else the whole line is taken for a statement
    if re.match(r"\d+\. |[-+] ", out):  # else it is taken for the beginning of a Markdown list
        out = re.sub(r"[.+-]", lambda m: f"#{ord(m[0])};", out, count=1)
    return out if out.strip() else "#32;"


def _body(picture: Picture, outline: Outline, most: int) -> Iterable[str]:
    yield from _inside(picture, None, outline, most, "  ")
    ids = outline.ids
    for edge in picture.edges:
        if picture.shows == "flow" and story.is_bare(edge):
            yield f"  {ids[edge.source]} --> {ids[edge.target]}"
            continue
        arrow = _arrow(edge, picture)
        text = edge_text(edge, picture, most)
        label = f'|"{text}"|' if text else ""
        yield f"  {ids[edge.source]} {arrow}{label} {ids[edge.target]}"


def _inside(picture: Picture, cluster: str | None, outline: Outline, most: int, indent: str) -> Iterable[str]:
    ids = outline.ids
    for node in outline.within(cluster):
        before, after = _SHAPES[node.kind]
        yield f'{indent}{ids[node.id]}{before}"{node_text(node, picture, most)}"{after}'
    for frame in outline.inside(cluster):
        yield f'{indent}subgraph {ids[frame.id]}["{safe(frame_text(frame, most))}"]'
        yield from _inside(picture, frame.id, outline, most, indent + "  ")
        yield f"{indent}end"


def frame_text(frame: PCluster, most: int) -> str:
    """Return the label of a frame."""
    return " · ".join([shorten(frame.name, most), *story.badges(frame)])


def node_text(node: PNode, picture: Picture, most: int) -> str:
    """Return a node's label: kind, name, tools, and what a run did."""
    if node.kind == "start" and not node.name:
        return "#32;"
    lines = [shorten(node.name or node.kind.replace("_", " "), most)]
    if picture.shows == "flow" and node.subtitle:
        lines.append(shorten(node.subtitle, most))
    if node.tools:
        lines.append(shorten(", ".join(story.tool_text(node, t) for t in node.tools), most))
    lines += [shorten(text, most) for text in story.guarded(node)]
    if node.mark is not None:
        lines += [facts] if (facts := story.brief(node.mark)) else []
        lines += [shorten(node.mark.error, most)] if node.mark.error else []
    if node.notes or node.remarks:
        lines += [shorten(text, most) for text in (*node.notes, *story.badges(node))]
    texts = [safe(text) for text in lines if text]
    return "<br/>".join([_safe_tag(tag(node, run=picture.shows == "run")), *texts] if node.kind in TAGS else texts)


@lru_cache(256)
def _safe_tag(text: str) -> str:
    """Return the word above a name; they are the same few in a whole picture."""
    return safe(text)


def edge_text(edge: PEdge, picture: Picture, most: int) -> str:
    """Return an edge's label, `on [guard] / action`, and what a run did; empty if there is nothing to say."""
    mark = edge.mark if picture.shows == "run" else None
    words = story.condition(edge)
    if mark is not None and mark.taken:
        words = f"({number}) {words}".rstrip() if (number := story.crossings(mark)) else words
    lines = [shorten(words, 2 * most)] if words else []
    if mark is not None:
        lines += [shorten(text, most) for text in (story.values(mark), mark.reason) if text]
    lines += [shorten(text, most) for text in (*story.compared(edge), *story.badges(edge))]
    return "<br/>".join(safe(text) for text in lines)


def _arrow(edge: PEdge, picture: Picture) -> str:
    if story.is_dashed(edge, picture):
        return "-.->"
    return "==>" if picture.shows in {"run", "heat"} or edge.change else "-->"


_SPECIAL: Final[Mapping[str, Callable[[Theme], Shade]]] = {
    "k_ghost": lambda theme: theme.ghost,
    "k_failed": lambda theme: theme.bad,
    "k_caught": lambda theme: Shade(theme.retry, theme.card, theme.ink),
    "k_added": lambda theme: theme.ok,
    "k_removed": lambda theme: theme.bad,
    "k_changed": lambda theme: theme.other,
    "k_first": lambda theme: theme.agent,
    "k_second": lambda theme: theme.other,
    "k_both": lambda theme: theme.task,
    "k_parted": lambda theme: theme.ask,
    "k_heat0": lambda theme: theme.heat[0],
    "k_heat1": lambda theme: theme.heat[1],
    "k_heat2": lambda theme: theme.heat[2],
    "k_heat3": lambda theme: theme.heat[3],
    "k_heat4": lambda theme: theme.heat[4],
}


def style_of(node: PNode, picture: Picture) -> str:
    """Return the name of the style of a node: its kind's, but for ghosts and failures."""
    if story.is_ghost(node, picture):
        return "k_ghost"
    if node.mark is not None and node.mark.status == "failed":
        return "k_caught" if node.mark.caught else "k_failed"
    if node.level is not None:
        return f"k_heat{node.level}"
    return f"k_{node.change}" if node.change else f"k_{node.kind}"


def style_text(name: str, theme: Theme) -> str:
    """Return the style of that name as Mermaid wants it."""
    shade = _SPECIAL[name](theme) if name in _SPECIAL else theme.kinds[name.removeprefix("k_")]
    dash = ",stroke-dasharray:4 3" if name in {"k_ghost", "k_removed", "k_second"} else ""
    ink = shade.ink if name in {"k_ghost", "k_start", "k_join", "k_fork", "k_failed"} else theme.ink
    return f"fill:{shade.fill},stroke:{shade.stroke},color:{ink}{dash}"


def _styles(picture: Picture, outline: Outline, theme: Theme) -> Iterable[str]:
    ids = outline.ids
    groups: dict[str, list[str]] = {}
    for node in picture.nodes:
        groups.setdefault(style_of(node, picture), []).append(ids[node.id])
    for name in sorted(groups):
        yield f"  classDef {name} {style_text(name, theme)}"
        yield f"  class {','.join(groups[name])} {name}"
    loops = spine(picture).loops
    colours: dict[str, list[str]] = {}
    for i, edge in enumerate(picture.edges):
        colour = _colour(i, edge, picture, theme, loops)
        if colour:
            colours.setdefault(colour, []).append(str(i))
    for colour, indices in sorted(colours.items()):
        yield f"  linkStyle {','.join(indices)} stroke:{colour}"


def _colour(index: int, edge: PEdge, picture: Picture, theme: Theme, loops: frozenset[int]) -> str:
    if edge.level is not None:
        return theme.heat[edge.level].stroke
    if edge.change and edge.change != "neither":
        return _SPECIAL[f"k_{edge.change}"](theme).stroke
    if picture.shows in {"run", "heat"}:
        if edge.mark is not None and edge.mark.raised:
            return theme.bad.stroke
        taken = edge.mark is not None and edge.mark.taken
        return (theme.bad.stroke if edge.error or edge.retry else theme.path) if taken else theme.ghost.stroke
    if edge.retry:
        return theme.retry
    if edge.error:
        return theme.bad.stroke
    return theme.retry if index in loops else ""
