"""`assert_clean`: a flow without findings passes, one with findings fails with all of them."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from graphrt import Flow
from graphrt.checks import Settings
from graphrt.errors import UseError
from graphrt.testing import assert_clean


class Score(BaseModel):
    text: str
    score: float = 0.0
    spare: int = 0


def flow() -> Flow[Score]:
    """Return a flow with a gap between its guards and a field that nothing uses."""
    made = Flow("essay", Score)
    s = made.state

    @made.task(writes=s.score)
    def grade(text: str) -> float:
        return float(len(text))

    made.edge(grade, made.end("low"), when=s.score < 0.5)
    made.edge(grade, made.end("high"), when=s.score > 0.5)
    return made


def test_what_is_found_fails_the_test_line_by_line() -> None:
    """Each finding stands on a line of its own, with its place first, so that an editor leads there."""
    with pytest.raises(AssertionError) as failed:
        assert_clean(flow())
    head, unused, gap = str(failed.value).splitlines()
    assert head == "essay: 2 found by the checker"
    assert "test_checked.py:17: GR303 nothing in the flow reads or writes field 'spare'" in unused
    assert "GR201 score = 0.5: no edge of 'grade' matches" in gap


def test_rules_are_selected_as_everywhere() -> None:
    """What is left out does not fail the test; a name that no rule has is refused, as it would hide everything."""
    assert_clean(flow(), ignore=("GR201", "unused-field"))
    assert_clean(flow().freeze(), select=("GR1",))
    assert_clean(flow(), settings=Settings(ignore=("GR2", "GR3")))
    with pytest.raises(UseError, match="no rule 'GR999'"):
        assert_clean(flow(), ignore=("GR999",))
