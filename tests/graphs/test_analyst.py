"""The analyst: what the planner is told, what the programs really compute, and what becomes of a step given up."""

from __future__ import annotations

import pytest

from graphrt.account import account
from graphrt.agents import ModelRequest
from graphrt.testing.scripted import Scripted, ScriptedModel
from graphs.analyst import Analysis, flow
from tests.graphs.cases import CASES, GALLERY, played

pytestmark = pytest.mark.anyio
CASE = CASES["analyst"]
START = Analysis(question="Why?", files=[str(GALLERY / "library" / "rain.csv")])


async def test_a_program_finds_the_answer_in_the_table() -> None:
    """The context is gathered side by side; the step's program reads the table, and its output reaches the planner."""
    result = await played(CASE)
    columns, sample, _tools = result.state.context
    assert columns == "rain.csv has the columns month, rain_mm, mean_c"
    assert "['January', '235', '2.6']" in sample
    assert list(result.state.results) == ["December 3.2\n"]
    assert result.state.answer.startswith("December")


async def test_a_step_that_was_given_up_is_told() -> None:
    """The coder fails four times over; the planner hears of it and plans no more."""

    def clumsy(request: ModelRequest) -> Scripted:
        instructions = request.instructions
        if instructions.startswith("Plan how"):
            known = "given up" in request.messages[-1].text
            return {"known": known, "step": "Divide by zero."}
        return "1 / 0" if "Python" in instructions else "It cannot be known."

    result = await flow.run(START, resources=[ScriptedModel(clumsy)])
    assert list(result.state.results) == ["This step was given up: Divide by zero."]
    assert (result.status, result.state.answer) == ("completed", "It cannot be known.")


async def test_the_planner_is_bounded() -> None:
    """After five steps the question is answered with what there is."""

    def restless(request: ModelRequest) -> Scripted:
        instructions = request.instructions
        if instructions.startswith("Plan how"):
            return {"known": False, "step": "Print one."}
        if instructions.startswith("Does"):
            return {"passes": True, "advice": ""}
        return "print(1)" if "Python" in instructions else "One."

    result = await flow.run(START, resources=[ScriptedModel(restless)])
    assert result.status == "completed", result.error
    assert len(account(result.trace).of_node("execute")) == 5
    assert result.state.answer == "One."
