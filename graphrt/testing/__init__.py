"""Public helpers for testing flows: a scripted model, a clock that stands still, the way that a run has to take.

An endpoint whose every byte is chosen is in `graphrt.testing.endpoint`.
"""

from graphrt.testing.clock import ManualClock
from graphrt.testing.paths import assert_path
from graphrt.testing.scripted import ScriptedModel, ScriptExhausted, Turn

__all__ = ["ManualClock", "ScriptExhausted", "ScriptedModel", "Turn", "assert_path"]
