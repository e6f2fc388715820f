"""Values of a state as text: what is left out is said, and what is left can still be read by a program."""

from __future__ import annotations

import json

import pytest

from graphrt.fields import plain
from graphrt_viz.values import LONG_VALUE, shorter, shown_value

MESSAGES = [{"role": "user", "content": "x" * 9000}, {"role": "assistant", "text": "y" * 9000}]


def test_a_short_value_is_its_json() -> None:
    """Nothing is left out of what a person can read at a glance."""
    for value in ("a", 1, 0.5, True, None, [1, 2], {"a": ["é", "😀"]}):
        assert json.loads(shown_value(plain(value))) == value


def test_a_long_text_says_how_long_it_is() -> None:
    """The beginning stays, then the length of the whole; it is a JSON string as before."""
    text = json.loads(shown_value("x" * 100_000))
    assert text.startswith("xxxx")
    assert text.endswith("… (100000 characters)")
    assert len(shown_value("x" * 100_000)) <= LONG_VALUE


def test_long_texts_inside_a_value_are_cut_where_they_stand() -> None:
    """Messages stay messages, with roles, however long they are."""
    text = shown_value(plain(MESSAGES))
    known = json.loads(text)
    assert [m["role"] for m in known] == ["user", "assistant"]
    assert known[0]["content"].endswith("… (9000 characters)")
    assert len(text) <= LONG_VALUE


def test_a_long_list_gives_its_last_items_and_how_many_come_before() -> None:
    """What was added of late is seen, and that it is not all."""
    assert shown_value(list(range(1000))) == "[… 997 more, 997, 998, 999]"


@pytest.mark.parametrize("most", [2000, 400, 120, 40])
def test_what_was_written_can_be_made_shorter(most: int) -> None:
    """A value of texts stays JSON; a list still says what is missing before its items."""
    assert len(shorter(shown_value("x" * 5000, 10_000), most)) <= most
    long = shown_value([f"{k} " + "x" * 500 for k in range(50)], 10_000)
    short = shorter(long, most)
    assert len(short) <= most
    assert short.startswith("[… 47 more, ")
    if most >= 120:
        assert len(json.loads("[" + short.partition(", ")[2])) == 3


def test_what_has_too_many_parts_is_cut() -> None:
    """An object of a thousand fields has no beginning that is JSON; its text ends in a sign."""
    text = shown_value({str(k): k for k in range(1000)})
    assert len(text) == LONG_VALUE
    assert text.endswith("…")
