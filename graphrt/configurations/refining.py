"""A writer and a critic: the writer tries again, a bounded number of times, until the critic accepts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, Field

from graphrt.agents.agent import Agent
from graphrt.agents.messages import AssistantMessage, Message, user
from graphrt.configurations.members import Crew, Member, Speaker, add, sit
from graphrt.configurations.state import ChatState, state_with
from graphrt.flow import Flow
from graphrt.reducers import append

_JUDGE = "Judge the last answer above: accept it, or say what is to be made better."


class Verdict(BaseModel):
    """What a critic says of a draft."""

    accepted: bool
    advice: str = Field("", description="What to make better; empty if it is accepted.")


def refine(
    writer: Speaker | Member, critic: Agent | Member, *, rounds: int = 3, name: str = "refine"
) -> Flow[ChatState]:
    """Return a flow in which a writer's answer is judged, and written again with the critic's advice.

    Only the last draft becomes part of the conversation; all of them are in the field `drafts`, the last judgement in
    `verdict`. A draft that was not accepted in the last round is delivered by the node `deliver as it is`.

    Args:
        writer: who answers.
        critic: an agent; it answers with a `Verdict`.
        rounds: how many drafts at most.
        name: name of the flow.

    Raises:
        DefinitionError: a member cannot be used; with everything that is wrong.
    """
    crew = Crew(name)
    rounds = crew.count(rounds, "rounds")
    writing, judging = crew.seat(writer, default="writer"), crew.seat(critic, default="critic")
    for seat in (writing, judging):
        if seat.output is not None:
            crew.problem(f"member {seat.name!r} has output=, which only sequential hands on")
    if not isinstance(judging.who, Agent):
        crew.problem(f"the critic {judging.name!r} is a flow; it must be an agent, which answers with a Verdict")
    crew.refuse()
    assert isinstance(judging.who, Agent)
    asks = judging.instructions or (_JUDGE if judging.who.prompt is None else None)
    fields: dict[str, Any] = {
        "drafts": (Annotated[list[Message], append], []),
        "verdict": (Verdict, Verdict(accepted=False, advice="")),
    }
    flow = Flow(name, state_with("RefineState", fields))
    s: Any = flow.state

    def send_back(verdict: Verdict) -> Message:
        return user(verdict.advice or "Make it better.", name=judging.name)

    write = sit(flow, writing, reads=(s.messages, s.drafts), writes=s.drafts)
    judge = sit(
        flow, replace(judging, instructions=asks, output=Verdict), reads=(s.messages, s.drafts), writes=s.verdict
    )
    deliver = add(flow, _deliver, "deliver", writes=s.messages)
    as_it_is = add(flow, _deliver, "deliver as it is", writes=s.messages)
    flow.start(write)
    flow.edge(write, judge)
    flow.edge(judge, deliver, when=s.verdict.accepted)
    if rounds > 1:
        back = add(flow, send_back, "send back", writes=s.drafts)
        flow.edge(judge, back, at_most=rounds - 1)
        flow.edge(back, write)
    flow.edge(judge, as_it_is)
    return crew.checked(flow)


def _deliver(drafts: Sequence[Message]) -> Message:
    last = next(draft for draft in reversed(drafts) if isinstance(draft, AssistantMessage))
    return AssistantMessage(text=last.text, name=last.name)
