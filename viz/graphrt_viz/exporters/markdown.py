"""Markdown: two tables, one of the nodes and one of the edges, for reviews, wikis and readers without a screen.

Every sign that Markdown could read something into stands behind a backslash, so that names come out as they are.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from graphrt_viz import story
from graphrt_viz.looks import TAGS
from graphrt_viz.wording import count, duration, is_word, money, shorten, visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from graphrt_viz.exporters.dot import Direction
    from graphrt_viz.looks import Room
    from graphrt_viz.picture import NodeMark, PEdge, Picture
    from graphrt_viz.theme import Theme

_MEANT: Final = re.compile(r"[!\"#$%&*+/:;<=>?@\[\\\]^_`{|}~]")
_LINKED: Final = re.compile(r"(?i)\bwww\.")
_MOST: Final = 200
_NO_FACTS: Final = [""] * 8


def export(picture: Picture, theme: Theme, direction: Direction = "TB", room: Room | None = None) -> str:
    """Return the picture as Markdown tables; theme, direction and room have no meaning here."""
    del theme, direction, room
    names = {ident: plain(shorten(name, _MOST)) for ident, name in story.names_of(picture).items()}
    parts = [f"# {plain(picture.title)}"]
    if picture.subtitle:
        parts.append(plain(picture.subtitle))
    parts += [_nodes(picture, names)] if picture.nodes else []
    parts += [_edges(picture, names)] if picture.edges else []
    parts += [_remarks(said)] if (said := story.all_remarked(picture)) else []
    parts.append(f"<!-- graphrt-picture sha256:{picture.digest} -->")
    return "\n\n".join(parts) + "\n"


def plain(text: str) -> str:
    """Return visible text in which nothing is Markdown."""
    if is_word(text):
        return text.replace("_", "\\_")
    text = _MEANT.sub(r"\\\g<0>", visible(text))
    text = _LINKED.sub(lambda m: m[0][:-1] + "\\.", text)
    inner = text.strip(" ")
    lead = len(text) - len(text.lstrip(" ")) if inner else len(text)
    return "&#32;" * lead + inner + "&#32;" * (len(text) - lead - len(inner))


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table without the columns in which nothing stands; cells are Markdown already."""
    columns = [(head, "---", *cells) for head, *cells in zip(heads, *rows, strict=True)]
    kept = [columns[0], *(column for column in columns[1:] if any(column[2:]))]
    return "\n".join([f"| {' | '.join(cells)} |" for cells in zip(*kept, strict=True)])


def _nodes(picture: Picture, names: Mapping[str, str]) -> str:
    rows: list[list[str]] = []
    for node in picture.nodes:
        if node.kind == "start":
            continue
        kind = _kind_of(node.tag, node.kind)
        about = plain(shorten(node.subtitle, _MOST)) if node.subtitle else ""
        tools = ", ".join([plain(story.tool_text(node, t)) for t in node.tools])
        guards = _joined(story.guarded(node))
        within = names[node.cluster] if node.cluster is not None else ""
        compared = _joined(story.compared(node))
        rows.append([names[node.id], kind, within, about, tools, guards, *_facts(node.mark, picture), compared])
    for frame in picture.clusters:
        kind = plain(shorten(frame.tag or "subgraph", _MOST).lower())
        within = names[frame.parent] if frame.parent is not None else ""
        compared = _joined(story.compared(frame))
        rows.append([names[frame.id], kind, within, "", "", "", *_facts(frame.mark, picture), compared])
    heads = ["Node", "Kind", "In", "About", "Tools", "Guarded"]
    heads += ["Status", "Visits", "Attempts", "Time", "Waited", "Tokens", "Cost", "What happened", "Compared"]
    return table(heads, rows)


@lru_cache(256)
def _kind_of(tag: str, kind: str) -> str:
    """Return the kind of a node in words; they are the same few in a whole picture."""
    return plain((shorten(tag, _MOST) or TAGS.get(kind, kind)).split(" · ")[0].lower().replace("_", " "))


def _facts(mark: NodeMark | None, picture: Picture) -> list[str]:
    if picture.shows != "run":
        return _NO_FACTS
    if mark is None:
        return ["not visited", *[""] * 7]
    said = [mark.error] if mark.error else [f"answer: {mark.outcome}"] if mark.outcome else []
    said += [f"attempt {f.attempt} failed: {f.error}" for f in mark.failures]
    return [
        story.standing(mark),
        count(mark.visits),
        count(mark.attempts) if mark.attempts > mark.visits else story.inside(mark.inside) if mark.inside else "",
        duration(mark.took_s) if mark.took_s else "",
        duration(mark.waited_s) if mark.waited_s else "",
        ("≥ " if mark.uncounted else "") + count(mark.tokens) if mark.tokens else "",
        plain(("≥ " if mark.unpriced else "") + money(mark.cost_usd)) if mark.cost_usd else "",
        _joined(said),
    ]


def _joined(said: Sequence[str]) -> str:
    return "; ".join([plain(shorten(text, _MOST)) for text in said]) if said else ""


def _edges(picture: Picture, names: Mapping[str, str]) -> str:
    return table(
        ["From", "To", "When", "Kind", "Taken", "Why", "Compared"],
        [
            [
                names[e.source],
                names[e.target],
                plain(shorten(text, _MOST)) if (text := story.condition(e)) else "",
                _kind(e),
                *_crossed(e, picture),
                _joined(story.compared(e)),
            ]
            for e in picture.edges
        ],
    )


def _remarks(said: Sequence[tuple[str, str]]) -> str:
    return table(["Remark", "About"], [[plain(text), plain(about)] for about, text in said])


def _kind(edge: PEdge) -> str:
    if not (edge.error or edge.fork or edge.retry or edge.each):
        return ""
    kinds = [name for name in ("error", "fork", "retry") if getattr(edge, name)]
    return ", ".join([*kinds, *(["each"] if edge.each else [])])


def _crossed(edge: PEdge, picture: Picture) -> list[str]:
    mark = edge.mark
    if picture.shows != "run" or mark is None:
        return ["", ""]
    if not mark.taken:
        return ["no", plain(shorten(mark.reason, _MOST)) if mark.reason else ""]
    few = len(mark.steps) == mark.taken <= story.FEW_STEPS
    taken = ("step " if mark.taken == 1 else "steps ") + story.crossings(mark) if few else story.crossings(mark)
    return [taken or "yes", plain(shorten(story.values(mark), _MOST)) if story.values(mark) else ""]
