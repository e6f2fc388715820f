"""The server that the guide to deploying shows: whenever an answer comes, the run goes on, and no task dies of it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from graphrt import RunNotFound
from graphrt.events import RunSuspended, VisitWaiting
from graphrt.inputs import Answered
from graphrt.ports import RunInfo
from tools.blocks import blocks

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "deploy.md"
LONG_S = 600.0
"""How long a run stays that nobody waits for to leave."""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """What the blocks of the page define, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    found = ModuleType("server")
    monkeypatch.setitem(sys.modules, "server", found)
    for block in blocks(PAGE.read_text("utf-8")):
        if block.language == "python" and "\nasync def " in block.body:
            exec(compile(block.body, str(PAGE), "exec"), vars(found))
    return found


async def until(holds: Callable[[], bool]) -> None:
    """Let others go on until something holds."""
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - threads of the store change it
            await asyncio.sleep(0)


async def ended(server: ModuleType) -> None:
    """Wait until nothing is driven any more; raise what a task has died of."""
    async with asyncio.timeout(60):
        while server.driven:
            await asyncio.gather(*server.driven)


def answers(server: ModuleType) -> list[object]:
    """Return the answers on record."""
    return [r.input.answer for r in server.store.records("r") if isinstance(r.input, Answered)]


@pytest.mark.parametrize("moment", [VisitWaiting, RunSuspended])
@pytest.mark.parametrize("stay_s", [0.0, LONG_S])
def test_an_answer_that_comes_while_the_run_is_still_driven(server: ModuleType, moment: type, stay_s: float) -> None:
    """Who answers at once, from a page that sees the question come, is served: by the first driver or by the next."""

    async def main() -> None:
        answered = asyncio.Event()

        async def hear(item: object) -> None:
            if isinstance(item, moment):
                await server.post_answer("r", "0", "yes")
                answered.set()

        server.drive(
            server.flow.run(server.Leave(days=3), store=server.store, run_id="r", stay_s=stay_s, on_event=hear)
        )
        await answered.wait()
        await ended(server)
        assert server.get_leave("r") == {"status": "completed", "open": []}
        assert answers(server) == ["yes"]

    asyncio.run(main())
    server.store.close()


def test_an_answer_that_comes_when_the_driver_is_about_to_stop(server: ModuleType) -> None:
    """A driver that takes no more requests and still owns the run costs a moment, and not the answer."""

    async def main() -> None:
        let_go = asyncio.Event()

        async def hear(item: object) -> None:
            if isinstance(item, RunSuspended):
                await let_go.wait()  # the run has been driven to its end, and is not released before its listeners

        server.drive(server.flow.run(server.Leave(days=3), store=server.store, run_id="r", on_event=hear))

        def is_suspended() -> bool:
            with suppress(RunNotFound):
                info: RunInfo = server.store.info("r")
                return info.status == "suspended"
            return False

        await until(is_suspended)
        await server.post_answer("r", "0", "no")
        for _ in range(100):
            await asyncio.sleep(0)
        let_go.set()
        await ended(server)
        assert server.get_leave("r") == {"status": "completed", "open": []}
        assert answers(server) == ["no"]

    asyncio.run(main())
    server.store.close()


def test_a_page_that_answers_as_soon_as_it_is_asked_sees_the_run_to_its_end(server: ModuleType) -> None:
    """Whether the run is driven still or not, what it reads is one run without an end in between that is none."""

    async def main() -> None:
        run: str = await server.post_leave_to_watch(days=3)
        seen: list[str] = []
        answering: asyncio.Task[None] | None = None
        reads = 0
        async with asyncio.timeout(60):
            while not (seen and seen[-1] == "run_completed"):
                reads += 1
                async for data in server.get_events(run):
                    seen.append(json.loads(data.removeprefix(b"data: "))["type"])
                    if seen[-1] == "visit_waiting":
                        answering = asyncio.create_task(server.post_answer_to_watch(run, "0", "yes"))
                assert answering is not None
                await answering
        assert reads <= 2
        assert seen.count("run_suspended") <= reads - 1
        assert seen.count("visit_completed") == 2
        assert "delta" in seen

    asyncio.run(main())
    server.store.close()


def test_what_the_last_process_left_behind_is_taken_up(server: ModuleType) -> None:
    """A run whose answer is in the store, but which nobody has resumed, goes on; one that waits for an answer stays."""

    async def main() -> None:
        run: Any = server.flow.run
        for name in ("r", "waits"):
            await run(server.Leave(days=3), store=server.store, run_id=name)
        await server.answer(server.store, "r", "0", "yes")
        await server.started()
        await ended(server)
        assert server.get_leave("r")["status"] == "completed"
        assert server.get_leave("waits")["status"] == "suspended"

    asyncio.run(main())
    server.store.close()
