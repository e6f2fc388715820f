"""`graphrt check`: every mistake of a flow with its place, and whether there is any by the exit code."""

from __future__ import annotations

import json

from tests.cli.calling import Program

BROKEN = """
from pydantic import BaseModel

from graphrt import Flow


class State(BaseModel):
    text: str = ""


flow = Flow("broken", State)


@flow.task(writes=flow.state.text)
def first(text: str) -> str:
    return text


@flow.task(writes=flow.state.text)
def lonely(text: str, nothing: int) -> str:
    return text


other = Flow("fine", State)
other.task(writes=other.state.text, name="only")(first.fn)
"""


def test_a_flow_without_mistakes_is_one_line(program: Program) -> None:
    """Exit code 0, and the name by which the flow can be run."""
    program.flow("support.py")
    ran = program("check", "support.py")
    assert (ran.code, ran.out, ran.err) == (0, "✓ support.py:flow\n", "")


def test_every_mistake_has_place_and_code(program: Program) -> None:
    """All mistakes are told at once, each with file and line first and its code last; the exit code is 1."""
    (program.folder / "broken.py").write_text(BROKEN)
    ran = program("check", "broken.py:flow")
    assert ran.code == 1
    first, *rest = ran.out.splitlines()
    assert first.startswith("✗ broken.py:flow: 2 mistakes")
    assert len(rest) == 2
    assert all(row.startswith("  ") for row in rest)
    assert all(row.endswith("]") for row in rest)


def test_every_flow_of_every_target_is_checked(program: Program) -> None:
    """A file without a name stands for all its flows; the last line counts."""
    (program.folder / "broken.py").write_text(BROKEN)
    program.flow("support.py")
    ran = program("check", "broken.py", "support.py")
    assert ran.code == 1
    assert [row.partition(":")[2].partition(":")[0] for row in ran.out.splitlines() if row.startswith(("✓", "✗"))] == [
        "flow",
        "other",
        "flow",
    ]
    assert ran.out.splitlines()[-1] == "3 flows checked, 1 with mistakes"


def test_json_lists_targets_and_mistakes(program: Program) -> None:
    """Programs get code, message and place of each mistake."""
    (program.folder / "broken.py").write_text(BROKEN)
    ran = program("check", "broken.py", "--json")
    found = json.loads(ran.out)
    assert ran.code == 1
    assert [f["target"] for f in found] == ["broken.py:flow", "broken.py:other"]
    assert found[1]["mistakes"] == []
    assert all(set(m) == {"code", "message", "place"} for m in found[0]["mistakes"])
