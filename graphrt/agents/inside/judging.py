"""The nodes of an agent that judge what goes in and what comes out, and those that stop it."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from pydantic_core import to_jsonable_python

from graphrt.agents.deadline import Deadline
from graphrt.agents.errors import GuardrailTimeout, GuardrailTripped
from graphrt.agents.guardrails import ALLOW, BLOCK, Guardrail, parameters_of
from graphrt.agents.inside.requests import Requests
from graphrt.agents.messages import AssistantMessage
from graphrt.agents.tool_options import is_async
from graphrt.runtime.threads import NODE_THREADS
from graphrt.values import brief

if TYPE_CHECKING:
    from graphrt.agents.inside.place import Place
    from graphrt.context import Context


class Heard:
    """Says what judges on the input look at, and what those on the output do."""

    def __init__(self, place: Place) -> None:
        """Speak for an agent in `place`."""
        self.place = place
        self.requests = Requests(place)

    def input(self, **values: Any) -> str:  # noqa: ANN401 - values of the fields read
        """Return what the agent is to react to: what the model is asked, without what was said before."""
        return self.requests.going_in(values)

    def cleared(self) -> None:
        """Do nothing: here the model and those who judge beside it start."""

    def output(self, output: Any) -> str:  # noqa: ANN401 - a value of the written field
        """Return what the agent wants to write, as text."""
        if isinstance(output, AssistantMessage):
            return output.text
        return output if isinstance(output, str) else json.dumps(to_jsonable_python(output), ensure_ascii=False)


class Judge:
    """Does the work of one guardrail that is a function, and stops the agent where any blocks."""

    def __init__(self, place: Place, guardrail: Guardrail) -> None:
        """Judge for an agent in `place`."""
        self.place = place
        self.guardrail = guardrail

    async def judge(self, context: Context, judged: str) -> dict[str, str]:
        """Let the function look at the text, for as long as it may.

        Raises:
            GuardrailTimeout: it took longer; nothing passes.
        """
        deadline = Deadline(self.guardrail.timeout_s, context)
        try:
            async with deadline:
                deadline.begin()
                said = await self._said(context, judged)
        except TimeoutError:
            if not deadline.expired():
                raise
            raise self._late() from None
        if said is not None and not isinstance(said, str):
            raise TypeError(f"guardrail {self.guardrail.name!r} returned {brief(said)}; expected the reason, or None")
        return {"ruling": ALLOW if said is None else BLOCK, "because": said or ""}

    async def _said(self, context: Context, judged: str) -> object:
        fn = cast("Callable[..., Any]", self.guardrail.judge)
        text, wants = parameters_of(fn, self.guardrail.name)
        call = partial(fn, **{text: judged}, **({wants: context} if wants else {}))
        said: object = call() if is_async(fn) else await NODE_THREADS.call(call)
        return await said if inspect.isawaitable(said) else said

    def _late(self) -> GuardrailTimeout:
        rail, node = self.guardrail, self.place.spec.node
        return GuardrailTimeout(
            f"guardrail {rail.name!r} did not judge the {rail.side} of agent {node!r} within {rail.timeout_s:g} s, so"
            " nothing passes; make it faster, give it more time (timeout=…), or lead an edge away from the agent with"
            " on=GuardrailTripped",
            node=node,
            guardrail=rail.name,
            side=rail.side,
            timeout_s=rail.timeout_s,
        )

    def stop(self, because: str = "") -> None:
        """End the agent: this guardrail has blocked."""
        rail, node = self.guardrail, self.place.spec.node
        reason = f": {because}" if because else ""
        raise GuardrailTripped(
            f"guardrail {rail.name!r} blocked the {rail.side} of agent {node!r}{reason};"
            " change what goes in, or lead an edge away from the agent with on=GuardrailTripped",
            node=node,
            guardrail=rail.name,
            side=rail.side,
            reason=because or None,
        )
