"""Threads for synchronous functions: few, made when needed, gone when idle, and never in the way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from graphrt.runtime import threads
from graphrt.runtime.threads import Threads

IDLE = "graphrt.runtime.threads._IDLE_S"


def named(name: str) -> list[threading.Thread]:
    """Return the living threads of one pool."""
    return [thread for thread in threading.enumerate() if thread.name.startswith(f"{name}-")]


def test_calls_share_threads() -> None:
    """One call after another needs one thread; as many at a time need as many, up to the bound."""
    pool = Threads("share", 4)

    async def main() -> None:
        for _ in range(50):
            await pool.call(lambda: None)
        assert len(named("share")) <= 4
        barrier = threading.Barrier(4, timeout=10)
        await asyncio.gather(*(pool.call(barrier.wait) for _ in range(4)))
        results = await asyncio.gather(*(pool.call(lambda n=n: n) for n in range(200)))  # type: ignore[misc]  # bound early
        assert results == list(range(200))
        assert len(named("share")) == 4

    asyncio.run(main())


def test_idle_threads_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that has nothing to do for a while ends, and a new one is made when it is needed."""
    monkeypatch.setattr(IDLE, 0.001)
    pool = Threads("idle", 4)

    async def main() -> None:
        for _ in range(3):
            await asyncio.gather(*(pool.call(lambda: None) for _ in range(4)))
            for thread in named("idle"):
                await asyncio.to_thread(thread.join, 10)
            assert not named("idle")

    asyncio.run(main())


@pytest.mark.parametrize("raised", [ValueError("v"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
def test_what_a_call_raises_belongs_to_its_caller(raised: BaseException) -> None:
    """Whatever it is: the thread lives on."""
    pool = Threads("raise", 1)

    def fail() -> None:
        raise raised

    async def main() -> None:
        with pytest.raises(type(raised)):
            await _carried(pool, fail)
        assert await pool.call(lambda: 7) == 7

    asyncio.run(main())


async def _carried(pool: Threads, fn: Callable[[], Any]) -> None:
    """Await a call so that what it raises does not leave the event loop."""
    future = pool.call(fn)
    await asyncio.wait((future,))
    error = future.exception()
    assert error is not None
    raise error


@pytest.mark.parametrize("raised", [StopIteration(1), GeneratorExit()])
def test_what_would_end_the_wrong_coroutine_is_put_into_words(raised: BaseException) -> None:
    """These two mean something else to whoever awaits."""
    pool = Threads("words", 1)

    def fail() -> None:
        raise raised

    async def main() -> None:
        with pytest.raises(RuntimeError, match="which cannot be passed on"):
            await pool.call(fail)

    asyncio.run(main())


def test_a_call_that_is_given_up_before_it_begins_is_not_made() -> None:
    """Cancelled while it waits for a thread, a function is not called at all."""
    pool, release, calls = Threads("giveup", 1), threading.Event(), list[str]()

    async def main() -> None:
        first = pool.call(lambda: release.wait(10))
        second = pool.call(lambda: calls.append("second"))
        second.cancel()
        release.set()
        await first
        await pool.call(lambda: calls.append("third"))

    asyncio.run(main())
    assert calls == ["third"]


def test_a_loop_that_is_gone_disturbs_nobody() -> None:
    """A call whose event loop was closed meanwhile ends quietly, and its thread serves the next loop."""
    pool, release, begun = Threads("gone", 1), threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        release.wait(10)

    async def leave() -> None:
        pool.call(slow)  # type: ignore[unused-awaitable]  # this loop ends before it
        await asyncio.sleep(0)

    async def main() -> int:
        return await pool.call(lambda: 7)

    asyncio.run(leave())
    assert begun.wait(10)
    release.set()
    assert asyncio.run(main()) == 7


def test_threads_do_not_keep_the_process_alive() -> None:
    """A function that hangs must not keep a process from ending whose run was cancelled long ago."""
    pool, release = Threads("daemon", 1), threading.Event()

    async def main() -> None:
        pool.call(lambda: release.wait(10))  # type: ignore[unused-awaitable]  # this loop ends before it

    asyncio.run(main())
    assert all(thread.daemon for thread in named("daemon"))
    release.set()


def test_nodes_and_listeners_have_threads_of_their_own() -> None:
    """Listeners that hang take no thread away from nodes."""
    assert threads.NODE_THREADS is not threads.LISTENER_THREADS


def test_a_call_that_was_given_up_before_it_began_takes_no_thread_away() -> None:
    """Where one thread is allowed, a call that it found cancelled does not make room for a second one."""
    pool = Threads("found", 1)

    async def main() -> None:
        release = threading.Event()
        held = pool.call(release.wait)
        given_up = asyncio.ensure_future(pool.run(lambda: None, lambda: None))
        await asyncio.sleep(0.01)
        given_up.cancel()
        release.set()
        while pool.is_busy:  # the loop stands still: the thread sees the cancelled call before its caller goes on
            threading.Event().wait(0.001)
        await asyncio.wait((held, given_up))
        await asyncio.gather(*(pool.call(lambda: threading.Event().wait(0.01)) for _ in range(3)))
        assert len(named("found")) == 1

    asyncio.run(main())
