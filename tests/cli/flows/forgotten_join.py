"""Two branches write one field and never meet at a join."""

from pydantic import BaseModel

from graphrt import Flow


class Mail(BaseModel):
    """What the branches write."""

    reply: str = ""


flow = Flow("forgotten", Mail)
s = flow.state


@flow.task
def begin() -> None:
    """Part the ways."""


@flow.task(writes=s.reply)
def a() -> str:
    """Write."""
    return "a"


@flow.task(writes=s.reply)
def b() -> str:
    """Write as well."""
    return "b"


@flow.task
def after() -> None:
    """Come after either."""


flow.fork(begin, [a, b])
flow.edge(a, after)
flow.edge(b, after)
flow.edge(after, flow.end("done"))
