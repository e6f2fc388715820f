"""What an agent and what stands around it may be given: a mistake is told where it is written, with all others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from graphrt import Agent, ChatRuntime, DefinitionError, Retry, UseError
from graphrt.policies import cache, fallback, limit
from graphrt.testing import ScriptedModel

AGENT: Any = Agent
"""The class, as code that no type checker reads may call it."""


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"instructions": None}, "instructions=None; expected a text"),
        ({"name": 3}, "name=3; expected a text, or None"),
        ({"model": 3}, "model=3; expected a model object"),
        ({"model": ScriptedModel}, "a class has to be called first"),
        ({"policies": cache()}, "policies=.*; expected a list"),
        ({"tools": 5}, "tools=5; expected a list"),
        ({"guardrails": "x"}, "guardrails='x'; expected a list"),
        ({"examples": {"a": "b"}}, "expected a list of pairs"),
        ({"retry": 0}, "retry=0; expected a whole number from 1, or a Retry"),
        ({"max_tokens": 0}, "max_tokens=0; expected a whole number from 1"),
        ({"temperature": -5}, "temperature=-5; expected a number from 0"),
        ({"max_turns": "3"}, "max_turns='3'; expected a whole number"),
    ],
)
def test_an_agent_says_what_it_cannot_be_given(given: dict[str, object], says: str) -> None:
    """The message has the argument, what it was and what it can be; the place is where the agent was made."""
    with pytest.raises(DefinitionError, match=says) as raised:
        AGENT(**{"instructions": "Speak.", **given})
    assert "test_given.py" in str(raised.value.mistakes[0].place)


def test_all_that_is_wrong_is_told_at_once() -> None:
    """One error has every mistake."""
    with pytest.raises(DefinitionError, match="an agent has 3 mistakes") as raised:
        AGENT(None, name=3, retry=0)
    assert [m.code for m in raised.value.mistakes] == ["agent"] * 3


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Retry(wait_s=-1), "wait_s=-1, which is no number from 0"),
        (lambda: Retry(attempts=0, jitter=-1), "attempts=0, which is no whole number from 1, and jitter=-1"),
        (lambda: Retry(attempts=cast("int", 1.5)), "attempts=1.5"),
        (lambda: limit(at_once=cast("int", "3")), r"limit\(at_once='3'\): expected a whole number"),
        (lambda: limit(at_once=cast("int", 1.5)), "expected a whole number"),
        (lambda: limit(cost_usd=cast("float", "1")), r"limit\(cost_usd='1'\): expected a number"),
        (lambda: fallback("m", on=cast("Any", "RateLimited")), "on='RateLimited'.: expected a type of exception"),
        (lambda: fallback("m", on=cast("Any", [ValueError, 3])), "expected a type of exception"),
        (lambda: fallback("m", on=cast("Any", 3)), "expected a type of exception"),
    ],
)
def test_policies_say_what_they_cannot_be_given(make: Callable[[], object], says: str) -> None:
    """Where they are made, and not inside of the run that meets them."""
    with pytest.raises(UseError, match=says):
        make()


def test_what_cannot_be_called_is_no_handler() -> None:
    """It is refused at once, and not logged at the first event."""
    runtime = ChatRuntime(Agent("Speak.", name="ann", model=ScriptedModel([])))
    with pytest.raises(UseError, match=r"on_event\(None\): expected a function"):
        runtime.on_event(cast("Any", None))
