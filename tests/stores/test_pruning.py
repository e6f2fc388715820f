"""Which runs may go, in which order, and what becomes of a deletion that is cut off or meets others."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from graphrt import Agent, ChatRuntime
from graphrt.errors import RunLocked, RunNotFound
from graphrt.events import RunCancelled, RunCompleted, RunFailed, RunSuspended
from graphrt.inputs import ErrorInfo
from graphrt.ports import RunStatus, Store
from graphrt.stores import open_store
from graphrt.stores.memory import MemoryStore
from graphrt.stores.pruning import ENDED, Pruning, prune, to_delete, to_prune, turns_of
from graphrt.stores.sqlite import SqliteStore
from graphrt.testing.scripted import ScriptedModel
from graphrt.trace import Header
from tests.stores.records import GRAPH, filled, header, ready, steps

pytestmark = pytest.mark.anyio

ENDS: dict[str, tuple[Any, ...]] = {
    "completed": (RunCompleted(visits=1),),
    "suspended": (RunSuspended(("1",)),),
    "cancelled": (RunCancelled(),),
    "failed": (RunFailed(ErrorInfo("E", "broken"), "1", "a"),),
}
CHAT = {"name": "chat", "nodes": [], "fields": [{"name": "messages", "type": "list", "reducer": "append"}]}


async def put(store: Store, run: str, at: float, status: RunStatus = "completed", **more: Any) -> None:
    """Put a run into a store that changed last at a time."""
    parent = more.pop("parent", None)
    graph = more.pop("graph", GRAPH)
    base = 1 if parent is not None else 0
    made = Header(run, more.pop("flow", "demo"), "d" * 16, graph, at, parent=parent, parent_seq=base or None)
    lease = await ready(store.create(made))
    first, last = steps(base, 2, run)
    records = [msgspec.structs.replace(first, at=at), msgspec.structs.replace(last, at=at, events=ENDS.get(status, ()))]
    await ready(store.append(lease, records, status))
    if not more.pop("owned", False):
        await ready(store.release(lease))


async def talk(store: Store, name: str, times: Sequence[float], **more: Any) -> None:
    """Put the turns of a conversation into a store."""
    for turn, at in enumerate(times, 1):
        await put(store, f"{name}-{turn}", at, graph=CHAT, **more)


def ids(pruning: Pruning) -> list[str]:
    """Return what goes, in order."""
    return [info.run for info in pruning.runs]


def whys(pruning: Pruning) -> dict[str, str]:
    """Return what stays, and why."""
    return {kept.info.run: kept.why for kept in pruning.kept}


async def test_what_has_ended_long_ago_goes() -> None:
    """By age, status and flow; what was cut off or waits only where that is asked for; what is driven never."""
    store = MemoryStore()
    known: tuple[RunStatus, ...] = (*ENDED, "suspended", "running")
    for number, status in enumerate(known):
        await put(store, f"{status}", 100.0 + number, status)
        await put(store, f"young-{status}", 900.0, status)
    await put(store, "other", 100.0, flow="other")
    await put(store, "driven", 100.0, "running", owned=True)
    assert set(ids(to_prune(store, 500.0))) == {*ENDED, "other"}
    assert ids(to_prune(store, 500.0, flow="other")) == ["other"]
    assert ids(to_prune(store, 500.0, status=ENDED[1:2])) == ["failed"]
    found = to_prune(store, 500.0, status=("running", "suspended"))
    assert set(ids(found)) == {"running", "suspended"}
    assert whys(found) == {"driven": "somebody drives it"}
    assert ids(to_prune(store, 100.0)) == []


async def test_a_parent_goes_after_its_forks_and_stays_with_them() -> None:
    """Over generations: one fork that stays keeps all that it descends from, and no more."""
    store = MemoryStore()
    await put(store, "a", 100.0)
    await put(store, "b", 101.0, parent="a")
    await put(store, "c", 102.0, parent="b")
    await put(store, "d", 103.0, parent="a")
    order = ids(to_prune(store, 500.0))
    assert sorted(order) == ["a", "b", "c", "d"]
    assert order.index("c") < order.index("b") < order.index("a") > order.index("d")
    await put(store, "e", 900.0, parent="b")
    found = to_prune(store, 500.0)
    assert set(ids(found)) == {"c", "d"}
    assert whys(found) == {"b": "its fork e stays", "a": "its fork b stays"}


async def test_a_conversation_goes_as_a_whole() -> None:
    """Its last turn first; not at all while a turn of it is young, waits, or is the parent of a fork that stays."""
    store = MemoryStore()
    await talk(store, "old", [100.0 + n for n in range(12)])
    await talk(store, "young", [100.0, 900.0])
    await put(store, "forked-1", 100.0, graph=CHAT)
    await put(store, "forked-2", 101.0, graph=CHAT)
    await put(store, "fork", 900.0, parent="forked-1", graph=CHAT)
    found = to_prune(store, 500.0)
    assert ids(found) == [f"old-{n}" for n in range(12, 0, -1)]
    assert set(whys(found)) == {"young-1", "forked-1", "forked-2"}
    assert turns_of(store, "old")[:3] == ["old-1", "old-2", "old-3"]
    await put(store, "order-1", 100.0)
    await put(store, "order-2", 900.0)  # numbered by somebody, and nobody talks to its flow
    assert "order-1" in ids(to_prune(store, 500.0))
    assert turns_of(store, "order") == []


async def test_runs_that_are_named_are_put_in_order() -> None:
    """Whatever their age; those that others need are told; one that is not there is an error."""
    store = MemoryStore()
    await put(store, "a", 100.0, "suspended")
    await put(store, "b", 101.0, parent="a")
    assert ids(to_delete(store, ["a", "b"])) == ["b", "a"]
    assert whys(to_delete(store, ["a"])) == {"a": "its fork b stays"}
    with pytest.raises(RunNotFound, match="nope"):
        to_delete(store, ["b", "nope"])


async def test_what_changes_meanwhile_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork that is made, or an owner who comes, after we have looked keeps its run; the others go all the same."""
    store = MemoryStore()
    for number in range(5):
        await put(store, f"r{number}", 100.0)
    delete = store.delete

    def disturbed(runs: Sequence[str]) -> None:
        monkeypatch.setattr(store, "delete", delete)
        store.create(header("fork", parent="r1", parent_seq=1))
        store.acquire("r2")
        delete(["r3"])
        delete(runs)

    monkeypatch.setattr(store, "delete", disturbed)
    done = await prune(store, 500.0)
    assert set(ids(done)) == {"r0", "r4"}
    assert "without its fork 'fork'" in whys(done)["r1"]
    assert "being driven" in whys(done)["r2"]
    assert {i.run for i in store.runs()} == {"fork", "r1", "r2"}


@pytest.mark.parametrize("kind", ["memory", "sqlite", "jsonl"])
async def test_a_deleted_conversation_begins_anew(kind: str, tmp_path: Path) -> None:
    """Also in a runtime that has its turns in mind: the next message is the first one."""
    store = open_store({"memory": "memory:", "sqlite": f"{tmp_path}/runs.db", "jsonl": f"{tmp_path}/runs/"}[kind])
    model = ScriptedModel(list("abcde"))
    runtime = ChatRuntime(Agent("Talk."), store=store, conversation="c", resources=[model])
    for text in ("1", "2", "3"):
        await runtime.invoke(text)
    assert [m.text for m in runtime.messages] == ["1", "a", "2", "b", "3", "c"]
    done = await prune(store, float("inf"))
    assert ids(done) == ["c-3", "c-2", "c-1"]
    assert list(runtime.messages) == []
    await runtime.invoke("4")
    assert [m.text for m in model.requests[-1].messages] == ["4"]
    assert runtime.runs == ("c-1",)
    assert [m.text for m in runtime.messages] == ["4", "d"]
    store.close()


def test_room_is_filled_again_and_given_back(tmp_path: Path) -> None:
    """What a deleted run took in a SQLite file is free for others; a compacted file is as small as if it never was."""

    async def scenario() -> None:
        store = SqliteStore(tmp_path / "runs.db")
        await ready(store.release(await filled(store, "small", 3, "completed")))
        for run in ("big", "again"):
            await ready(store.release(await filled(store, run, 4000, "completed")))
            size = store.path.stat().st_size
            await ready(store.delete([run]))
            assert store.free_bytes() > size / 2
        assert store.path.stat().st_size <= size
        store.compact()
        assert store.path.stat().st_size < size / 4
        assert store.free_bytes() == 0
        assert list(store.records("small")) == steps(0, 3, "small")
        store.close()

    asyncio.run(scenario())


def test_a_file_is_not_written_anew_while_somebody_drives_a_run(tmp_path: Path) -> None:
    """They would wait for longer than they do: it is refused, and says which run."""

    async def scenario() -> None:
        store, other = SqliteStore(tmp_path / "runs.db"), SqliteStore(tmp_path / "runs.db")
        await filled(store, "r1")
        with pytest.raises(RunLocked, match="cannot be compacted while run 'r1' is being driven"):
            other.compact()
        store.close()
        other.close()

    asyncio.run(scenario())


def test_a_definition_goes_with_its_last_run(tmp_path: Path) -> None:
    """A graph that other runs have stays; nothing that names a deleted run is left in any table."""
    import sqlite3

    async def scenario() -> None:
        store = SqliteStore(tmp_path / "runs.db")
        for run, graph in (("a", GRAPH), ("b", GRAPH), ("c", CHAT)):
            await put(store, run, 100.0, graph=graph)
        await ready(store.delete(["a"]))
        assert store.header("b").graph == GRAPH
        await ready(store.delete(["b"]))
        assert store.header("c").graph == CHAT
        store.close()

    asyncio.run(scenario())
    with sqlite3.connect(tmp_path / "runs.db") as db:
        tables = ("graphs", "runs", "ends", "records")
        counts = [db.execute(f"select count(*) from {table}").fetchone()[0] for table in tables]
    db.close()
    assert counts == [1, 1, 1, 1]


DELETING = """
import asyncio, os, pathlib, signal, sys
from graphrt.stores import open_store, pruning

left = int(sys.argv[2])


def tick(*_):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)


def unlink(path, missing_ok=False, unlink=pathlib.Path.unlink):
    tick()
    unlink(path, missing_ok)
    tick()


store = open_store(sys.argv[1])
if sys.argv[1].startswith("sqlite"):
    store._writing.set_trace_callback(tick)
else:
    pathlib.Path.unlink = unlink
pruning._AT_ONCE = 20
asyncio.run(pruning.prune(store, float("inf")))
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "jsonl"])
def test_a_killed_deletion_leaves_whole_runs(kind: str, tmp_path: Path) -> None:
    """Before any statement, before or after any file is removed: each run is whole or gone, and the next goes on.

    No fork lacks its beginning, and no turn is missing before another.
    """
    spec = {"sqlite": f"sqlite:{tmp_path}/runs.db", "jsonl": f"jsonl:{tmp_path}/runs"}[kind]
    halves = 0
    for moment in (1, 2, 7, 42, 111, 300, 555):
        store = open_store(spec)
        asyncio.run(_fill(store, 30))
        runs = {i.run for i in store.runs()}
        store.close()
        process = subprocess.run([sys.executable, "-c", DELETING, spec, str(moment)], check=False)
        assert process.returncode == (0 if kind == "jsonl" and moment == 555 else -signal.SIGKILL)
        store = open_store(spec)
        left = {i.run for i in store.runs()}
        assert left <= runs
        halves += 0 < len(left) < len(runs)
        for run in left:
            assert [r.seq for r in store.records(run)] == list(range(store.info(run).records))
        for name in ("talk0", "talk1"):
            turns = sorted(int(run.rpartition("-")[2]) for run in left if run.startswith(name))
            assert turns == list(range(1, len(turns) + 1))
        asyncio.run(prune(store, float("inf")))
        assert store.runs() == []
        store.close()
    assert halves > 1


async def _fill(store: Store, count: int) -> None:
    for number in range(count):
        await put(store, f"run{number}", 100.0)
        await put(store, f"fork{number}", 101.0, parent=f"run{number}")
    for name in ("talk0", "talk1"):
        await talk(store, name, [100.0 + n for n in range(count)])
