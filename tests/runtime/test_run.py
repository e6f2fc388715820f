"""A run from its first input to its result: what nodes receive, what they may return, what is recorded."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from functools import partial
from pathlib import Path
from typing import Annotated, Any, cast

import pytest
from pydantic import BaseModel

from graphrt import Context, Flow, Limits, Retry, append, codec, let
from graphrt.errors import InputRefused, NodeTimeout, RunFailed, UseError
from graphrt.events import RunCompleted, VisitCompleted
from graphrt.graph import graph_from_json
from graphrt.inputs import AttemptFailed, AttemptStarted, AttemptSucceeded, Started, Usage
from graphrt.replay import verify
from graphrt.runtime import fork, resume_due, run, run_sync, wait_for
from graphrt.stores import open_store
from graphrt.stores.memory import MemoryStore


class State(BaseModel):
    n: int = 0
    text: str = ""
    log: Annotated[list[str], append] = []


def counting(limit: int = 3) -> Flow[State]:
    """Return a flow that counts to `limit` and says so."""
    flow = Flow("counting", State)
    s = flow.state

    @flow.task(writes=s.n)
    async def count(n: int) -> int:
        return n + 1

    @flow.task(writes=s.text)
    def say(n: int) -> str:
        return f"counted to {n}"

    flow.edge(count, count, when=s.n < limit)
    flow.edge(count, say)
    flow.start(count)
    return flow


def one_node(fn: Any, writes: str | tuple[str, ...] = "n", **options: Any) -> Flow[State]:
    """Return a flow of a single task."""
    flow = Flow("one", State)
    named = (writes,) if isinstance(writes, str) else writes
    fields = tuple(getattr(flow.state, name) for name in named)
    flow.task(writes=fields[0] if isinstance(writes, str) else fields, name="work", **options)(fn)
    return flow


def test_a_run_completes_with_its_state_and_trace() -> None:
    """The result has the state as its own type, and the trace holds an input for all that happened."""
    result = asyncio.run(run(counting().freeze(), State()))
    assert result.status == "completed"
    assert result.state == State(n=3, text="counted to 3")
    assert result.unwrap() is result.state
    records = list(result.trace.records)
    kinds = [type(r.input) for r in records]
    assert kinds == [Started, *[AttemptStarted, AttemptSucceeded] * 4]
    assert [r.seq for r in records] == list(range(9))
    assert records[-1].events[-1] == RunCompleted(visits=4)
    assert result.usage.visits == 4
    assert result.error is None
    assert verify(result.trace, counting().freeze()) is None


def test_the_state_of_a_result_shares_nothing() -> None:
    """Changing the result's lists changes neither the trace nor another reading of the result."""
    flow = one_node(lambda: "x", "log")
    result = run_sync(flow.freeze(), State())
    result.state.log.append("mine")
    assert result.partial["log"] == ["x"]
    (done,) = [e for e in result.trace.events() if isinstance(e, VisitCompleted)]
    assert done.writes == {"log": "x"}


def test_run_sync_works_with_and_without_a_running_loop() -> None:
    """Code that is not asynchronous gets the same result, also inside of a running event loop as in a notebook."""
    graph = counting().freeze()
    assert run_sync(graph, State()).state.n == 3

    async def notebook() -> int:
        return run_sync(graph, State()).state.n

    assert asyncio.run(notebook()) == 3


def test_errors_cross_from_the_thread_of_run_sync() -> None:
    """What a run in its own thread raises is raised where it is awaited."""

    async def boom() -> None:
        message = "no"
        raise LookupError(message)

    async def notebook() -> None:
        wait_for(boom)

    with pytest.raises(LookupError, match="no"):
        asyncio.run(notebook())


def test_synchronous_functions_run_in_threads_with_the_context_of_the_run() -> None:
    """A function that blocks does not block the event loop, and sees the context variables of its caller."""
    variable = contextvars.ContextVar("variable", default="")
    seen: list[tuple[bool, str]] = []

    def work() -> int:
        seen.append((threading.current_thread() is threading.main_thread(), variable.get()))
        return 1

    async def main() -> None:
        variable.set("set")
        await run(one_node(work).freeze(), State())

    asyncio.run(main())
    assert seen == [(False, "set")]


def test_synchronous_functions_overlap() -> None:
    """Two branches whose functions wait for each other both come to an end."""
    barrier = threading.Barrier(2, timeout=10)
    flow = Flow("two", State)
    begin = flow.task(name="begin")(lambda: None)

    def left() -> int:
        return barrier.wait() * 0

    def right() -> str:
        return str(barrier.wait() * 0)

    one = flow.task(writes=flow.state.n)(left)
    two = flow.task(writes=flow.state.text)(right)
    flow.fork(begin, [one, two])
    assert run_sync(flow.freeze(), State(n=7)).state == State(n=0, text="0")


def test_what_returns_a_coroutine_without_saying_so_is_awaited() -> None:
    """A wrapped coroutine function that looks synchronous still works."""

    async def real(n: int) -> int:
        return n + 1

    class Wrapped:
        __name__ = "wrapped"

        def __call__(self, n: int) -> Any:
            return real(n)

    assert run_sync(one_node(Wrapped()).freeze(), State()).state.n == 1


def test_the_whole_state_and_the_context_can_be_asked_for() -> None:
    """A parameter of the state type gets a copy of the state; one of type Context tells where the node is."""
    seen: list[Any] = []

    async def work(state: State, ctx: Context) -> int:
        state.log.append("mine alone")
        seen.append((state.n, list(state.log), ctx.run, ctx.visit, ctx.node, ctx.attempt, ctx.cancelled))
        ctx.report(Usage("m", 3, 4, 0.5), score=0.5, strange=object())
        ctx.report(Usage("m", 3, 4, 0.5), more=[1])
        return state.n + 1

    result = run_sync(one_node(work).freeze(), State(n=4, log=["a"]), run_id="the-run")
    assert result.state == State(n=5, log=["a"])
    assert seen[0][0] == 4
    assert seen[0][2:] == ("the-run", "0", "work", 1, False)
    (done,) = [r.input for r in result.trace.records if isinstance(r.input, AttemptSucceeded)]
    assert done.usage == Usage("m", 3, 4, 0.5)
    assert done.notes["score"] == 0.5
    assert "object" in done.notes["strange"]
    assert (result.usage.tokens, result.usage.cost_usd) == (7, 0.5)


@pytest.mark.parametrize("usage", [Usage("m", 1, 2, float("nan")), Usage("m", -1), Usage("m", 1, "many")], ids=repr)  # type: ignore[arg-type]  # what a careless provider reports
def test_usage_that_is_no_number_fails_its_attempt(usage: Usage) -> None:
    """A node that reports nonsense fails with a sentence that names it, and the run is recorded to its end."""

    async def careless(ctx: Context) -> int:
        ctx.report(usage)
        return 1

    result = run_sync(one_node(careless).freeze(), State())
    assert result.status == "failed"
    assert result.error is not None
    assert "'work' (visit 0) reports" in result.error.message
    assert codec.decode_trace(codec.encode_trace(result.trace)) == result.trace


@pytest.mark.parametrize("wait_s", [float("nan"), float("inf"), -1, 10**400, "soon"], ids=str)
def test_a_wait_that_nobody_can_keep_is_not_asked_for(wait_s: Any) -> None:
    """An error that asks for a wait which is no number of seconds asks for none."""

    async def work() -> int:
        error = OSError("busy")
        error.retry_after_s = wait_s  # type: ignore[attr-defined]  # as providers' errors have it
        raise error

    result = run_sync(one_node(work, retry=Retry(2, wait_s=0)).freeze(), State())
    assert result.status == "failed"
    assert result.error is not None
    assert result.error.retry_after_s is None
    assert codec.decode_trace(codec.encode_trace(result.trace)) == result.trace


def test_resources_reach_nodes_and_are_not_recorded() -> None:
    """What the runtime was given is found by its type; a missing one fails the node with a sentence."""

    class Client:
        secret = "canary-4711"

    async def work(ctx: Context) -> str:
        return str(len(ctx.resource(Client).secret))

    graph = one_node(work, "text").freeze()
    result = run_sync(graph, State(), resources=[Client()])
    assert result.state.text == "11"
    assert "canary" not in repr(result.trace)
    failed = run_sync(graph, State())
    assert failed.status == "failed"
    assert failed.error is not None
    assert "no such resource" in failed.error.message


def test_idempotency_keys_name_the_visit() -> None:
    """All attempts of a visit have one key; other visits and other runs have other keys."""
    keys: list[str] = []

    async def work(n: int, ctx: Context) -> int:
        keys.append(ctx.idempotency_key)
        if ctx.attempt < 3:
            raise OSError
        return n + 1

    flow = Flow("keys", State)
    task = flow.task(writes=flow.state.n, name="work", retry=Retry(3, wait_s=0))(work)
    flow.edge(task, task, when=flow.state.n < 2)
    flow.edge(task, flow.end("done"))
    flow.start(task)
    for _ in range(2):
        run_sync(flow.freeze(), State())
    assert [len(set(keys[i : i + 3])) for i in range(0, 12, 3)] == [1, 1, 1, 1]
    assert len(set(keys)) == 4


@pytest.mark.parametrize(
    ("returned", "state"),
    [
        ((1, "a"), State(n=1, text="a")),
        ({"n": 2, "text": "b"}, State(n=2, text="b")),
        ({"text": "only"}, State(text="only")),
    ],
)
def test_several_fields_are_a_tuple_or_a_mapping(returned: Any, state: State) -> None:
    """A tuple fills the fields in order, a mapping by name; a mapping may leave some as they are."""
    assert run_sync(one_node(lambda: returned, ("n", "text")).freeze(), State()).state == state


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        ((1,), "returned a tuple of 1 where it writes 2 fields"),
        (5, "returned a int where it writes 2 fields"),
        ({"n": 1, "nope": 2}, "returned a mapping with 'nope'"),
        (("x", "a"), "field 'n' takes int, got 'x'"),
        ((float("nan"), "a"), "field 'n' takes int"),
    ],
)
def test_what_does_not_fit_fails_the_attempt(returned: Any, says: str) -> None:
    """A returned value that cannot be written is named with node, field, expected type and value."""
    result = run_sync(one_node(lambda: returned, ("n", "text")).freeze(), State())
    assert result.status == "failed"
    assert result.error is not None
    assert result.error.type == "WriteRefused"
    assert "node 'work'" in result.error.message
    assert says in result.error.message


def test_a_node_that_writes_nothing_may_return_anything() -> None:
    """What a node without writes returns is dropped."""
    flow = Flow("nothing", State)

    @flow.task()
    async def work() -> Any:
        return object()

    assert run_sync(flow.freeze(), State()).status == "completed"


def test_a_refused_state_leaves_nothing_behind() -> None:
    """An initial state that does not fit is refused before anything is stored."""
    store = MemoryStore()
    values: dict[str, Any] = {"n": "x", "text": "", "log": []}
    bad = State.model_construct(None, **values)
    with pytest.raises(InputRefused, match=r"cannot begin: field 'n' takes int, got 'x' \(str\)"):
        run_sync(counting().freeze(), bad, store=store)

    class Other(BaseModel):
        n: int = 0

    with pytest.raises(InputRefused, match="begins with a State, got Other"):
        run_sync(counting().freeze(), Other(), store=store)
    assert store.runs() == []


def test_run_ids_are_checked_and_unique() -> None:
    """An id that is none, or that is taken, is refused."""
    store = MemoryStore()
    with pytest.raises(UseError, match="cannot be the id of a run"):
        run_sync(counting().freeze(), State(), store=store, run_id="../x")
    run_sync(counting().freeze(), State(), store=store, run_id="mine")
    with pytest.raises(UseError, match="already has a run 'mine'"):
        run_sync(counting().freeze(), State(), store=store, run_id="mine")
    ids = {run_sync(counting().freeze(), State(), store=store).run for _ in range(50)}
    assert len(ids) == 50


def test_a_graph_without_code_is_refused() -> None:
    """A graph that was read from its JSON form can be drawn, not run; nothing is stored."""
    graph = graph_from_json(counting().freeze().json)
    with pytest.raises(UseError, match="has no code to run"):
        run_sync(graph, State())


def test_a_failing_node_fails_the_run_with_its_error_as_cause() -> None:
    """The result says where and why; unwrapping raises it with the original exception as cause."""

    async def work() -> int:
        message = "no luck"
        raise LookupError(message)

    result = run_sync(one_node(work).freeze(), State(n=3))
    assert result.status == "failed"
    assert result.failed_at == ("0", "work")
    assert result.error is not None
    assert (result.error.type, result.error.message) == ("LookupError", "no luck")
    assert result.partial["n"] == 3
    with pytest.raises(RunFailed, match=r"failed at 'work' \(visit 0\) with LookupError: no luck") as caught:
        result.unwrap()
    assert isinstance(caught.value.__cause__, LookupError)
    with pytest.raises(RunFailed):
        _ = result.state


class Rude(BaseException):
    """Not an Exception."""


class Mute(Exception):
    """Cannot be printed."""

    def __str__(self) -> str:
        message = "never"
        raise TypeError(message)


@pytest.mark.parametrize(
    ("raised", "type_name"),
    [
        (Rude("x"), "Rude"),
        (Mute(), "Mute"),
        (asyncio.CancelledError(), "CancelledError"),
        (StopIteration(3), "RuntimeError"),
        (StopAsyncIteration(3), "StopAsyncIteration"),
        (GeneratorExit(), "GeneratorExit"),
        (NodeTimeout("mine", limit=float("nan"), thing=object()), "NodeTimeout"),
        (ValueError("\ud800 \x00"), "ValueError"),
        (ExceptionGroup("many", [ValueError("a")]), "ExceptionGroup"),
        (ValueError("x" * 100_000), "ValueError"),
    ],
)
@pytest.mark.parametrize("synchronous", [False, True])
def test_whatever_a_node_raises_is_recorded(raised: BaseException, type_name: str, synchronous: bool) -> None:
    """No exception of a node escapes the run, is lost, or makes a trace that cannot be written."""

    async def work() -> int:
        raise raised

    def work_sync() -> int:
        raise raised

    result = run_sync(one_node(work_sync if synchronous else work).freeze(), State())
    assert result.status == "failed"
    assert result.error is not None
    assert result.error.type.rpartition(".")[2] == (
        "RuntimeError" if synchronous and isinstance(raised, GeneratorExit) else type_name
    )
    assert len(result.error.message) < 21_000
    assert codec.decode_trace(codec.encode_trace(result.trace)) == result.trace


def test_interrupts_are_not_swallowed() -> None:
    """KeyboardInterrupt and SystemExit pass through: they are meant for the process."""

    async def work() -> int:
        raise SystemExit(5)

    store = MemoryStore()
    with pytest.raises(SystemExit):
        asyncio.run(run(one_node(work).freeze(), State(), store=store, run_id="r"))
    assert isinstance(list(store.records("r"))[-1].input, AttemptStarted)


def test_limits_bound_a_run() -> None:
    """A run over its limits fails, saying which and how far; `limits` overrides those of the flow."""
    result = run_sync(counting(100).freeze(), State(), limits=Limits(visits=5))
    assert result.status == "failed"
    assert result.error is not None
    assert result.error.type == "LimitReached"
    assert "5" in result.error.message


def test_actions_and_parameters_of_edges_apply() -> None:
    """A run under the driver follows `set` and guards like the stepper alone."""
    flow = Flow("set", State)
    task = flow.task(writes=flow.state.text, name="t")(lambda: "t")
    flow.edge(task, task, when=flow.state.n < 2, set=let(flow.state.n).be(flow.state.n + 1))
    flow.edge(task, flow.end("done"))
    flow.start(task)
    assert run_sync(flow.freeze(), State()).state.n == 2


def test_a_partial_as_a_node_is_called_with_what_is_left() -> None:
    """A function with some arguments filled in is called with the others."""

    def add(n: int, more: int) -> int:
        return n + more

    assert run_sync(one_node(partial(add, more=5)).freeze(), State(n=1)).state.n == 6


def test_failed_attempts_are_recorded_each() -> None:
    """The trace has a record of each failed attempt with its error."""

    async def work() -> int:
        message = "again"
        raise OSError(message)

    result = run_sync(one_node(work).freeze(), State())
    failed = [r.input for r in result.trace.records if isinstance(r.input, AttemptFailed)]
    assert [(f.attempt, f.error.type, f.error.lineage) for f in failed] == [(1, "OSError", ("OSError", "Exception"))]
    assert failed[0].duration_s >= 0


@pytest.mark.parametrize(
    "spec", ["runs.db", Path("runs.db"), "traces/", "sqlite:runs.db?synchronous=normal", "memory:"]
)
def test_a_store_may_be_named_by_a_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str | Path) -> None:
    """What `open_store` opens is opened for the run and closed again; the trace can be read all the same."""
    monkeypatch.chdir(tmp_path)
    done = counting().run_sync(State(), store=spec)
    assert done.status == "completed"
    assert done.trace.header.run == done.run
    if spec != "memory:":
        with pytest.raises(UseError, match="is completed"):
            asyncio.run(counting().resume(done.run, store=spec))
        kept = open_store(spec, create=False)
        assert [info.live for info in kept.runs()] == [False]
        kept.close()


def test_what_is_no_store_is_refused_by_name() -> None:
    """Nothing runs, and the error says what a store is made by."""
    with pytest.raises(UseError, match=r"store=3 is no store; give what open_store\(…\) returns, or a text"):
        counting().run_sync(State(), store=cast("Any", 3))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"limit": Limits(visits=5)}, r"run_sync\(…\) has no option 'limit'. Did you mean 'limits'\?"),
        ({"stor": "x.db"}, r"run_sync\(…\) has no option 'stor'. Did you mean 'store'\?"),
        ({"resource": [1]}, "Did you mean 'resources'"),
        ({"zzz": 1}, "There are clock, limits, observers, on_event"),
        ({"limits": 5}, r"limits=5 are no limits; give Limits\("),
        ({"limits": Limits(visits=cast("Any", "5"))}, "limits= has visits='5'; it is a number from 0"),
        ({"limits": Limits(cost_usd=-1)}, "limits= has cost_usd=-1"),
        ({"resources": "abc"}, "resources='abc' is no list"),
        ({"resources": State()}, "resources=State.* is no list"),
        ({"resources": [State]}, "resources= has the class State; give an object of it"),
        ({"policies": 3}, "policies=3 is no list"),
        ({"policies": iter([3])}, "policies= has 3, which is no policy"),
        ({"on_event": "print"}, "on_event='print' cannot be called"),
        ({"observers": 3}, "observers=3 is no list"),
        ({"clock": 3}, "clock=3 is no clock"),
        ({"stay_s": "1h"}, "stay_s='1h'; it is a number of seconds"),
        ({"seed": "x"}, "seed='x'; it is a whole number"),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused(options: dict[str, Any], said: str) -> None:
    """A run with a misspelled option, or a value of a wrong type, does nothing; the error says what was meant."""
    with pytest.raises(UseError, match=said):
        counting().run_sync(State(), **options)


def test_every_way_to_drive_a_run_knows_its_options(tmp_path: Path) -> None:
    """`run`, `stream`, `resume`, `resume_due` and `fork` refuse what they do not know, each by its own name."""
    flow, store = counting(), MemoryStore()
    done = run_sync(flow.freeze(), State(), store=store)
    wrong: Any = {"limit": 5}
    with pytest.raises(UseError, match=r"run\(…\) has no option 'limit'"):
        asyncio.run(flow.run(State(), **wrong))
    with pytest.raises(UseError, match=r"stream\(…\) has no option 'limit'"):
        flow.stream(State(), **wrong)
    for where in (store, tmp_path / "none.db"):
        with pytest.raises(UseError, match=r"resume\(…\) has no option 'limit'. Did you mean 'limits'"):
            asyncio.run(flow.resume(done.run, store=where, **wrong))
    with pytest.raises(UseError, match="limits=5 are no limits"):
        asyncio.run(flow.resume(done.run, store=store, limits=cast("Any", 5)))
    with pytest.raises(UseError, match=r"resume_due\(…\) has no option 'limit'"):
        asyncio.run(resume_due(store, lambda _: flow.freeze(), **wrong))
    with pytest.raises(UseError, match=r"fork\(…\) has no option 'limit'"):
        asyncio.run(fork(store, done.run, "1", flow.freeze(), **wrong))
    assert [info.run for info in store.runs()] == [done.run]


def test_a_failed_run_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """One warning says which run failed, where and with what; unwrapping its result adds none, a good run none."""

    def work() -> int:
        raise ValueError("no bread\nand no \ud800 butter")

    result = one_node(work).run_sync(State(), run_id="bakery")
    with pytest.raises(RunFailed):
        result.unwrap()
    counting().run_sync(State())
    said = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert said == ["run bakery failed at 'work' (visit 0) with ValueError: no bread and no \\ud800 butter"]


@pytest.mark.parametrize(("cost", "limits", "times"), [(None, True, 1), (0.01, True, 0), (None, False, 0)])
def test_a_limit_on_cost_that_cannot_hold_is_told_once(
    cost: float | None, limits: bool, times: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Where a price is unknown, `Limits(cost_usd=…)` bounds nothing: a warning says so, once for each run."""

    async def work(context: Context, n: int) -> int:
        context.report(Usage("tiny", 1, 1, cost))
        return n + 1

    flow = Flow("dear", State)
    node = flow.task(writes=flow.state.n)(work)
    flow.edge(node, node, when=flow.state.n < 3)
    flow.edge(node, flow.end("done"))
    flow.run_sync(State(), run_id="dear", limits=Limits(cost_usd=5.0) if limits else None).unwrap()
    said = "run dear: the limit of 5 USD cannot hold: the price of model tiny is not known, and counts as nothing;"
    assert [r.getMessage() for r in caplog.records] == [f"{said} limit tokens as well"] * times
