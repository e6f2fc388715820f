"""`graphrt render`: flows and runs in every format, from the trace alone, and the check of a committed picture."""

from __future__ import annotations

import json

import pytest

from graphrt_viz import FORMATS, VIEWS
from tests.cli import scenes
from tests.cli.calling import Program

BINARY = {"png", "pdf"}


def test_a_flow_is_drawn_to_the_screen_as_text(program: Program) -> None:
    """Without an output a definition is printed as text: every node with its edges."""
    program.flow("support.py")
    ran = program("render", "support.py")
    assert (ran.code, ran.err) == (0, "")
    assert "⬡ triage · router" in ran.out
    assert "├─ [score < 0.8] / rounds = rounds + 1 ≤ 3 ─▶ draft" in ran.out


def test_a_run_file_needs_no_code(program: Program) -> None:
    """A trace file alone is drawn: what was taken with the values read, what was not, attempts and errors."""
    ran = program("render", program.file("run.jsonl", scenes.suspended()))
    assert ran.code == 0
    assert "support · run desk · suspended" in ran.out
    assert "score = 0.62" in ran.out
    assert "attempt 1 failed: ConnectionError: the ledger is away" in ran.out
    assert "known_bugs · task · not visited" in ran.out


def test_what_mermaid_cannot_draw_is_said_while_it_is_written(program: Program) -> None:
    """A flow of more edges than Mermaid draws is written collapsed, and standard error says how much is hidden."""
    (program.folder / "wide.py").write_text(
        "from pydantic import BaseModel\nfrom graphrt import Flow\n"
        "class S(BaseModel):\n    n: int = 0\n"
        "flow = Flow('wide', S)\n"
        "def first() -> None: ...\n"
        "begin = flow.task(name='begin')(first)\n"
        "parts = [flow.task(name=f'part{i}')(first) for i in range(300)]\n"
        "flow.start(begin)\nflow.fork(begin, parts)\nflow.edge(parts, flow.join('all'))\n"
    )
    ran = program("render", "wide.py", "-o", "wide.mmd")
    assert ran.code == 0
    assert "collapsed: 303 nodes and 601 edges shown as" in ran.err
    assert "Mermaid draws at most 500 edges; svg, dot and text show all" in ran.err


def test_a_run_whose_process_is_gone_is_cut_off(program: Program) -> None:
    """The store knows that nobody drives it; of a file that is not known, so it is only unfinished."""
    program.keep(scenes.cut_off())
    stored = program("render", "crashed").out
    assert "support · run crashed · cut off" in stored
    assert "draft · task · cut off" in stored
    assert "support · run crashed · unfinished" in program("render", program.file("run.jsonl", scenes.cut_off())).out


@pytest.mark.parametrize("form", [f for f in FORMATS if f not in BINARY])
def test_every_text_format_can_be_printed(program: Program, form: str) -> None:
    """Each format that is text goes to standard output, the same bytes each time."""
    file = program.file("run.jsonl", scenes.suspended())
    first, second = program("render", file, "-f", form), program("render", file, "-f", form)
    assert (first.code, first.err) == (0, "")
    assert first == second
    assert first.out


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_has_the_format_of_its_ending(program: Program, form: str) -> None:
    """`-o` writes the format that the ending stands for, and says what was written."""
    endings = FORMATS[form].endings
    file = program.file("run.jsonl", scenes.completed())
    name = f"picture{endings[0]}" if endings else "picture.txt"
    args = () if endings else ("-f", form)
    ran = program("render", file, "-o", name, *args)
    assert (ran.code, ran.out, ran.err) == (0, "", f"wrote {name}\n")
    assert (program.folder / name).stat().st_size > 100


GAP = """
from pydantic import BaseModel

from graphrt import Flow


class Score(BaseModel):
    text: str
    score: float = 0.0


class Whole(Score):
    spare: int = 0


inner = Flow("inner", Score)
i = inner.state


@inner.task(writes=i.score)
def grade(text: str) -> float:
    return 0.5


inner.edge(grade, inner.end("low"), when=i.score < 0.4)
inner.edge(grade, inner.end("high"), when=i.score > 0.4)

flow = Flow("whole", Whole)
s = flow.state
sub = flow.subflow("sub", inner)
high, other = flow.end("high"), flow.end("other")
flow.edge(sub, high)
flow.edge(sub, other, when=s.score > 0.4)
"""


def test_what_the_checker_finds_is_marked_on_the_picture(program: Program) -> None:
    """A flow inside, an edge and the whole: each finding stands at what it is about, and in full below."""
    (program.folder / "gap.py").write_text(GAP)
    ran = program("render", "gap.py:flow", "--check-marks")
    assert (ran.code, ran.err) == (0, "")
    assert "│ ▢ grade · task · GR201 error" in ran.out
    assert "─▷ other   (GR202 error)" in ran.out.replace("─▶", "─▷")
    assert "\ngrade: GR201 error: score = 0.4: no edge of 'grade' matches" in ran.out
    assert "\nGR303 warning: nothing in the flow reads or writes field 'spare'" in ran.out


def test_a_run_is_marked_with_what_is_found_about_its_flow(program: Program) -> None:
    """A trace holds its definition, so what the checker finds about it can be seen on the run that it went wrong in."""
    (program.folder / "gap.py").write_text(GAP)
    assert program("run", "gap.py:flow", "--input", '{"text": "a"}', "--store", "runs.db").code == 0
    ran = program("render", "latest", "--store", "runs.db", "--check-marks")
    assert "grade · task · visited" in ran.out
    assert "GR201 error" in ran.out


def test_a_report_is_marked_as_well(program: Program) -> None:
    """With marks a report is still the report: its drawings have them, and its steps are there."""
    (program.folder / "gap.py").write_text(GAP)
    assert program("run", "gap.py:flow", "--input", '{"text": "a"}', "--store", "runs.db").code == 0
    assert program("render", "latest", "--store", "runs.db", "-o", "bare.html").code == 0
    assert program("render", "latest", "--store", "runs.db", "-o", "marked.html", "--check-marks").code == 0
    bare, marked = ((program.folder / name).read_text("utf-8") for name in ("bare.html", "marked.html"))
    for page in (bare, marked):
        assert 'data-view="timeline"' in page
    assert "GR201 error" in marked
    assert "GR201 error" not in bare


def test_a_committed_picture_with_marks_is_compared_as_such(program: Program) -> None:
    """A picture with marks is up to date as long as the flow and what is found are; the remedy names the option."""
    (program.folder / "gap.py").write_text(GAP)
    assert program("render", "gap.py:flow", "-o", "gap.svg", "--check-marks").code == 0
    assert program("render", "gap.py:flow", "-o", "gap.svg", "--check-marks", "--check").code == 0
    assert program("render", "gap.py:flow", "-o", "gap.svg", "--check").code == 1
    (program.folder / "gap.svg").unlink()
    ran = program("render", "gap.py:flow", "-o", "gap.svg", "--check-marks", "--check")
    assert "draw it again: graphrt render gap.py:flow -o gap.svg --check-marks" in ran.out.replace("\n", " ")


def test_marks_need_one_definition(program: Program) -> None:
    """Of two flows, many runs, or a view without a definition nobody could say what a mark is about."""
    (program.folder / "gap.py").write_text(GAP)
    run = program.file("run.jsonl", scenes.completed())
    for args in (("gap.py:flow", "gap.py:inner"), (run, "--view", "unrolled"), (run, run, "-f", "html")):
        ran = program("render", *args, "--check-marks")
        assert (ran.code, ran.out) == (2, "")
        assert "--check-marks needs the picture of one definition" in ran.err
    assert program("render", run, "--view", "run", "--check-marks").code == 0


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_of_a_run_can_be_printed(program: Program, view: str) -> None:
    """A run can be looked at in every way that there is."""
    ran = program("render", program.file("run.jsonl", scenes.completed()), "--view", view)
    assert (ran.code, ran.err) == (0, "")
    assert "review" in ran.out


def test_the_help_names_every_format_view_and_theme(program: Program) -> None:
    """What can be chosen stands in the help."""
    said = " ".join(program("render", "--help").out.split())
    assert [name for name in (*FORMATS, *VIEWS, "auto") if name not in said] == []


def test_a_committed_picture_is_checked_by_its_digest(program: Program) -> None:
    """--check is silent about bytes: exit 0 while the file shows the definition, 1 once that has changed."""
    program.flow("support.py")
    assert program("render", "support.py", "-o", "flow.svg").code == 0
    assert program("render", "support.py", "-o", "flow.svg", "--check").out == "flow.svg is up to date\n"
    program.flow("support.py", ("s.score < 0.8", "s.score < 0.7"), to="support2.py")
    ran = program("render", "support2.py", "-o", "flow.svg", "--check")
    assert ran.code == 1
    assert "flow.svg is out of date" in ran.out
    assert "draw it again: graphrt render support2.py -o flow.svg" in ran.out


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [("gone.svg", None, "gone.svg does not exist"), ("edited.svg", "<svg/>", "edited.svg carries no digest")],
)
def test_a_picture_that_cannot_be_checked_is_a_finding(
    program: Program, name: str, content: str | None, says: str
) -> None:
    """A picture that is missing, or none of ours, is found as well."""
    program.flow("support.py")
    if content is not None:
        (program.folder / name).write_text(content)
    ran = program("render", "support.py", "-o", name, "--check")
    assert ran.code == 1
    assert ran.out.startswith(says)


def test_json_can_be_read_by_programs(program: Program) -> None:
    """The picture as data has nodes, edges and what the run did at them."""
    picture = json.loads(program("render", program.file("run.jsonl", scenes.suspended()), "-f", "json").out)
    assert {"nodes", "edges"} <= set(picture)
