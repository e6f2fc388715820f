"""The press review: every ending is reached, by the way that the page promises."""

from __future__ import annotations

import asyncio

import pytest

from graphrt.account import account
from graphrt.agents import ModelRequest
from graphrt.runtime import answer, resume
from graphrt.stores.memory import MemoryStore
from graphrt.testing.clock import ManualClock
from graphrt.testing.scripted import Scripted, ScriptedModel
from graphs.press import Article, flow

pytestmark = pytest.mark.anyio
GRAPH = flow.freeze()


def newsroom(*rounds: int, hard: str = "law") -> ScriptedModel:
    """Return a model whose desks have no objection, except one: its severity, round by round, the last for ever."""
    severities = list(rounds)
    desks = {"fact": "facts", "legal": "law", "style": "style"}

    def speak(request: ModelRequest) -> Scripted:
        instructions = request.instructions
        if instructions.startswith("Mend"):
            severities[:] = severities[1:] or severities
            return "mended"
        desk = desks[instructions.split()[3]]
        return {"desk": desk, "severity": severities[0] if desk == hard else 0, "text": "Hm."}

    return ScriptedModel(speak)


def ending(trace: object) -> str:
    """Return the name of the last node that was visited."""
    return [v.node.name for v in account(trace).visits.values() if "/" not in v.id][-1]  # type: ignore[arg-type]  # it is a Trace


@pytest.mark.parametrize(
    ("rounds", "end", "mended"),
    [
        ((0,), "printed", 0),
        ((1, 0), "printed", 1),
        ((1, 1, 0), "printed", 2),
        ((2,), "thrown out", 0),
        ((1, 2), "thrown out", 1),
    ],
)
@pytest.mark.parametrize("desk", ["facts", "law", "style"])
async def test_the_desks_decide(rounds: tuple[int, ...], end: str, mended: int, desk: str) -> None:
    """No objection prints it, small ones are mended first, a hard one throws it out, whichever desk has it."""
    result = await flow.run(Article(text="News."), resources=[newsroom(*rounds, hard=desk)])
    assert (result.status, ending(result.trace)) == ("completed", end)
    assert len(account(result.trace).of_node("mend")) == mended
    assert [remark.desk for remark in result.state.remarks] == ["facts", "law", "style"]


@pytest.mark.parametrize(("decision", "end"), [("print", "printed"), ("throw out", "thrown out")])
async def test_what_cannot_be_mended_is_for_the_editor(decision: str, end: str) -> None:
    """After two rounds of mending the run waits for the editor, and does what the editor says."""
    store, model = MemoryStore(), newsroom(1)
    result = await flow.run(Article(text="News."), store=store, resources=[model])
    assert result.status == "suspended"
    assert len(account(result.trace).of_node("mend")) == 2
    await answer(store, result.run, result.questions[0].visit, decision)
    result = await resume(store, result.run, GRAPH, resources=[model])
    assert (result.status, ending(result.trace)) == ("completed", end)


async def test_an_editor_who_says_nothing_has_held_it() -> None:
    """Two hours later the article is held, and nobody waits any longer."""
    clock = ManualClock()
    going = asyncio.ensure_future(
        flow.run(Article(text="News."), resources=[newsroom(1)], clock=clock, stay_s=3 * 3600)
    )
    await clock.run_out(going)
    assert (going.result().status, ending(going.result().trace)) == ("completed", "held")
