"""The same places in several pictures of one graph."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from graphrt_viz import picture_of, picture_of_run, render, shared_room
from graphrt_viz.exporters.dot import Direction
from graphrt_viz.layout import run_dot
from graphrt_viz.looks import Room
from graphrt_viz.picture import Picture
from tests.viz.exemplars import FLOW, RUN
from tests.viz.runs import RESEARCH, RESEARCH_RESULTS, SUPPORT, trace_of

BRANCHED = trace_of(RESEARCH, RESEARCH_RESULTS)
LOOPED = trace_of(
    SUPPORT,
    {"triage": {"topic": "bug"}, "draft": [TimeoutError("slow"), *[{"draft": "a"}] * 4], "review": {"score": 0.1}},
    {"approve": "send"},
)


def _laid(picture: Picture, direction: Direction, room: Room | None) -> dict[str, Any]:
    text = render(picture, "dot", direction=direction, room=room)
    assert isinstance(text, str)
    found: dict[str, Any] = json.loads(run_dot(text.replace("\\\\", "/"), "json", nodes=len(picture.nodes)))
    return found


def _places(picture: Picture, direction: Direction, room: Room | None) -> dict[str, object]:
    """Return where everything is: nodes with their sizes, frames with their corners, labels, and the whole."""
    laid = _laid(picture, direction, room)
    places: dict[str, object] = {o["id"]: (o["pos"], o["width"], o["height"]) for o in laid["objects"] if "pos" in o}
    places |= {o["id"]: o["bb"] for o in laid["objects"] if "bb" in o}
    return places | {e["id"]: e.get("lp") for e in laid["edges"]} | {"all": laid["bb"]}


@pytest.mark.parametrize("direction", ["TB", "LR"])
@pytest.mark.parametrize(
    "pictures",
    [
        [FLOW, RUN],
        [picture_of(SUPPORT), picture_of_run(LOOPED), picture_of_run(LOOPED, until=9)],
        [picture_of(RESEARCH), picture_of_run(BRANCHED), picture_of_run(BRANCHED, until=20)],
        [picture_of(RESEARCH, opened="all"), picture_of_run(BRANCHED, opened="all")],
    ],
)
def test_nothing_moves_between_pictures_that_share_their_room(
    pictures: Sequence[Picture], direction: Direction
) -> None:
    """Nodes, frames and labels of definition and runs stand in exactly the same places."""
    room = shared_room(pictures, direction)
    first, *others = [_places(p, direction, room) for p in pictures]
    for other in others:
        assert {key: (place, other[key]) for key, place in first.items() if other[key] != place} == {}


@pytest.mark.parametrize(("flow", "run"), [(FLOW, RUN), (picture_of(SUPPORT), picture_of_run(LOOPED))])
def test_even_without_shared_room_the_order_is_the_same(flow: Picture, run: Picture) -> None:
    """Each picture on its own is as small as it can be, and yet the nodes of a rank stand in the same order."""
    orders: list[list[list[str]]] = []
    for picture in (flow, run):
        ranks: dict[str, list[tuple[float, str]]] = {}
        for node in _laid(picture, "TB", None)["objects"]:
            x, y = node["pos"].split(",")
            ranks.setdefault(y, []).append((float(x), node["id"]))
        orders.append([[ident for _, ident in sorted(ranks[y])] for y in sorted(ranks, key=float)])
    assert orders[0] == orders[1]


def test_pictures_of_different_graphs_share_nothing() -> None:
    """Asking for the room of two graphs is a mistake, and is named as one."""
    with pytest.raises(ValueError, match="are not of one graph"):
        shared_room([FLOW, picture_of(SUPPORT)])


def test_a_chip_does_not_grow_with_its_room() -> None:
    """A label may need more room in another picture; the frame around it still ends behind its text."""
    room = shared_room([FLOW, RUN])
    wide: dict[str, float] = {}
    for given in (None, room):
        laid = _laid(FLOW, "TB", given)
        chips = [op for e in laid["edges"] if e["id"] == "e5" for op in e["_ldraw_"] if op["op"] in "pPbB"]
        xs = [x for op in chips for x, _ in op["points"]]
        wide[str(given is None)] = max(xs) - min(xs)
    assert wide["False"] == pytest.approx(wide["True"], abs=2)
