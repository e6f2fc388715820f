"""`graphrt render` of more than one: what differs, many runs, and how much is opened."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from graphrt_viz import difference_of_runs, digest_in, picture_of_heat
from graphrt_viz.picture import from_json
from tests.cli import scenes
from tests.cli.calling import Program


def _runs(program: Program) -> tuple[Path, Path]:
    return program.file("good.jsonl", scenes.completed()), program.file("bad.jsonl", scenes.failed())


def test_two_runs_show_what_differs(program: Program) -> None:
    """Both ways on one picture, the same that the library draws; it can be checked like any other."""
    good, bad = _runs(program)
    ran = program("render", good, bad, "-o", "differ.svg")
    assert (ran.code, ran.err) == (0, "wrote differ.svg\n")
    expected = difference_of_runs(scenes.completed(), scenes.failed()).picture.digest
    assert digest_in(Path("differ.svg").read_bytes()) == expected
    assert program("render", good, bad, "-o", "differ.svg", "--check").code == 0
    assert program("render", bad, good, "-o", "differ.svg", "--check").code == 1


def test_two_flows_show_what_differs(program: Program) -> None:
    """What is new, gone and changed, without a run."""
    old, new = program.flow("support.py"), program.flow("support.py", ("0.8", "0.9"), to="stricter.py")
    ran = program("render", f"{old}:flow", f"{new}:flow")
    assert ran.code == 0
    assert "0.8" in ran.out
    assert "changed" in ran.out


def test_many_runs_show_their_heat(program: Program) -> None:
    """The runs that are named, coloured by what is asked for."""
    good, bad = _runs(program)
    ran = program("render", good, good, bad, "--heat", "visits", "-f", "json")
    picture = from_json({k: v for k, v in json.loads(ran.out).items() if k != "digest"})
    assert picture == picture_of_heat([scenes.completed(), scenes.completed(), scenes.failed()], by="visits")


def test_all_runs_of_a_flow_show_their_heat(program: Program) -> None:
    """A flow stands for its runs in the store; without any the message says how to begin one."""
    flow = program.flow("support.py")
    assert program("import", program.file("good.jsonl", scenes.completed())).code == 0
    assert program("import", program.file("bad.jsonl", scenes.failed())).code == 0
    ran = program("render", f"{flow}:flow", "--heat", "time")
    assert ran.code == 0
    assert "2 runs" in ran.out.splitlines()[0]
    other = program.flow("research.py")
    refused = program("render", f"{other}:flow", "--heat", "time")
    assert refused.code == 2
    assert "has no run of flow" in refused.err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("support.py:flow",), "are a flow and a run; what differs is drawn of two of a kind"),
        (("good.jsonl", "good.jsonl"), "3 given; two show what differs, more than two runs need --heat time"),
        (("support.py:flow", "--heat", "time"), "not both at once"),
    ],
)
def test_what_cannot_stand_together_is_refused(program: Program, more: tuple[str, ...], said: str) -> None:
    """One clear line, exit 2, no file written."""
    program.flow("support.py")
    ran = program("render", _runs(program)[0], *more, "-o", "x.svg")
    assert ran.code == 2
    assert said in ran.err
    assert not Path("x.svg").exists()


def test_a_report_is_one_file(program: Program) -> None:
    """The ending is enough; its colours follow the reader unless it is asked for otherwise."""
    good, _ = _runs(program)
    assert program("render", good, "-o", "report.html").code == 0
    assert 'data-theme="auto"' in Path("report.html").read_text("utf-8")
    assert program("render", good, "-o", "report.html", "--theme", "dark").code == 0
    assert 'data-theme="dark"' in Path("report.html").read_text("utf-8")


def test_a_report_of_several_runs_compares_them(program: Program) -> None:
    """It is of the first, with a view of what differs from the second and one of all."""
    good, bad = _runs(program)
    assert program("render", good, bad, "-o", "report.html").code == 0
    page = Path("report.html").read_text("utf-8")
    assert re.findall(r'data-view="(\w+)" role="tabpanel"', page) == [
        "flow", "timeline", "unrolled", "difference", "heat",
    ]  # fmt: skip
    assert "first difference at triage" in page


def test_more_or_less_is_opened(program: Program) -> None:
    """Subgraphs by default, agents on request, nothing, or so many levels."""
    trace = program.file("run.jsonl", scenes.researched())
    asked = ((), ("--open", "agents"), ("--open", "none"), ("--depth", "0"), ("--open", "agents", "--depth", "1"))
    frames = {options: program("render", trace, *options).out.count("┌") for options in asked}
    assert frames[("--open", "agents")] >= frames[("--open", "agents", "--depth", "1")] >= frames[()]
    assert frames[("--open", "none")] == frames[("--depth", "0")] == 0
