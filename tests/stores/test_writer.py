"""The thread that writes for everybody: batches, faults, several event loops, the end."""

# A test of one module may look inside it:
# pyright: reportPrivateUsage=false
from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from graphrt.errors import StoreFault
from graphrt.stores import writer as writer_module
from graphrt.stores.writer import MOST_JOBS, Call, Job, Writer


class Batches:
    """Performs batches and remembers their sizes; the first waits until it is let through."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.finished = False
        self.open = threading.Event()

    def commit(self, batch: Sequence[Job[Any]]) -> None:
        """Perform a batch."""
        self.open.wait(10)
        self.sizes.append(len(batch))
        for job in batch:
            try:
                job.perform()
            except ValueError as error:
                job.error = error

    def finish(self) -> None:
        """Take note of the end."""
        self.finished = True

    def writer(self, idle: Callable[[], None] = lambda: None, every_s: float = 10.0) -> Writer:
        """Return a writer."""
        return Writer("of a test", self.commit, idle=idle, every_s=every_s, finish=self.finish)


def test_what_arrives_meanwhile_is_one_batch() -> None:
    """Jobs handed in while a batch is under way go into the next one, in order, up to a bound."""
    batches = Batches()
    writer = batches.writer()
    order: list[int] = []

    async def main() -> None:
        jobs = [writer.submit(Call(lambda n=n: order.append(n))) for n in range(MOST_JOBS + 500)]  # type: ignore[misc]  # bound early
        batches.open.set()
        for job in jobs:
            await job

    asyncio.run(main())
    writer.close()
    assert order == list(range(MOST_JOBS + 500))
    assert sum(batches.sizes) == MOST_JOBS + 500
    assert len(batches.sizes) <= 3
    assert max(batches.sizes) <= MOST_JOBS


def test_a_job_that_fails_fails_alone() -> None:
    """Who waits for a job is told what became of that job."""
    batches = Batches()
    batches.open.set()
    writer = batches.writer()

    def bad() -> int:
        message = "bad"
        raise ValueError(message)

    async def main() -> None:
        found = await asyncio.gather(
            *(writer.submit(Call(j)) for j in (lambda: 1, bad, lambda: 3)), return_exceptions=True
        )
        assert found[0] == 1
        assert isinstance(found[1], ValueError)
        assert found[2] == 3

    asyncio.run(main())
    writer.close()


def test_several_event_loops_are_told_each_in_its_own() -> None:
    """Threads with loops of their own may share a writer; one whose loop is gone disturbs nobody."""
    batches = Batches()
    writer = batches.writer()
    seen: list[tuple[int, bool]] = []

    def thread(n: int) -> None:
        async def main() -> None:
            loop = asyncio.get_running_loop()
            job: Job[int] = Call(lambda: n)
            result = await writer.submit(job)
            seen.append((result, job.loop is loop))

        asyncio.run(main())

    async def leave() -> None:
        writer.submit(Call(lambda: 0))  # type: ignore[unused-awaitable]  # this loop ends before the job does

    asyncio.run(leave())
    threads = [threading.Thread(target=thread, args=(n,)) for n in range(1, 9)]
    for each in threads:
        each.start()
    batches.open.set()
    for each in threads:
        each.join(10)
    writer.close()
    assert sorted(seen) == [(n, True) for n in range(1, 9)]


def test_closing_finishes_what_was_handed_in() -> None:
    """What was handed in before the end is done; what comes later is refused; the thread is gone."""
    batches = Batches()
    batches.open.set()
    writer = batches.writer()
    done: list[int] = []

    async def main() -> None:
        for n in range(50):
            writer.submit(Call(lambda n=n: done.append(n)))  # type: ignore[misc, unused-awaitable]  # bound early; nobody waits
        writer.close()
        with pytest.raises(StoreFault, match="was closed; open it again"):
            writer.submit(Call(lambda: done.append(99)))  # type: ignore[unused-awaitable]  # it raises

    asyncio.run(main())
    assert done == list(range(50))
    assert batches.finished
    assert not any("of a test" in thread.name for thread in threading.enumerate())


def test_no_job_is_forgotten_when_others_close() -> None:
    """While other threads hand jobs in, closing either refuses a job or does it: nobody waits for ever."""
    for _ in range(30):
        batches = Batches()
        batches.open.set()
        writer = batches.writer()
        begun = threading.Barrier(4)
        outcomes: list[str] = []

        def thread(writer: Writer = writer, begun: threading.Barrier = begun, outcomes: list[str] = outcomes) -> None:
            async def main() -> None:
                begun.wait(10)
                try:
                    for _ in range(20):
                        await asyncio.wait_for(writer.submit(Call(lambda: None)), 10)
                except StoreFault:
                    outcomes.append("refused")
                else:
                    outcomes.append("done")

            asyncio.run(main())

        threads = [threading.Thread(target=thread) for _ in range(3)]
        for each in threads:
            each.start()
        begun.wait(10)
        writer.close()
        for each in threads:
            each.join(10)
        assert len(outcomes) == 3


def test_idle_is_called_while_there_is_something_to_look_after() -> None:
    """Between batches the writer looks round every so often, as long as it is ticking."""
    batches = Batches()
    batches.open.set()
    looked = threading.Semaphore(0)
    writer = batches.writer(looked.release, every_s=0.001)

    async def main() -> None:
        writer.ticking = True
        await writer.submit(Call(lambda: None))

    asyncio.run(main())
    assert looked.acquire(timeout=10)
    assert looked.acquire(timeout=10)
    writer.close()


def test_those_who_waited_go_on_a_few_at_a_time_and_share_a_batch_again() -> None:
    """Many who wait for one batch do not keep the event loop to themselves when it is done; nor do they fall apart."""
    batches = Batches()
    batches.open.set()
    writer = batches.writer()
    went_on: list[int] = []

    async def twice() -> None:
        await writer.submit(Call(lambda: None))
        went_on[-1] += 1
        await writer.submit(Call(lambda: None))

    async def main() -> None:
        runs = asyncio.gather(*[twice() for _ in range(200)])
        while not runs.done():
            went_on.append(0)
            await asyncio.sleep(0)

    asyncio.run(main())
    writer.close()
    assert batches.sizes == [200, 200]
    assert sum(went_on) == 200
    assert max(went_on) <= 20


@pytest.mark.parametrize("begins", [True, False])
def test_a_signal_while_the_thread_is_started_does_not_break_the_end(
    monkeypatch: pytest.MonkeyPatch, *, begins: bool
) -> None:
    """Ctrl-C may come while a thread is being started: closing waits for it if it came to be, and raises nothing."""
    batches = Batches()
    batches.open.set()
    writer = batches.writer()
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        if begins:
            start(thread)
        raise KeyboardInterrupt

    async def main() -> None:
        waiting = writer.submit(Call(lambda: None))
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", interrupted)
            patched.setattr(writer_module, "_BEGINS_S", 0.05)
            with pytest.raises(KeyboardInterrupt):
                writer._hand_over(asyncio.get_running_loop())
            writer.close()
        del waiting

    asyncio.run(main())
    assert batches.finished is begins
