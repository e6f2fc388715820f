"""A picture as texts write it down: what each part is called, and what stands inside which frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from graphrt_viz.picture import PCluster, Picture, PNode


class Outline:
    """The parts of a picture by the frame that they stand in; None is the picture itself."""

    def __init__(self, picture: Picture, dot: str | None = None) -> None:
        """Take a picture; `dot` is what stands for the dots without a name, if that is no id of their own."""
        self.ids = {n.id: f"n{i}" for i, n in enumerate(picture.nodes, 1)}
        """What stands for each node and frame: n1, n2 …, c1, c2 … by their order, so that no name can do harm."""
        if dot is not None:
            self.ids |= {n.id: dot for n in picture.nodes if n.kind == "start" and not n.name}
        self.nodes: Mapping[str | None, Sequence[PNode]] = {None: picture.nodes}
        self.frames: Mapping[str | None, Sequence[PCluster]] = {}
        if not picture.clusters:
            return
        self.ids |= {c.id: f"c{i}" for i, c in enumerate(picture.clusters, 1)}
        nodes: dict[str | None, list[PNode]] = {}
        for node in picture.nodes:
            nodes.setdefault(node.cluster, []).append(node)
        frames: dict[str | None, list[PCluster]] = {}
        for frame in picture.clusters:
            frames.setdefault(frame.parent, []).append(frame)
        self.nodes, self.frames = nodes, frames

    def within(self, frame: str | None) -> Sequence[PNode]:
        """Return the nodes that stand in a frame, without those of frames inside it."""
        return self.nodes.get(frame, ())

    def inside(self, frame: str | None) -> Sequence[PCluster]:
        """Return the frames that stand in a frame."""
        return self.frames.get(frame, ())
