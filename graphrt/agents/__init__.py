"""Models, messages and tools: what an agent is made of. Importing this loads no model library."""

from graphrt.agents.guardrails import Guardrail, on_input, on_output
from graphrt.agents.messages import (
    AssistantMessage,
    FilePart,
    ImagePart,
    Message,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolMessage,
    Usage,
    UserMessage,
    assistant,
    system,
    tool_result,
    user,
)
from graphrt.agents.model import Choice, Model, ModelRequest, Reply, ToolSpec, resolve_model

__all__ = [
    "AssistantMessage",
    "Choice",
    "FilePart",
    "Guardrail",
    "ImagePart",
    "Message",
    "Model",
    "ModelRequest",
    "Reply",
    "SystemMessage",
    "TextPart",
    "ToolCall",
    "ToolMessage",
    "ToolSpec",
    "Usage",
    "UserMessage",
    "assistant",
    "on_input",
    "on_output",
    "resolve_model",
    "system",
    "tool_result",
    "user",
]
