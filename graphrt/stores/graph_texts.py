"""The JSON of graphs whose runs a store keeps: a store begins many runs of one graph, and encodes it once."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

from graphrt import codec

if TYPE_CHECKING:
    from graphrt.inputs import Json

_MOST: Final = 500
"""How many graphs are remembered."""


class GraphText(NamedTuple):
    """A graph as it is stored."""

    json: bytes
    key: str
    """SHA-256 of `json`."""


class GraphTexts:
    """Remembers the texts of graphs, by the identity of what they were made of."""

    def __init__(self) -> None:
        """Remember none."""
        self._kept: dict[int, tuple[dict[str, Json], GraphText]] = {}

    def of(self, graph: dict[str, Json]) -> GraphText:
        """Return the text of a graph.

        Raises:
            WrongInput: it is too large or too deeply nested for the header of a trace.
        """
        kept = self._kept.get(id(graph))
        if kept is None or kept[0] is not graph:
            text = codec.encode_graph(graph)
            kept = (graph, GraphText(text, hashlib.sha256(text).hexdigest()))
            if len(self._kept) >= _MOST:
                self._kept.clear()
            self._kept[id(graph)] = kept
        return kept[1]
