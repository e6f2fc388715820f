"""`graphrt export` and `import`: runs as files, and back again."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from graphrt.codec import encode_trace
from graphrt.telemetry import otlp_of
from graphrt.trace import Trace
from tests.cli import scenes
from tests.cli.calling import FLOWS, Program, Ran
from tests.cli.test_output import shell

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
    assert program("fork", "desk", "--at", "draft #2", "--run-id", "again", "-q").code == 3
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


def test_spans_are_written_by_the_ending_or_by_name(program: Program) -> None:
    """`.otlp.json` and --format otlp give the spans, the same bytes; content only where it is asked for."""
    program.keep(scenes.suspended())
    ran = program("export", "latest", "-o", "run.otlp.json")
    assert (ran.code, ran.err) == (0, "wrote 16 records to run.otlp.json\n")
    written = (program.folder / "run.otlp.json").read_text("utf-8")
    assert written == otlp_of(scenes.suspended()) == program("export", "latest", "-f", "otlp").out
    assert program("export", "latest", "-f", "otlp", "--content").out == otlp_of(scenes.suspended(), content=True)


def test_perfetto_is_written_as_render_writes_it(program: Program) -> None:
    """Both commands give the same file."""
    program.keep(scenes.suspended())
    assert program("export", "latest", "-o", "a.perfetto.json").code == 0
    assert program("render", "latest", "-o", "b.perfetto.json").code == 0
    assert (program.folder / "a.perfetto.json").read_bytes() == (program.folder / "b.perfetto.json").read_bytes()


def test_pictures_and_spans_are_not_mixed_up(program: Program) -> None:
    """Each command names the other where the ending of a file is the other's; nothing is written."""
    program.keep(scenes.suspended())
    ran = program("export", "latest", "-o", "run.svg")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("graphrt: run.svg has the ending of a picture (svg): graphrt render latest -o run.svg ")
    for name in ("run.otlp.json", "run.jsonl"):
        ran = program("render", "latest", "-o", name)
        assert (ran.code, ran.err) == (
            2,
            f"graphrt: {name} has the ending of an exported run, not of a picture: graphrt export RUN -o {name}\n",
        )
    ran = program("export", "latest", "--content", "-o", "run.jsonl")
    assert (ran.code, ran.err) == (2, "graphrt: --content is about otlp; jsonl always tells all of a run\n")
    assert not list(program.folder.glob("run.*"))
    assert program("export", "latest", "-f", "jsonl", "-o", "run.svg").code == 0


def test_no_folder_no_file(program: Program) -> None:
    """A file that cannot be written is one line, whatever the format."""
    program.keep(scenes.suspended())
    for name in ("no/run.otlp.json", "no/run.perfetto", "no/run.jsonl"):
        ran = program("export", "latest", "-o", name)
        assert ran.code == 2
        assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    "command", [("export", "run.jsonl"), ("export", "run.jsonl", "-f", "otlp"), ("render", "run.jsonl", "-f", "svg")]
)
def test_a_dash_is_standard_output(program: Program, command: tuple[str, ...]) -> None:
    """`-o -` prints what is printed without it, and writes no file of that name."""
    program.file("run.jsonl", scenes.suspended())
    before = program.contents()
    plain, dashed = program(*command), program(*command, "-o", "-")
    assert plain == dashed
    assert dashed.code == 0
    assert program.contents() == before


def test_what_is_wrong_with_a_file_of_a_store_is_told_once(program: Program) -> None:
    """However often a command reads a torn trace, one line says that it is torn."""
    program.flow("support.py")
    assert program("import", program.file("run.jsonl", scenes.suspended()), "--store", "runs/").code == 0
    torn = program.folder / "runs/desk.jsonl"
    torn.write_bytes(torn.read_bytes()[:-1])
    for command in (("runs",), ("show", "desk"), ("stats", "support.py"), ("replay", "desk", "--verify")):
        said = shell(program.folder, " ".join((*command, "--store", "runs/")), "").stderr.decode()
        assert said.count("is incomplete") == 1, said
        assert said.count("\n") == 1


@pytest.mark.parametrize("size", [11, 200])
def test_a_trace_without_a_whole_line_has_nothing_of_a_run(program: Program, size: int) -> None:
    """A file that was cut off in its first line is called that, and nothing is said of records before it."""
    file = program.file("run.jsonl", scenes.suspended())
    file.write_bytes(file.read_bytes()[:size])
    says = f"graphrt: {file} was cut off as it began: its first line is incomplete, so it has nothing of a run\n"
    assert program("show", file) == Ran(2, "", says)
