"""What has changed in a flow since a run was recorded, told within a line.

The comparison is the one that `graphrt diff` prints. Nothing here is needed where nothing has changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from msgspec.structs import replace

from graphrt_viz.extract import step_into
from graphrt_viz.views.difference import changes_in, difference_of, whole_changes
from graphrt_viz.wording import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.graph import Graph
    from graphrt.inputs import Json

_ROOM: Final = 240
"""Characters that the differences of one line take, all together."""
_MOST: Final = 3
"""Differences that are told, if there is room for so many; the others are counted."""


def changes_between(then: Graph, now: Graph) -> str:
    """Return the first differences between two definitions that are not the same, and how many more there are."""
    found = _differences(then, now)
    if not found:
        return "only in what `graphrt diff` does not compare, such as the order of its nodes"
    told = [shorten(found[0], _ROOM)]
    for text in found[1:_MOST]:
        if len("; ".join([*told, text])) > _ROOM:
            break
        told.append(text)
    more = len(found) - len(told)
    return "; ".join([*told, f"and {more} more"] if more else told)


def _differences(then: Graph, now: Graph) -> list[str]:
    """Return all that differs: in the flow as a whole, in its nodes, in its edges."""
    picture = difference_of(then, now, opened=tuple(_alike(then.json, now.json, "")))
    # The loop that stands for a retry is a part of the picture; what the policy is, its node says.
    picture = replace(picture, edges=tuple(e for e in picture.edges if not e.retry))
    parts = [f"{how} {what}" + (f" ({'; '.join(notes)})" if notes else "") for what, how, notes in changes_in(picture)]
    return whole_changes(then, now) + parts


def _alike(then: dict[str, Json], now: dict[str, Json], path: str) -> Iterator[str]:
    """Yield the ids of the nodes that are the same but for the graph inside: only there it is worth a look."""
    before = {node["name"]: node for node in then["nodes"]}
    for node in now["nodes"]:
        old = before.get(node["name"], {})
        inside, was = node.get("graph"), old.get("graph")
        if inside is not None and was is not None and inside != was and _itself(node) == _itself(old):
            ident = step_into(path, cast("str", node["name"]))
            yield ident
            yield from _alike(was, inside, ident)


def _itself(node: dict[str, Json]) -> dict[str, Json]:
    return {key: value for key, value in node.items() if key not in {"graph", "edges"}}
