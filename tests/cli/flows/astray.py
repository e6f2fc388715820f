"""What goes wrong around agents and guards: calls in vain, a mute model, a guard that raises, an end for failures."""

from pydantic import BaseModel

from graphrt import Agent, Flow
from graphrt.agents.errors import ModelBehavior
from graphrt.agents.messages import ToolCall
from graphrt.testing import ScriptedModel, Turn


class Order(BaseModel):
    message: str = "Where is my order?"
    reply: str = ""
    number: int = 0
    tags: list[int] = []


def lookup(order: int) -> str:
    """Find an order."""
    if order == 13:
        raise LookupError("order 13 is not in the ledger")
    return f"order {order} is on its way"


model = ScriptedModel(
    [
        ToolCall(id="1", name="refund", arguments={"order": 4}),
        Turn.call("lookup", order="four"),
        Turn.call("lookup", order=13),
        Turn.call("lookup", order=4),
        "It is on its way.",
    ]
)
calls = Flow("calls", Order)
s = calls.state
clerk = calls.agent(
    "clerk", Agent("You help.", tools=[lookup], model=model, repairs=5), reads=s.message, writes=s.reply
)
calls.edge(clerk, calls.end("sent"))

mute = Flow("mute", Order)
s = mute.state
kind = mute.agent(
    "kind",
    Agent("Be kind.", model=ScriptedModel([ModelBehavior("it said nothing")] * 9)),
    reads=s.message,
    writes=s.reply,
)
mute.edge(kind, mute.end("sent"))

raising = Flow("raising", Order)
s = raising.state


@raising.task(writes=s.number)
def count(message: str) -> int:
    """Count."""
    return len(message)


raising.edge(count, raising.end("few"), when=s.number < 3)
raising.edge(count, raising.end("first"), when=s.tags[0] == 1)
raising.edge(count, raising.end("many"))

hopeless = Flow("hopeless", Order)
s = hopeless.state


@hopeless.task(writes=s.number)
def look(message: str) -> int:
    """Count."""
    return len(message)


hopeless.edge(look, hopeless.end("gone", failure=True))
