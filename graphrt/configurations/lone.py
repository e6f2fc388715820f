"""One agent that answers."""

from __future__ import annotations

from typing import Any

from graphrt.configurations.members import Crew, Member, Speaker, sit
from graphrt.configurations.state import ChatState
from graphrt.flow import Flow


def single(agent: Speaker | Member, *, name: str = "single") -> Flow[ChatState]:
    """Return a flow in which one agent answers each message.

    Raises:
        DefinitionError: the agent cannot be used; with everything that is wrong.
    """
    crew = Crew(name)
    seat = crew.seat(agent, default="assistant")
    if seat.output is not None:
        crew.problem("output= needs another agent to read it; ask for the type in an own flow, or use sequential")
    crew.refuse()
    flow = Flow(name, ChatState)
    s: Any = flow.state
    sit(flow, seat, reads=(s.messages,), writes=s.messages)
    return crew.checked(flow)
