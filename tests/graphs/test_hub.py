"""The support hub: who speaks, who stays, what a person must agree to, and that nobody is sent round in circles."""

from __future__ import annotations

import pytest

from graphrt import ChatRuntime, RunFailed
from graphrt.testing.scripted import Scripted, ScriptedModel, Turn
from graphs.hub import flow

pytestmark = pytest.mark.anyio


def over(name: str) -> Scripted:
    """Return the call by which an agent hands over."""
    return Turn.call(f"hand_over_to_{name}", reason="It is theirs.")


async def test_the_host_hands_over_and_billing_stays() -> None:
    """Billing looks the payments up, answers, and answers the next turn as well."""
    model = ScriptedModel([over("billing"), Turn.call("payments", number="A-1042"), "You paid twice.", "On Friday."])
    runtime = ChatRuntime(flow, resources=[model])
    assert (await runtime.invoke("I was charged twice for A-1042.")).text == "You paid twice."
    assert "21 November" in model.requests[2].messages[-1].text
    assert getattr(await runtime.invoke("When is it back?"), "name", None) == "billing"


async def test_what_is_not_theirs_goes_back() -> None:
    """Billing hands a broken kettle back to the host, who hands it to repairs."""
    model = ScriptedModel([over("billing"), over("host"), over("repairs"), "What is broken?"])
    runtime = ChatRuntime(flow, resources=[model])
    assert getattr(await runtime.invoke("My kettle is broken."), "name", None) == "repairs"


async def test_a_repair_is_booked_when_a_person_agrees() -> None:
    """The turn waits for the person; the booking is made once they agree, and the agent tells of it."""
    call = Turn.call("book_repair", number="A-1042", day="Monday")
    model = ScriptedModel([over("repairs"), call, "It is fetched on Monday."])
    runtime = ChatRuntime(flow, resources=[model])
    with pytest.raises(RunFailed, match="waits for 'approve book_repair'"):
        await runtime.invoke("My kettle is broken.")
    assert [asked.question for asked in runtime.questions] == ["May 'repairs' call book_repair with these arguments?"]
    assert (await runtime.answer("approve")).text == "It is fetched on Monday."


async def test_nobody_is_sent_round_in_circles() -> None:
    """The fourth hand-over of a turn fails it; nothing of that turn becomes part of the conversation."""
    model = ScriptedModel([over("billing"), over("host"), over("repairs"), over("host")])
    runtime = ChatRuntime(flow, resources=[model])
    with pytest.raises(RunFailed, match="handed over too often"):
        await runtime.invoke("Hello?")
    assert list(runtime.messages) == []
