"""Words and numbers as people read them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrt_viz.wording import count, duration, lines_visible, money, parting, plural, shorten, visible, wrap


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünïcode 日本", "plain ünïcode 日本"),
        ("a\x00b", "a\\x00b"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\ud800", "\\ud800"),
        ("\u202eevil", "\\u202eevil"),
        ("\u2028", "\\u2028"),
        ("\ufeff\ufffe", "\\ufeff\\ufffe"),
        ("\U000e0041", "\\U000e0041"),
        ("\U0001f469\u200d\U0001f467", "\U0001f469\u200d\U0001f467"),
    ],
)
def test_what_cannot_be_seen_is_escaped(text: str, shown: str) -> None:
    """Controls, surrogates and characters that hide or reorder text show as escapes; living scripts and emoji stay."""
    assert visible(text) == shown


@given(st.text(st.characters(exclude_categories=())))
def test_visible_text_can_stand_in_any_file(text: str) -> None:
    """Whatever comes in, what comes out encodes as UTF-8, holds no control character, and is stable."""
    shown = visible(text)
    shown.encode()
    assert not {c for c in shown if unicodedata.category(c) in {"Cc", "Cs", "Cn", "Zl", "Zp"}}
    assert visible(shown) == shown


def test_tooltips_keep_their_lines() -> None:
    """Line ends stay, all else is made visible."""
    assert lines_visible("a\nb\x00") == "a\nb\\x00"


@given(st.text(), st.integers(2, 50))
def test_shortened_text_fits(text: str, most: int) -> None:
    """It never exceeds the limit, and says with an ellipsis that something was cut."""
    short = shorten(text, most)
    assert len(short) <= most
    assert short == visible(text) or short.endswith("…")


@given(st.text(), st.integers(8, 40), st.integers(1, 4))
def test_wrapped_text_fits(text: str, width: int, most: int) -> None:
    """No line is much wider than asked and there are no more lines than asked."""
    lines = wrap(text, width, most)
    assert 1 <= len(lines) <= most
    assert all(len(line) <= width + 8 for line in lines)


@given(st.lists(st.text("abc_", min_size=1, max_size=8), min_size=1, max_size=12))
def test_wrapping_loses_no_word(words: list[str]) -> None:
    """With lines enough, all words stand there in order."""
    assert " ".join(wrap(" ".join(words), 20, 99)) == " ".join(words)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.0001, "<1 ms"),
        (0.34, "340 ms"),
        (0.9996, "1 s"),
        (2.0, "2 s"),
        (8.21, "8.2 s"),
        (59.96, "1 m"),
        (372, "6 m 12 s"),
        (3600, "1 h"),
        (7500, "2 h 5 m"),
        (86400 * 3 + 4 * 3600, "3 d 4 h"),
    ],
)
def test_durations_read_in_two_units_at_most(seconds: float, text: str) -> None:
    """The largest unit that fits, and the next one if it is not zero."""
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("usd", "text"), [(0, "$0"), (0.021, "$0.021"), (0.00004, "$0.00004"), (1.5, "$1.50"), (1234.5, "$1 234.50")]
)
def test_small_amounts_of_money_are_not_rounded_away(usd: float, text: str) -> None:
    """A call that costs a thousandth of a cent does not read as free."""
    assert money(usd) == text


def test_counts_read_as_people_write_them() -> None:
    """Thousands are set apart, and one thing is not several."""
    assert count(4812) == "4 812"
    assert plural(1, "node") == "1 node"
    assert plural(2000, "edge") == "2 000 edges"


def test_texts_that_part_far_in_show_where_they_part() -> None:
    """Two texts that are the same for long are cut before and after the place where they are not."""
    one, other = parting("x" * 500 + "A" + "y" * 500, "x" * 500 + "B", 60)
    assert one == "x" * 20 + "…" + "x" * 15 + "A" + "y" * 22 + "…"
    assert other == "x" * 20 + "…" + "x" * 15 + "B"
    assert parting("short", "shorter", 60) == ("short", "shorter")
    assert parting("a" + "z" * 99, "b", 10) == ("azzzzzzzz…", "b")
    assert parting("x" * 99, "x" * 99 + "y", 60)[0] != parting("x" * 99, "x" * 99 + "y", 60)[1]
