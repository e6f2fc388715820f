"""What an agent may be given: the kind of each argument, looked at before anything is made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from graphrt.agents.model import Model
from graphrt.graph import Retry
from graphrt.values import brief


def misgiven(given: Mapping[str, object]) -> list[str]:
    """Say what among the arguments of an agent is of a wrong kind, or a number that cannot be meant."""
    return [
        f"the agent has {name}={brief(value)}; expected {_EXPECTED[name][1]}"
        for name, value in given.items()
        if not _EXPECTED[name][0](value)
    ]


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_text_or_none(value: object) -> bool:
    return value is None or isinstance(value, str)


def _is_several(value: object) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)


def _is_model(value: object) -> bool:
    return value is None or isinstance(value, str | Model)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_whole_or_none(value: object) -> bool:
    return value is None or _is_whole(value)


def _is_warmth(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and value >= 0)


def _is_count_or_none(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 1)


def _is_retry(value: object) -> bool:
    return isinstance(value, Retry) or (isinstance(value, int) and not isinstance(value, bool) and value >= 1)


_SEVERAL: Final = (_is_several, "a list")
_WHOLE: Final = (_is_whole, "a whole number")
_EXPECTED: Final[Mapping[str, tuple[Callable[[object], bool], str]]] = {
    "instructions": (_is_text, "a text: what the model should do"),
    "name": (_is_text_or_none, "a text, or None"),
    "tools": _SEVERAL,
    "model": (_is_model, "a model object, the name of one, or None; a class has to be called first"),
    "examples": (_is_several, "a list of pairs"),
    "prompt": (_is_text_or_none, "a text, or None"),
    "temperature": (_is_warmth, "a number from 0, or None"),
    "seed": (_is_whole_or_none, "a whole number, or None"),
    "max_tokens": (_is_count_or_none, "a whole number from 1, or None"),
    "guardrails": _SEVERAL,
    "max_turns": _WHOLE,
    "repairs": _WHOLE,
    "at_once": _WHOLE,
    "retry": (_is_retry, "a whole number from 1, or a Retry"),
    "policies": (_is_several, "a list; see graphrt.policies"),
}
