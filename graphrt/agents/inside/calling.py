"""The nodes of an agent that call its tools: one call each, and who has to agree to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from graphrt.agents import errors
from graphrt.agents.messages import Message, ToolCall, ToolMessage

if TYPE_CHECKING:
    from graphrt.agents.inside.place import Place
    from graphrt.context import Context

FREELY: Final = "no question"
"""A call that needs nobody's consent; no tool can have a name with a space."""


class Calling:
    """Does the work of these nodes for one agent in its place."""

    def __init__(self, place: Place) -> None:
        """Call the tools of an agent in `place`."""
        self.place = place

    def consent(self, call: ToolCall) -> str:
        """Say who has to agree to a call; one that cannot be carried out harms nobody."""
        tool = next((t for t in self.place.asking if t.name == call.name), None)
        if tool is None or call.raw is not None:
            return FREELY
        try:
            values = tool.check(call.arguments)
        except errors.ArgumentsRefused:
            return FREELY
        return tool.name if tool.needs_approval(values) else FREELY

    def declined(self, call: ToolCall) -> list[Message]:
        """Tell the model that a person does not want this call."""
        return [_failed(call, f"A person declined this call of {call.name}. Do without it.")]

    async def call(self, context: Context, call: ToolCall) -> list[Message]:
        """Carry out one call; what goes wrong with it is told to the model."""
        tool = next((t for t in self.place.agent.tools if t.name == call.name), None)
        if tool is None:
            names = ", ".join(t.name for t in self.place.agent.tools)
            return [_failed(call, f"There is no tool {call.name!r}. The tools are: {names}.")]
        if call.raw is not None:
            return [_failed(call, f"The arguments of {call.name} are not a JSON object: {errors.excerpt(call.raw)}.")]
        try:
            text = await tool.run(call.arguments, context)
        except Exception as error:  # noqa: BLE001 - whatever a tool raises is told to the model, which may do better
            return [_failed(call, tool.feedback(error))]
        return [ToolMessage(call_id=call.id, name=call.name, text=text)]


def _failed(call: ToolCall, text: str) -> ToolMessage:
    return ToolMessage(call_id=call.id, name=call.name, text=text, failed=True)
