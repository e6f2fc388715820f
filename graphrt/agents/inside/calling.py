"""The nodes of an agent that call its tools: one call each, and who has to agree to it."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from graphrt.agents import errors
from graphrt.agents.errors import CallCancelled
from graphrt.agents.messages import Message, ToolCall, ToolMessage

if TYPE_CHECKING:
    from graphrt.agents.inside.place import Place
    from graphrt.context import Context

FREELY: Final = "no question"
"""A call that needs nobody's consent; no tool can have a name with a space."""


_NOTED: Final = 2_000
"""Characters of an exception's message that are noted at most."""


class Calling:
    """Does the work of these nodes for one agent in its place."""

    def __init__(self, place: Place) -> None:
        """Call the tools of an agent in `place`."""
        self.place = place

    def consent(self, call: ToolCall) -> str:
        """Say who has to agree to a call; one that cannot be carried out harms nobody."""
        tool = next((t for t in self.place.asking if t.name == call.name), None)
        if tool is None or refusal(self.place, call) is not None:
            return FREELY
        return tool.name if tool.needs_approval(tool.check(call.arguments)) else FREELY

    def declined(self, call: ToolCall) -> list[Message]:
        """Tell the model that a person does not want this call."""
        return [_failed(call, f"A person declined this call of {call.name}. Do without it.")]

    async def call(self, context: Context, call: ToolCall) -> list[Message]:
        """Carry out one call; what goes wrong with it in the end is told to the model, and noted for people.

        Raises:
            ToolFailed: it is to be tried again.
        """
        if (why := refusal(self.place, call)) is not None:
            return [_failed(call, why)]
        tool = self.place.tool[call.name]
        try:
            with _own_cancellations(tool.name):
                text = await tool.run(call.arguments, context)
        except Exception as error:
            if (again := tool.again(error, context.attempt)) is not None:
                raise again from error
            context.report(error=f"{type(error).__name__}: {error}"[:_NOTED])
            return [_failed(call, tool.feedback(error))]
        return [ToolMessage(call_id=call.id, name=call.name, text=text)]


@contextmanager
def _own_cancellations(tool: str) -> Generator[None]:
    """Take a cancellation that a tool brought about itself for a failure of the tool: nobody has cancelled the call."""
    task = asyncio.current_task()
    asked = task.cancelling() if task is not None else 0
    try:
        yield
    except asyncio.CancelledError as error:
        if task is None or task.cancelling() > asked:
            raise
        raise CallCancelled(f"tool {tool} was cancelled by what it called itself", tool=tool) from error


def refusal(place: Place, call: ToolCall) -> str | None:
    """Say to the model why a call cannot be carried out; None if it can."""
    tool = place.tool.get(call.name)
    if tool is None:
        return f"There is no tool {call.name!r}. The tools are: {', '.join(place.tool)}."
    if call.raw is not None:
        return f"The arguments of {call.name} are not a JSON object: {errors.excerpt(call.raw)}."
    try:
        tool.check(call.arguments)
    except errors.ArgumentsRefused as error:
        return str(error)
    return None


def _failed(call: ToolCall, text: str) -> ToolMessage:
    return ToolMessage(call_id=call.id, name=call.name, text=text, failed=True)
