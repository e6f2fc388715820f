"""Models behind an OpenAI-compatible endpoint. Importing this loads no client library."""

from graphrt.agents.models.openai.model import DEFAULT_MODEL, OpenAIModel

__all__ = ["DEFAULT_MODEL", "OpenAIModel"]
