"""`graphrt answer`: which question is meant, what is an answer, and how the run goes on from it."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import msgspec
import pytest

from graphrt.errors import GraphrtError
from graphrt.inputs import Answered
from graphrt.stores import open_store, sqlite_file
from graphrt.stores.sqlite import SqliteStore
from tests.cli import scenes
from tests.cli.calling import Program
from tests.cli.processes import start


def answers(program: Program, run: str) -> list[Answered]:
    """The answers that a run has on record, but for when they were given."""
    found = [r.input for r in program.trace(run).records if isinstance(r.input, Answered)]
    return [msgspec.structs.replace(given, at=None) for given in found]


def test_the_only_question_needs_no_name(program: Program) -> None:
    """With one question open the answer is enough; the run goes on to its end, and the exit code says so."""
    program.flow("support.py")
    program.keep(scenes.suspended())
    ran = program("answer", "desk", "send", "--by", "ada", "--quiet")
    assert ran.code == 0
    assert "✓ completed" in ran.out
    assert answers(program, "desk") == [Answered("6", "send", "ada")]


@pytest.mark.parametrize("visit", ["6", "approve", "approve@6"])
def test_a_question_has_the_names_of_its_visit(program: Program, visit: str) -> None:
    """The visit that asks may be named by its id, its node, or both."""
    program.flow("support.py")
    program.keep(scenes.suspended())
    assert program("answer", "latest", visit, "drop", "-q").code == 0
    assert answers(program, "desk") == [Answered("6", "drop")]


def test_several_questions_have_to_be_told_apart(program: Program) -> None:
    """With several open, the answer alone is not enough: they are listed, and nothing is stored."""
    program.flow("research.py")
    program.keep(scenes.researched())
    before = program.contents()
    ran = program("answer", "study", "publish")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "graphrt: run study asks 2 things; say which: 1.0.0 (rate: How many stars?); 1.1.0 (decide: Publish it?)\n"
    )
    assert program.contents() == before


def test_after_one_of_several_answers_the_run_still_waits(program: Program) -> None:
    """The exit code is 3 as long as a question is open, and 0 once the last is answered."""
    program.flow("research.py")
    program.keep(scenes.researched())
    assert program("answer", "study", "rate", "4", "-q").code == 3
    ran = program("answer", "study", "publish", "--json", "-q")
    assert ran.code == 0
    assert json.loads(ran.out)["state"] | {"answers": None} == {
        "questions": ["what?", "six"],
        "question": "",
        "answer": "",
        "answers": None,
        "stars": 4,
        "verdict": "publish",
    }


REFUSED: list[tuple[tuple[str, ...], str]] = [
    (("decide", "perhaps"), "expected one of 'publish', 'drop'"),
    (("rate", "many"), "expected int"),
    (("rate", "3.5"), "expected int"),
    (("rate", "[1]"), "expected int"),
    (("plan", "1"), "plan (visit 0) asks nothing now; open: 1.0.0 (rate: How many stars?); 1.1.0 (decide"),
    (("9", "1"), "run study has no visit '9'"),
    (("rate", "1", "2"), "expected RUN VISIT ANSWER, got 3 words behind RUN"),
    (("rate",), "rate (visit 1.0.0) asks: How many stars? Say the answer: graphrt answer study 1.0.0 VALUE"),
    ((), "run study asks 2 things; say which"),
]


@pytest.mark.parametrize("code", [True, False], ids=["with its code", "without its code"])
@pytest.mark.parametrize(("words", "says"), REFUSED)
def test_what_is_no_answer_is_refused(program: Program, words: tuple[str, ...], says: str, code: bool) -> None:
    """A wrong choice, type, visit or number of words is one line that says what is expected; nothing is stored."""
    if code:
        program.flow("research.py")
    program.keep(scenes.researched())
    before = program.contents()
    ran = program("answer", "study", *words, "--no-resume")
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert ran.err.count("\n") == 1
    assert program.contents() == before


def test_an_answer_waits_in_the_store(program: Program) -> None:
    """With --no-resume the answer is only stored; the next resume takes it, and no code is needed before."""
    program.keep(scenes.suspended())
    ran = program("answer", "desk", "send", "--no-resume")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "the answer for approve (visit 6) is stored; go on with: graphrt resume desk\n"
    assert answers(program, "desk") == []
    program.flow("support.py")
    assert program("resume", "desk", "-q").code == 0
    assert answers(program, "desk") == [Answered("6", "send")]


def test_a_run_without_a_target_keeps_its_answer(program: Program) -> None:
    """Where nobody has said where the flow is, the answer is stored and the line says what to add; the run waits on."""
    program.keep(scenes.support_run(target=None).trace)
    ran = program("answer", "desk", "send")
    assert ran.code == 3
    assert ran.out.endswith("go on with: graphrt resume desk --target file.py:name\n")
    program.flow("support.py")
    assert program("resume", "desk", "--target", "support.py", "-q").code == 0
    assert answers(program, "desk") == [Answered("6", "send")]


def test_the_flow_may_be_elsewhere(program: Program) -> None:
    """--target names the code where it is now."""
    program.flow("support.py", to="moved.py")
    program.keep(scenes.suspended())
    assert program("answer", "desk", "send", "--target", "moved.py", "-q").code == 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (None, "run desk began with support.py:flow: there is no file support.py"),
        (("s.score < 0.8", "s.score < 0.7"), "flow 'support' has changed since run desk"),
        (("flow = Flow(", "flow = Flo("), "NameError"),
        (("flow.edge(review, approve)\n", ""), "mistake"),
    ],
)
def test_a_run_that_cannot_go_on_takes_no_answer(program: Program, change: tuple[str, str] | None, says: str) -> None:
    """What keeps the run from going on is found before anything is stored."""
    if change is not None:
        program.flow("support.py", change)
    program.keep(scenes.suspended())
    before = program.contents()
    ran = program("answer", "desk", "send")
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert "nothing was stored; --no-resume stores the answer all the same" in ran.err
    assert program.contents() == before


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (scenes.completed, "run sent is completed, so it takes no answer"),
        (scenes.failed, "run broken is failed, so it takes no answer; `graphrt resume broken` lets it go on"),
        (scenes.cancelled, "run stopped is cancelled, so it takes no answer"),
        (scenes.cut_off, "run crashed asks nothing now"),
    ],
)
def test_a_run_that_does_not_wait_takes_no_answer(program: Program, make: Any, says: str) -> None:
    """A run that has ended, or asks nothing, says how it stands."""
    program.flow("support.py")
    program.keep(make())
    ran = program("answer", "latest", "send")
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err


def test_a_person_is_asked_at_a_terminal(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an answer on the line the question is put, with what it is about and its choices, until one fits."""
    program.flow("support.py")
    program.keep(scenes.suspended())
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    typed = iter(["", "perhaps", "3", "2"])
    prompts: list[str] = []

    def type_in(prompt: str) -> str:
        prompts.append(prompt)
        return next(typed)

    monkeypatch.setattr("builtins.input", type_in)
    ran = program("answer", "desk", "-q")
    assert ran.code == 0
    assert ran.out.splitlines()[:4] == [
        "approve (visit 6) asks: Send this answer?",
        '  draft  "Sorry, we pay one charge back."',
        "  1  send",
        "  2  drop",
    ]
    assert prompts == ["answer (1–2, or the word)> "] * 4
    assert ran.err.count("is no answer") == 2
    assert answers(program, "desk") == [Answered("6", "drop")]


def test_who_gives_up_at_the_question_answers_nothing(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of input leaves the question open, with the exit code of Ctrl-C."""
    program.keep(scenes.suspended())

    def end(_: str) -> str:
        raise EOFError

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", end)
    before = program.contents()
    assert program("answer", "desk").code == 130
    assert program.contents() == before


@pytest.fixture
def locked(program: Program, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    """Another program that begins to write to the store once an answer is stored, and before the run goes on."""
    monkeypatch.setattr(sqlite_file, "_BUSY_S", 0.2)
    acquire = SqliteStore.acquire
    with closing(sqlite3.connect(program.folder / "other.db", isolation_level=None, check_same_thread=False)) as other:

        def acquire_late(store: SqliteStore, run: str) -> Any:
            monkeypatch.setattr(SqliteStore, "acquire", acquire)
            other.execute("begin immediate")
            return acquire(store, run)

        monkeypatch.setattr(SqliteStore, "acquire", acquire_late)
        yield other


def test_an_answer_that_is_stored_is_said_to_be(program: Program, locked: sqlite3.Connection) -> None:
    """Where the store fails between the answer and the run, both are told: what failed, and that the answer is kept."""
    program.flow("support.py")
    assert program("import", program.file("run.jsonl", scenes.suspended()), "--store", "other.db").code == 0
    ran = program("answer", "desk", "send", "--store", "other.db", "-q")
    fault, kept = ran.err.splitlines()
    assert (ran.code, ran.out) == (1, "")
    assert fault.startswith("graphrt: cannot write other.db: database is locked")
    resume = "graphrt resume desk --store other.db"
    assert kept == f"the answer for approve (visit 6) is stored; go on with: {resume}"
    locked.execute("rollback")
    assert program("resume", "desk", "--store", "other.db", "-q").code == 0
    assert program("runs", "--store", "other.db", "--status", "completed").out.count("desk") == 1


def test_a_process_that_drives_the_run_takes_the_answer(program: Program) -> None:
    """While another process stays with the run, the answer is handed to it, and that process brings it to its end."""
    program.flow("support.py")
    process = start(program.folder, "run", "support.py", "-i", "I was charged twice", "--run-id", "r1", "--wait", "60")
    try:
        wait_until_suspended(program, process)
        ran = program("answer", "r1", "send")
        assert (ran.code, ran.err) == (0, "")
        assert ran.out == "answered approve (visit 6); the process that drives run r1 goes on\n"
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert "completed" in out.decode()
    finally:
        process.kill()
        process.communicate()


def test_a_second_answer_is_refused_unless_it_is_the_first_again(program: Program) -> None:
    """What was answered, by whom and when is said; the same answer changes nothing; the first one counts."""
    program.keep(scenes.suspended())
    assert program("answer", "desk", "send", "--no-resume", "--by", "ada").code == 0
    assert "answered, not resumed" in program("runs").out
    before = program.contents()
    ran = program("answer", "desk", "drop", "--no-resume")
    assert (ran.code, ran.out) == (2, "")
    assert re.fullmatch(r"graphrt: visit 6 of run 'desk' was answered already: 'send' by ada at \S+ \S+ UTC\n", ran.err)
    ran = program("answer", "desk", "send", "--no-resume", "--by", "bob")
    assert ran.code == 0
    assert "approve (visit 6) has this answer already by ada at " in ran.err
    assert program.contents() == before
    program.flow("support.py")
    assert program("resume", "desk", "-q").code == 0
    assert answers(program, "desk") == [Answered("6", "send", "ada")]
    assert "answered, not resumed" not in program("runs").out


def test_the_same_answer_again_lets_a_run_go_on(program: Program) -> None:
    """Whoever stored an answer only may say it again, and the run goes on with it."""
    program.flow("support.py")
    program.keep(scenes.suspended())
    assert program("answer", "desk", "send", "--no-resume").code == 0
    assert program("answer", "desk", "send", "-q").code == 0
    assert answers(program, "desk") == [Answered("6", "send")]
    assert program("answer", "desk", "drop").code == 2


def test_runs_that_were_answered_are_listed(program: Program) -> None:
    """Those whose answer waits for a resume, and no others; programs see the number of requests that wait."""
    program.keep(scenes.suspended(), scenes.researched())
    assert json.loads(program("runs", "--answered", "--json").out) == []
    program("answer", "study", "rate", "4", "--no-resume")
    (found,) = json.loads(program("runs", "--answered", "--json").out)
    assert (found["run"], found["requests"]) == ("study", 1)
    assert program("runs", "--answered", "--flow", "support").out == "no run fits\n"


def wait_until_suspended(program: Program, process: subprocess.Popen[bytes]) -> None:
    """Wait until the store says that the run of a process waits for an answer."""
    path = program.folder / ".graphrt/runs.db"
    while True:
        assert process.poll() is None, "the process ended before it asked anything"
        time.sleep(0.05)
        if not path.exists():
            continue
        with contextlib.suppress(GraphrtError), contextlib.closing(open_store(path, create=False)) as store:
            if [r.status for r in store.runs()] == ["suspended"]:
                return
