"""What OpenTelemetry calls the things that a run has: the only place that knows its names.

Its conventions for generative AI are in development, and names move. Where one was renamed, the new and the old name
are both written, so that old and new backends find what they look for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Value: TypeAlias = str | bool | int | float
"""What an attribute may be, here."""

OPERATION: Final = ("gen_ai.operation.name",)
WORKFLOW: Final = ("gen_ai.workflow.name", "gen_ai.agent.name")
AGENT: Final = ("gen_ai.agent.name",)
ASKED_MODEL: Final = ("gen_ai.request.model",)
PROVIDER: Final = ("gen_ai.provider.name", "gen_ai.system")
SETTINGS: Final = {
    "temperature": ("gen_ai.request.temperature",),
    "max_tokens": ("gen_ai.request.max_tokens",),
    "seed": ("gen_ai.request.seed",),
}
"""What was asked of a model, by the name that a request has for it."""
PROMPT: Final = ("graphrt.prompt.digest",)
MODEL: Final = ("gen_ai.response.model",)
INPUT_TOKENS: Final = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")
OUTPUT_TOKENS: Final = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")
TOOL: Final = ("gen_ai.tool.name",)
TOOL_TYPE: Final = ("gen_ai.tool.type",)
CALL: Final = ("gen_ai.tool.call.id",)
# Content: written only where it is asked for.
INSTRUCTIONS: Final = ("gen_ai.system_instructions",)
SAID_BEFORE: Final = ("gen_ai.input.messages",)
SAID: Final = ("gen_ai.output.messages",)
ARGUMENTS: Final = ("gen_ai.tool.call.arguments",)
RESULT: Final = ("gen_ai.tool.call.result",)

EXCEPTION: Final = "exception"
"""The name of the span event for an error."""
ERROR_TYPE: Final = "error.type"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"

INVOKE_WORKFLOW: Final = "invoke_workflow"
INVOKE_AGENT: Final = "invoke_agent"
EXECUTE_TOOL: Final = "execute_tool"
CHAT: Final = "chat"
NODE: Final = "graphrt.node"
"""Begins the name of a span of a node for which there is no convention."""


def under(facts: Mapping[tuple[str, ...], Value | None]) -> dict[str, Value]:
    """Return facts under each of their names; those that are None are not known, and left out."""
    return {name: value for names, value in facts.items() if value is not None for name in names}
