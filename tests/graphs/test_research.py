"""The research: at most two researchers at once, gaps that fail nobody else, a report from what was found."""

from __future__ import annotations

import asyncio

import pytest

from graphrt.account import account
from graphrt.agents.model import Emit, Model, ModelRequest, Reply, discard
from graphrt.testing.scripted import ScriptedModel, Turn
from graphs.research import Research, flow, look_up
from tests.graphs.cases import CASES, of_research, played

pytestmark = pytest.mark.anyio


class Library(Model):
    """Plans five subjects, and counts how many researchers ask at the same time."""

    name = "library"

    def __init__(self) -> None:
        self.now = self.most = 0

    async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
        """Answer after a few turns of the event loop."""
        if request.output_schema:
            return Reply(text="", data=["tea", "coffee", "cocoa", "water", "tea"])
        self.now += bool(request.tools)
        self.most = max(self.most, self.now)
        for _ in range(20):
            await asyncio.sleep(0)
        self.now -= bool(request.tools)
        return Reply(text=request.messages[-1].text)


async def test_two_at_once() -> None:
    """Of five researchers never more than two are under way; the findings stand in the order of the plan."""
    model = Library()
    result = await flow.run(Research(question="?"), resources=[model])
    assert result.status == "completed", result.error
    assert model.most == 2
    assert list(result.state.findings) == ["tea", "coffee", "cocoa", "water", "tea"]


async def test_a_gap_is_reported_and_fails_nobody() -> None:
    """The subject that the library lacks ends in `gap`; the reporter reads both findings and the gap."""
    result = await played(CASES["research"])
    assert result.state.report == (
        "Tea is made from the leaves of Camellia sinensis, an evergreen shrub."
        " / Coffee is brewed from the roasted seeds of plants of the genus Coffea."
        " / Nothing could be found out about mate."
    )


async def test_a_plan_that_is_too_long_goes_back() -> None:
    """Six subjects do not fit the field; the planner is told, and the run goes on with what it says then."""
    plans = iter([Turn.fill([*"abcdef"]), Turn.fill(["tea"])])
    model = ScriptedModel(lambda request: next(plans) if request.output_schema else of_research(request))
    result = await flow.run(Research(question="?"), resources=[model])
    assert list(result.state.topics) == ["tea"]
    assert "at most 5 items" in model.requests[1].messages[-1].text


async def test_no_subject_at_all() -> None:
    """An empty plan has no branches, and is reported all the same."""
    model = ScriptedModel(lambda request: Turn.fill([]) if request.output_schema else "Nothing to say.")
    result = await flow.run(Research(question="?"), resources=[model])
    assert (result.status, result.state.report) == ("completed", "Nothing to say.")
    assert account(result.trace).of_node("research") == []


@pytest.mark.parametrize("subject", ["tea", "Tea", "black tea"])
def test_the_library_is_real(subject: str) -> None:
    """The tool reads a page of the folder."""
    assert look_up(subject).startswith("Tea is made from the leaves")


def test_a_page_that_is_not_there() -> None:
    """The tool says what is missing, and reads nothing outside its folder."""
    with pytest.raises(LookupError, match="no page on"):
        look_up("../research")
