"""Runs as OpenTelemetry spans: a recorded one as a file, a live one through the SDK. Both tell the same.

`spans` turns the records of a run into spans and knows no library; `names` has what things are called there, `otlp`
writes a file, and `sdk` (of the extra `otel`) hands spans to OpenTelemetry while the run goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphrt.telemetry.otlp import otlp_of
from graphrt.telemetry.span import Span
from graphrt.telemetry.spans import spans_of

if TYPE_CHECKING:
    from graphrt.telemetry.sdk import OpenTelemetry

__all__ = ["OpenTelemetry", "Span", "otlp_of", "spans_of"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - what a module has
    if name == "OpenTelemetry":
        from graphrt.telemetry.sdk import OpenTelemetry  # noqa: PLC0415 - the SDK is an extra

        return OpenTelemetry
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
