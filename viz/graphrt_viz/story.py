"""A run in words: what the marks of a node or an edge say, for texts, tooltips and formats without drawings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from graphrt_viz.picture import EdgeMark, PEdge
from graphrt_viz.wording import count, duration, plural, shorten, spent, visible

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphrt_viz.picture import NodeMark, PCluster, Picture, PNode, Status

FEW_STEPS = 3
"""Crossings up to which each is named; more are counted."""
_MARK: Final = 28
"""Characters of what happened besides that a node shows."""
_MOST_FAILURES: Final = 3
"""Of more failed attempts of a node the latest are told one by one."""


def names_of(picture: Picture) -> dict[str, str]:
    """Return what to call each node and cluster: its name, with its id where the name is not its own."""
    shown = {n.id: visible(n.name) or n.kind.replace("_", " ") for n in picture.nodes}
    shown |= {c.id: visible(c.name) for c in picture.clusters}
    uses: dict[str, int] = {}
    for name in shown.values():
        uses[name] = uses.get(name, 0) + 1
    if len(uses) == len(shown):
        return shown
    starts = {n.id for n in picture.nodes if n.kind == "start"}  # nothing leads to them, so nothing need name them
    return {k: name if uses[name] == 1 or k in starts else f"{name} ({visible(k)})" for k, name in shown.items()}


def beginnings(picture: Picture) -> dict[str | None, list[PEdge]]:
    """Return the edges that leave a dot without a name, by the frame that it stands in.

    State diagrams have a sign for such a dot, and no way to name it.
    """
    frames = {n.id: n.cluster for n in picture.nodes if n.kind == "start" and not n.name}
    found: dict[str | None, list[PEdge]] = {}
    for edge in picture.edges:
        if edge.source in frames:
            found.setdefault(frames[edge.source], []).append(edge)
    return found


def tool_text(node: PNode, name: str) -> str:
    """Return what to call a tool of a node: one of which a person must agree to calls says that it asks."""
    return f"{visible(name)}{asking(node, name)}"


def asking(node: PNode, name: str) -> str:
    """Return the word that a tool has behind its name if a person must agree to its calls, or (`?`) to some."""
    return " (asks)" if name in node.asks else " (asks?)" if name in node.asks_some else ""


def guarded(node: PNode) -> list[str]:
    """Return who guards a node, one side a line (`guarded in: no_cards`)."""
    said: list[str] = []
    for side, word in (("input", "in"), ("output", "out")) if node.guards else ():
        names = [name for g in node.guards for name, _, where in [g.rpartition(" (")] if where.startswith(side)]
        said += [f"guarded {word}: {visible(', '.join(names))}"] if names else []
    return said


def condition(edge: PEdge) -> str:
    """Return what triggers an edge, what it does, how often it may (`2 billing [score > 2] / n = n + 1 ≤ 3`)."""
    words = [str(edge.number)] if edge.number is not None else []
    words += [f"each {edge.each}"] if edge.each else []
    words += [edge.on] if edge.on else []
    words += ([f"[{edge.guard}]"] if edge.on or edge.each else [edge.guard]) if edge.guard else []
    words += ["otherwise"] if edge.otherwise and not edge.guard and not edge.on else []
    words += [f"/ {edge.action}"] if edge.action else []
    return " ".join(words + bounds(edge))


def bounds(edge: PEdge) -> list[str]:
    """Return how often an edge may be crossed and how much of it runs at once, each in a word or two.

    Of a retry it is the number of attempts in all, the first included, as the policy has it.
    """
    words: list[str] = []
    if edge.bound is not None:
        words.append(f"≤ {plural(edge.bound + 1, 'attempt')}" if edge.retry else f"≤ {count(edge.bound)}")
    return words + ([f"{count(edge.at_once)} at once"] if edge.at_once is not None else [])


def is_bare(edge: PEdge) -> bool:
    """Say whether an edge is an arrow and nothing else, as most edges of a definition are."""
    return edge == PEdge(edge.source, edge.target, tooltip=edge.tooltip)


def crossings(mark: EdgeMark) -> str:
    """Return when an edge was taken, if that was seldom (`2, 5`), else how often (`×12`); nothing for once, unknown."""
    if mark.taken == 1 and not mark.steps:
        return ""
    if 0 < len(mark.steps) <= FEW_STEPS and mark.taken == len(mark.steps):
        return ", ".join(mark.steps)
    return f"×{count(mark.taken)}"


def values(mark: EdgeMark) -> str:
    """Return what the guard of a taken edge read, and how many branches it started."""
    parts = [mark.values] if mark.values else []
    if mark.branches is not None:
        parts.append("1 branch" if mark.branches == 1 else f"{count(mark.branches)} branches")
    return " · ".join(parts)


def cut_off(mark: NodeMark) -> str:
    """Return how many attempts a crash cut off, where the node itself went on: their effect is in doubt."""
    return f"{count(mark.lost)} cut off" if mark.lost and mark.status != "lost" else ""


def brief(mark: NodeMark, *, warned: bool = True) -> str:
    """Return what a run did at a node, as short as it goes (`×2 · 3.4 s in 3 attempts · 840 tok`).

    `warned` is whether it tells of attempts that were cut off; a drawing has a sign of its own for them.
    """
    parts: list[str] = []
    if mark.visits > 1:
        parts.append(f"×{count(mark.visits)}")
    tries = attempts(mark)
    if mark.took_s > 0:
        parts.append(duration(mark.took_s) + (f" in {tries}" if tries else ""))
    elif tries:
        parts.append(tries)
    if mark.inside is not None:
        parts.append(f"{plural(mark.inside[0], 'attempt')} inside")
    if mark.waited_s:
        parts.append(("waiting " if mark.status == "waiting" else "waited ") + duration(mark.waited_s))
    parts += [text] if warned and (text := cut_off(mark)) else []
    parts += used(mark)[:1]
    if mark.marks:
        parts.append(shorten(mark.marks[0], _MARK) + (" …" if len(mark.marks) > 1 else ""))
    return " · ".join(parts)


def node_story(mark: NodeMark) -> list[str]:
    """Return all that a run did at a node, one fact a line."""
    said: list[str] = ["visited" if mark.status == "good" and not mark.failed else standing(mark)]
    if mark.visits > 1 and said[0] != partly_failed(mark):
        said[0] += f", {count(mark.visits)} visits"
    said += [tries] if (tries := attempts(mark)) else []
    if mark.inside is not None:
        said.append(inside(mark.inside))
    if mark.took_s > 0:
        said.append(
            duration(mark.took_s) + (f" ({duration(mark.failed_s)} in failed attempts)" if mark.failed_s else "")
        )
    if mark.lost:
        said.append(f"{plural(mark.lost, 'attempt')} cut off, effect in doubt")
    if mark.waited_s is not None:
        said.append(f"waited {duration(mark.waited_s)}")
    said += used(mark)
    said += mark.marks
    if mark.outcome:
        said.append(f"answer: {mark.outcome}")
    said += [f"tool {t.name} ×{t.calls}" + (f", {t.failed} failed" if t.failed else "") for t in mark.tools]
    shown = mark.failures[-_MOST_FAILURES:]
    if before := mark.earlier + len(mark.failures) - len(shown):
        said.append(f"{plural(before, 'attempt')} failed before")
    said += [
        f"attempt {f.attempt} failed: {f.error}"
        + (f" (again after {duration(f.wait_s)})" if f.wait_s is not None else "")
        for f in shown
    ]
    if mark.error:
        said.append(mark.error)
    return said


def attempts(mark: NodeMark) -> str:
    """Return how many attempts a node made, if they were more than its visits."""
    return plural(mark.attempts, "attempt") if mark.attempts > mark.visits else ""


def inside(tries: tuple[int, int]) -> str:
    """Return how many attempts were made inside a node (`7 attempts in 4 visits inside`)."""
    made, visits = tries
    return f"{plural(made, 'attempt')} in {plural(visits, 'visit')} inside"


def used(mark: NodeMark) -> list[str]:
    """Return what was used at a node, tokens first; what is not known in full is `≥`."""
    return spent(mark.tokens, mark.cost_usd, uncounted=mark.uncounted, unpriced=mark.unpriced)


def partly_failed(mark: NodeMark) -> str:
    """Return how many visits of a node failed, where some did and others did not; nothing while one is still open."""
    if mark.status not in {"good", "failed"} or not 0 < mark.failed < mark.visits:
        return ""
    share = f"{count(mark.failed)} of {count(mark.visits)}"
    return f"{share} {CAUGHT[mark.caught]}" if mark.caught else f"{share} failed"


def standing(mark: NodeMark) -> str:
    """Return what became of a node in a word or two."""
    return partly_failed(mark) or (CAUGHT[mark.caught] if is_caught(mark) else STATUSES[mark.status])


def is_caught(mark: NodeMark) -> bool:
    """Say whether a node failed, and an edge caught that."""
    return mark.status == "failed" and bool(mark.caught)


def edge_story(mark: EdgeMark) -> list[str]:
    """Return what a run did at an edge, one fact a line."""
    if not mark.taken:
        return [mark.reason] if mark.reason else ["not taken"]
    few = len(mark.steps) <= FEW_STEPS and mark.taken == len(mark.steps)
    said = [f"step {crossings(mark)}" if few and mark.steps else f"taken {crossings(mark)}".rstrip()]
    return said + ([text] if (text := values(mark)) else [])


STATUSES: Final[Mapping[Status, str]] = {
    "good": "good",
    "failed": "failed",
    "waiting": "waiting",
    "running": "running",
    "unfinished": "unfinished",
    "cancelled": "cancelled",
    "lost": "cut off",
}
"""The words for what became of a node or a step."""
CAUGHT: Final[Mapping[str, str]] = {"blocked": "blocked", "failed": "failed, caught"}
"""The words for failures that an edge caught."""
CHANGES: Final[Mapping[str, str]] = {
    "added": "NEW",
    "removed": "REMOVED",
    "changed": "CHANGED",
    "first": "FIRST ONLY",
    "second": "SECOND ONLY",
    "parted": "FIRST DIFFERENCE",
}
"""The words for what differs."""


def compared(part: PNode | PEdge | PCluster) -> list[str]:
    """Return what a comparison says of a part of a picture, one fact a line."""
    said = [CHANGES[part.change].lower()] if part.change in CHANGES else []
    return [*said, *part.notes] if part.notes else said


def remarked(part: PNode | PEdge | PCluster | Picture) -> list[str]:
    """Return what was remarked on a part, or on the whole, one remark a line."""
    return [f"{r.code} {r.severity}: {r.text}" if r.text else f"{r.code} {r.severity}" for r in part.remarks]


def all_remarked(picture: Picture) -> list[tuple[str, str]]:
    """Return all remarks on a picture, each with what it is about; what it is about is empty for the whole."""
    said = [("", text) for text in remarked(picture)]
    if not any(part.remarks for parts in (picture.nodes, picture.clusters, picture.edges) for part in parts):
        return said
    names = names_of(picture)
    said += [(names[n.id], text) for n in picture.nodes for text in remarked(n)]
    said += [(names[c.id], text) for c in picture.clusters for text in remarked(c)]
    return said + [(f"{names[e.source]} → {names[e.target]}", text) for e in picture.edges for text in remarked(e)]


def badges(part: PNode | PEdge | PCluster) -> list[str]:
    """Return the remarks on a part as short as they go, one a line (`GR201 error`)."""
    return list(dict.fromkeys([f"{r.code} {r.severity}" for r in part.remarks])) if part.remarks else []


def is_ghost(part: PNode | PEdge | PCluster, picture: Picture) -> bool:
    """Say whether a part was not reached by the run or the runs that a picture shows."""
    if picture.shows == "heat":
        return part.level is None
    if picture.shows != "run":
        return part.change == "neither"
    return part.mark is None or (isinstance(part.mark, EdgeMark) and not part.mark.taken)


def is_dashed(edge: PEdge, picture: Picture) -> bool:
    """Say whether an edge is drawn with a broken line."""
    if picture.shows in {"run", "heat"}:
        return is_ghost(edge, picture)
    if picture.shows == "diff":
        return edge.change in {"removed", "second", "neither"}
    return edge.otherwise or edge.error
