"""Public doubles for testing flows: a model that follows a script, an endpoint whose every byte is chosen."""

from graphrt.testing.scripted import ScriptedModel, ScriptExhausted, Turn

__all__ = ["ScriptExhausted", "ScriptedModel", "Turn"]
