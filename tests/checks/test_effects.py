"""Agents and effects: what keeps a tool from acting twice is seen through the graph inside an agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from graphrt import Agent, Context, Flow, tool
from graphrt.agents.tool_options import Approval
from graphrt.checks import check


class Ticket(BaseModel):
    """A message and its answer."""

    message: str
    reply: str = ""


def is_dear(arguments: Mapping[str, Any]) -> bool:
    """Decide by the arguments whether a person is asked."""
    return bool(arguments)


def codes(*, writes: bool, approval: Approval, keyed: bool) -> list[str]:
    """Return what is found about an agent with one tool."""

    @tool(writes=writes, approval=approval)
    def refund(order: str) -> str:
        return order

    @tool(name="refund", writes=writes, approval=approval)
    def refund_once(order: str, context: Context) -> str:
        return f"{order} {context.idempotency_key}"

    flow = Flow("support", Ticket)
    s = flow.state
    clerk = Agent("Help.", tools=[refund_once if keyed else refund])
    flow.agent("clerk", clerk, reads=s.message, writes=s.reply)
    return [f.code for f in check(flow)]


@pytest.mark.parametrize(
    ("writes", "approval", "keyed", "expected"),
    [
        (True, "never", False, ["GR401"]),
        (True, "never", True, []),
        (True, "always", False, []),
        (True, is_dear, False, []),
        (False, "never", False, []),
    ],
)
def test_a_tool_that_acts_needs_approval_or_a_key(
    writes: bool, approval: Approval, keyed: bool, expected: list[str]
) -> None:
    """A tool that changes the world is reported unless a person approves its calls or it can tell a repeated call."""
    assert codes(writes=writes, approval=approval, keyed=keyed) == expected


def test_a_type_that_no_schema_can_express_is_refused_with_its_place() -> None:
    """An agent cannot be told what to write; nothing is raised from the depths of a library."""

    class Odd:
        pass

    class State(BaseModel):
        model_config = ConfigDict(arbitrary_types_allowed=True)

        text: str
        out: Odd | None = None

    flow = Flow("odd", State)
    flow.agent("a", Agent("Look."), reads=flow.state.text, writes=flow.state.out)
    found = {f.code: f.message for f in check(flow)}
    assert "'out' of State has the type Odd | None, whose values have no JSON form" in found["no-json-form"]
    assert "agent 'a' is to write Odd | None, which no schema can express" in found["agent"]
