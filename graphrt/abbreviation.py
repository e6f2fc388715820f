"""Values of a state as people see them: in JSON, and short. What verdicts, questions and items of branches show."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import to_jsonable_python

from graphrt.hints import is_mapping, is_set
from graphrt.items import is_items, is_listed
from graphrt.tree_forms import list_of_items

if TYPE_CHECKING:
    from graphrt.inputs import Json

LONG_TEXT = 120
"""Texts longer than this many characters are abbreviated in verdicts …"""
SHOWN_TEXT = 100
"""… to so many."""
LONG_COLLECTION = 8
"""Of longer collections a verdict shows so many items."""
ASKED_TEXT = 4_000
"""A question shows texts up to this many characters …"""
ASKED_COLLECTION = 100
"""… and so many items of a collection: who decides has to see what about."""

AS_IS: Final[frozenset[type]] = frozenset({int, float, bool, type(None)})


def show(
    value: Any,  # noqa: ANN401 - any value of a state
    depth: int = 3,
    *,
    long_text: int = LONG_TEXT,
    shown_text: int = SHOWN_TEXT,
    most: int = LONG_COLLECTION,
) -> Json:
    """Return a value in JSON, abbreviated if it is long: for people, not for reading back."""
    if type(value) in AS_IS:
        return value
    if type(value) is str:
        return value if len(value) <= long_text else f"{value[:shown_text]}… ({len(value):,} characters)"

    def inside(part: Any) -> Json:  # noqa: ANN401 - as above
        return show(part, depth - 1, long_text=long_text, shown_text=shown_text, most=most)

    if is_set(value):
        value = sorted(value, key=repr)
    if is_listed(value) or is_items(value):
        size = len(value)
        if depth == 0:
            return f"… ({size:,} items)"
        out = [inside(v) for v in value[:most]]
        return out if size <= most else [*out, f"… ({size:,} items)"]
    if is_mapping(value):
        size = len(value)
        if depth == 0:
            return f"… ({size:,} items)"
        shown = {str(k): inside(v) for k, v in islice(value.items(), most)}
        return shown if size <= most else {**shown, "…": f"({size:,} items)"}
    try:
        plain = to_jsonable_python(value, fallback=list_of_items)
    except (ValueError, TypeError, RecursionError):
        plain = repr(value)
    return show(plain, depth, long_text=long_text, shown_text=shown_text, most=most)


def show_asked(value: Any) -> Json:  # noqa: ANN401 - any value of a state
    """Return a value in JSON for somebody who has to decide about it: abbreviated only if it is very long."""
    return show(value, 12, long_text=ASKED_TEXT, shown_text=ASKED_TEXT, most=ASKED_COLLECTION)
