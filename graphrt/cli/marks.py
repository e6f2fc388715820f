"""Findings as marks on a picture: the checker knows no pictures, and pictures no checker; here they meet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks import check
from graphrt.checks.engine import parts_of
from graphrt.cli.checking import project_settings
from graphrt_viz.remarks import Place, remarked

if TYPE_CHECKING:
    from graphrt.graph import Graph
    from graphrt_viz.picture import Picture


def marked(picture: Picture, graph: Graph) -> Picture:
    """Return the picture of a graph, or of a run of it, with what the checker finds about the graph.

    Raises:
        UseError: the settings of the project cannot be read.
    """
    from graphrt_viz.picture import Remark

    trails = {part.name: part.trail for part in parts_of(graph)}
    found = check(graph, settings=project_settings())
    return remarked(
        picture,
        [
            (
                Place((*trails[f.graph], *([f.node] if f.node is not None else [])), f.edge),
                Remark(f.code, f.severity, f.message),
            )
            for f in found
        ],
    )
