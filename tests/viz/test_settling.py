"""The places of a picture: what is put right, and that everything else stays as Graphviz has laid it out."""

# A test of one module may look inside it:
# pyright: reportPrivateUsage=false
from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrt_viz import settling
from graphrt_viz.exporters import dot, svg
from graphrt_viz.layout import Engine, run_dot
from graphrt_viz.settling import _places, _tight, laid_out, settled
from graphrt_viz.theme import LIGHT
from tests.viz.exemplars import FLOW, topology

BENT = topology("lg-agentic-rag")
"""To the right, one of its labels stands at another edge than its own when Graphviz has laid it out."""

Point = tuple[float, float]


def along(pos: str, steps: int) -> list[Point]:
    """Return points of a curve as Graphviz has it, at even shares of its parameter."""
    line = [(float(x), float(y)) for x, y in re.findall(r"(?:^| )(-?[\d.]+),(-?[\d.]+)", pos)]
    pieces = [line[i : i + 4] for i in range(0, len(line) - 3, 3)]
    found: list[Point] = []
    for k in range(steps + 1):
        at = min(k * len(pieces) / steps, len(pieces) - 1e-9)
        t = at - int(at)
        u, (a, b, c, d) = 1 - t, pieces[int(at)]
        shares = ((u**3, a), (3 * u * u * t, b), (3 * u * t * t, c), (t**3, d))
        found.append((sum(s * p[0] for s, p in shares), sum(s * p[1] for s, p in shares)))
    return found


@given(st.lists(st.tuples(st.integers(-90, 190), st.integers(-90, 190)), min_size=4, max_size=4))
def test_a_curve_in_pieces_is_the_same_curve(points: list[tuple[int, int]]) -> None:
    """Only its handles move, and those hardly leave the picture that the curve does not leave."""
    pos = " ".join(["e,5,5", *(f"{x},{y}" for x, y in points)])
    tight = _tight(pos, 100, 100)
    assert tight.startswith("e,5,5 ")
    for (x0, y0), (x1, y1) in zip(along(pos, 16), along(tight, 16), strict=True):
        assert abs(x0 - x1) < 0.1
        assert abs(y0 - y1) < 0.1


def test_a_label_is_moved_to_its_edge_and_nothing_else_is() -> None:
    """Where a label stands at another edge, it is put near the middle of its own; nodes and edges keep their places."""
    before = dot.plan(BENT, LIGHT, "LR")
    after = settled(BENT, LIGHT, "LR").plan
    assert after.engine == "nop2"
    old, new = (laid_out(plan, len(BENT.nodes)) for plan in (before, after))
    assert [o["pos"] for o in new["objects"]] == [o["pos"] for o in old["objects"]]
    moved = [e["id"] for e, f in zip(old["edges"], new["edges"], strict=True) if e.get("lp") != f.get("lp")]
    assert moved == ["e5"]


@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_given_places_are_kept(direction: dot.Direction) -> None:
    """A picture that is drawn at the places of its layout is that picture."""
    laid = laid_out(dot.plan(FLOW, LIGHT, direction), len(FLOW.nodes))
    again = laid_out(dot.plan(FLOW, LIGHT, direction, places=_places(laid)), len(FLOW.nodes))
    assert [o.get("pos") for o in again["objects"]] == [o.get("pos") for o in laid["objects"]]
    assert [(e["pos"], e.get("lp")) for e in again["edges"]] == [(e["pos"], e.get("lp")) for e in laid["edges"]]


def test_downwards_nothing_is_laid_out_to_be_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture without several loops at a node goes to Graphviz once."""
    asked: list[str] = []

    def counted(text: str, form: str, *, nodes: int, engine: Engine = "dot") -> bytes:
        asked.append(form)
        return run_dot(text, form, nodes=nodes, engine=engine)

    monkeypatch.setattr(settling, "run_dot", counted)
    svg.export(FLOW, LIGHT)
    assert asked == ["json"]
