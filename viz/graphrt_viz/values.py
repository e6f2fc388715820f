"""Values of a state as JSON text that a person can read, however large they are.

What is left out is said where it stood, and what is left is JSON: pages take it apart and lay it out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

import msgspec

from graphrt.fields import plain

if TYPE_CHECKING:
    from graphrt.inputs import Json

LONG_VALUE: Final = 2000
"""Characters of a value that are kept where nothing else is said."""
_FEW_ITEMS: Final = 12
"""Items up to which a collection of the state is written out; of more, the last ones and their number."""
_LAST: Final = 3


def plain_value(value: object) -> Json:
    """Return a value of a state as JSON."""
    return msgspec.to_builtins(plain(value), enc_hook=str)


def whole_value(value: object) -> str:
    """Return a value as JSON text, however long: equal values give equal text, and others do not."""
    return _dumped(plain_value(value))


def shown_value(value: object, most: int = LONG_VALUE) -> str:
    """Return a value as JSON text of at most about `most` characters.

    Of a collection of many items it is `[… 10 more, "x", "y", "z"]`: the last ones and how many come before them. A
    text that is too long ends in `…` and its length. Only what has too many parts is cut in the middle.
    """
    if isinstance(value, str):
        return _dumped(_cut(value, most))
    if not isinstance(value, Sequence):
        return _fitting(plain_value(value), most)
    items = cast("Sequence[object]", value)
    if len(items) <= _FEW_ITEMS:
        return _fitting(plain_value(items), most)
    last = (_fitting(plain_value(items[k]), most // 4) for k in range(len(items) - _LAST, len(items)))
    return f"[… {len(items) - _LAST} more, {', '.join(last)}]"


def shorter(text: str, most: int) -> str:
    """Return what `shown_value` wrote with at most about `most` characters."""
    if len(text) <= most:
        return text
    head, body = "", text
    if text.startswith("[… "):
        head, _, rest = text.partition(", ")
        head, body = f"{head}, ", f"[{rest}"
    try:
        value: Json = json.loads(body)
    except ValueError:
        return text[: most - 1] + "…"
    short = _fitting(value, most - len(head))
    return head + short[1:] if head and short.startswith("[") else short


def _fitting(value: Json, most: int) -> str:
    """Return JSON text that fits: whole, else with its texts cut, else cut itself."""
    text = _dumped(value)
    for share in (1, 4, 16):
        if len(text) <= most:
            return text
        text = _dumped(_with_short_texts(value, max(16, most // share)))
    return text if len(text) <= most else text[: most - 1] + "…"


def _with_short_texts(value: Json, most: int) -> Json:
    if isinstance(value, str):
        return _cut(value, most)
    if isinstance(value, dict):
        fields = cast("dict[str, Json]", value)
        return {name: _with_short_texts(part, most) for name, part in fields.items()}
    if isinstance(value, list):
        return [_with_short_texts(part, most) for part in cast("list[Json]", value)]
    return value


def _cut(text: str, most: int) -> str:
    if len(text) + 2 <= most:
        return text
    end = f"… ({len(text)} characters)"
    return text[: max(0, most - len(end) - 2)] + end


def _dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
