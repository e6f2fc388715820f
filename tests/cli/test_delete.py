"""`graphrt delete` and `graphrt prune`: what goes, what stays and why, and that nothing goes by mistake."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.cli import scenes
from tests.cli.calling import Program
from tests.cli.processes import Held, OnTerminal, start
from tests.stores.records import ready


@pytest.fixture
def full(program: Program) -> Program:
    """A store with a run of each kind, all old."""
    program.keep(*(make() for make in (scenes.suspended, scenes.completed, scenes.failed, scenes.cancelled)))
    program.keep(scenes.cut_off())
    return program


def left(program: Program) -> set[str]:
    """Return the runs that there are."""
    return {run["run"] for run in json.loads(program("runs", "--limit", "0", "--json").out)}


def test_a_run_is_deleted_by_its_name(full: Program) -> None:
    """It is gone, the others stay; nothing can be shown of it any more."""
    ran = full("delete", "sen", "broken", "--yes")
    assert (ran.code, ran.out, ran.err) == (0, "deleted 2 runs (sent, broken)\n", "")
    assert left(full) == {"desk", "stopped", "crashed"}
    assert full("show", "sent").code == 2


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("sent",), "nobody is there who can be asked; --yes deletes 1 run (sent)"),
        (("--yes",), "expected runs, or --conversation ID; `graphrt prune` deletes all that are old"),
        (("sent", "nope", "--yes"), "the store has no run 'nope'"),
        (("sent", "desk", "--yes"), "run desk waits for an answer; --unfinished deletes it all the same"),
        (("sent", "crashed", "--yes"), "run crashed was cut off; --unfinished deletes it all the same"),
        (("--conversation", "tea", "--yes"), "the store has no conversation 'tea'"),
        (("some/file.jsonl", "--yes"), "is no run of the store"),
    ],
)
def test_nothing_is_deleted_by_mistake(full: Program, args: tuple[str, ...], says: str) -> None:
    """Unasked, unfinished, unknown: one line says what would help, and all runs are there."""
    before = full.contents()
    ran = full("delete", *args)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert ran.err.count("\n") == 1
    assert full.contents() == before


def test_what_is_unfinished_goes_if_that_is_said(full: Program) -> None:
    """Runs that wait, or were cut off."""
    assert full("delete", "desk", "crashed", "--unfinished", "-y").code == 0
    assert left(full) == {"sent", "broken", "stopped"}


def test_a_fork_keeps_its_parent(program: Program) -> None:
    """The parent goes with its forks, if that is said, and prune keeps it for as long as they stay."""
    program.flow("support.py")
    program.keep(scenes.completed())
    assert program("fork", "sent", "--at", "draft #2", "--run-id", "second", "-q").code in {0, 3}
    assert program("fork", "second", "--at", "draft #2", "--run-id", "third", "-q").code in {0, 3}
    ran = program("delete", "sent", "--yes")
    assert ran.code == 2
    assert "run sent cannot be deleted: its fork second stays; --forks deletes those too" in ran.err
    ran = program("prune", "--older-than", "1d")
    assert ran.err == "kept: 1 run of which a fork stays\n"
    assert program("delete", "sent", "--forks", "--unfinished", "--yes").code == 0
    assert left(program) == set()


def test_a_conversation_is_deleted_as_a_whole(program: Program) -> None:
    """A turn of it is refused, its id deletes them all, and it begins anew."""
    program.flow("talk.py")
    for _ in range(3):
        assert program("chat", "talk.py:flow", "hello", "-c", "tea", "-q").code == 0
    ran = program("delete", "tea-2", "--yes")
    assert ran.code == 2
    assert "it is a turn of a conversation that stays; delete all of it: graphrt delete --conversation tea" in ran.err
    assert program("delete", "-c", "tea", "--yes").out == "deleted 3 runs (tea-3, tea-2, tea-1)\n"
    assert program("chat", "talk.py:flow", "hello", "-c", "tea", "-q").code == 0
    assert left(program) == {"tea-1"}


def test_a_person_is_asked(full: Program, terminal: Callable[..., OnTerminal]) -> None:
    """At a terminal `yes` deletes; anything else does not."""
    for said, code, stays in (("\r", 130, True), ("no\r", 130, True), ("yes\r", 0, False)):
        asked = terminal("delete", "sent")
        asked.until("delete 1 run (sent) for good? (yes, or no)> ")
        asked.press(said)
        assert asked.code() == code
        assert ("sent" in left(full)) is stays


def test_a_run_that_is_driven_stays(program: Program) -> None:
    """Whoever wants to delete it is told to stop it first; prune leaves it out."""
    program.flow("held.py")
    hold = Held(program.folder)
    process = start(program.folder, "run", "held.py:plain", "--run-id", "r1", "-q")
    try:
        hold.wait(process)
        ran = program("delete", "r1", "--unfinished", "--yes")
        assert ran.code == 2
        assert "run r1 cannot be deleted: somebody drives it; stop it first: graphrt cancel r1" in ran.err
        ran = program("prune", "--older-than", "1ms", "--status", "running", "--yes")
        assert (ran.code, ran.out) == (0, "deleted 0 runs\n")
        assert ran.err == "kept: 1 run that somebody drives\n"
        ran = program("prune", "--compact")
        assert ran.code == 2
        assert "cannot be compacted while run 'r1' is being driven" in ran.err
        hold.let_go()
        process.communicate(timeout=60)
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


def test_pruning_tells_before_it_does(full: Program) -> None:
    """Without --yes the runs are listed and stay; with it they go, and what waits or was cut off stays."""
    before = full.contents()
    ran = full("prune", "--older-than", "1d")
    assert ran.code == 0
    assert [line.split()[0] for line in ran.out.splitlines()[1:-1]] == ["stopped", "broken", "sent"]
    assert ran.out.splitlines()[-1] == "3 runs (stopped, broken, sent) would be deleted; nothing was: --yes does it"
    assert full.contents() == before
    ran = full("prune", "--older-than", "1d", "--yes", "--json")
    assert [run["run"] for run in json.loads(ran.out)["runs"]] == ["stopped", "broken", "sent"]
    assert left(full) == {"desk", "crashed"}
    assert full("prune", "--older-than", "1d", "--status", "suspended", "--yes").out == "deleted 1 run (desk)\n"
    assert full("prune", "--older-than", "10000d", "--status", "running").out == "no run is to go\n"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ((), "expected --older-than TIME, such as --older-than 30d; or --compact alone"),
        (("--older-than", "soon"), "--older-than: 'soon' is no duration"),
        (("--older-than", "1d", "--status", "done"), "--status 'done' is unknown; expected one of running, suspended"),
    ],
)
def test_wrong_use_of_prune_is_a_line(full: Program, args: tuple[str, ...], says: str) -> None:
    """Nothing is deleted."""
    ran = full("prune", "--yes", *args)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert len(left(full)) == 5


def test_room_is_given_back_where_that_is_asked_for(program: Program) -> None:
    """Without it the file keeps its size, and that is said if it is worth a word; folders of files need nothing."""
    import asyncio

    from graphrt.stores.sqlite import SqliteStore
    from tests.stores.records import filled

    async def fill() -> None:
        store = SqliteStore(program.folder / "big.db")
        for n in range(4):
            await ready(store.release(await filled(store, f"r{n}", 12_000, "completed")))
        store.close()

    asyncio.run(fill())
    ran = program("prune", "--older-than", "1d", "--yes", "--store", "big.db")
    assert ran.out == "deleted 4 runs (r3, r2, r1, r0)\n"
    assert "MB of big.db are free for new runs; `graphrt prune --compact` makes the file smaller" in ran.err
    ran = program("prune", "--compact", "--store", "big.db")
    assert ran.out.startswith("big.db had ")
    assert ran.out.endswith(" MB and has 0.1 MB\n")
    assert ran.err == ""
