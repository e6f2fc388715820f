"""`graphrt export` and `import`: runs as files, and back again."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from graphrt.codec import encode_trace
from graphrt.trace import Trace
from tests.cli import scenes
from tests.cli.calling import FLOWS, Program

ALL = [scenes.suspended, scenes.completed, scenes.failed, scenes.cancelled, scenes.cut_off, scenes.resumed]


@pytest.mark.parametrize("make", [*ALL, scenes.researched])
def test_a_run_comes_back_as_it_went(program: Program, make: Callable[[], Trace]) -> None:
    """Exported and imported elsewhere, a run has the same records and status, and can be told the same way."""
    trace = make()
    program.keep(trace)
    assert program("export", "latest", "-o", "out.jsonl").code == 0
    assert program("import", "out.jsonl", "--store", "other/").code == 0
    here, there = (json.loads(program("show", "latest", "--json", *s).out) for s in ((), ("--store", "other/")))
    assert here == there
    assert encode_trace(program.trace(trace.header.run)) == encode_trace(trace)


def test_an_imported_question_can_be_answered(program: Program) -> None:
    """A run that waits goes on in the store that it was put into."""
    program.flow("support.py")
    assert program("import", program.file("run.jsonl", scenes.suspended())).code == 0
    assert program("answer", "desk", "send", "-q").code == 0


def test_a_fork_travels_with_its_past(program: Program) -> None:
    """The export of a fork is whole: it can be imported where its parent is not known."""
    program.flow("support.py")
    program.keep(scenes.suspended())
    assert program("fork", "desk", "--at", "draft", "--run-id", "again", "-q").code == 3
    assert program("export", "again", "-o", "again.jsonl").err.startswith("wrote ")
    assert program("import", "again.jsonl", "--store", "other/").code == 0
    assert program("show", "again", "--store", "other/").code == 0


def test_one_bad_file_keeps_all_out(program: Program) -> None:
    """All files are read before one is stored."""
    good, bad = program.file("good.jsonl", scenes.suspended()), program.file("bad.jsonl", scenes.failed())
    bad.write_bytes(bad.read_bytes().replace(b"no list", b"no Liszt"))
    ran = program("import", good, bad)
    assert ran.code == 2
    assert "was altered" in ran.err
    assert not (program.folder / ".graphrt").exists()


def test_a_run_that_is_there_already_is_not_overwritten(program: Program) -> None:
    """The same id twice is refused, also within one call."""
    file = program.file("run.jsonl", scenes.suspended())
    assert program("import", file).code == 0
    before = program.contents()
    ran = program("import", file)
    assert (ran.code, ran.err) == (2, f"graphrt: {file}: the store .graphrt/runs.db already has a run desk\n")
    assert program.contents() == before


def test_a_run_with_a_reducer_of_its_author_can_be_imported(program: Program) -> None:
    """A trace whose reducer is code of the flow is sound, though it cannot be folded here."""
    program.flow("longest.py")
    assert program("run", "longest.py", "--run-id", "own", "-q").code == 0, FLOWS
    assert program("export", "own", "-o", "own.jsonl").code == 0
    (program.folder / "longest.py").unlink()
    ran = program("import", "own.jsonl", "--store", "other/")
    assert (ran.code, ran.err) == (0, "")
    for command in ("show", "why", "replay"):
        ran = program(command, "own", "--store", "other/")
        assert (ran.code, ran.err) == (0, "")
