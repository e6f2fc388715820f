"""Merging alone: which lines are behind others, in what order they are folded, and what conflicts."""

from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from graphrt import Flow, append
from graphrt.errors import WriteConflict
from graphrt.lines import Delta, Key, Line, Tally
from graphrt.merging import merge


class Notes(BaseModel):
    """What the lines write."""

    said: Annotated[list[str], append] = []
    last: str = ""


FIELDS = Flow("notes", Notes)
FIELDS.task(name="only")(lambda: None)
FIELD = FIELDS.freeze().field


def a_line(place: int, *behind: Line, local: frozenset[str] = frozenset(), **writes: Any) -> Line:
    """A line at a place among others that wrote one value a field."""
    key: Key = (1, place, -1)
    delta: dict[str, Delta] = {}
    for name, value in writes.items():
        delta[name] = Delta(node=f"node {place}", visit=f"{place}.0")
        if FIELD[name].reducer is None:
            delta[name].replace(value)
        else:
            delta[name].add(value)
    state: dict[str, Any] = {"said": ["begun"], "last": ""}
    return Line(key, f"{place}.", state, delta, behind, {}, local, (), numbers=Tally(0))


def merged(base: Line, *tips: Line, keep: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The state where lines meet."""
    return merge(FIELD, base, tips, keep=keep, node=None)[0]


def test_lines_are_folded_in_canonical_order_however_they_arrive() -> None:
    """What three lines added stands in the order of their keys, on what was there when they parted."""
    base = a_line(0)
    one, two, three = (a_line(k, base, said=f"line {k}") for k in (1, 2, 3))
    expected = ["begun", "line 1", "line 2", "line 3"]
    assert merged(base, one, two, three)["said"] == merged(base, three, one, two)["said"] == expected


def test_nothing_behind_is_the_state_of_the_base_itself() -> None:
    """Where only the base arrives, its state is handed on, not copied."""
    base = a_line(0)
    assert merged(base, base) is base.state


def test_a_line_behind_others_comes_first_whatever_its_key() -> None:
    """Causes come before keys: a line that goes on from two others is folded after both."""
    base = a_line(0)
    two, three = a_line(2, base, said="two"), a_line(3, base, said="three")
    one = a_line(1, two, three, said="after both")
    assert merged(base, one)["said"] == ["begun", "two", "three", "after both"]


def test_two_that_replace_beside_each_other_conflict() -> None:
    """Neither is behind the other, so neither value is the later one; both visits are named, and nothing changed."""
    base = a_line(0)
    one, two = a_line(1, base, last="one"), a_line(2, base, last="two")
    with pytest.raises(
        WriteConflict, match=r"by 'node 1' \(visit 1\.0\) and by 'node 2' \(visit 2\.0\), which never meet"
    ) as caught:
        merged(base, one, two)
    assert caught.value.facts["visits"] == ["1.0", "2.0"]
    assert base.state["last"] == ""


def test_one_that_replaces_what_is_behind_it_wins() -> None:
    """A replacing write after both of two others is no conflict."""
    base = a_line(0)
    one, two = a_line(1, base, last="one"), a_line(2, base, said="two")
    assert merged(base, a_line(3, one, two, last="three"))["last"] == "three"


def test_what_is_local_to_a_branch_ends_with_it() -> None:
    """A field local to a branch stays as it was, unless it is local to what goes on as well."""
    base = a_line(0)
    branch = a_line(1, base, local=frozenset({"last"}), last="inside")
    assert merged(base, branch)["last"] == ""
    assert merged(base, branch, keep=frozenset({"last"}))["last"] == "inside"
