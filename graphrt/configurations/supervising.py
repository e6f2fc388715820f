"""A supervisor that plans, gives work to others, checks what they bring, and answers at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Final, Literal, cast

from pydantic import BaseModel, Field, create_model

from graphrt.agents.agent import Agent
from graphrt.agents.messages import Message, user
from graphrt.configurations.members import Crew, Member, Seat, Speaker, add, sit
from graphrt.configurations.state import ChatState, name_of, state_with
from graphrt.flow import Flow
from graphrt.reducers import append

DONE: Final = "(done)"


class Order(BaseModel):
    """What a supervisor wants next."""

    worker: str
    task: str = Field("", description="What the worker should do, with all that it has to know.")


def supervisor(
    boss: Agent | Member, *workers: Speaker | Member, rounds: int = 10, name: str = "supervisor"
) -> Flow[ChatState]:
    """Return a flow in which an agent gives out work until it has what it needs, and then answers.

    The boss sees the conversation and all results so far, and orders the next piece of work or none; so it checks each
    result before it goes on. Only its answer becomes part of the conversation; orders and results are in `work`.

    Args:
        boss: the agent that plans, checks and answers.
        *workers: agents that have names, and flows.
        rounds: pieces of work at most; after that the boss answers with what there is.
        name: name of the flow.

    Raises:
        DefinitionError: a member cannot be used; with everything that is wrong.
    """
    crew = Crew(name)
    rounds = crew.count(rounds, "rounds")
    leading = crew.seat(boss, default="boss")
    seats = crew.seats(workers, least=1, named=True)
    if not isinstance(leading.who, Agent):
        crew.problem(f"the boss {leading.name!r} is a flow; it must be an agent, which orders and answers")
    for seat in (leading, *seats):
        if seat.output is not None:
            crew.problem(f"member {seat.name!r} has output=, which only sequential hands on")
    crew.refuse()
    names = [seat.name for seat in seats]
    order = create_model("Order", __base__=Order, worker=(cast("Any", Literal[(*names, DONE)]), ...))
    fields: dict[str, Any] = {
        "work": (Annotated[list[Message], append], []),
        "order": (order | None, None),
        "wanted": (name_of([*names, DONE]), None),
    }
    flow = Flow(name, state_with("SupervisorState", fields))
    s: Any = flow.state

    def delegate(order: Any) -> str:  # noqa: ANN401 - of the type made above
        return cast("Order", order).worker

    def tell(order: Any) -> Message:  # noqa: ANN401 - as above
        return user(cast("Order", order).task, name=leading.name)

    heard = (s.messages, s.work)
    plan = sit(
        flow, replace(leading, name="plan", instructions=_told(seats), output=order), reads=heard, writes=s.order
    )
    delegating = flow.router("delegate", cast("Any", delegate), writes=s.wanted)
    nodes = [sit(flow, seat, reads=heard, writes=s.work) for seat in seats]
    answer = sit(
        flow, replace(leading, instructions="Now answer, from the work above."), reads=heard, writes=s.messages
    )
    flow.start(plan)
    flow.edge(plan, delegating, at_most=rounds)
    flow.edge(plan, answer)
    for seat, node in zip(seats, nodes, strict=True):
        brief = add(flow, tell, f"order for {seat.name}", writes=s.work)
        flow.edge(delegating, brief, on=cast("Any", seat.name))
        flow.edge(brief, node)
        flow.edge(node, plan)
    flow.edge(delegating, answer, on=cast("Any", DONE))
    return crew.checked(flow)


def _told(seats: Sequence[Seat]) -> str:
    lines = "\n".join(
        f"- {seat.name}: {seat.who.instructions if isinstance(seat.who, Agent) else seat.who.name}" for seat in seats
    )
    return f"Say which worker should do what next, or {DONE} if you can answer. The workers are:\n{lines}"
