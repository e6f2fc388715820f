"""Who may drive a run, among processes that live, die, and are paused."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import msgspec
import pytest

from graphrt.errors import RunLocked
from graphrt.events import RunResumed
from graphrt.ports import Lease
from graphrt.replay import verify
from graphrt.runtime import answer, cancel, resume
from graphrt.stores import open_store
from graphrt.stores.sqlite import SqliteStore
from tests.faults.driven import FAULT, LOCKED, RUN, Options, graph
from tests.faults.processes import (
    Forks,
    check,
    effects,
    finished,
    fresh,
    kill,
    process,
    recorded,
    says,
    uninterrupted,
)


def free(options: Options) -> Options:
    """Return the same options for a process that does not stop."""
    return msgspec.structs.replace(options, hold=None)


def test_two_processes_cannot_drive_one_run(options: Options, forks: Forks) -> None:
    """While one process drives, a second is refused, calls nothing and adds nothing; when the first dies, it may."""
    expected = uninterrupted(options)
    driving = process(msgspec.structs.replace(options, hold="0"))
    says(driving, "holding")
    marks, trace = effects(options), recorded(options)
    assert forks.run(options) == LOCKED
    assert effects(options) == marks
    assert recorded(options) == trace
    store = open_store(options.store)
    assert store.info(RUN).live
    with pytest.raises(RunLocked, match="driven by"):
        asyncio.run(resume(store, RUN, graph(options)))
    driving.kill()  # not waited for: a zombie until the end of the test
    os.waitid(os.P_PID, driving.pid, os.WEXITED | os.WNOWAIT)
    assert not store.info(RUN).live
    store.close()
    before, done = effects(options), finished(recorded(options))
    assert forks.run(options) == 0
    check(options, expected, before, done)
    driving.communicate()


def test_of_many_that_resume_at_once_one_wins(options: Options) -> None:
    """Several processes take up a dead run at the same moment: one drives it to its end, the others are told."""
    expected = uninterrupted(options)
    driving = process(msgspec.structs.replace(options, hold="0"))
    says(driving, "holding")
    kill(driving)
    before, done = effects(options), finished(recorded(options))
    resuming = [process(msgspec.structs.replace(options, wait=True)) for _ in range(4)]
    for each in resuming:
        says(each, "ready")
    for each in resuming:
        assert each.stdin is not None
        each.stdin.write("\n")
        each.stdin.flush()
    said = [each.communicate()[0] for each in resuming]
    codes = [each.returncode for each in resuming]
    assert set(codes) <= {0, LOCKED, FAULT}, said
    assert 0 in codes
    assert all("cannot be resumed" in text for text, code in zip(said, codes, strict=True) if code == FAULT), said
    check(options, expected, before, done)
    trace = recorded(options)
    assert trace is not None
    assert sum(isinstance(e, RunResumed) for e in trace.events()) == 1


def test_an_owner_that_was_paused_has_lost_its_run(folder: Path) -> None:
    """A process that is stopped for longer than its lease adds nothing when it comes back; the trace has no hole."""
    options = msgspec.structs.replace(fresh("sqlite", folder), lease_s=0.3)
    expected = uninterrupted(options)
    driving = process(msgspec.structs.replace(options, hold="0.0.0", tell=True))
    says(driving, "holding")
    driving.send_signal(signal.SIGSTOP)

    async def take_over() -> None:
        store = SqliteStore(options.store.partition(":")[2])
        lease: Lease | None = None
        while lease is None:
            try:
                lease = await store.acquire(RUN)
            except RunLocked:
                await asyncio.sleep(0.02)
        await store.release(lease)
        result = await resume(store, RUN, graph(free(options)))
        assert result.status == "completed"
        store.close()

    before, done = effects(options), finished(recorded(options))
    asyncio.run(take_over())
    after = recorded(options)
    driving.send_signal(signal.SIGUSR1)  # the node that holds is to go on, and its end to be recorded
    driving.send_signal(signal.SIGCONT)
    output, _ = driving.communicate()
    assert driving.returncode == LOCKED, output
    assert "taken over by another process" in output
    assert recorded(options) == after
    check(options, expected, before, done)


def test_requests_reach_the_process_that_drives(options: Options) -> None:
    """A cancellation that another process asks for stops the driving one, and is on record with who asked."""
    driving = process(msgspec.structs.replace(options, hold="0.2.0/0"))
    says(driving, "holding")

    async def ask() -> None:
        store = open_store(options.store)
        assert await cancel(store, RUN, by="another process") == "running"
        store.close()

    asyncio.run(ask())
    output, _ = driving.communicate()
    assert output.strip().endswith("cancelled")
    trace = recorded(options)
    assert trace is not None
    assert verify(trace, graph(options)) is None
    store = open_store(options.store)
    assert store.info(RUN).status == "cancelled"
    store.close()


def test_what_is_left_by_other_processes_is_there(options: Options, forks: Forks) -> None:
    """Answers that were posted to a dead run are read by whoever takes it up, in whatever process."""
    options = msgspec.structs.replace(options, on_crash="ask")
    driving = process(msgspec.structs.replace(options, hold="0.0.0"))
    says(driving, "holding")
    kill(driving)
    assert forks.run(options) != 0

    async def ask() -> None:
        store = open_store(options.store)
        await answer(store, RUN, "0.0.0", "retry", by="ann")
        store.close()

    asyncio.run(ask())
    before, done = effects(options), finished(recorded(options))
    assert forks.run(options) == 0
    check(options, uninterrupted(options), before, done)


def test_a_new_file_can_be_opened_by_many_at_once(folder: Path) -> None:
    """Processes that meet a file which does not exist yet make it together, and none is refused."""
    options = fresh("sqlite", folder)
    opening = [process(msgspec.structs.replace(options, wait=True, effects=f"{folder}/{n}")) for n in range(4)]
    for each in opening:
        says(each, "ready")
    for each in opening:
        assert each.stdin is not None
        each.stdin.write("\n")
        each.stdin.flush()
    said = [each.communicate()[0] for each in opening]
    codes = [each.returncode for each in opening]
    assert set(codes) <= {0, LOCKED, FAULT}
    assert 0 in codes
    assert not [text for text in said if "StoreFault" in text]  # who comes late finds the run begun, or at its end
