"""Agents one after the other: each goes on from what the ones before it said."""

from __future__ import annotations

import re
from typing import Annotated, Any, cast

from pydantic import TypeAdapter

from graphrt.agents.messages import AssistantMessage, Message
from graphrt.configurations.members import Crew, Member, Seat, Speaker, add, sit
from graphrt.configurations.state import ChatState, state_with
from graphrt.drafts import Node
from graphrt.expressions import size
from graphrt.flow import Flow
from graphrt.reducers import append


def sequential(*agents: Speaker | Member, continue_on_error: bool = False, name: str = "sequential") -> Flow[ChatState]:
    """Return a flow in which agents speak in turn; the last one's words are the reply.

    A member with `output=` hands over data of that type: checked, kept in a field of its name, read by the others as
    JSON.

    Args:
        *agents: agents and flows, or members with instructions and outputs of their own.
        continue_on_error: leave an agent out that fails for good, and note it in the field `skipped`. A turn in which
            all of them fail has failed all the same.
        name: name of the flow.

    Raises:
        DefinitionError: a member cannot be used; with everything that is wrong.
    """
    crew = Crew(name)
    seats = crew.seats(agents, least=1)
    fields = {seat.name: _field_name(seat) for seat in seats if seat.output is not None}
    for field in {f for f in fields.values() if list(fields.values()).count(f) > 1 or f in _TAKEN}:
        crew.problem(f"the output of a member cannot be kept in a field {field!r}, which there is already; rename it")
    crew.refuse()
    more: dict[str, Any] = {"skipped": (Annotated[list[str], append], [])} if continue_on_error else {}
    more |= {fields[seat.name]: (seat.output | None, None) for seat in seats if seat.output is not None}
    flow = Flow(name, state_with("SequentialState", more))
    s: Any = flow.state
    before: list[Node] = []
    for number, seat in enumerate(seats, 1):
        about = {"step": number, "of": len(seats)}
        kept = fields.get(seat.name)
        writes = s.messages if kept is None else getattr(s, kept)
        last = node = sit(flow, seat, reads=(s.messages,), writes=writes, about=about)
        for each in before:
            flow.edge(each, node)
        if kept is not None:
            last = _tell(flow, s, seat, kept)
            flow.edge(node, last)
        before = [last]
        if continue_on_error:
            skip = _skip(flow, s, seat)
            flow.edge(node, skip, on=Exception)
            before.append(skip)
    if continue_on_error:
        nobody, done = flow.end("nobody answered", failure=True), flow.end("done")
        flow.edge(before[1], nobody, when=size(s.skipped) >= len(seats))
        flow.edge(before, done)
    return crew.checked(flow)


_TAKEN = (*ChatState.model_fields, "skipped")


def _field_name(seat: Seat) -> str:
    name = re.sub(r"\W+", "_", seat.name).strip("_").lower()
    return name if name.isidentifier() else f"from_{name}"


def _tell(flow: Flow[Any], s: Any, seat: Seat, kept: str) -> Node:  # noqa: ANN401 - the state as expressions
    adapter: TypeAdapter[Any] = TypeAdapter(cast("Any", seat.output))

    def tell(given: Any) -> Message:  # noqa: ANN401 - a value of the type that the member answers
        return AssistantMessage(text=adapter.dump_json(given).decode(), name=seat.name)

    return add(flow, tell, f"hand on {seat.name}", writes=s.messages, given=getattr(s, kept))


def _skip(flow: Flow[Any], s: Any, seat: Seat) -> Node:  # noqa: ANN401 - the state as expressions
    def skip() -> str:
        return seat.name

    return add(flow, skip, f"go on without {seat.name}", writes=s.skipped)
