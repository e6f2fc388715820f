"""`--otel`: the spans of a run that a command drives, in a file, or live to wherever OpenTelemetry's environment says.

What runs work on is not told, unless the variable asks for it that OpenTelemetry has for prompts and answers.
"""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol, TypeAlias

import typer

from graphrt.errors import GraphrtError, MissingExtra, UseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from graphrt.ports import Observer
    from graphrt.trace import Trace

LIVE: Final = "live"
CONTENT: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_ASKED: Final = frozenset({"true", "1", "span_only", "span_and_event"})
_TIMEOUTS: Final = {"OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"}
_FLUSH_S: Final = 5
"""How many seconds the end of a command waits for spans that are still to be sent."""
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_USUAL: Final = "http://localhost:4318"
_REASON: Final = re.compile(r"\[Errno -?\d+\] ([\w ]+)")
"""What a system call says, in the middle of what libraries say about it."""

OtelOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--otel",
        metavar="FILE|live",
        help="Tell OpenTelemetry of the run: its spans as OTLP JSON in a file once it stops, or 'live' to the endpoint "
        "of OTEL_EXPORTER_OTLP_ENDPOINT.",
    ),
]


class Spans(Protocol):
    """Where the spans of runs go."""

    @property
    def observers(self) -> tuple[Observer, ...]:
        """What looks at a run while it goes on."""
        ...

    def end(self, run: str, trace: Callable[[], Trace]) -> None:
        """Take a run that is no longer driven here; `trace` reads what is on record of it.

        Whatever goes wrong is told, not raised: how the run ended is yet to be said.
        """
        ...


def spans_to(where: str | None) -> Spans:
    """Return where spans go, by what was said of it.

    Raises:
        UseError: nothing can be written there.
        MissingExtra: what sends spans is not installed.
    """
    if where is None:
        return NOWHERE
    return Live() if where == LIVE else File(Path(where))


class Nowhere:
    """No spans are wanted."""

    observers: tuple[Observer, ...] = ()

    def end(self, run: str, trace: Callable[[], Trace]) -> None:
        """Do nothing."""


NOWHERE: Final = Nowhere()


class File:
    """A file of OTLP JSON, a line for each run."""

    observers: tuple[Observer, ...] = ()

    def __init__(self, path: Path) -> None:
        """See that the file can be written, before anything is run."""
        folder = path.parent
        if str(path) == "-":
            raise UseError(f"--otel -: standard output is for the result; name a file, or {LIVE!r}")
        if path.is_dir():
            raise UseError(f"--otel: {path} is a folder; give the name of a file in it, or {LIVE!r}")
        if not folder.is_dir():
            raise UseError(f"--otel: there is no folder {folder}; make it, or name another file")
        if not os.access(path if path.exists() else folder, os.W_OK):
            raise UseError(f"--otel: {path} cannot be written: permission denied")
        self._path = path
        self._lines: list[str] = []

    def end(self, run: str, trace: Callable[[], Trace]) -> None:
        """Write what is on record of a run behind those before it."""
        from graphrt.cli.screen import complain
        from graphrt.stores.whole_files import write_whole
        from graphrt.telemetry import otlp_of

        try:
            self._lines.append(otlp_of(trace(), content=_content()))
        except GraphrtError as error:
            complain(f"--otel: {self._path} has no spans of run {run}: {error.message}")
            return
        try:
            write_whole(self._path, "".join(self._lines).encode())
        except OSError as error:
            complain(f"--otel: {self._path} could not be written: {error.strerror or error}; the run is on record, so")
            complain(f"`graphrt export {run} -f otlp -o FILE` writes it")


class Live:
    """The tracer provider of this process: the flow's own, else one that sends to the endpoint of the environment."""

    def __init__(self) -> None:
        """Find it, or make it.

        Raises:
            MissingExtra: OpenTelemetry's SDK, or what sends its spans, is not installed.
        """
        from graphrt.telemetry import OpenTelemetry

        self._faults = _Faults()
        self._provider = _provider()
        self._observer = OpenTelemetry(self._provider, content=_content())

    @property
    def observers(self) -> tuple[Observer, ...]:
        """The one that makes spans."""
        return (self._observer,)

    def end(self, run: str, trace: Callable[[], Trace]) -> None:  # noqa: ARG002 - what is told is on its way already
        """Wait a little for what is still to be sent, and say what came of it if that is nothing good."""
        from graphrt.cli.screen import complain

        in_time = self._provider.force_flush(_FLUSH_S * 1_000)
        if self._faults.said:
            endpoint = next((os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), _USUAL)
            complain(f"--otel live: spans could not be sent to {endpoint}: {self._faults.said[-1]}")
        elif not in_time:
            complain(f"--otel live: not all spans could be sent in {_FLUSH_S} seconds")
        self._faults.said.clear()


class _Faults(logging.Handler):
    """Hears what the library that sends spans complains of, so that it is told once and in a line."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []
        logger = logging.getLogger("opentelemetry.exporter")
        logger.addHandler(self)
        logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what is said, but that it failed in the end: what was said before has the reason."""
        message = record.getMessage()
        if not message.startswith("Failed to export") or not self.said:
            reason = _REASON.search(message)
            self.said.append(reason[1] if reason else message)


def _provider() -> Any:  # noqa: ANN401 - of an extra, and loaded here only
    from opentelemetry import trace as api
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    known = api.get_tracer_provider()
    if isinstance(known, TracerProvider):  # the module of the flow has set one up
        return known
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise MissingExtra(
            "--otel live sends spans by OTLP over HTTP; install what does: pip install"
            " opentelemetry-exporter-otlp-proto-http, or set a tracer provider in the module of the flow"
        ) from error
    made = TracerProvider()
    patience = None if _TIMEOUTS & os.environ.keys() else float(_FLUSH_S)
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=patience)))
    return made


def _content() -> bool:
    return os.environ.get(CONTENT, "").lower() in _ASKED
