"""What an author may say about a tool beyond its signature, and the refusal of what nobody would hear.

A misspelled option must not be passed over: `aproval="always"` would be a call that nobody is asked about.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias, TypedDict

from graphrt.agents.errors import ToolDefinitionError
from graphrt.expressions import did_you_mean
from graphrt.graph import Retry
from graphrt.values import brief

Approval: TypeAlias = Literal["never", "always"] | Callable[[Mapping[str, Any]], bool]
"""When a person is asked before a call; a function decides by the checked arguments."""


class RemoteOptions(TypedDict, total=False):
    """What the author may say about a tool whose description comes from elsewhere."""

    name: str
    """Shown to the model; the function's name by default. Letters, digits, ``_`` and ``-``, at most 64."""
    writes: bool
    """True when a call changes the world: after a crash in the middle a person is asked before it is tried again."""
    approval: Approval
    """When a person must agree to a call; ``never`` by default."""
    timeout_s: float | None
    """Longest time of one attempt."""
    retry: Retry | int
    """How often a call that raises or takes too long is made, in total; 1 by default. Each failure is an event."""
    show_errors: bool
    """True when the messages of exceptions may be shown to the model."""
    max_chars: int
    """Longest result that the model is shown; the rest is cut."""


class Options(RemoteOptions, total=False):
    """What the author may say about a tool beyond its signature."""

    description: str
    """Shown to the model; the function's docstring by default."""
    ends: bool
    """True when asking for it ends the agent's work: the call is what the agent writes, and nothing is called."""


def is_async(fn: Callable[..., Any]) -> bool:
    """Tell whether calling a function gives an awaitable, also through partials and callable objects."""
    plain = fn.func if isinstance(fn, functools.partial) else fn
    return inspect.iscoroutinefunction(plain) or inspect.iscoroutinefunction(getattr(plain, "__call__", None))  # noqa: B004 - the method is looked at, not called


def check_options(given: Mapping[str, object], of: type[RemoteOptions], tool: str) -> None:
    """Refuse options that there are not, and values that they cannot have; ``tool`` is its name, for the message.

    Raises:
        ToolDefinitionError: for the first that is wrong.
    """
    known = sorted(of.__annotations__)
    for name, value in given.items():
        if name not in known:
            hint = did_you_mean(name, known)
            raise ToolDefinitionError(
                f"tool {tool} has {name}={brief(value)}, but there is no such option.{hint} The options are"
                f" {', '.join(known)}",
                tool=tool,
            )
        is_right, expected = _EXPECTED[name]
        if not is_right(value):
            raise ToolDefinitionError(f"tool {tool} has {name}={_found(name, value)}; it is {expected}", tool=tool)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_bound(value: object) -> bool:
    if value is None:
        return True
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _is_retry(value: object) -> bool:
    return value.attempts >= 1 if isinstance(value, Retry) else _is_count(value)


def _is_approval(value: object) -> bool:
    """Tell whether it says at once if a person is to be asked: nobody awaits an async predicate."""
    return value in ("never", "always") or (callable(value) and not is_async(value))


def _found(name: str, value: object) -> str:
    return "an async function" if name == "approval" and callable(value) else brief(value)


_FLAG: Final = (_is_flag, "True or False")
_EXPECTED: Final[Mapping[str, tuple[Callable[[object], bool], str]]] = {
    "name": (_is_text, "a text"),
    "description": (_is_text, "a text"),
    "writes": _FLAG,
    "show_errors": _FLAG,
    "ends": _FLAG,
    "approval": (_is_approval, "'never', 'always', or a plain function of the arguments"),
    "timeout_s": (_is_bound, "a number of seconds above 0, or None for no limit"),
    "retry": (_is_retry, "the number of attempts in total, at least 1, or a Retry(…)"),
    "max_chars": (_is_count, "a number of characters, at least 1"),
}
