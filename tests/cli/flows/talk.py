"""Conversations whose agents do what they are told.

They echo, call tools, are slow, fail, and say what no terminal may be sent.
"""

import asyncio
from pathlib import Path

from graphrt import Agent, ChatState, Flow, concurrent, handoff, sequential, single
from graphrt.agents.errors import ModelBehavior
from graphrt.agents.messages import ToolCall
from graphrt.agents.model import ModelRequest
from graphrt.agents.tools import tool
from graphrt.testing import ScriptedModel, Turn
from graphrt.testing.scripted import Scripted

NASTY = "a\x1b[2Jb\x07c\u202ed\re\tf 日本語 مرحبا"


def look(what: str) -> str:
    """Look something up."""
    return f"{what} is wet\x1b[31m"


@tool(approval="always")
def refund(order: str, cents: int) -> str:
    """Pay back."""
    with Path("paid.txt").open("a") as paid:
        paid.write(f"{order} {cents}\n")
    return f"paid {cents}"


def answer(request: ModelRequest) -> Scripted:
    """Do what the last message says."""
    last = request.messages[-1]
    if last.role == "tool":
        return f"Done: {last.text}"
    if "refund" in last.text:
        return Turn.call("refund", order="A-17", cents=3890)
    if "look" in last.text:
        return ToolCall(id="1", name="look", arguments={"what": "rain"})
    if "slow" in last.text:
        return Turn.say("slowly ", *("and on " for _ in range(2000)), delay_s=0.02)
    if "fail" in last.text:
        return ValueError("no such luck")
    if "again" in last.text and Path("broken").exists():
        Path("broken").unlink()
        return Turn.fail(ModelBehavior("cut"), after=["half "])
    if "nasty" in last.text:
        return Turn.say(*NASTY)
    return Turn.say("You said ", f"{last.text!r}.")


model = ScriptedModel(answer, sleep=asyncio.sleep)


def agent(name: str) -> Agent:
    """Return an agent on the script."""
    return Agent(f"You are {name}.", name=name, tools=[look, refund], model=model, retry=2)


flow = single(agent("ann"), name="desk")
two = sequential(agent("ann"), agent("ben"), name="two")
both = concurrent(agent("ann"), agent("ben"), combine="all", name="both")


class Asked(ChatState):
    count: int = 0


asking = Flow("asking", Asked)
_s = asking.state
_how_many = asking.ask("how many", "How many?", reads=_s.messages, writes=_s.count)
_say = asking.agent("say", Agent("Say.", name="say", model=model), reads=_s.messages, writes=_s.messages)
asking.edge(_how_many, _say)


class Needy(ChatState):
    topic: str


needy = Flow("needy", Needy)
needy.agent("say", Agent("Say.", model=model), reads=needy.state.messages, writes=needy.state.messages)

spoken = handoff(
    Agent(
        "One.",
        name="one",
        model=ScriptedModel([Turn.call("hand_over_to_two", reason="tired")]),
    ),
    Agent("Two.", name="two", model=ScriptedModel(["I am two."])),
    name="spoken",
)
