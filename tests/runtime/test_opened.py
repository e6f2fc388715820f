"""What nodes open for the time of a run: once, shared by all of them, and closed when nothing of the run is live."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Literal

import pytest
from pydantic import BaseModel

from graphrt import Context, Flow, UseError
from graphrt.runtime import answer, leave, opened
from graphrt.stores.memory import MemoryStore
from tests.policies.asking import hearing

pytestmark = pytest.mark.anyio


class Visit(BaseModel):
    place: str = ""
    verdict: Literal["yes", "no"] | None = None
    count: int = 0


class Desk:
    """Has sessions, and notes in which order and by which task they are opened and closed."""

    def __init__(self, name: str = "desk", *, fails: int = 0, hangs: bool = False, breaks: bool = False) -> None:
        self.name = name
        self.log: list[str] = []
        self.fails = fails
        self.hangs = hangs
        self.breaks = breaks
        self.tasks: list[asyncio.Task[object] | None] = []

    @asynccontextmanager
    async def session(self) -> AsyncGenerator[str]:
        """Open a session."""
        await asyncio.sleep(0)
        self.tasks.append(asyncio.current_task())
        if self.fails:
            self.fails -= 1
            raise ConnectionError(f"{self.name} is shut")
        number = sum(line.startswith(self.name) and "opened" in line for line in self.log) + 1
        self.log.append(f"{self.name} {number} opened")
        try:
            yield f"{self.name} {number}"
        finally:
            self.tasks.append(asyncio.current_task())
            self.log.append(f"{self.name} {number} closed")
            if self.hangs:
                await asyncio.Event().wait()
            if self.breaks:
                raise ConnectionError("the line was cut")


class Other(Desk):
    """Another kind of resource."""


async def test_all_nodes_of_a_run_share_what_one_of_them_opened() -> None:
    """Branches that ask at the same time get the same; it is closed when the run has ended, by the task that opened."""
    desk, flow = Desk(), Flow("visits", Visit)
    seen: list[str] = []

    @flow.task()
    async def begin(context: Context) -> None:
        seen.append(await context.open(context.resource(Desk).session))

    async def ask(context: Context) -> None:
        assert context.can_open
        seen.append(await context.open(context.resource(Desk).session))

    branches = [flow.task(name=f"ask {n}")(ask) for n in range(3)]
    flow.fork(begin, branches)
    result = await flow.run(Visit(), resources=[desk])
    assert result.status == "completed"
    assert seen == ["desk 1"] * 4
    assert desk.log == ["desk 1 opened", "desk 1 closed"]
    assert desk.tasks[0] is desk.tasks[1]
    await flow.run(Visit(), resources=[desk])
    assert desk.log[2:] == ["desk 2 opened", "desk 2 closed"], "each run has its own"


async def test_what_was_opened_last_is_closed_first() -> None:
    """One thing may stand on another."""
    desk, other, flow = Desk(), Other("other"), Flow("visits", Visit)
    other.log = desk.log

    @flow.task()
    async def both(context: Context) -> None:
        await context.open(desk.session)
        await context.open(other.session)

    await flow.run(Visit())
    assert desk.log == ["desk 1 opened", "other 1 opened", "other 1 closed", "desk 1 closed"]


@pytest.mark.parametrize("how", ["fails", "is cancelled", "is left"])
async def test_it_is_closed_however_the_run_ends(how: str) -> None:
    """A failing node, a cancelled task, a run that is left as a crash would: nothing stays open."""
    desk, flow, store, reached = Desk(), Flow("visits", Visit), MemoryStore(), asyncio.Event()

    @flow.task()
    async def work(context: Context) -> None:
        await context.open(desk.session)
        reached.set()
        if how == "fails":
            raise ValueError("no")
        await asyncio.Event().wait()

    task = asyncio.ensure_future(flow.run(Visit(), store=store, run_id="one"))
    await reached.wait()
    if how == "is cancelled":
        task.cancel()
    elif how == "is left":
        leave(store, "one")
    await asyncio.wait((task,))
    assert desk.log == ["desk 1 opened", "desk 1 closed"]


async def test_a_run_that_waits_holds_nothing_and_opens_it_again() -> None:
    """A suspended run needs no process, so it keeps nothing open either."""
    desk, flow, store = Desk(), Flow("visits", Visit), MemoryStore()
    s = flow.state

    @flow.task(writes=s.place)
    async def look(context: Context) -> str:
        return await context.open(desk.session)

    ask = flow.ask("sure", "Sure?", writes=s.verdict)

    @flow.task(writes=s.place)
    async def again(context: Context) -> str:
        return await context.open(desk.session)

    flow.edge(look, ask)
    flow.edge(ask, again, on="yes")
    flow.edge(ask, flow.end("no"), on="no")
    result = await flow.run(Visit(), store=store)
    assert result.status == "suspended"
    assert desk.log == ["desk 1 opened", "desk 1 closed"]
    await answer(store, result.run, result.questions[0].visit, "yes")
    result = await flow.resume(result.run, store=store)
    assert result.state.place == "desk 2"
    assert desk.log[2:] == ["desk 2 opened", "desk 2 closed"]


async def test_what_cannot_be_opened_is_the_error_of_who_asked_and_is_tried_again() -> None:
    """Another attempt opens it anew."""
    desk, flow = Desk(fails=1), Flow("visits", Visit)
    s = flow.state

    @flow.task(writes=s.place, retry=2)
    async def look(context: Context) -> str:
        return await context.open(desk.session)

    result = await flow.run(Visit())
    assert result.state.place == "desk 1"
    failing = Desk(fails=9)

    @flow.task(writes=s.place)
    async def second(context: Context) -> str:
        return await context.open(failing.session)

    flow.edge(look, second)
    result = await flow.run(Visit())
    assert result.error is not None
    assert (result.error.type, result.error.message) == ("ConnectionError", "desk is shut")


async def test_who_is_cancelled_while_it_opens_leaves_it_to_the_others() -> None:
    """An attempt that runs out of time does not take away what another branch waits for."""
    gate, flow = asyncio.Event(), Flow("visits", Visit)
    closed: list[str] = []

    @asynccontextmanager
    async def slow() -> AsyncGenerator[str]:
        await gate.wait()
        yield "open"
        closed.append("closed")

    async def impatient(context: Context) -> None:
        try:
            await context.open(slow)
        finally:
            gate.set()

    async def patient(context: Context) -> str:
        return await context.open(slow)

    @flow.task()
    def begin() -> None:
        return None

    s = flow.state
    hasty = flow.task(timeout=0.01)(impatient)
    calm = flow.task(writes=s.place)(patient)
    flow.fork(begin, [hasty, calm])
    flow.edge(hasty, flow.end("given up"), on=TimeoutError)
    result = await flow.run(Visit())
    assert result.state.place == "open"
    assert closed == ["closed"]


async def test_what_goes_wrong_in_closing_is_logged_and_changes_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A close that fails or hangs is told once, by the name of what opened it; the run has ended as it did."""
    monkeypatch.setattr(opened, "GRACE_S", 0.05)
    desk, other, flow = Desk(breaks=True), Other("other", hangs=True), Flow("visits", Visit)

    @flow.task()
    async def both(context: Context) -> None:
        await context.open(desk.session)
        await context.open(other.session)

    before = asyncio.all_tasks()
    with caplog.at_level(logging.WARNING, "graphrt.runtime"):
        result = await flow.run(Visit(), run_id="one")
    assert result.status == "completed"
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "run one: closing what Desk.session had opened took longer than 0.05 s, and was given up",
        "run one: closing what Desk.session had opened failed with ConnectionError: the line was cut",
    ]
    assert asyncio.all_tasks() == before


async def test_there_is_nothing_to_open_where_no_run_is() -> None:
    """A context without a run, a thread with an event loop of its own, and one that outlives its run say so."""
    with hearing() as heard:
        assert not heard.context.can_open
        with pytest.raises(UseError, match="belongs to no run"):
            await heard.context.open(Desk().session)
    kept: list[Context] = []
    flow = Flow("visits", Visit)

    @flow.task()
    def in_a_thread(context: Context) -> None:
        kept.append(context)
        with pytest.raises(UseError, match="in the event loop that drives the run"):
            asyncio.run(context.open(Desk().session))

    assert (await flow.run(Visit())).status == "completed"
    assert not kept[0].can_open
    with pytest.raises(UseError, match="before it ends"):
        await kept[0].open(Desk().session)
