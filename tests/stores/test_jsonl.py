"""Traces in files: torn ends, locks, the folder and the single file, requests beside a trace."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from graphrt import codec
from graphrt.errors import RunLocked, RunNotFound, StoreFault, TraceInvalid, UseError
from graphrt.inputs import Answered, Cancelled
from graphrt.stores import jsonl_file, open_store, trace_files
from graphrt.stores.jsonl import JsonlStore
from graphrt.stores.trace_files import read_trace, write_trace
from graphrt.trace import Trace
from tests.stores.records import filled, header, steps


def file_of(folder: Path, count: int = 4, run: str = "r1") -> Path:
    """Write a trace file as the store does; return its path."""
    path = folder / f"{run}.jsonl"
    path.write_bytes(codec.encode_trace(Trace(header(run), steps(0, count, run))))
    return path


def with_store(folder: Path, scenario: Callable[[JsonlStore], Any]) -> Any:
    """Run a scenario with a store."""

    async def main() -> Any:
        store = JsonlStore(folder)
        try:
            return await scenario(store)
        finally:
            store.close()

    return asyncio.run(main())


# Torn ends


def test_a_last_line_cut_at_any_byte_is_cut_off(tmp_path: Path) -> None:
    """Wherever a crash ended the last write, the records before it are there and the next follow without a hole."""
    data = file_of(tmp_path).read_bytes()
    begin = data.rstrip(b"\n").rfind(b"\n") + 1
    path = tmp_path / "r1.jsonl"

    async def resume(store: JsonlStore) -> None:
        for cut in range(begin, len(data) + 1):
            path.write_bytes(data[:cut])
            whole = cut >= len(data) - 1  # all of it but the line end was written: the record is sound
            assert [r.seq for r in store.records("r1")] == [0, 1, 2] + [3] * (cut == len(data))
            lease = await store.acquire("r1")
            assert lease.next_seq == 3 + whole, cut
            await store.append(lease, steps(lease.next_seq, 1), "running")
            await store.release(lease)
            assert list(codec.decode_trace(path.read_bytes()).records) == steps(0, 4 + whole)

    with_store(tmp_path, resume)


def test_a_torn_end_is_named_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Who reads or takes up a torn trace is told what was left out, and where."""
    path = file_of(tmp_path)
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() + b'{"seq":4,')

    async def scenario(store: JsonlStore) -> None:
        assert len(list(store.records("r1"))) == 4
        assert "line 6 is incomplete (9 bytes); it is left out" in caplog.text
        await store.release(await store.acquire("r1"))

    with caplog.at_level(logging.WARNING):
        with_store(tmp_path, scenario)
    assert f"line 6 is incomplete (9 bytes at {size}); it was never acknowledged and is cut off" in caplog.text
    assert path.stat().st_size == size


@pytest.mark.parametrize("cut", [0, 1, 100])
def test_a_file_without_a_whole_header_is_no_run(tmp_path: Path, cut: int) -> None:
    """A crash while a run began leaves a file that is refused, not read as an empty run."""
    path = file_of(tmp_path)
    path.write_bytes(path.read_bytes()[:cut])

    async def scenario(store: JsonlStore) -> None:
        with pytest.raises(TraceInvalid, match="has no complete header"):
            await store.acquire("r1")
        with pytest.raises(TraceInvalid):
            list(store.records("r1"))
        assert store.runs() == []

    with_store(tmp_path, scenario)


def test_a_run_that_was_cut_off_as_it_began_makes_room(tmp_path: Path) -> None:
    """Wherever a crash cut a file off before its first record, the run can begin again; other files are left alone."""
    path = file_of(tmp_path, 1)
    data = path.read_bytes()
    first = data.index(b"\n") + 1
    strange = [b"hello", b"hello\n", b"{}\n", b"\n", data, data[:-1], data[:first] + data[:first]]

    async def scenario(store: JsonlStore) -> None:
        for cut in range(len(data) - 1):
            path.write_bytes(data[:cut])
            await store.release(await filled(store))
            assert list(codec.decode_trace(path.read_bytes()).records) == steps(0, 3)
        for content in strange:
            path.write_bytes(content)
            with pytest.raises(UseError, match="exists already"):
                await store.create(header())
            assert path.read_bytes() == content

    with_store(tmp_path, scenario)


def test_an_altered_line_is_named_and_nothing_is_added_behind_it(tmp_path: Path) -> None:
    """A changed record makes the trace unfit to go on, and the file stays as it is."""
    path = file_of(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"n":2', b'"n":7'))
    before = path.read_bytes()

    async def scenario(store: JsonlStore) -> None:
        with pytest.raises(TraceInvalid, match="line 4"):
            await store.acquire("r1")
        assert [r.seq for r in islice(store.records("r1"), 2)] == [0, 1]

    with_store(tmp_path, scenario)
    assert path.read_bytes() == before


# Writes that fail


class _Failing:
    """A file whose writes, or whose sync, fail as on a full disk."""

    def __init__(self, handle: Any, most: int) -> None:
        self.handle = handle
        self.left = most

    def __getattr__(self, name: str) -> Any:
        return getattr(self.handle, name)

    def write(self, data: bytes) -> int:
        """Write as much as there is room for."""
        if not self.left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done: int = self.handle.write(data[: self.left])
        self.left -= done
        return done


@pytest.mark.parametrize("room", [0, 1, 200])
def test_a_write_that_fails_leaves_no_half_line_and_no_hole(tmp_path: Path, room: int) -> None:
    """On a full disk the append says so, the file is as before, and nothing follows until the run is taken up again."""

    async def scenario(store: JsonlStore) -> None:
        lease = await filled(store)
        file = store._open["r1"]
        before = file.path.read_bytes()
        file.handle = _Failing(file.handle, room)
        with pytest.raises(StoreFault, match="No space left on device; go on once that is mended"):
            await store.append(lease, steps(3, 2), "running")
        file.handle = file.handle.handle
        with pytest.raises(StoreFault, match="could not be written before"):
            await store.append(lease, steps(5, 1), "running")
        assert file.path.read_bytes() == before
        await store.release(lease)
        lease = await store.acquire("r1")
        await store.append(lease, steps(3, 2), "running")
        assert list(store.records("r1")) == steps(0, 5)

    with_store(tmp_path, scenario)


def test_a_sync_that_fails_is_told_to_those_it_concerns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records that the disk may not have are taken back and their writer is told; a run beside it is not bothered."""
    real = os.fsync
    broken: list[int] = []

    def fsync(handle: int) -> None:
        if handle in broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)

    async def scenario(store: JsonlStore) -> None:
        one, two = await filled(store, "r1"), await filled(store, "r2")
        broken.append(store._open["r1"].handle.fileno())
        first = store.append(one, steps(3, 1), "running")
        beside = store.append(two, steps(3, 1, "r2"), "running")
        second = store.append(one, steps(4, 1), "running")
        await beside
        for lost in (first, second):
            with pytest.raises(StoreFault):
                await lost
        broken.clear()
        await store.release(one)
        assert (await store.acquire("r1")).next_seq == 3
        assert [r.seq for r in store.records("r2")] == [0, 1, 2, 3]

    with_store(tmp_path, scenario)


def test_one_sync_a_file_serves_a_whole_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Appends that wait together are synced together, and each is synced before it is called done."""
    synced: list[int] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.append(handle)
        real(handle)

    async def scenario(store: JsonlStore) -> None:
        lease = await filled(store)
        monkeypatch.setattr(os, "fsync", fsync)
        await asyncio.gather(*[store.append(lease, steps(start, 1), "running") for start in range(3, 103)])
        assert 1 <= len(synced) <= 10
        synced.clear()
        waiting = [store.append(lease, steps(103, 1), "running"), store.release(lease)]
        await asyncio.gather(*waiting)
        assert synced, "a file that is given up in the same batch is synced all the same"

    with_store(tmp_path, scenario)


# Folder and file


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """A name in the folder that leads elsewhere is refused, whatever is there."""
    elsewhere = file_of(_made(tmp_path / "elsewhere"))
    folder = _made(tmp_path / "traces")
    (folder / "r1.jsonl").symlink_to(elsewhere)

    async def scenario(store: JsonlStore) -> None:
        with pytest.raises(UseError, match="is a link"):
            store.trace("r1")
        with pytest.raises(UseError, match="is a link"):
            await store.acquire("r1")

    with_store(folder, scenario)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_files_that_are_no_traces_do_not_hide_the_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The list has the sound traces; the log names each file that was left out."""
    file_of(tmp_path)
    (tmp_path / "broken.jsonl").write_text("{}\n")
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "notes.txt").write_text("hello")

    async def scenario(store: JsonlStore) -> None:
        assert [i.run for i in store.runs()] == ["r1"]

    with_store(tmp_path, scenario)
    assert "broken.jsonl" in caplog.text
    assert "empty.jsonl" in caplog.text
    assert "notes.txt" not in caplog.text


def test_a_file_under_another_name_is_found_by_that_name(tmp_path: Path) -> None:
    """Whatever the list calls a run, that name opens it."""
    file_of(tmp_path).rename(tmp_path / "copy.jsonl")

    async def scenario(store: JsonlStore) -> None:
        (info,) = store.runs()
        assert info.run == "copy"
        assert list(store.trace(info.run).records) == steps(0, 4)

    with_store(tmp_path, scenario)


def test_a_store_of_one_file_has_one_run(tmp_path: Path) -> None:
    """A single file is a store of the run that its header names, whatever the file is called; others are not found."""

    async def scenario(store: JsonlStore) -> None:
        await store.release(await filled(store))
        assert [i.run for i in store.runs()] == ["r1"]
        assert list(store.trace("r1").records) == steps(0, 3)
        for ask in (store.trace, store.info, store.header):
            with pytest.raises(RunNotFound, match="'other'"):
                ask("other")
        with pytest.raises(RunNotFound):
            await store.acquire("other")
        with pytest.raises(RunNotFound):
            await store.post("other", Cancelled())
        with pytest.raises(UseError, match="exists already"):
            await store.create(header("r2"))
        await store.post("r1", Cancelled("ann"))
        lease = await store.acquire("r1")
        assert [request for _, request in store.requests(lease)] == [Cancelled("ann")]

    with_store(tmp_path / "trace.jsonl", scenario)
    assert open_store(tmp_path / "none.jsonl").runs() == []


def test_a_single_file_reads_its_parent_beside_it(tmp_path: Path) -> None:
    """A fork's file has its own part only; the parent's file is looked for in the same folder, and missed by name."""
    file_of(tmp_path, 6)

    async def scenario(store: JsonlStore) -> None:
        lease = await store.create(header("c1", parent="r1", parent_seq=4))
        await store.append(lease, steps(4, 2), "completed")

    with_store(tmp_path, scenario)
    assert list(read_trace(tmp_path / "c1.jsonl").records) == steps(0, 6)
    (tmp_path / "r1.jsonl").unlink()
    with pytest.raises(TraceInvalid, match="its parent 'r1' is needed"):
        read_trace(tmp_path / "c1.jsonl")


def test_a_written_trace_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trace that could not be written to its end leaves what was there before."""
    path = file_of(tmp_path)
    before = path.read_bytes()

    def fsync(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StoreFault, match="No space left"):
        write_trace(path, Trace(header(), steps(0, 9)))
    assert path.read_bytes() == before
    monkeypatch.undo()
    write_trace(path, Trace(header(), steps(0, 9)))
    assert list(read_trace(path).records) == steps(0, 9)


def _read_in_a_store(path: Path) -> Trace:
    return JsonlStore(path.parent).trace(path.stem)


@pytest.mark.parametrize("read", [read_trace, _read_in_a_store])
def test_huge_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[Path], Any]) -> None:
    """A file over the limit is refused by its size, before it is read."""
    path = file_of(tmp_path)
    monkeypatch.setattr(trace_files, "MAX_FILE", 100)
    with pytest.raises(TraceInvalid, match="more than the 100 that are read"):
        read(path)


def test_two_stores_of_one_folder_lock_each_other_out(tmp_path: Path) -> None:
    """The lock is on the file: another store object is refused like another process, and let in after the release."""

    async def scenario(store: JsonlStore) -> None:
        other = JsonlStore(tmp_path)
        lease = await filled(store)
        assert other.info("r1").live
        with pytest.raises(RunLocked, match="driven by another process"):
            await other.acquire("r1")
        with pytest.raises(RunLocked, match="in this process"):
            await store.acquire("r1")
        await store.release(lease)
        assert not other.info("r1").live
        await other.acquire("r1")
        other.close()

    with_store(tmp_path, scenario)


# Requests


def test_no_request_is_lost_between_reading_and_discarding(tmp_path: Path) -> None:
    """While one store posts without a pause, the owner takes and discards; each request is seen once, in order."""
    count = 200

    async def scenario(store: JsonlStore) -> None:
        lease, other = await filled(store), JsonlStore(tmp_path)
        posting = asyncio.gather(*(other.post("r1", Answered(str(n), n)) for n in range(count)))
        seen: list[Any] = []
        last = 0
        while len(seen) < count:
            found = store.requests(lease)
            for number, request in found:
                if number > last:
                    last = number
                    assert isinstance(request, Answered)
                    seen.append(request.answer)
            if found:
                await store.discard(lease, found[0][0] if len(found) % 2 else last)
            await asyncio.sleep(0)
        await posting
        await store.discard(lease, last)
        assert seen == list(range(count))
        other.close()

    with_store(tmp_path, scenario)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r1.jsonl"]


def test_a_torn_request_hides_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What a crash left of a request is left out, and the log says so; the ones before and after it are taken."""
    inbox = tmp_path / "r1.requests"

    async def scenario(store: JsonlStore) -> None:
        lease = await filled(store)
        await store.post("r1", Cancelled("ann"))
        inbox.write_bytes(inbox.read_bytes() + b'{"type":"ans')
        assert [request for _, request in store.requests(lease)] == [Cancelled("ann")]
        await store.post("r1", Cancelled("bob"))
        found = store.requests(lease)
        assert [request for _, request in found] == [Cancelled("ann"), Cancelled("bob")]
        await store.discard(lease, found[-1][0])
        assert store.requests(lease) == []

    with_store(tmp_path, scenario)
    assert "request 2 is left out" in caplog.text
    assert not inbox.exists()


def test_a_new_run_takes_no_requests_of_an_old_one(tmp_path: Path) -> None:
    """Requests that stayed behind when a trace was removed do not reach a new run of the same name."""
    (tmp_path / "r1.requests").write_bytes(codec.encode_input(Cancelled("ghost")) + b"\n")

    async def scenario(store: JsonlStore) -> None:
        assert store.requests(await filled(store)) == []

    with_store(tmp_path, scenario)


def test_whoever_makes_a_file_and_locks_it_too_late_leaves_it_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between a file's making and its locking another process may have written a whole run there: that stays."""
    opened = jsonl_file._opened

    def overtaken(path: Path) -> jsonl_file.OpenFile:
        made = opened(path)
        monkeypatch.setattr(jsonl_file, "_opened", opened)
        with_store(tmp_path, _whole)
        return made

    async def late(store: JsonlStore) -> None:
        monkeypatch.setattr(jsonl_file, "_opened", overtaken)
        with pytest.raises(UseError, match="exists already"):
            await store.create(header())
        assert list(store.records("r1")) == steps(0, 3)
        assert store.info("r1").status == "running"

    with_store(tmp_path, late)


async def _whole(store: JsonlStore) -> None:
    await store.release(await filled(store))


def test_a_file_that_is_being_made_is_no_run_yet(tmp_path: Path) -> None:
    """Without a whole header it is not found, rather than a fault: in a moment it will be there."""

    async def look(store: JsonlStore) -> None:
        for begun in (b"", b'{"version":1,"run":"r1"'):
            (tmp_path / "r1.jsonl").write_bytes(begun)
            with pytest.raises(RunNotFound):
                store.info("r1")

    with_store(tmp_path, look)
