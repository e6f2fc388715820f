"""Spans of a run while it goes on, through the SDK of OpenTelemetry: needs the extra `otel`.

    await flow.run(state, observers=[OpenTelemetry()])

Spans are handed to the tracer provider when the record with their end is durable, in a thread of their own. Their ids
are known before, so what a node does (a request of an instrumented client, say) is a child of its attempt all the same.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from graphrt.errors import MissingExtra, UseError
from graphrt.inputs import Forked, Resumed
from graphrt.telemetry.otlp import SERVICE, nanoseconds, writable
from graphrt.telemetry.span import Link, span_id_of, trace_id_of
from graphrt.telemetry.spans import Spans

try:
    from opentelemetry import context as contexts
    from opentelemetry import trace as api
    from opentelemetry.sdk.trace import Tracer, TracerProvider
    from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
    from opentelemetry.sdk.trace.sampling import Decision
except ImportError as error:
    raise MissingExtra(
        "spans of live runs need OpenTelemetry's SDK; install it: pip install 'graphrt[otel]'"
    ) from error

if TYPE_CHECKING:
    from contextvars import Token

    from graphrt.graph import Graph
    from graphrt.inputs import Input
    from graphrt.telemetry.span import Span
    from graphrt.trace import Record, Trace

_KINDS: Final = {"internal": api.SpanKind.INTERNAL, "client": api.SpanKind.CLIENT}


class OpenTelemetry:
    """Tells runs to OpenTelemetry as they happen; pass it as one of `observers=`.

    Each run is a trace of its own, whose id follows from the run's; so a run that is taken up again, in whatever
    process, goes on in its trace. A span that is current where the run is started is linked.

    Args:
        provider: where spans go; by default the global one.
        content: tell what runs work on as well: state, prompts, answers, messages of errors.

    Raises:
        UseError: there is no provider of the SDK.
        MissingExtra: the SDK is not installed.
    """

    def __init__(self, provider: api.TracerProvider | None = None, *, content: bool = False) -> None:
        found = provider if provider is not None else api.get_tracer_provider()
        if not isinstance(found, TracerProvider):
            raise UseError(
                f"OpenTelemetry has no tracer provider of its SDK, only a {type(found).__name__}; give one, as in"
                " OpenTelemetry(TracerProvider()), or make one the global one by"
                " opentelemetry.trace.set_tracer_provider"
            )
        self._provider = found
        self._content = content

    def observe(self, trace: Trace, graph: Graph) -> Telling:
        """Look at a run that is about to be driven."""
        return Telling(self._provider.get_tracer(SERVICE), trace, graph, content=self._content)


class Telling:
    """Tells one run, as far as it is driven here."""

    def __init__(self, tracer: api.Tracer, trace: Trace, graph: Graph, *, content: bool) -> None:
        self._tracer = tracer
        self._ids = _ids_of(tracer)
        self._run = trace.header.run
        self._session = _session(trace)
        self._past = list(trace.records)
        caller = api.get_current_span().get_span_context()
        link = Link(f"{caller.trace_id:032x}", f"{caller.span_id:016x}", "caller") if caller.is_valid else None
        self._spans = Spans(trace.header, graph, content=content, caller=link)
        self._was_cut_off = False
        self._flags = api.TraceFlags(self._sampled())

    def _sampled(self) -> int:
        """Ask the sampler once for the whole run, as for every trace."""
        if not isinstance(self._tracer, Tracer):  # switched off by its environment
            return api.TraceFlags.DEFAULT
        found = self._tracer.sampler.should_sample(contexts.Context(), int(trace_id_of(self._run), 16), SERVICE)
        is_sampled = found.decision is Decision.RECORD_AND_SAMPLE
        return api.TraceFlags.SAMPLED if is_sampled else api.TraceFlags.DEFAULT

    def around(self, visit: str, attempt: int) -> _Current:
        """Make the span of an attempt the current one while its node is called."""
        return _Current(self._context(trace_id_of(self._run), span_id_of(self._run, self._session, visit, attempt)))

    def take(self, record: Record) -> None:
        """Hand out the spans that end with a record."""
        if self._past:
            for old in self._past:
                self._spans.take(old)
            self._past = []
            self._was_cut_off = self._spans.status == "running"
        for span in self._spans.take(record):
            # What was open when another process left the run in order, that process has told.
            if self._was_cut_off or not (span.cut_off and _goes_on(record.input)):
                self._tell(span)

    def close(self) -> None:
        """Hand out what is open as it stands: whoever takes the run up again begins new spans."""
        for span in self._spans.close():
            self._tell(span)

    def _tell(self, span: Span) -> None:
        if not self._flags:
            return
        outer = contexts.Context()
        if span.parent_id is not None:
            parent = api.NonRecordingSpan(self._context(span.trace_id, span.parent_id))
            outer = api.set_span_in_context(parent, outer)
        links = [api.Link(self._context(n.trace_id, n.span_id), {"graphrt.link": n.why}) for n in span.links]
        self._ids.next = (int(span.trace_id, 16), int(span.span_id, 16))
        try:
            made = self._tracer.start_span(
                writable(span.name),
                outer,
                _KINDS[span.kind],
                {k: writable(v) if isinstance(v, str) else v for k, v in span.attributes.items()},
                links,
                start_time=nanoseconds(span.started),
            )
        finally:
            self._ids.next = None
        for event in span.events:
            about = {k: writable(v) if isinstance(v, str) else v for k, v in event.attributes.items()}
            made.add_event(event.name, about, nanoseconds(event.at))
        if span.error is not None:
            made.set_status(api.Status(api.StatusCode.ERROR, writable(span.error)))
        made.end(nanoseconds(span.ended))

    def _context(self, trace_id: str, span_id: str) -> api.SpanContext:
        return api.SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=self._flags)


class _Current:
    """Makes a span the current one of a context, and undoes it."""

    __slots__ = ("_of", "_token")

    def __init__(self, of: api.SpanContext) -> None:
        self._of = of
        self._token: Token[contexts.Context] | None = None

    def __enter__(self) -> None:
        self._token = contexts.attach(api.set_span_in_context(api.NonRecordingSpan(self._of)))

    def __exit__(self, *_error: object) -> None:
        if self._token is not None:
            contexts.detach(self._token)


class _Ids(IdGenerator, threading.local):
    """Gives the ids that are asked for in this thread, else those of the generator before it."""

    next: tuple[int, int] | None = None

    def __init__(self, usual: IdGenerator) -> None:
        self._usual = usual

    def generate_trace_id(self) -> int:
        return self.next[0] if self.next is not None else self._usual.generate_trace_id()

    def generate_span_id(self) -> int:
        return self.next[1] if self.next is not None else self._usual.generate_span_id()

    def is_trace_id_random(self) -> bool:
        return False


def _ids_of(tracer: api.Tracer) -> _Ids:
    """Return the generator of ids of our own tracer, which others do not use."""
    if not isinstance(tracer, Tracer):  # switched off by its environment: it makes no spans, and asks for no ids
        return _Ids(RandomIdGenerator())
    if not isinstance(tracer.id_generator, _Ids):
        tracer.id_generator = _Ids(tracer.id_generator)
    return tracer.id_generator


def _session(trace: Trace) -> int:
    """Return how often a run that is about to be driven will have been taken up again."""
    count = 0
    for record in trace.records:
        if isinstance(record.input, Forked):
            count = 0
        count += isinstance(record.input, Resumed)
    is_fork_to_be = trace.header.parent_seq == len(trace.records)
    return 0 if not trace.records or is_fork_to_be else count + 1


def _goes_on(given: Input) -> bool:
    return isinstance(given, Resumed | Forked)
