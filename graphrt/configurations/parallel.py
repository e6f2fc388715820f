"""Agents side by side: each answers the same conversation, and a combiner makes one reply of their answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any, Literal, TypeAlias, cast

from graphrt.agents.agent import Agent
from graphrt.agents.messages import AssistantMessage, Message
from graphrt.configurations.members import Crew, Member, Seat, Speaker, adapted, add, as_message, sit
from graphrt.configurations.state import ChatState, state_with
from graphrt.expressions import size
from graphrt.flow import Flow
from graphrt.reducers import append
from graphrt.values import brief

Combine: TypeAlias = "Speaker | Member | Literal['all', 'vote'] | Callable[[Sequence[Message]], object]"
_COMBINE = "Combine the answers above into one."


def concurrent(
    *agents: Speaker | Member,
    combine: Combine = "all",
    continue_on_error: bool = False,
    name: str = "concurrent",
) -> Flow[ChatState]:
    """Return a flow in which agents answer at the same time; the answers are kept in their order, however fast each is.

    Args:
        *agents: agents and flows; none sees what the others say.
        combine: what makes one reply of the answers: an agent that reads them behind the conversation; a function of
            the list of answers that returns text or a message; `all` puts them under each other by name; `vote` takes
            the answer that most agree on (case and white space do not count), of equals the first.
        continue_on_error: go on without an agent that fails for good, and note it in the field `skipped`.
        name: name of the flow.

    Raises:
        DefinitionError: a member cannot be used; with everything that is wrong.
    """
    crew = Crew(name)
    seats = crew.seats(agents, least=2)
    for seat in seats:
        if seat.output is not None:
            crew.problem(f"member {seat.name!r} has output=, which only sequential hands on")
    combiner = _combiner(crew, combine)
    crew.refuse()
    fields: dict[str, Any] = {"answers": (Annotated[list[Message], append], [])}
    if continue_on_error:
        fields["skipped"] = (Annotated[list[str], append], [])
    flow = Flow(name, state_with("ConcurrentState", fields))
    s: Any = flow.state

    @flow.task(name="ask all")
    def ask_all() -> None:
        """Begin the branches."""

    nodes = [sit(flow, seat, reads=(s.messages,), writes=s.answers) for seat in seats]
    join = flow.join("answers")
    flow.fork(ask_all, nodes)
    flow.edge(nodes, join)
    if continue_on_error:
        for seat, node in zip(seats, nodes, strict=True):
            skip = add(flow, partial(_name_of, seat.name), f"go on without {seat.name}", writes=s.skipped)
            flow.edge(node, skip, on=Exception)
            flow.edge(skip, join)
        flow.edge(join, flow.end("nobody answered", failure=True), when=size(s.answers) == 0)
    if isinstance(combiner, Seat):
        last = sit(flow, combiner, reads=(s.messages, s.answers), writes=s.messages)
    else:
        last = add(flow, cast("Callable[..., Any]", combiner), "combine", writes=s.messages, messages=s.answers)
    flow.edge(join, last)
    return crew.checked(flow)


def _name_of(name: str) -> str:
    return name


def _combiner(crew: Crew, combine: Combine) -> Seat | Callable[..., object] | None:
    if isinstance(combine, Flow):
        return crew.seat(cast("Flow[Any]", combine), "combine")
    if isinstance(combine, Agent | Member):
        seat = crew.seat(combine, default="combine")
        if isinstance(seat.who, Agent) and seat.instructions is None and seat.who.prompt is None:
            return Seat(seat.name, seat.who, _COMBINE)
        return seat
    if combine == "all":
        return adapted(_all, _as_reply)
    if combine == "vote":
        return adapted(_vote, _as_reply)
    if callable(cast("object", combine)):
        return adapted(combine, _as_reply)
    crew.problem(f"combine={brief(combine)}; expected an agent, a function of the answers, 'all' or 'vote'")
    return None


def _as_reply(value: object) -> Message:
    return as_message(value, "combine")


def _all(answers: Sequence[Message]) -> str:
    return "\n\n".join(f"{getattr(answer, 'name', None) or 'assistant'}: {answer.text}" for answer in answers)


def _vote(answers: Sequence[Message]) -> Message:
    votes = Counter(" ".join(answer.text.casefold().split()) for answer in answers)
    (best, _), *_ = votes.most_common(1)  # of equals the one that came first
    winner = next(answer for answer in answers if " ".join(answer.text.casefold().split()) == best)
    return AssistantMessage(text=winner.text, name="combine")
