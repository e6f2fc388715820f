"""A thousand conversations at once in one process, over real sockets: they do not mix, and leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from graphrt import Agent, ChatRuntime
from graphrt.agents.models.openai import OpenAIModel
from graphrt.policies import limit
from graphrt.stores.memory import MemoryStore
from graphrt.testing.endpoint import Answer, Endpoint, Received, stream

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

MANY = 1000
OPEN = Path("/proc/self/fd")
PAGE = resource.getpagesize()
DRAIN_S = 20.0
"""How long sockets may take to be closed once nobody uses them."""
MOST_MB = 400
"""More than a thousand conversations of two turns need, with server, clients and sockets on both sides."""


@pytest.fixture(autouse=True)
def _room_for_sockets() -> Iterator[None]:
    """Let this process open what a thousand connections take on both sides."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip(f"this machine allows {hard} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def open_sockets() -> int:
    """Count the sockets of this process."""
    found = 0
    for name in OPEN.iterdir():
        try:
            found += str(name.readlink()).startswith("socket:")
        except FileNotFoundError:  # the one that reads the folder
            continue
    return found


async def drained(few: int) -> None:
    """Wait until no more sockets are open than there may be.

    Transports close in turns of the loop, and how long those take depends on what else the machine does. What is left
    for good makes the assertion fail that follows.
    """
    begun = time.monotonic()
    while open_sockets() > few and time.monotonic() < begun + DRAIN_S:  # noqa: ASYNC110 - the kernel tells nobody
        await asyncio.sleep(0.01)
    print(f"the last socket was closed after {time.monotonic() - begun:.2f} s")


def resident_mb() -> float:
    """Return the memory that this process has, in megabytes."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * PAGE / 2**20


def echo(request: Received) -> Answer:
    """Answer with everything that the user of the request has said, in three pieces."""
    messages: Any = request.json["messages"]
    said = "/".join(m["content"] for m in messages if m["role"] == "user")
    return stream("heard ", said, ".")


@pytest.mark.skipif(not OPEN.is_dir(), reason="counts open files and memory the way Linux tells them")
async def test_a_thousand_conversations_at_once(record_property: Any) -> None:
    """Each hears only what was said in it; memory is bounded, and no task and no socket is left when all is over."""
    gate = limit(at_once=MANY)  # counts how many are really under way
    before_tasks, before_sockets, before_mb = len(asyncio.all_tasks()), open_sockets(), resident_mb()
    async with asyncio.timeout(280), Endpoint(echo) as endpoint:
        model, store = OpenAIModel("m", base_url=endpoint.url), MemoryStore()
        runtimes = [
            ChatRuntime(Agent("Echo."), store=store, conversation=f"c{n}", resources=[model], policies=[gate])
            for n in range(MANY)
        ]
        for turn in ("a", "b"):
            await asyncio.gather(*(runtime.invoke(f"{n}{turn}") for n, runtime in enumerate(runtimes)))
        most_mb = resident_mb()
        assert (gate.running, gate.waiting) == (0, 0)
        assert [r.messages[-1].text for r in runtimes] == [f"heard {n}a/{n}b." for n in range(MANY)]
        assert len(endpoint.requests) == 2 * MANY
        await model.aclose()
    del runtimes
    gc.collect()
    await drained(before_sockets)
    record_property("memory_mb", round(most_mb - before_mb))
    print(f"{MANY} conversations: {most_mb - before_mb:.0f} MB more than before")
    assert len(asyncio.all_tasks()) == before_tasks
    assert open_sockets() == before_sockets
    assert most_mb - before_mb < MOST_MB
