"""`concurrent`: everybody answers the same question, and the answers are combined in their order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from graphrt import concurrent, member
from graphrt.agents import Message, ModelRequest, assistant, user
from graphrt.runtime import run
from graphrt.testing.scripted import ScriptedModel, Turn
from tests.configurations.talking import ANN, BEN, CLEO, speaker, talk, texts

pytestmark = pytest.mark.anyio


def by_name(request: ModelRequest) -> str:
    """Answer with one's name."""
    return speaker(request).upper()


async def test_nobody_hears_the_others_and_the_order_is_that_of_the_agents() -> None:
    """Answers stand in the order of the agents however late each comes; each agent was shown the question alone."""

    def slow_first(request: ModelRequest) -> Turn:
        delay = {"ann": 3, "ben": 2, "cleo": 1}[speaker(request)]
        return Turn.say(*(["x"] * delay), speaker(request).upper())

    result, model = await talk(concurrent(ANN, BEN, CLEO), slow_first)
    assert [m.name for m in result.state.answers] == ["ann", "ben", "cleo"]
    assert [[m.text for m in r.messages] for r in model.requests] == [["Hi"]] * 3
    assert result.state.messages[-1] == assistant("ann: xxxANN\n\nben: xxBEN\n\ncleo: xCLEO", name="combine")


async def test_an_agent_combines() -> None:
    """A combining agent is shown the conversation and all answers by name; only its words become part of it."""
    result, model = await talk(concurrent(ANN, BEN, combine=CLEO), by_name)
    asked = model.requests[-1]
    assert asked.instructions == "You are cleo."
    assert texts(asked.messages) == [
        (None, "Hi"),
        ("ann", "ANN"),
        ("ben", "BEN"),
        ("graphrt", "Combine the answers above into one."),
    ]
    assert texts(result.state.messages) == [(None, "Hi"), ("cleo", "CLEO")]
    _, model = await talk(concurrent(ANN, BEN, combine=member(CLEO, instructions="Choose.")), by_name)
    assert model.requests[-1].messages[-1].text == "Choose."


async def test_a_function_combines() -> None:
    """A function of the answers returns text or a message, and may be asynchronous; anything else fails the turn."""

    def longest(answers: Sequence[Message]) -> str:
        return max((a.text for a in answers), key=len)

    async def first(answers: Sequence[Message]) -> Message:
        return answers[0]

    def none(answers: Sequence[Message]) -> None:
        return None

    assert (await talk(concurrent(ANN, CLEO, combine=longest), by_name))[0].state.messages[-1].text == "CLEO"
    assert (await talk(concurrent(ANN, CLEO, combine=first), by_name))[0].state.messages[-1].name == "ann"
    failed, _ = await talk(concurrent(ANN, CLEO, combine=none), by_name)
    assert failed.error is not None
    assert "expected text or a message" in failed.error.message


@pytest.mark.parametrize(
    ("answers", "winner"),
    [(("No", "yes", " YES "), "yes"), (("b", "a", "c"), "b"), (("x", "x", "y"), "x")],
)
async def test_a_vote_takes_what_most_agree_on(answers: tuple[str, ...], winner: str) -> None:
    """Case and white space do not count in a vote; of equally many the first agent's answer wins."""
    said: dict[str, str] = dict(zip(("ann", "ben", "cleo"), answers, strict=True))
    result, _ = await talk(concurrent(ANN, BEN, CLEO, combine="vote"), lambda r: said[speaker(r)])
    assert result.state.messages[-1].text.strip() == winner


async def test_a_failure_stops_all_unless_it_may_go_on() -> None:
    """One that fails fails the turn; with continue_on_error the others' answers are combined."""

    def script(request: ModelRequest) -> Turn | str:
        return Turn.fail(ValueError("no")) if speaker(request) == "ben" else by_name(request)

    failed, _ = await talk(concurrent(ANN, BEN), script)
    assert failed.status == "failed"
    flow = concurrent(ANN, BEN, CLEO, continue_on_error=True)
    result, _ = await talk(flow, script)
    assert (list(result.state.skipped), [m.name for m in result.state.answers]) == (["ben"], ["ann", "cleo"])
    nobody, _ = await talk(flow, lambda _: Turn.fail(ValueError("no")))
    assert nobody.error is not None
    assert "nobody answered" in nobody.error.message


async def test_agents_really_work_at_the_same_time() -> None:
    """All requests are under way before the first is answered."""
    all_asked = asyncio.Event()
    under_way: list[int] = []

    async def note(_seconds: float) -> None:
        under_way.append(len(model.requests))
        if len(model.requests) == 3:
            all_asked.set()
        await all_asked.wait()

    model = ScriptedModel(by_name, sleep=note)
    flow = concurrent(ANN, BEN, CLEO)
    result = await run(flow.freeze(), flow.state_type(messages=[user("Hi")]), resources=[model])
    assert result.status == "completed"
    assert under_way[0] < 3
