"""Public helpers for testing flows: a scripted model, a clock that stands still, a run's way, a check without findings.

An endpoint whose every byte is chosen is in `graphrt.testing.endpoint`.
"""

from graphrt.testing.checked import assert_clean
from graphrt.testing.clock import ManualClock
from graphrt.testing.paths import assert_path
from graphrt.testing.scripted import ScriptedModel, ScriptExhausted, Turn

__all__ = ["ManualClock", "ScriptExhausted", "ScriptedModel", "Turn", "assert_clean", "assert_path"]
