"""What the engine adds to the work stays small and does not grow.

Ratios only, each of figures that were taken in turn in this very process, the best of several rounds, with wide bounds:
a busy machine is no failure, a part that became ten times as slow is one. `make bench` measures; this only watches.
"""

import asyncio
import gc
import itertools
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BaseModel, TypeAdapter

from graphrt import Agent, Flow, append, let, size
from graphrt.agents import Message, assistant, user
from graphrt.fields import encode_state
from graphrt.graph import Graph
from graphrt.inputs import AttemptStarted, AttemptSucceeded, Started
from graphrt.replay import fold
from graphrt.runtime import run
from graphrt.runtime.calls import calls_of
from graphrt.stepper import Stepper
from graphrt.stores.jsonl import JsonlStore
from graphrt.stores.sqlite import SqliteStore
from graphrt.testing import ScriptedModel
from graphrt.trace import Header
from graphrt_viz import render
from tests.benchmarks import on_floor, on_graphrt

pytestmark = pytest.mark.skipif(
    sys.gettrace() is not None, reason="a tracer slows graphrt alone, not what it is compared with"
)

Work = Callable[[], Awaitable[object]]


class Talk(BaseModel):
    """A conversation."""

    messages: Annotated[list[str], append] = []


@pytest.fixture(autouse=True)
def _without_what_others_left() -> Iterator[None]:
    """Keep the collector from walking through the objects of the whole test suite in the middle of a measurement."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def least(*pieces: tuple[Work, int], rounds: int = 4) -> list[float]:
    """The least processor time of a unit of each piece of work, in seconds, the pieces taken in turn."""

    async def measure() -> list[float]:
        best = [float("inf")] * len(pieces)
        for work, _ in pieces:
            await work()
        for _ in range(rounds):
            for i, (work, units) in enumerate(pieces):
                gc.collect()
                begun = time.process_time()
                await work()
                best[i] = min(best[i], (time.process_time() - begun) / units)
        return best

    return asyncio.run(measure())


async def often(work: Work, times: int) -> None:
    """Do a short thing so often that a clock can tell."""
    for _ in range(times):
        await work()


def test_a_step_costs_at_most_a_hundred_times_a_bare_await() -> None:
    """A step with guard, events, verdicts and trace stays below 110 times what the same loop costs by hand."""
    graph = on_graphrt.loop_of(1_000)
    floor, ours = least(
        (partial(often, partial(on_floor.loop_once, 1_000), 30), 30_000),
        (partial(on_graphrt.counted, graph), 1_000),
    )
    assert ours < 110 * floor


def test_a_branch_costs_at_most_some_times_a_bare_task() -> None:
    """A branch with its join stays below 12 times what a task and `gather` cost by hand."""
    graph, items = on_graphrt.fan_of(), list(range(300))
    floor, ours = least(
        (partial(often, partial(on_floor.fan_once, items), 10), 3_000),
        (partial(on_graphrt.fanned, graph, items), 300),
    )
    assert ours < 12 * floor


def test_a_step_costs_the_same_late_in_a_run() -> None:
    """The time of a step does not depend on how many went before: 20,000 steps take 20 times what 1,000 take."""
    short, long = on_graphrt.loop_of(1_000), on_graphrt.loop_of(20_000)
    few, many = least(
        (partial(on_graphrt.counted, short), 1_000), (partial(on_graphrt.counted, long), 20_000), rounds=3
    )
    assert many < 1.6 * few


def test_a_step_on_disk_costs_some_steps_in_memory(tmp_path: Path) -> None:
    """A step of many runs that share a store, without fsync, costs less than 5 times one that is kept in memory."""
    graph = on_graphrt.loop_of(20)
    store = SqliteStore(tmp_path / "runs.db", synchronous="normal")
    memory, disk = least(
        (partial(on_graphrt.together, graph, 50), 1_000), (partial(on_graphrt.together, graph, 50, store=store), 1_000)
    )
    store.close()
    assert disk < 5 * memory


@pytest.mark.parametrize("kind", [SqliteStore, JsonlStore])
def test_a_run_of_a_large_graph_begins_like_one_of_a_small_graph(
    tmp_path: Path, kind: Callable[[Path], SqliteStore | JsonlStore]
) -> None:
    """A graph is not encoded anew for each run: beginning one of 1,000 nodes takes below 3 times that of ten."""
    store = kind(tmp_path / "runs")
    numbers = itertools.count()

    async def begin(graph: Graph) -> None:
        for _ in range(10):
            header = Header(f"r{next(numbers)}", graph.name, graph.digest, graph.json, 0.0)
            await store.release(await store.create(header))

    small, large = (on_graphrt.chain_of(nodes).freeze() for nodes in (10, 1_000))
    few, many = least((partial(begin, small), 10), (partial(begin, large), 10))
    store.close()
    assert many < 3 * few


def test_a_step_of_a_long_conversation_costs_what_one_of_a_short_one_does() -> None:
    """A run whose list holds 100,000 messages adds to it, reads its size and goes on as one whose list holds ten."""
    flow = Flow("talk", Talk)
    s = flow.state

    @flow.task(writes=s.messages)
    async def say(messages: Sequence[str]) -> str:
        return f"message {len(messages)}"

    flow.start(say)
    flow.edge(say, say, when=size(s.messages) < 1_000_000)
    flow.edge(say, flow.end("done"))
    graph = flow.freeze()
    fill, encode = (calls_of(graph)[id(graph.nodes[0])].fill, calls_of(graph)[id(graph.nodes[0])].encode)

    def talking(messages: int) -> Callable[[], Awaitable[None]]:
        stepper = Stepper(graph)
        stepper.feed(0.0, Started("r", {"messages": [f"message {i}" for i in range(messages)]}))
        said = itertools.count()

        async def some() -> None:
            for _ in range(500):
                visit = str(next(said))
                stepper.feed(1.0, AttemptStarted(visit, 1))
                new = f"message {len(fill(stepper.state_at(visit))['messages'])}"
                stepper.feed(2.0, AttemptSucceeded(visit, 1, encode(new), 0.5))

        return some

    short, long = least((talking(10), 500), (talking(100_000), 500))
    assert long < 1.3 * short


def _entering(begins: list[str]) -> Callable[[], Awaitable[None]]:
    """Return a run that enters a flow inside 200 times, each time handing in a list that began so."""
    inner = Flow("inner", Talk)

    @inner.task
    async def nothing() -> None: ...

    class Turns(Talk):
        turn: int = 0

    flow = Flow("outer", Turns)
    s = flow.state
    inside = flow.subflow("inside", inner, outputs=())
    flow.start(inside)
    flow.edge(inside, inside, set=let(s.turn).be(s.turn + 1), when=s.turn < 199)
    flow.edge(inside, flow.end("done"))
    graph = flow.freeze()
    stepper = Stepper(graph)
    stepper.feed(0.0, Started("r", {"messages": begins, "turn": 0}))
    visits = itertools.count()

    async def some() -> None:
        nonlocal stepper, visits
        for _ in range(200):
            visit = f"{next(visits)}/0"
            stepper.feed(1.0, AttemptStarted(visit, 1))
            stepper.feed(2.0, AttemptSucceeded(visit, 1, {}, 0.5))
        assert stepper.status == "completed"
        stepper, visits = Stepper(graph), itertools.count()
        stepper.feed(0.0, Started("r", {"messages": begins, "turn": 0}))

    return some


def test_entering_a_flow_inside_costs_the_same_with_a_long_list() -> None:
    """A list is handed into a flow inside as it stands: one of 20,000 items costs what one of ten does."""
    short, long = least((_entering(["a"] * 10), 200), (_entering(["a"] * 20_000), 200))
    assert long < 3 * short


def test_a_turn_in_a_long_conversation_costs_some_times_its_json() -> None:
    """What a turn adds for a message of the conversation stays below 12 times what writing it as JSON takes."""
    turns, many = 5, 2_000

    class Chat(BaseModel):
        messages: Annotated[list[Message], append] = []
        turn: int = 0

    flow = Flow("chat", Chat)
    s = flow.state
    agent = flow.agent("clerk", Agent("Answer."), reads=s.messages, writes=s.messages)
    flow.start(agent)
    flow.edge(agent, agent, set=let(s.turn).be(s.turn + 1), when=s.turn < turns - 1)
    flow.edge(agent, flow.end("done"))
    graph = flow.freeze()
    said: list[Message] = [user(f"message {k}") if k % 2 else assistant(f"answer {k}") for k in range(many)]
    adapter = TypeAdapter(list[Message])

    async def write() -> None:
        adapter.dump_json(said)

    async def talk() -> None:
        result = await run(graph, Chat(messages=said), resources=[ScriptedModel(["Well."] * turns)])
        assert result.status == "completed", result.error

    async def begin() -> None:
        stepper = Stepper(graph)
        stepper.feed(0.0, Started("r", encode_state(graph.fields, Chat(messages=said))))

    json, talked, begun = least((partial(often, write, 20), 20 * many), (talk, many), (begin, many))
    assert (talked - begun) / turns < 12 * json


def test_a_branch_costs_the_same_among_many() -> None:
    """The time of a branch does not depend on how many there are: 1,000 cost at most twice as much as 10 each."""
    graph = on_graphrt.fan_of()
    few, many = least(
        (partial(often, partial(on_graphrt.fanned, graph, list(range(10))), 10), 100),
        (partial(on_graphrt.fanned, graph, list(range(1_000))), 1_000),
    )
    assert many < 2 * few


def test_a_branch_costs_the_same_among_ten_thousand() -> None:
    """Few objects are kept for a branch, so the collector, which walks them all, does not make many branches dear."""
    graph = on_graphrt.fan_of()
    few, many = least(
        (partial(often, partial(on_graphrt.fanned, graph, list(range(100))), 10), 1_000),
        (partial(on_graphrt.fanned, graph, list(range(10_000))), 10_000),
        rounds=3,
    )
    assert many < 1.5 * few


def test_folding_a_trace_costs_no_more_than_the_run() -> None:
    """Taking up a run again costs less than it took to run it: below 1.5 times its time, without its nodes."""
    graph = on_graphrt.loop_of(1_000)
    _, trace = asyncio.run(on_graphrt.trace_of(1_000))

    async def folded() -> None:
        state = fold(trace, graph).state
        assert state is not None
        assert state["n"] == 1_000

    running, folding = least((partial(on_graphrt.counted, graph), 1_000), (folded, 1_000))
    assert folding < 1.5 * running


@pytest.mark.parametrize("flow_of", [on_graphrt.chain_of, on_graphrt.forks_of])
def test_freezing_costs_the_same_for_a_node_of_a_large_flow(flow_of: Callable[[int], Flow[on_graphrt.Count]]) -> None:
    """The time of a node at definition does not depend on how many there are, nor on forks and joins before it."""

    async def frozen(nodes: int) -> None:
        flow_of(nodes).freeze()

    few, many = least((partial(often, partial(frozen, 100), 5), 500), (partial(frozen, 3_000), 3_000), rounds=2)
    assert many < 2 * few


async def drawn(graph: Graph, form: str) -> None:
    """Write a definition down, from the graph on."""
    assert render(graph, form)


@pytest.mark.parametrize("form", ["mermaid", "mermaid-state", "plantuml", "text", "markdown", "json", "dot"])
def test_a_diagram_costs_the_same_for_a_node_of_a_large_flow(form: str) -> None:
    """The time of a node in the text of a diagram does not depend on how many there are."""
    small, large = on_graphrt.chain_of(1_000).freeze(), on_graphrt.chain_of(4_000).freeze()
    few, many = least((partial(often, partial(drawn, small, form), 4), 4_000), (partial(drawn, large, form), 4_000))
    assert many < 1.6 * few


@pytest.mark.parametrize(
    ("form", "most"), [("mermaid", 90), ("plantuml", 50), ("text", 60), ("json", 50), ("dot", 200)]
)
def test_a_diagram_costs_some_times_a_bare_line(form: str, most: int) -> None:
    """Reading the graph, its digest and the text stay within so many times what two lines a node cost by hand."""
    graph = on_graphrt.chain_of(1_000).freeze()

    async def by_hand() -> None:
        lines = [f'n{n.index}["{n.name}"]' for n in graph.nodes]
        lines += [f"n{e.source} --> n{e.target}" for n in graph.nodes for e in n.edges]
        assert "\n".join(lines)

    floor, ours = least((partial(often, by_hand, 10), 10_000), (partial(drawn, graph, form), 1_000))
    assert ours < most * floor


def test_a_step_leaves_the_same_bytes_late_in_a_run(tmp_path: Path) -> None:
    """A store grows linearly: each further step takes as much room as those before, whatever went before."""

    async def stored(steps: int) -> int:
        path = tmp_path / f"{steps}.db"
        store = SqliteStore(path, synchronous="normal")
        await run(on_graphrt.loop_of(steps), on_graphrt.Count(), store=store)
        store.close()
        return path.stat().st_size

    async def measure() -> tuple[int, int, int]:
        return await stored(100), await stored(1_000), await stored(3_000)

    small, middle, large = asyncio.run(measure())
    assert (large - middle) / 2_000 < 1.3 * (middle - small) / 900
    assert (large - middle) / 2_000 < 250


def test_a_growing_list_is_stored_a_line_a_step(tmp_path: Path) -> None:
    """A list that grew by 200 bytes a step takes less than 2.5 times its bytes in the store, with all records."""
    store = SqliteStore(tmp_path / "runs.db", synchronous="normal")
    asyncio.run(run(on_graphrt.growing(1_000), on_graphrt.Grown(), store=store))
    store.close()
    assert (tmp_path / "runs.db").stat().st_size < 2.5 * 200 * 1_000
