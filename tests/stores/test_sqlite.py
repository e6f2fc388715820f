"""The SQLite store: when it commits, how it shares commits, what it says of files that it cannot use."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from graphrt import packing
from graphrt.errors import GraphrtError, RunLocked, StoreFault, TraceInvalid, UseError
from graphrt.inputs import Answered, AttemptStarted, AttemptSucceeded, Cancelled, Started
from graphrt.replay import verify
from graphrt.runtime import resume, run
from graphrt.stores import open_store
from graphrt.stores.sqlite import SqliteStore
from graphrt.stores.sqlite_file import APPLICATION_ID, MIGRATIONS
from graphrt.trace import Record
from tests.cli.processes import environment
from tests.runtime.flows import Work, chain, parallel, saying
from tests.stores.records import filled, header, steps


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store is."""
    return tmp_path / "runs.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    """Open a store and close it at the end."""
    opened = SqliteStore(path)
    yield opened
    opened.close()


def input_in(line: str) -> tuple[str, str]:
    """Return the kind of the input of a record in its short form, and its visit."""
    number, *fields = json.loads(line)[1]
    kind = next(kind for kind, n in packing.INPUTS.items() if n == number)
    return kind.__struct_config__.tag, fields[0] if kind is not Started else ""


class Watched:
    """The statements that a store's writer executes, one list a transaction."""

    def __init__(self, store: SqliteStore) -> None:
        self.transactions: list[list[str]] = []
        store._writing.set_trace_callback(self.see)

    def see(self, statement: str) -> None:
        """Take a statement."""
        if statement == "begin immediate":
            self.transactions.append([])
        elif statement != "commit" and self.transactions:
            self.transactions[-1].append(statement.strip())

    @property
    def records(self) -> list[list[tuple[str, str]]]:
        """The records that each transaction added: kind of input, visit."""
        found: list[list[tuple[str, str]]] = []
        for statements in self.transactions:
            rows = [s.partition("'")[2].rpartition("',")[0] for s in statements if s.startswith("insert into records")]
            if rows:
                lines = [line for row in rows for line in row.split("\n")]
                found.append([input_in(line.replace("''", "'")) for line in lines])
        return found


# Durability


@pytest.mark.parametrize(("option", "level"), [("", 2), ("?synchronous=full", 2), ("?synchronous=normal", 1)])
def test_the_log_is_written_ahead_and_synced(path: Path, option: str, level: int) -> None:
    """Every commit waits for the disk, unless the other mode was asked for; readers never block the writer."""
    store = open_store(f"sqlite:{path}{option}")
    assert isinstance(store, SqliteStore)
    assert store._writing.execute("pragma synchronous").fetchone() == (level,)
    assert store._writing.execute("pragma journal_mode").fetchone() == ("wal",)
    store.close()


def test_an_attempt_is_on_record_before_its_effect(path: Path, store: SqliteStore) -> None:
    """Inside a node, another connection to the file sees that its attempt has started, and nothing after that."""
    seen: list[list[tuple[str, str]]] = []

    def look() -> str:
        with closing(sqlite3.connect(path)) as other:
            rows = other.execute("select lines from records order by seq").fetchall()
        seen.append([input_in(line) for (lines,) in rows for line in lines.split("\n")])
        return "x"

    async def inline() -> str:
        return look()

    asyncio.run(run(chain(look, inline, look).freeze(), Work(), store=store))
    assert [inputs[-1] for inputs in seen] == [("attempt_started", str(n)) for n in range(3)]
    assert [len(inputs) for inputs in seen] == [2, 4, 6]


def test_an_end_and_the_next_start_share_a_transaction(store: SqliteStore) -> None:
    """A step costs one commit: what an attempt came to and that the next one starts."""
    watched = Watched(store)
    asyncio.run(run(chain(saying("a"), saying("b"), saying("c")).freeze(), Work(), store=store))
    assert watched.records == [
        [("started", ""), ("attempt_started", "0")],
        [("attempt_succeeded", "0"), ("attempt_started", "1")],
        [("attempt_succeeded", "1"), ("attempt_started", "2")],
        [("attempt_succeeded", "2")],
    ]


def test_runs_share_commits(store: SqliteStore) -> None:
    """A hundred runs side by side need far fewer commits than they make appends."""

    async def main() -> None:
        flow = chain(*[saying("x")] * 5).freeze()
        await asyncio.gather(*(run(flow, Work(), store=store) for _ in range(100)))

    watched = Watched(store)
    asyncio.run(main())
    appends = 100 * (1 + 5)
    assert sum(map(len, watched.records)) == 100 * 11
    assert len(watched.transactions) < appends / 3


def test_nothing_is_acknowledged_before_its_commit(store: SqliteStore) -> None:
    """While another connection holds the file, an append does not end; it ends once the records are in the file."""

    async def main() -> None:
        lease = await filled(store)
        with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
            other.execute("begin immediate")
            appended = asyncio.ensure_future(store.append(lease, steps(3, 1), "running"))
            done, _ = await asyncio.wait((appended,), timeout=0.05)
            assert not done
            other.execute("rollback")
        await appended
        assert [r.seq for r in store.records("r1")] == [0, 1, 2, 3]

    asyncio.run(main())


def test_a_store_that_waits_for_no_disk_writes_in_the_event_loop(path: Path) -> None:
    """Without fsync a commit is made in the loop, for all runs of one turn, unless the thread is just looking round."""
    store = SqliteStore(path, synchronous="normal")
    committed: list[str] = []
    store._writing.set_trace_callback(
        lambda said: committed.append(threading.current_thread().name) if said == "commit" else None
    )

    async def main() -> None:
        lone = await run(chain(*[saying("x")] * 5).freeze(), Work(), store=store)
        assert lone.status == "completed"
        flow = chain(*[saying("x")] * 5).freeze()
        await asyncio.gather(*(run(flow, Work(), store=store) for _ in range(50)))

    asyncio.run(main())
    assert committed.count(threading.current_thread().name) > 0.7 * len(committed)
    assert len(committed) < 8 + 3 * 8  # each of a run alone, and those of fifty together: create, 6 appends, release
    store.close()


def test_the_event_loop_never_waits_for_another_writer(path: Path) -> None:
    """While another process writes, the loop goes on: the thread waits, and everything is written in its order."""
    store = SqliteStore(path, synchronous="normal")

    async def main() -> None:
        lease = await filled(store)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("begin immediate")
            first = asyncio.ensure_future(store.append(lease, steps(3, 1), "running"))
            await asyncio.sleep(0)
            second = asyncio.ensure_future(store.append(lease, steps(4, 1), "running"))
            released = asyncio.ensure_future(store.release(lease))
            done, _ = await asyncio.wait((first, second, released), timeout=0.05)
            assert not done
            other.execute("rollback")
        await asyncio.gather(first, second, released)
        assert [r.seq for r in store.records("r1")] == [0, 1, 2, 3, 4]

    asyncio.run(main())
    store.close()


def test_what_nobody_waits_for_any_more_is_not_done(path: Path) -> None:
    """While another process writes, somebody gives up waiting: runs are not deleted, and no answer is left."""
    store = SqliteStore(path)

    async def main() -> None:
        for name in ("r1", "r2"):
            await store.release(await filled(store, name))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("begin immediate")
            first = asyncio.ensure_future(store.acquire("r1"))
            await asyncio.sleep(0.05)  # the thread waits for the file with it; the others come in the next batch
            others = [store.delete(["r2"]), store.post("r1", Answered("1", "yes")), store.create(header("r3"))]
            waiting = [asyncio.ensure_future(each) for each in others]
            await asyncio.sleep(0.01)
            for each in waiting:
                each.cancel()
            other.execute("rollback")
        lease = await first
        await asyncio.wait(waiting)
        await store.append(lease, steps(3, 1), "running")
        assert store.requests(lease) == []
        assert [i.run for i in store.runs()] == ["r2", "r1"]

    asyncio.run(main())
    store.close()


def test_a_locked_file_holds_up_nobody_who_has_given_up(path: Path) -> None:
    """Another process is writing; whoever waited for it was stopped, and can close the store at once."""
    store = SqliteStore(path)

    async def fill() -> None:
        await store.release(await filled(store))

    async def give_up() -> None:
        deleting = asyncio.ensure_future(store.delete(["r1"]))
        await asyncio.sleep(0.05)
        deleting.cancel()

    asyncio.run(fill())
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        asyncio.run(give_up())
        begun = time.monotonic()
        store.close()
        assert time.monotonic() - begun < 5
        other.execute("rollback")
    again = SqliteStore(path)
    assert [i.run for i in again.runs()] == ["r1"]
    again.close()


def test_one_lost_lease_spoils_no_batch(path: Path) -> None:
    """Of runs that append together, one that was taken over is refused; the others are written."""
    store = SqliteStore(path)

    async def main() -> None:
        leases = [await filled(store, name) for name in ("r1", "r2", "r3")]
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("update ends set epoch = 9 where no = (select no from runs where run = 'r2')")
        found = await asyncio.gather(
            *(store.append(lease, steps(3, 1, lease.run), "running") for lease in leases), return_exceptions=True
        )
        assert [type(each) for each in found] == [type(None), RunLocked, type(None)]
        assert [len(list(store.records(lease.run))) for lease in leases] == [4, 3, 4]

    asyncio.run(main())
    store.close()


def test_the_log_does_not_grow_without_end(path: Path) -> None:
    """What was written to the log is copied into the file now and then, and the log begins anew."""
    store = SqliteStore(path, synchronous="normal")

    async def main() -> None:
        lease = await filled(store)
        for seq in range(3, 203):
            large = Record(seq, 103.0, AttemptSucceeded("3", 1, {"t": "x" * 100_000}))
            await store.append(lease, [large], "running")
            await asyncio.sleep(0)

    asyncio.run(main())
    assert path.with_name(path.name + "-wal").stat().st_size < 15_000_000
    store.close()


# Leases


def test_a_lease_is_renewed_while_its_owner_lives(path: Path) -> None:
    """A run that writes nothing is still its owner's: the lease is renewed when a third of its time has passed."""

    async def main() -> None:
        store, other = SqliteStore(path), SqliteStore(path)
        lease = await filled(store)
        for _ in range(3):
            before = _until(path)
            store._commits._renewed -= store._lease_s / 3  # as if that time had passed
            await store.post("r1", Cancelled())  # the writer looks round when it has done something
            assert _until(path) > before
            with pytest.raises(RunLocked):
                await other.acquire("r1")
        await store.append(lease, steps(3, 1), "running")
        store.close()
        other.close()

    asyncio.run(main())


def _until(path: Path) -> float:
    with closing(sqlite3.connect(path)) as db:
        (until,) = db.execute("select until from ends").fetchone()
    return float(until)


def test_a_lease_that_was_not_renewed_is_taken_over(path: Path) -> None:
    """A silent owner, of another machine say, loses its run when its time is over, and can append nothing then."""

    async def main() -> None:
        store, other = SqliteStore(path), SqliteStore(path)
        lease = await filled(store)
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("update ends set until = 0")
        taken = await other.acquire("r1")
        assert taken.epoch == lease.epoch + 1
        await other.append(taken, steps(3, 1), "running")
        with pytest.raises(RunLocked, match="taken over"):
            await store.append(lease, steps(3, 1), "running")
        await store.release(lease)
        with pytest.raises(RunLocked):
            await store.acquire("r1")
        assert [r.seq for r in other.records("r1")] == [0, 1, 2, 3]
        store.close()
        other.close()

    asyncio.run(main())


# A disk that is full


def _fill_up(store: SqliteStore) -> Callable[[], None]:
    """Let the file grow no more; return what lets it grow again."""
    (pages,) = store._writing.execute("pragma page_count").fetchone()
    (most,) = store._writing.execute("pragma max_page_count").fetchone()
    store._writing.execute(f"pragma max_page_count = {pages}")

    def again() -> None:
        store._writing.execute(f"pragma max_page_count = {most}")

    return again


@pytest.mark.parametrize("kilobytes", [1, 4, 36, 48])
def test_a_new_store_on_a_full_disk_names_the_disk(tmp_path: Path, kilobytes: int) -> None:
    """Why the tables could not be made is told, not what followed from it; once there is room they can be."""
    code = "from graphrt.stores import open_store; open_store('new.db').close()"
    settings = environment(PYTHONDONTWRITEBYTECODE="1")  # Python itself would leave halves
    limited = ["bash", "-c", f'ulimit -f {kilobytes}; exec "$0" -c "{code}"', sys.executable]
    ran = subprocess.run(limited, cwd=tmp_path, env=settings, capture_output=True, text=True, check=False)
    told = ran.stderr.splitlines()[-1]
    assert told.endswith("cannot open new.db: disk I/O error; the disk failed or is full: go on when it is sound")
    SqliteStore(tmp_path / "new.db").close()


def test_a_full_disk_stops_the_run_and_it_goes_on_later(store: SqliteStore) -> None:
    """The fault says so, nothing is half written, and once there is room the run goes on where it was."""
    calls: list[str] = []
    empty: list[Callable[[], None]] = []

    async def small() -> str:
        calls.append("small")
        return "s"

    async def large() -> str:
        calls.append("large")
        if not empty:
            empty.append(_fill_up(store))
        return "x" * 100_000

    flow = chain(small, large, small).freeze()

    async def main() -> None:
        with pytest.raises(StoreFault, match="disk is full; free some space, then go on"):
            await run(flow, Work(), store=store, run_id="r")
        kinds = [Started, AttemptStarted, AttemptSucceeded, AttemptStarted]
        assert [type(r.input) for r in store.records("r")] == kinds
        empty[0]()
        result = await resume(store, "r", flow)
        assert result.status == "completed"
        assert verify(result.trace, flow) is None
        assert [r.seq for r in result.trace.records] == list(range(len(result.trace.records)))

    asyncio.run(main())
    assert calls == ["small", "large", "large", "small"]


def test_one_run_that_does_not_fit_stops_alone(store: SqliteStore) -> None:
    """Runs beside it go on once there is room: a batch that failed has left them nothing half done."""

    async def main() -> None:
        big, small = await filled(store), await filled(store, "r2")
        again = _fill_up(store)
        large = Record(3, 103.0, AttemptSucceeded("3", 1, {"t": "x" * 100_000}))
        with pytest.raises(StoreFault):
            await store.append(big, [large], "running")
        await store.append(small, steps(3, 1, "r2"), "running")
        with pytest.raises(StoreFault, match="records before these could not be written"):
            await store.append(big, steps(4, 1), "running")
        again()
        await store.release(big)
        big = await store.acquire("r1")
        await store.append(big, [large], "running")
        assert [r.seq for r in store.records("r1")] == [r.seq for r in store.records("r2")] == [0, 1, 2, 3]

    asyncio.run(main())


def test_a_run_that_completes_is_given_up_with_its_last_record(store: SqliteStore, path: Path) -> None:
    """Nothing follows the record of its end, so a run that completed costs no commit more to be given up."""

    async def main() -> None:
        lease = await filled(store)
        lease.parting = True
        said: list[str] = []
        store._writing.set_trace_callback(said.append)
        await store.append(lease, steps(3, 1), "completed")
        assert not store.info("r1").live
        await store.release(lease)
        assert said.count("commit") == 1
        with pytest.raises(RunLocked):
            await store.append(lease, steps(4, 1), "completed")

    asyncio.run(main())


def test_a_run_whose_end_could_not_be_written_is_given_up_all_the_same(store: SqliteStore, path: Path) -> None:
    """The file is full when a run completes: it has not, it is released as any other, and another process goes on."""

    async def main() -> None:
        lease = await filled(store)
        lease.parting = True
        again = _fill_up(store)
        large = Record(3, 103.0, AttemptSucceeded("3", 1, {"t": "x" * 100_000}))
        with pytest.raises(StoreFault):
            await store.append(lease, [large], "completed")
        again()
        await store.release(lease)
        other = SqliteStore(path)
        assert (other.info("r1").status, other.info("r1").live) == ("running", False)
        taken = await other.acquire("r1")
        await other.append(taken, [large], "completed")
        assert [r.seq for r in store.records("r1")] == [0, 1, 2, 3]
        other.close()

    asyncio.run(main())


def test_a_run_whose_release_failed_is_not_locked_for_ever(store: SqliteStore, path: Path) -> None:
    """A run that could not be given up, because the file was full, is given up with whatever is written next."""

    async def main() -> None:
        lease = await filled(store)
        beside = await filled(store, "r2")
        broken = store._commits.commit

        def failing(batch: Any) -> None:
            store._writing.execute("pragma query_only = on")
            broken(batch)
            store._writing.execute("pragma query_only = off")

        store._writer._commit = failing
        with pytest.raises(StoreFault):
            await store.release(lease)
        store._writer._commit = broken
        await store.append(beside, steps(3, 1, "r2"), "running")
        other = SqliteStore(path)
        await other.release(await other.acquire("r1"))
        other.close()
        again = await store.acquire("r1")
        await store.append(again, steps(3, 1), "running")

    asyncio.run(main())


# Files that are something else


def test_a_file_of_another_program_is_refused_and_left_alone(path: Path) -> None:
    """SQLite files that are not ours are named as such, and not a byte of them changes."""
    with closing(sqlite3.connect(path)) as other:
        other.execute("create table theirs (x)")
        other.commit()
    before = path.read_bytes()
    with pytest.raises(StoreFault, match="is a SQLite file of another program"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_a_file_of_a_later_release_is_refused_and_left_alone(path: Path) -> None:
    """Both schema versions are named."""
    SqliteStore(path).close()
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"pragma user_version = {len(MIGRATIONS) + 1}")
    before = path.read_bytes()
    later = f"has schema {len(MIGRATIONS) + 1}, this release knows {len(MIGRATIONS)}; use the later release"
    with pytest.raises(StoreFault, match=later):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_a_file_from_before_the_first_release_is_refused_and_left_alone(path: Path) -> None:
    """Its records have another form: that is said, and what to do."""
    SqliteStore(path).close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("pragma user_version = 3")
    before = path.read_bytes()
    with pytest.raises(StoreFault, match="has schema 3, which was never released; this release reads 4 and later"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_other_files_are_refused(tmp_path: Path) -> None:
    """Text, a folder, a folder that is a file, a store that should exist and does not: one sentence each."""
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but long enough to be looked at\n" * 50)
    with pytest.raises(StoreFault, match="file is not a database; it is some other file, or damaged"):
        SqliteStore(text)
    with pytest.raises(StoreFault, match="is it a folder"):
        SqliteStore(tmp_path)
    with pytest.raises(StoreFault, match="cannot open"):
        SqliteStore(text / "runs.db")
    with pytest.raises(StoreFault, match="there is no store at"):
        open_store(f"sqlite:{tmp_path}/none.db", create=False)
    assert not (tmp_path / "none.db").exists()


def test_a_new_file_is_marked_as_ours(path: Path, store: SqliteStore) -> None:
    """The application id and the schema version stand in the file's head, where `file` and other tools look."""
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("pragma application_id").fetchone() == (APPLICATION_ID,)
        assert other.execute("pragma user_version").fetchone() == (len(MIGRATIONS),)


# Damage


R1 = "no = (select no from runs where run = 'r1')"


async def _sound(path: Path) -> None:
    """Make a store with a run and its fork."""
    store = SqliteStore(path)
    lease = await filled(store, count=5)
    for seq in range(5, 20):
        await store.append(lease, steps(seq, 1), "running")
    for seq in range(20, 30, 2):  # as a run appends them: an end, and the next start
        await store.append(lease, steps(seq, 2), "running")
    await store.release(lease)
    child = await store.create(header("c1", parent="r1", parent_seq=23))
    await store.append(child, steps(23, 10), "completed")
    await store.release(child)
    store.close()


def _read(path: Path) -> list[Any]:
    store = SqliteStore(path)
    try:
        return [(store.header(name), list(store.records(name))) for name in ("r1", "c1")]
    finally:
        store.close()


def test_no_damage_is_read_as_if_it_were_sound(path: Path, tmp_path: Path) -> None:
    """Wherever a bit of the file is turned over, both traces read the same as before, or an error of ours says why."""
    asyncio.run(_sound(path))
    data = path.read_bytes()
    expected = _read(path)
    turned = tmp_path / "turned.db"
    random_ = random.Random(4)
    noticed = 0
    for _ in range(500):
        place = random_.randrange(len(data))
        turned.write_bytes(data[:place] + bytes([data[place] ^ 1 << random_.randrange(8)]) + data[place + 1 :])
        for beside in ("-wal", "-shm"):
            turned.with_name(turned.name + beside).unlink(missing_ok=True)
        try:
            assert _read(turned) == expected, place
        except GraphrtError:
            noticed += 1
    assert noticed > 20


def test_records_are_read_from_any_number_on(path: Path) -> None:
    """Wherever one begins, in the middle of what was added together, in a fork, or at its parent's part of it."""
    asyncio.run(_sound(path))
    store = SqliteStore(path)
    for run_id in ("r1", "c1"):
        every = list(store.records(run_id))
        assert [record.seq for record in every] == list(range(len(every)))
        for start in range(len(every) + 2):
            assert list(store.records(run_id, start)) == every[start:], start
    store.close()


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("update records set lines = replace(lines, '\"n\":7', '\"n\":8') where seq = 7", "record 7 was"),
        ("update records set lines = replace(lines, '\"n\":25', '\"n\":8')", "one of the records 24 to 25 was"),
        ("delete from records where seq = 5", "record 5 is missing"),
        ("delete from records where seq = 28", "record 28 is missing"),
        (f"update ends set next_seq = 20 where {R1}", "its last record is 19"),
        (f"update ends set next_seq = 29 where {R1}", "its last record is 29"),
        ("update records set lines = (select lines from records where seq = 8) where seq = 9", "record 9"),
        ("update runs set header = replace(header, 'demo', 'dema')", "header of run"),
        ("update graphs set json = replace(json, 'demo', 'dema')", "header of run"),
        ("update runs set hash = 'x' where run = 'r1'", "header of run"),
    ],
)
def test_altered_rows_are_named(path: Path, statement: str, says: str) -> None:
    """A row that was changed, removed or copied behind our back is named; what stands before it is still read."""
    asyncio.run(_sound(path))
    with closing(sqlite3.connect(path)) as db:
        db.execute(statement)
        db.commit()
    store = SqliteStore(path)
    with pytest.raises(TraceInvalid, match=says):
        store.trace("r1")
    store.close()


@pytest.mark.parametrize(
    "statement",
    [
        "delete from records where seq = 28",
        f"update ends set next_seq = 20 where {R1}",
        f"update ends set next_seq = 29 where {R1}",
        f"update ends set last_hash = 'x' where {R1}",
        "update records set lines = substr(lines, 1, length(lines) - 4) || '00\"}' where seq = 28",
    ],
)
def test_nothing_is_appended_behind_an_altered_end(path: Path, statement: str) -> None:
    """Who takes up a run whose last record is not the one that was written is told, before anything is added."""
    asyncio.run(_sound(path))
    with closing(sqlite3.connect(path)) as db:
        db.execute(statement)
        db.commit()

    async def main() -> None:
        store = SqliteStore(path)
        with pytest.raises(TraceInvalid, match="its last record is"):
            await store.acquire("r1")
        store.close()

    asyncio.run(main())


# Small things


def test_texts_that_are_no_characters_do_not_matter(store: SqliteStore) -> None:
    """A flow from a file whose name is no text, or with half a character in its own name, is stored like any other."""

    async def main() -> None:
        await filled(store, target="caf\udce9.py:flow")
        assert store.header("r1").target == "caf\udce9.py:flow"
        assert "caf" in str(store.info("r1").target)
        with pytest.raises(UseError, match="cannot be the id of a run"):
            store.header("\ud800")
        with pytest.raises(UseError, match="cannot be the id of a run"):
            await store.post("\ud800", Cancelled())

    asyncio.run(main())


def test_a_graph_is_kept_once(path: Path, store: SqliteStore) -> None:
    """Many runs of one definition share its row, also of graphs that were frozen anew."""

    async def main() -> None:
        for _ in range(5):
            await run(parallel(saying("a"), saying("b")).freeze(), Work(), store=store)
        await run(chain(saying("a")).freeze(), Work(), store=store)

    asyncio.run(main())
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("select count(*) from graphs").fetchone() == (2,)
        assert db.execute("select count(*) from runs").fetchone() == (6,)
