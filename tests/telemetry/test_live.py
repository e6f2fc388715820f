"""Spans of live runs: the same as those of the recorded run, in the right order of things, and never in its way."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry import trace as api
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, TraceIdRatioBased

from graphrt import Agent, Flow, UseError, codec
from graphrt.chat import ChatRuntime
from graphrt.configurations import sequential
from graphrt.runtime import answer, fork, leave, resume
from graphrt.stores.memory import MemoryStore
from graphrt.telemetry import OpenTelemetry, spans_of
from graphrt.telemetry.span import trace_id_of
from graphrt.testing import ScriptedModel
from graphrt.testing.clock import ManualClock
from graphrt.trace import Trace
from tests.telemetry.collector import Collector
from tests.telemetry.flows import SECRET, Desk, answering, desk, plain

Told = tuple[Any, ...]
"""Spans of the SDK, whose parts are all optional to a type checker."""


class Backend:
    """A provider of the SDK that keeps what it is told."""

    def __init__(self, **options: Any) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(**options)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    @property
    def told(self) -> Told:
        """All spans so far, in the order in which they ended."""
        return self.exporter.get_finished_spans()

    def names(self) -> list[str]:
        """Return their names."""
        return [span.name for span in self.told]


@pytest.fixture
def backend() -> Backend:
    """A backend of its own for each test."""
    return Backend()


@pytest.mark.parametrize("content", [False, True])
@pytest.mark.parametrize("failures", [0, 2])
def test_a_live_run_tells_what_its_trace_tells(backend: Backend, failures: int, content: bool) -> None:
    """Names, ids, times, attributes, events, links and status are those of the recorded run, span by span."""

    async def main() -> Trace:
        observer = OpenTelemetry(backend.provider, content=content)
        flow = desk(failures=failures)
        return (await flow.run(Desk(message=SECRET), resources=[answering()], observers=[observer])).trace

    trace = asyncio.run(main())
    assert [plain(s) for s in backend.told] == [plain(s) for s in spans_of(trace, content=content)]
    assert (SECRET in repr([plain(s) for s in backend.told])) == content


def test_a_stream_tells_the_same(backend: Backend) -> None:
    """`flow.stream` takes observers as `flow.run` does."""

    async def main() -> Trace:
        stream = desk().stream(Desk(message="m"), resources=[answering()], observers=[OpenTelemetry(backend.provider)])
        async for _ in stream:
            pass
        return stream.result.trace

    trace = asyncio.run(main())
    assert [plain(s) for s in backend.told] == [plain(s) for s in spans_of(trace)]


def test_a_run_that_goes_on_later_goes_on_in_its_trace(backend: Backend) -> None:
    """Suspended and taken up by other code: all spans are those of the whole trace, each told once."""

    async def main() -> Trace:
        store, flow = MemoryStore(), desk()
        first, second = OpenTelemetry(backend.provider), OpenTelemetry(backend.provider)
        await flow.run(Desk(message="m"), resources=[answering()], store=store, run_id="r", observers=[first])
        visit = next(str(s.attributes["graphrt.visit.id"]) for s in backend.told if s.name == "graphrt.node approve")
        await answer(store, "r", visit, "send")
        await resume(store, "r", flow.freeze(), observers=[second])
        return store.trace("r")

    trace = asyncio.run(main())
    assert [plain(s) for s in backend.told] == [plain(s) for s in spans_of(trace)]
    assert {f"{s.context.trace_id:032x}" for s in backend.told} == {trace_id_of("r")}


def test_what_a_crash_left_open_is_told_by_who_takes_the_run_up(backend: Backend) -> None:
    """The process that crashed could not tell them: the attempt, and the run so far."""

    async def main() -> Trace:
        store, flow = MemoryStore(), desk()
        whole = (await flow.run(Desk(message="m"), resources=[answering()], run_id="r")).trace
        cut = next(r.seq for r in whole.records if r.input.__class__.__name__ == "AttemptStarted" and r.seq > 8)
        lease = store.create(whole.header)
        store.append(lease, list(whole.records[: cut + 1]), "running")
        store.release(lease)
        await resume(store, "r", flow.freeze(), resources=[answering()], observers=[OpenTelemetry(backend.provider)])
        return store.trace("r")

    trace = asyncio.run(main())
    recorded = [plain(s) for s in spans_of(trace)]
    told = [plain(s) for s in backend.told]
    assert told == recorded[-len(told) :]
    assert "cut off" in repr(told[0])
    assert told[[t[0] for t in told].index("invoke_workflow desk")][3] is None


def test_a_run_that_is_left_tells_what_is_open() -> None:
    """A process that lets go of a run tells its spans as they stand; whoever goes on tells the same ones, or more."""
    leaving, later = Backend(), Backend()

    async def main() -> Trace:
        store, flow = MemoryStore(), Flow("waits", Desk)
        begun = asyncio.Event()

        @flow.task(writes=flow.state.draft)
        async def work() -> str:
            begun.set()
            await asyncio.sleep(0 if later.told else 3600)
            return "done"

        options: dict[str, Any] = {"store": store, "run_id": "r"}
        task = asyncio.ensure_future(flow.run(Desk(), observers=[OpenTelemetry(leaving.provider)], **options))
        await begun.wait()
        leave(store, "r")
        with pytest.raises(asyncio.CancelledError):
            await task
        later.provider.get_tracer("other").start_span("mark").end()
        await resume(store, "r", flow.freeze(), observers=[OpenTelemetry(later.provider)])
        return store.trace("r")

    trace = asyncio.run(main())
    recorded = [plain(s) for s in spans_of(trace)]
    assert [plain(s) for s in leaving.told] == recorded[:2]
    assert [plain(s) for s in later.told if s.name != "mark"] == recorded


def test_a_fork_tells_its_own_part(backend: Backend) -> None:
    """What it has from its parent is not told again."""

    async def main() -> Trace:
        store, flow = MemoryStore(), desk()
        trace = (await flow.run(Desk(message="m"), resources=[answering()], store=store, run_id="old")).trace
        visit = next(str(s.attributes["graphrt.visit.id"]) for s in spans_of(trace) if s.name == "graphrt.node rate")
        observer = OpenTelemetry(backend.provider)
        await fork(store, "old", visit, flow.freeze(), new_id="new", observers=[observer])
        return store.trace("new")

    trace = asyncio.run(main())
    assert [plain(s) for s in backend.told] == [plain(s) for s in spans_of(trace)]
    assert {f"{s.context.trace_id:032x}" for s in backend.told} == {trace_id_of("new")}


def test_what_a_node_does_is_inside_its_attempt(backend: Backend) -> None:
    """Spans that others make, in async functions, in threads and in tools, have the attempt as their parent."""
    tracer = backend.provider.get_tracer("http")
    flow = Flow("calls", Desk)
    s = flow.state

    @flow.task(writes=s.facts)
    async def fetch() -> str:
        with tracer.start_as_current_span("GET async"):
            await asyncio.sleep(0)
        return "a"

    @flow.task(writes=s.facts)
    def read() -> str:
        with tracer.start_as_current_span("GET thread"):
            return "b"

    begin, join = flow.task(name="begin")(lambda: None), flow.join("join")
    flow.fork(begin, [fetch, read])
    flow.edge([fetch, read], join)

    @flow.task(writes=s.draft)
    async def alone() -> str:
        with tracer.start_as_current_span("GET alone"):
            return "c"

    flow.edge(join, alone)

    async def main() -> None:
        await flow.run(Desk(), observers=[OpenTelemetry(backend.provider)])
        assert not api.get_current_span().get_span_context().is_valid

    asyncio.run(main())
    by_id = {span.context.span_id: span for span in backend.told}
    around = {span.name: by_id[span.parent.span_id].name for span in backend.told if span.name.startswith("GET")}
    assert around == {
        "GET async": "graphrt.node fetch",
        "GET thread": "graphrt.node read",
        "GET alone": "graphrt.node alone",
    }
    assert len({span.context.trace_id for span in backend.told}) == 1
    assert {span.context.span_id for span in backend.told} == set(by_id)


def test_retries_have_their_own_children(backend: Backend) -> None:
    """What an attempt did is inside that attempt, not inside the visit's last."""
    from graphrt import Retry

    tracer = backend.provider.get_tracer("http")
    flow, left = Flow("again", Desk), [1]

    @flow.task(writes=flow.state.draft, retry=Retry(attempts=2, wait_s=0.0))
    async def fetch() -> str:
        with tracer.start_as_current_span(f"GET {left[0]}"):
            if left[0]:
                left[0] -= 1
                raise ConnectionError
        return "a"

    async def main() -> None:
        await flow.run(Desk(), observers=[OpenTelemetry(backend.provider)])

    asyncio.run(main())
    by_id = {span.context.span_id: span for span in backend.told}
    attempts = {
        span.name: by_id[span.parent.span_id].attributes["graphrt.attempt"]
        for span in backend.told
        if span.name.startswith("GET")
    }
    assert attempts == {"GET 1": 1, "GET 0": 2}


def test_whoever_starts_a_run_is_linked(backend: Backend) -> None:
    """A run is a trace of its own, so that it can be taken up elsewhere; the request that started it is a link away."""

    async def main() -> None:
        with backend.provider.get_tracer("web").start_as_current_span("POST /desk"):
            await desk().run(Desk(message="m"), resources=[answering()], observers=[OpenTelemetry(backend.provider)])

    asyncio.run(main())
    request = next(s for s in backend.told if s.name == "POST /desk")
    run = next(s for s in backend.told if s.name == "invoke_workflow desk")
    assert run.parent is None
    assert [(n.context.span_id, dict(n.attributes or {})) for n in run.links] == [
        (request.context.span_id, {"graphrt.link": "caller"})
    ]


def test_other_tracers_keep_their_ids(backend: Backend) -> None:
    """Our ids are given to our spans only: two runs and a span of somebody else have three traces."""

    async def main() -> None:
        observer = OpenTelemetry(backend.provider)
        for run in ("one", "two"):
            await desk().run(Desk(message="m"), resources=[answering()], observers=[observer], run_id=run)
        backend.provider.get_tracer("web").start_span("other").end()

    asyncio.run(main())
    traces = {f"{s.context.trace_id:032x}" for s in backend.told}
    assert len(traces) == 3
    assert traces > {trace_id_of("one"), trace_id_of("two")}


def test_the_sampler_decides_for_a_whole_run() -> None:
    """A run is told whole or not at all, with what its nodes do."""
    dropped, half = Backend(sampler=ALWAYS_OFF), Backend(sampler=TraceIdRatioBased(0.5))

    async def main(backend: Backend, run: str) -> None:
        await desk().run(
            Desk(message="m"), resources=[answering()], observers=[OpenTelemetry(backend.provider)], run_id=run
        )

    asyncio.run(main(dropped, "r"))
    assert dropped.told == ()
    for number in range(12):
        asyncio.run(main(half, f"r{number}"))
    counts = [sum(f"{s.context.trace_id:032x}" == trace_id_of(f"r{n}") for s in half.told) for n in range(12)]
    assert set(counts) == {0, 13}


def test_a_conversation_is_told_turn_by_turn(backend: Backend) -> None:
    """Each turn of a chat runtime is a run, and so a trace."""

    async def main() -> tuple[str, ...]:
        chat = ChatRuntime(
            sequential(Agent("Research.", name="researcher"), Agent("Write.", name="writer")),
            resources=[ScriptedModel(["facts", "text", "more facts", "more text"], name="m")],
            observers=[OpenTelemetry(backend.provider)],
        )
        await chat.invoke("Tell me about rain.")
        await chat.invoke("And snow?")
        return chat.runs

    runs = asyncio.run(main())
    for run in runs:
        names = [s.name for s in backend.told if f"{s.context.trace_id:032x}" == trace_id_of(run)]
        assert [n for n in names if n.startswith("invoke_agent")] == ["invoke_agent researcher", "invoke_agent writer"]
        assert names.count("chat m") == 2
        assert names[-1].startswith("invoke_workflow")


def test_an_observer_that_raises_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Wherever it raises, the trace is the same, byte for byte, and the log says so once."""

    class Broken:
        def __init__(self, *where: str) -> None:
            self.where = where

        def _do(self, what: str) -> None:
            if what in self.where:
                raise ValueError(what)

        def observe(self, trace: Trace, graph: object) -> Broken:
            self._do("observe")
            return self

        @contextmanager
        def around(self, visit: str, attempt: int) -> Generator[None]:
            self._do("enter")
            yield
            self._do("exit")

        def take(self, record: object) -> None:
            self._do("take")

        def close(self) -> None:
            self._do("close")

    async def the_run(*observers: Broken) -> bytes:
        options: dict[str, Any] = {"clock": ManualClock(), "run_id": "r", "seed": 1, "resources": [answering()]}
        result = await desk(failures=1).run(Desk(message="m"), observers=observers, **options)
        return codec.encode_trace(result.trace)

    alone = asyncio.run(the_run())
    for place in ("observe", "enter", "exit", "take", "close"):
        caplog.clear()
        assert asyncio.run(the_run(Broken(place), Broken())) == alone
        assert len([r for r in caplog.records if r.levelno == logging.ERROR]) == 1


def test_without_a_provider_it_says_what_to_do() -> None:
    """The global provider that nobody has set tells nobody anything: that is refused, with the remedy."""
    with pytest.raises(UseError, match=r"no tracer provider of its SDK.*set_tracer_provider"):
        OpenTelemetry()


def test_a_collector_receives_the_run() -> None:
    """Through the usual exporter and a socket, a receiver gets every span with its ids, parents, links and usage."""
    with Collector() as collector:
        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(collector.url)))

        async def main() -> Trace:
            flow = desk(failures=1)
            return (
                await flow.run(Desk(message=SECRET), resources=[answering()], observers=[OpenTelemetry(provider)])
            ).trace

        trace = asyncio.run(main())
        provider.shutdown()
    received = [s for r in collector.requests for rs in r.resource_spans for ss in rs.scope_spans for s in ss.spans]
    ours = spans_of(trace)
    assert [(s.trace_id.hex(), s.span_id.hex(), s.parent_span_id.hex() or None, s.name) for s in received] == [
        (s.trace_id, s.span_id, s.parent_id, s.name) for s in ours
    ]
    assert [[n.span_id.hex() for n in s.links] for s in received] == [[n.span_id for n in s.links] for s in ours]
    asked = next(s for s in received if s.name == "chat scripted-1")
    assert asked.kind == 3
    assert {a.key: a.value.int_value for a in asked.attributes}["gen_ai.usage.input_tokens"] == 10
    failed = next(s for s in received if s.status.code == 2)
    assert (failed.name, failed.events[0].name) == ("graphrt.node fetch", "exception")
    assert SECRET not in str(collector.requests)


def test_without_the_sdk_it_says_what_to_install() -> None:
    """Files are written without the extra; who wants live spans is told its name."""
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from graphrt.errors import MissingExtra\n"
        "from graphrt.telemetry import otlp_of\n"
        "try:\n    from graphrt.telemetry import OpenTelemetry\n"
        "except MissingExtra as error:\n    print(error.message)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == ("spans of live runs need OpenTelemetry's SDK; install it: pip install 'graphrt[otel]'\n")
