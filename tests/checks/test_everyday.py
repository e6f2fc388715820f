"""Flows as people write them every day: what is found is what an experienced colleague would remark on."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from graphrt.checks import check
from graphrt.cli.target import load_all

FOLDER = Path(__file__).parent / "everyday"
EXPECTED: Final[dict[str, dict[tuple[str, str | None], str]]] = {
    "nested": {("GR404", "plan"): "a model says how many chapters there are, and each costs a dozen requests"},
}
"""Every finding, by file, code and node, and why a colleague would say so."""


@pytest.mark.parametrize("name", sorted(p.stem for p in FOLDER.glob("*.py")))
def test_what_is_found_in_an_everyday_flow_is_worth_saying(name: str) -> None:
    """Loops, branches, compensation, votes, people, pages, flows in flows: no false alarm."""
    flows = [loaded.graph() for loaded in load_all(str(FOLDER / f"{name}.py"))]
    assert flows
    assert {(f.code, f.node) for flow in flows for f in check(flow)} == set(EXPECTED.get(name, {}))


def test_there_are_ten() -> None:
    """None is passed over."""
    assert len(list(FOLDER.glob("*.py"))) == 10
