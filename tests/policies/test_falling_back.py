"""Fallbacks: the next model answers the same request, and the record says from whom to whom and why."""

from __future__ import annotations

import pytest

from graphrt import Agent
from graphrt.account import account
from graphrt.agents import ModelRequest, ToolSpec, Usage
from graphrt.agents.errors import ModelError, ModelUnavailable, NoModel, RateLimited, Refused, TruncatedStream
from graphrt.agents.model import Model
from graphrt.errors import UseError
from graphrt.policies import cache, fallback, retry
from graphrt.runtime import Delta
from graphrt.testing import ScriptedModel, Turn
from tests.policies.asking import Talk, ask, hearing, talking

pytestmark = pytest.mark.anyio

DOWN = ModelUnavailable("found no connection", endpoint="here", model="m")
BUSY = RateLimited("the endpoint answered 429", endpoint="there", model="n")


async def test_the_next_one_answers() -> None:
    """One after the other is asked, in order, until one answers; each step is marked with its reason."""
    first, second = ScriptedModel([DOWN], name="first"), ScriptedModel([BUSY], name="second")
    third = ScriptedModel(["From the third."], name="third")
    with hearing() as heard:
        reply = await ask(fallback(second, third).wrap(first), "Hi", temperature=0)
    assert (reply.text, reply.model) == ("From the third.", "third")
    assert heard.marks == ["fell back to second", "fell back to third"]
    assert heard.facts("taken") == {
        "source": "first",
        "target": "second",
        "error": "ModelUnavailable",
        "message": str(DOWN),
    }
    assert first.requests == second.requests == third.requests


async def test_what_the_first_can_do_is_left_to_it() -> None:
    """Without a failure nobody else is asked; the price is that of the model which answered."""
    other = ScriptedModel([Turn(chunks=("Other.",), usage=Usage(input_tokens=1000, output_tokens=0))], name="home")
    backed = fallback(other).wrap(ScriptedModel(["First.", DOWN], name="gpt-5-mini"))
    first = await ask(backed)
    assert (first.text, (backed.cost_usd(first) or 0) > 0) == ("First.", True)
    assert backed.cost_usd(await ask(backed)) is None, "what nobody has a price for is unknown, not that of another"


async def test_only_on_the_errors_that_are_meant() -> None:
    """By default whatever is wrong with a model; `on=` says which; bugs and cancellation never fall back."""
    for error in (Refused("no"), NoModel("none"), DOWN):
        assert (await ask(fallback(ScriptedModel(["Yes."])).wrap(ScriptedModel([error])))).text == "Yes."
    narrow = fallback(ScriptedModel(["Yes."]), on=RateLimited)
    with pytest.raises(ModelUnavailable):
        await ask(narrow.wrap(ScriptedModel([DOWN])))
    assert (await ask(narrow.wrap(ScriptedModel([BUSY])))).text == "Yes."
    with pytest.raises(ZeroDivisionError):
        await ask(fallback(ScriptedModel(["Yes."])).wrap(ScriptedModel([ZeroDivisionError()])))
    either = fallback(ScriptedModel(["Yes."]), on=[ValueError, ModelError])
    assert (await ask(either.wrap(ScriptedModel([ValueError("own")])))).text == "Yes."


async def test_if_all_fail_the_last_error_remains() -> None:
    """It is raised with those before it as its context."""
    with pytest.raises(RateLimited) as found:
        await ask(fallback(ScriptedModel([BUSY])).wrap(ScriptedModel([DOWN])))
    assert found.value is BUSY


async def test_an_agent_answers_in_its_own_way() -> None:
    """It brings its model, instructions, examples, settings and policies; conversation, tools and schema stay."""
    local = ScriptedModel([DOWN, "Simply."], name="local")
    agent = Agent("Answer simply.", model=local, examples=[("a", "b")], temperature=0, policies=[retry(2)])
    tools = (ToolSpec(name="look"),)
    backed = fallback(agent).wrap(ScriptedModel([DOWN]))
    assert (await ask(backed, instructions="Answer well.", tools=tools, model="big", seed=3)).text == "Simply."
    request = local.requests[-1]
    assert request == ModelRequest.prompt(
        "Hi", instructions="Answer simply.", examples=(("a", "b"),), temperature=0, tools=tools, seed=3
    )
    assert len(local.requests) == 2


async def test_names_are_looked_up_when_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of a model means one at the endpoint of the environment; what cannot be found is an error of its own."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "GRAPHRT_MODEL"):
        monkeypatch.delenv(name, raising=False)
    backed = fallback("gpt-5-mini").wrap(ScriptedModel(["First.", DOWN]))
    assert (await ask(backed)).text == "First."
    with pytest.raises(NoModel, match="'gpt-5-mini' is wanted"):
        await ask(backed)
    last = fallback("gpt-5-mini", ScriptedModel(["Last."])).wrap(ScriptedModel([DOWN]))
    with hearing() as heard:
        assert (await ask(last)).text == "Last."
    assert heard.marks == ["fell back to gpt-5-mini", "fell back to scripted"]


async def test_what_was_said_before_is_retracted() -> None:
    """Who listens is told that the text begins anew, so that halves of two answers are not read as one."""
    broken = Turn.fail(TruncatedStream("it broke off", endpoint="here", model="m"), after=["Half of "])
    heard: list[tuple[str, bool]] = []

    def listen(item: object) -> None:
        if isinstance(item, Delta):
            heard.append((item.text, item.anew))

    agent = Agent("Say.", policies=[fallback(ScriptedModel([Turn.say("All ", "of it.")], name="b"))], retry=1)
    result = await talking(agent).run(Talk(), resources=[ScriptedModel([broken])], on_event=listen)
    assert heard == [("Half of ", False), ("", True), ("All ", False), ("of it.", False)]
    visit = account(result.trace).visits["0/0"]
    assert (result.state.reply, [m.text for m in visit.marks]) == ("All of it.", ["fell back to b"])
    assert visit.usage is not None
    assert visit.usage.model == "b"


async def test_labels_and_data_fall_back_too() -> None:
    """A policy wraps one method, and every kind of request goes through it."""
    backed: Model = fallback(ScriptedModel([Turn.choose("bug", 0.9), {"n": 1}])).wrap(ScriptedModel([DOWN, DOWN]))
    choice = await backed.choose(ModelRequest.prompt("Hi"), ["bug", "billing"])
    assert (choice.label, choice.confidence) == ("bug", 0.9)
    assert (await backed.fill(ModelRequest.prompt("Hi"), {"type": "object"})).data == {"n": 1}


async def test_a_cache_around_it_keeps_what_the_other_said() -> None:
    """Stacked outside, a cache keeps the answer of whoever gave it."""
    backed = cache().wrap(fallback(ScriptedModel(["Other."])).wrap(ScriptedModel([DOWN])))
    assert [(await ask(backed)).text for _ in range(2)] == ["Other.", "Other."]


def test_who_cannot_be_asked_is_refused() -> None:
    """Nobody, no model, or an agent with tools, is said where it is written."""

    def look() -> str:
        return ""

    with pytest.raises(UseError, match="names nobody"):
        fallback()
    with pytest.raises(UseError, match="expected a model"):
        fallback(3)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(UseError, match="a node of its own"):
        fallback(Agent("Look.", tools=[look]))
