"""What every store promises, shown on each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from graphrt.errors import AlreadyAnswered, RunLocked, RunNotFound, UseError
from graphrt.events import RunCompleted, RunSuspended, VisitWaiting
from graphrt.inputs import Answered, AttemptStarted, AttemptSucceeded, Cancelled
from graphrt.ports import RunStatus, Store
from graphrt.stores import open_store
from graphrt.trace import Record
from tests.stores.records import filled, header, ready, steps

Open: TypeAlias = Callable[[], Store]


@pytest.fixture(params=["memory", "jsonl", "sqlite", "sqlite-normal"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Open one and the same store again and again; a store in memory is the same object."""
    stores: list[Store] = []
    specs = {
        "memory": "memory:",
        "jsonl": f"jsonl:{tmp_path}/traces",
        "sqlite": f"sqlite:{tmp_path}/runs.db",
        "sqlite-normal": f"sqlite:{tmp_path}/runs.db?synchronous=normal",
    }

    def again() -> Store:
        if request.param == "memory" and stores:
            return stores[0]
        stores.append(open_store(specs[request.param]))
        return stores[-1]

    yield again
    for store in stores:
        store.close()


def test_records_come_back_as_they_were(opened: Open) -> None:
    """What was appended in several pieces is read as one trace, also by who opens the store later."""

    async def scenario() -> None:
        store = opened()
        lease = await filled(store)
        await ready(store.append(lease, steps(3, 2), "running"))
        await ready(store.release(lease))
        for reader in (store, opened()):
            assert list(reader.records("r1")) == steps(0, 5)
            assert list(reader.records("r1", 3)) == steps(3, 2)
            assert reader.header("r1") == header()
            assert list(reader.trace("r1").records) == steps(0, 5)

    asyncio.run(scenario())


def test_many_records_are_read_in_order(opened: Open) -> None:
    """A long trace comes back whole and in order."""

    async def scenario() -> None:
        store = opened()
        lease = await filled(store, count=1)
        for start in range(1, 1200, 300):
            await ready(store.append(lease, steps(start, 300), "running"))
        assert [r.seq for r in store.records("r1")] == list(range(1201))
        assert [r.seq for r in store.records("r1", 777)] == list(range(777, 1201))

    asyncio.run(scenario())


def test_a_run_exists_once(opened: Open) -> None:
    """A second run of the same id is refused and leaves the first as it is."""

    async def scenario() -> None:
        store = opened()
        await filled(store)
        with pytest.raises(UseError, match="r1"):
            await ready(store.create(header()))
        assert list(store.records("r1")) == steps(0, 3)

    asyncio.run(scenario())


def test_a_run_that_never_began_makes_room(opened: Open) -> None:
    """An id whose run was cut off before its first record can be used again, once nobody owns it."""

    async def scenario() -> None:
        store = opened()
        lease = await ready(store.create(header(target="old")))
        with pytest.raises(UseError, match="r1"):
            await ready(opened().create(header()))
        await ready(store.post("r1", Cancelled()))
        await ready(store.release(lease))
        again = await filled(opened(), target="new")
        assert again.next_seq == 3
        reader = opened()
        assert reader.header("r1").target == "new"
        assert reader.requests(again) == []
        assert list(reader.records("r1")) == steps(0, 3)
        assert [i.run for i in reader.runs()] == ["r1"]
        with pytest.raises(RunLocked):
            await ready(store.append(lease, steps(0, 1), "running"))

    asyncio.run(scenario())


@pytest.mark.parametrize("run", ["", "a/b", "../x", "a b", "é", "x" * 65, "a.jsonl", "a\x00"])
def test_ids_that_are_no_ids_are_refused(opened: Open, run: str) -> None:
    """A run id cannot be a path or anything else that a file system or a query would read in its own way."""

    async def scenario() -> None:
        with pytest.raises(UseError):
            await ready(opened().create(header(run)))

    asyncio.run(scenario())


def test_unknown_runs_are_named(opened: Open) -> None:
    """Whatever is asked of a run that is not there, the error says which run."""

    async def scenario() -> None:
        store = opened()
        asked: list[Callable[[], Any]] = [
            lambda: store.header("nope"),
            lambda: list(store.records("nope")),
            lambda: store.trace("nope"),
            lambda: store.info("nope"),
            lambda: store.acquire("nope"),
            lambda: store.post("nope", Cancelled()),
            lambda: store.runs(before="nope"),
        ]
        for ask in asked:
            with pytest.raises(RunNotFound, match="'nope'"):
                await ready(ask())

    asyncio.run(scenario())


def test_only_one_owner(opened: Open) -> None:
    """Who does not own a run appends nothing; after a release the next owner goes on where the trace ends."""

    async def scenario() -> None:
        store = opened()
        first = await filled(store)
        with pytest.raises(RunLocked, match="r1"):
            await ready(opened().acquire("r1"))
        await ready(store.release(first))
        other = opened()
        second = await ready(other.acquire("r1"))
        assert second.next_seq == 3
        with pytest.raises(RunLocked, match="r1"):
            await ready(store.append(first, steps(3, 1), "running"))
        await ready(other.append(second, steps(3, 1), "running"))
        assert list(store.records("r1")) == steps(0, 4)

    asyncio.run(scenario())


def test_an_append_that_is_refused_leaves_no_hole(opened: Open) -> None:
    """After a refused append the next owner's records follow without a gap."""

    async def scenario() -> None:
        store = opened()
        lease = await filled(store)
        await ready(store.release(lease))
        with pytest.raises(RunLocked):
            await ready(store.append(lease, steps(3, 2), "running"))
        again = await ready(store.acquire("r1"))
        await ready(store.append(again, steps(3, 1), "running"))
        assert [r.seq for r in store.records("r1")] == [0, 1, 2, 3]

    asyncio.run(scenario())


def test_a_fork_reads_its_parent_by_reference(opened: Open) -> None:
    """A forked run's trace begins with the parent's records, also in the second generation."""

    async def scenario() -> None:
        store = opened()
        await filled(store, count=6)
        child = await ready(store.create(header("c1", parent="r1", parent_seq=3)))
        assert child.next_seq == 3
        await ready(store.append(child, steps(3, 2), "running"))
        grandchild = await ready(store.create(header("c2", parent="c1", parent_seq=4)))
        await ready(store.append(grandchild, steps(4, 1), "completed"))
        await ready(store.release(grandchild))
        assert list(store.records("c1")) == steps(0, 5)
        assert list(store.records("c2")) == steps(0, 5)
        assert [r.seq for r in store.records("c2", 2)] == [2, 3, 4]
        assert [r.seq for r in store.records("c2", 4)] == [4]
        again = await ready(store.acquire("c2"))
        assert again.next_seq == 5
        with pytest.raises(UseError, match="'nope'"):
            await ready(store.create(header("c3", parent="nope", parent_seq=1)))
        with pytest.raises(UseError, match="'c1' has fewer than 6 records"):
            await ready(store.create(header("c3", parent="c1", parent_seq=6)))
        assert [i.run for i in store.runs(parent="c1")] == ["c2"]

    asyncio.run(scenario())


def test_the_list_of_runs_filters_and_pages(opened: Open) -> None:
    """Runs are listed newest first, by flow, status, parent and deadline, page by page."""

    async def scenario() -> None:
        store = opened()
        waiting = VisitWaiting("1", "ask", "Well?", due=150.0)
        ends: list[tuple[RunStatus, Any]] = [
            ("running", ()),
            ("completed", (RunCompleted(visits=1),)),
            ("suspended", (waiting, RunSuspended(("1",)))),
        ]
        for n in range(6):
            status, events = ends[n % 3]
            lease = await ready(store.create(header(f"r{n}", created=100.0 + n, target="t.py")))
            records = [*steps(0, 1, f"r{n}"), Record(1, 200.0 + n, AttemptStarted("0", 1), events)]
            await ready(store.append(lease, records, status, 150.0 if status == "suspended" else None))
            if n != 0:
                await ready(store.release(lease))
        reader = opened()
        assert [i.run for i in reader.runs()] == ["r5", "r4", "r3", "r2", "r1", "r0"]
        assert [i.run for i in reader.runs(limit=2)] == ["r5", "r4"]
        assert [i.run for i in reader.runs(limit=2, before="r4")] == ["r3", "r2"]
        assert [i.run for i in reader.runs(status="completed")] == ["r4", "r1"]
        assert [i.run for i in reader.runs(due_before=150.0)] == ["r5", "r2"]
        assert reader.runs(due_before=149.0) == reader.runs(flow="other") == reader.runs(parent="r1") == []
        assert [i.live for i in reader.runs(status="running")] == [False, True]
        info = reader.info("r5")
        assert (info.flow, info.digest, info.status, info.due) == ("demo", "d" * 16, "suspended", 150.0)
        assert (info.created, info.updated, info.records, info.target) == (105.0, 205.0, 2, "t.py")

    asyncio.run(scenario())


def test_filters_are_values_and_never_query_text(opened: Open) -> None:
    """Text that would end a query is only text."""

    async def scenario() -> None:
        store = opened()
        await filled(store)
        assert store.runs(flow="demo' or '1'='1") == []
        assert store.runs(parent='"; drop table runs; --') == []
        assert len(store.runs()) == 1

    asyncio.run(scenario())


def test_requests_wait_for_the_owner(opened: Open) -> None:
    """What another part posts wakes the owner, is kept until it is discarded, and waits for the next owner."""

    async def scenario() -> None:
        store, other = opened(), opened()
        lease = await filled(store)
        woken = asyncio.Event()
        loop = asyncio.get_running_loop()
        store.watch(lease, lambda: loop.call_soon_threadsafe(woken.set))
        await ready(other.post("r1", Answered("1", {"ok": True}, "ann")))
        await asyncio.wait_for(woken.wait(), 5)
        await ready(other.post("r1", Cancelled("bob")))
        (one, first), (two, second) = store.requests(lease)
        assert (first, second) == (Answered("1", {"ok": True}, "ann"), Cancelled("bob"))
        await ready(store.discard(lease, one))
        assert store.requests(lease) == [(two, second)]
        await ready(store.release(lease))
        again = await ready(other.acquire("r1"))
        assert other.requests(again) == [(two, second)]
        await ready(other.discard(again, two))
        assert other.requests(again) == []

    asyncio.run(scenario())


def test_requests_are_numbered_on(opened: Open) -> None:
    """A request that comes after all before it were discarded has a greater number, so that an owner sees it as new."""

    async def scenario() -> None:
        store, other = opened(), opened()
        lease = await filled(store)
        numbers: list[int] = []
        for by in ("ann", "bob", "cid"):
            await ready(other.post("r1", Cancelled(by)))
            ((number, request),) = store.requests(lease)
            assert request == Cancelled(by)
            numbers.append(number)
            await ready(store.discard(lease, number))
            assert store.requests(lease) == []
        assert numbers == sorted(set(numbers))

    asyncio.run(scenario())


def test_a_request_posted_before_anybody_watches_wakes(opened: Open) -> None:
    """What was posted between the acquisition of a run and the watching of it is noticed all the same."""

    async def scenario() -> None:
        store, other = opened(), opened()
        lease = await filled(store)
        beside = await filled(store, "r2")
        store.watch(beside, lambda: None)
        await ready(other.post("r1", Cancelled("bob")))
        for _ in range(3):  # the store has looked round meanwhile
            await ready(store.append(beside, steps(beside.next_seq, 1, "r2"), "running"))
        woken = asyncio.Event()
        loop = asyncio.get_running_loop()
        store.watch(lease, lambda: loop.call_soon_threadsafe(woken.set))
        await asyncio.wait_for(woken.wait(), 5)

    asyncio.run(scenario())


def test_values_of_any_depth_that_a_field_takes_are_kept(opened: Open) -> None:
    """What pydantic lets into a field, 254 lists deep at most, can be written and read."""
    value: Any = 1
    for _ in range(254):
        value = [value]

    async def scenario() -> None:
        store = opened()
        lease = await filled(store, count=1)
        record = Record(1, 101.0, AttemptSucceeded("1", 1, {"x": value}))
        await ready(store.append(lease, [record], "running"))
        assert list(store.records("r1", 1)) == [record]

    asyncio.run(scenario())


def test_a_hundred_runs_at_once(opened: Open) -> None:
    """Appends of many runs do not mix."""

    async def scenario() -> None:
        store = opened()

        async def one(run: str) -> None:
            lease = await filled(store, run, 1)
            for seq in range(1, 6):
                await ready(store.append(lease, steps(seq, 1, run), "running"))
            await ready(store.release(lease))

        await asyncio.gather(*(one(f"r{n}") for n in range(100)))
        for n in range(100):
            assert list(store.records(f"r{n}")) == steps(0, 6, f"r{n}")

    asyncio.run(scenario())


def test_closing_twice_is_allowed(opened: Open) -> None:
    """A store may be closed by whoever is done with it."""

    async def scenario() -> None:
        await filled(opened())

    asyncio.run(scenario())
    store = opened()
    store.close()
    store.close()


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    """Using a closed store is refused in a sentence."""
    for spec in (f"sqlite:{tmp_path}/a.db", f"jsonl:{tmp_path}/traces"):
        store = open_store(spec)
        store.close()

        async def scenario(store: Store = store) -> None:
            with pytest.raises(Exception, match="was closed"):
                await ready(store.create(header()))

        asyncio.run(scenario())


async def _ended(store: Store, run: str, count: int = 3, **more: Any) -> None:
    await ready(store.release(await filled(store, run, count, "completed", **more)))


def test_a_deleted_run_is_gone(opened: Open) -> None:
    """Its records and what was asked of it are gone, for every reader; the others stay, and its id is free again."""

    async def scenario() -> None:
        store = opened()
        for run in ("r1", "r2", "r3"):
            await _ended(store, run)
        await ready(store.post("r2", Cancelled("bob")))
        await ready(store.delete(["r2"]))
        for reader in (store, opened()):
            assert {i.run for i in reader.runs()} == {"r3", "r1"}
            assert list(reader.records("r3")) == steps(0, 3, "r3")
            asked: tuple[Callable[[str], Any], ...] = (reader.trace, reader.info, reader.acquire)
            for ask in asked:
                with pytest.raises(RunNotFound, match="'r2'"):
                    await ready(ask("r2"))
            with pytest.raises(RunNotFound, match="'r2'"):
                await ready(reader.delete(["r2"]))
        lease = await filled(store, "r2", 1)
        assert store.requests(lease) == []
        assert list(opened().records("r2")) == steps(0, 1, "r2")

    asyncio.run(scenario())


def test_what_is_owned_or_built_on_is_not_deleted(opened: Open) -> None:
    """A run that is driven, and one whose fork would lose its beginning, stay: then nothing of the list is deleted."""

    async def scenario() -> None:
        store = opened()
        await _ended(store, "r1", 6)
        await _ended(store, "r2")
        child = await ready(store.create(header("c1", parent="r1", parent_seq=3)))
        await ready(store.append(child, steps(3, 2), "running"))
        for other in (store, opened()):
            with pytest.raises(RunLocked, match="'c1'"):
                await ready(other.delete(["r2", "c1"]))
            with pytest.raises(UseError, match="'r1' cannot be deleted without its fork 'c1'"):
                await ready(other.delete(["r2", "r1"]))
            with pytest.raises(RunNotFound, match="'nope'"):
                await ready(other.delete(["r2", "nope"]))
        assert {i.run for i in store.runs()} == {"r1", "r2", "c1"}
        await ready(store.append(child, steps(5, 1), "completed"))
        await ready(store.release(child))
        await ready(opened().delete(["c1", "r1"]))
        assert [i.run for i in store.runs()] == ["r2"]

    asyncio.run(scenario())


def test_an_owner_of_old_appends_nothing_to_who_comes_after(opened: Open) -> None:
    """A lease that was given up is of no use on a new run of the same id, nor on any that was made since."""

    async def scenario() -> None:
        store = opened()
        old = await filled(store, "r1")
        await ready(store.release(old))
        await ready(store.delete(["r1"]))
        await filled(store, "r1")
        await filled(store, "r2")
        for _ in range(2):
            with pytest.raises(RunLocked):
                await ready(store.append(old, steps(3, 1), "running"))
            await ready(store.release(old))
        assert list(store.records("r1")) == steps(0, 3)
        assert list(store.records("r2")) == steps(0, 3, "r2")
        assert all(i.live for i in store.runs())

    asyncio.run(scenario())


def test_a_reader_in_the_middle_of_a_deleted_run_is_told(opened: Open) -> None:
    """Whoever reads while a run is deleted gets it whole, or hears that it is gone; never another run's records."""

    async def scenario() -> None:
        store = opened()
        await ready(store.release(lease := await filled(store, "r1", 1)))
        lease = await ready(store.acquire("r1"))
        for start in range(1, 1201, 300):
            await ready(store.append(lease, steps(start, 300), "running"))
        await ready(store.release(lease))
        reading = iter(opened().records("r1"))
        seen = [next(reading)]
        await ready(store.delete(["r1"]))
        await filled(store, "r2", 3)
        with suppress(RunNotFound):
            seen += reading
            assert len(seen) == 1201
        assert seen == steps(0, len(seen))

    asyncio.run(scenario())


def test_compacting_loses_nothing(opened: Open) -> None:
    """What is there is the same afterwards; while somebody drives a run, a store that would block it refuses."""

    async def scenario() -> None:
        store = opened()
        for run in ("r1", "r2", "r3"):
            await _ended(store, run, 50)
        await ready(store.delete(["r1", "r3"]))
        store.compact()
        for reader in (store, opened()):
            assert list(reader.records("r2")) == steps(0, 50, "r2")
        await _ended(store, "r4")
        assert {i.run for i in store.runs()} == {"r4", "r2"}

    asyncio.run(scenario())


def test_a_question_takes_one_answer(opened: Open) -> None:
    """A second answer that comes before the first is taken is refused, with the first; other requests are not."""

    async def scenario() -> None:
        store, other = opened(), opened()
        await ready(store.release(await filled(store)))
        assert await ready(store.post("r1", Answered("1", "yes", "ann", 100.0)))
        for second in ("no", "yes"):
            with pytest.raises(AlreadyAnswered, match="'yes' by ann at 1970-01-01 00:01:40 UTC") as refused:
                await ready(other.post("r1", Answered("1", second)))
            assert refused.value.facts["earlier"] == Answered("1", "yes", "ann", 100.0)
        assert await ready(other.post("r1", Answered("2", "no")))
        assert await ready(other.post("r1", Cancelled()))
        assert [i.requests for i in (store.info("r1"), *other.runs())] == [3, 3]
        lease = await ready(store.acquire("r1"))
        taken = store.requests(lease)
        await ready(store.discard(lease, taken[0][0]))
        assert await ready(other.post("r1", Answered("1", "again")))

    asyncio.run(scenario())


def test_a_request_is_posted_only_to_a_run_that_stands_as_it_was_seen(opened: Open) -> None:
    """Whoever looked at fewer records than there are posts nothing, and is told; the fork's share counts, too."""

    async def scenario() -> None:
        store, other = opened(), opened()
        lease = await filled(store)
        assert not await ready(other.post("r1", Answered("1", "yes"), seen=2))
        assert other.info("r1").requests == 0
        assert await ready(other.post("r1", Answered("1", "yes"), seen=3))
        await ready(store.append(lease, steps(3, 1), "running"))
        assert not await ready(other.post("r1", Answered("2", "yes"), seen=3))
        child = await ready(store.create(header("c1", parent="r1", parent_seq=3)))
        await ready(store.append(child, steps(3, 1), "running"))
        assert await ready(other.post("c1", Answered("1", "yes"), seen=4))

    asyncio.run(scenario())
