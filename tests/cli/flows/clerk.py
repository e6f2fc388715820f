"""One agent with a tool, whose visits a run without a model is made of."""

from pydantic import BaseModel

from graphrt import Agent, Flow


class Message(BaseModel):
    message: str
    reply: str = ""


def find(number: str) -> str:
    """Find an order."""
    return f"order {number}"


flow = Flow("clerk", Message)
s = flow.state
answer = flow.agent("answer", Agent("Answer.", tools=[find]), reads=s.message, writes=s.reply)
flow.edge(answer, flow.end("sent"))
