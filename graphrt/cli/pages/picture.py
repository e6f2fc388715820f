"""The picture of the run up to a step, with a mark where the step is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from graphrt.cli.screen import framed

if TYPE_CHECKING:
    from rich.text import Text

    from graphrt.cli.steps import Step, Walk
    from graphrt_viz.picture import Picture

_HERE: Final = "◀ here"


def lines(walk: Walk, step: Step, width: int) -> list[Text]:
    """Return the picture as text; what the run did not reach is dim."""
    from graphrt_viz import render

    whole = walk.pictures.until(step.record.seq + 1)
    rows: list[Text] = []
    for text in render(_marked(whole, step), "text").splitlines()[1:-2]:
        reached = _HERE in text or "═▶" in text or "visited" in text.replace("not visited", "")
        style = "bold yellow" if _HERE in text else "" if reached else "dim"
        rows += framed(text, width, style)
    while rows and not rows[0].plain.strip():
        rows.pop(0)
    return rows


def focus(page: list[Text]) -> int:
    """Return the marked line."""
    return next((k for k, row in enumerate(page) if _HERE in row.plain), 0)


def _marked(picture: Picture, step: Step) -> Picture:
    """Mark the node of a step in a picture, or the nearest one around it that is drawn."""
    from graphrt_viz.extract import step_into

    if step.visit is None:
        return picture
    idents: list[str] = []
    for name in step.visit.path:
        idents.append(step_into(idents[-1] if idents else "", name))
    here = _HERE + (f", {step.visit.name}" if step.visit.number > 1 else "")
    for ident in reversed(idents):
        if any(n.id == ident for n in picture.nodes):
            nodes = tuple(replace(n, tag=f"{n.tag or n.kind} · {here}") if n.id == ident else n for n in picture.nodes)
            return replace(picture, nodes=nodes)
        if any(c.id == ident for c in picture.clusters):
            clusters = tuple(
                replace(c, tag=f"{c.tag or 'subgraph'} {here}") if c.id == ident else c for c in picture.clusters
            )
            return replace(picture, clusters=clusters)
    return picture
