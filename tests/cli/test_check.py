"""`graphrt check`: what is wrong with flows, for people and for programs; whether anything is, by the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.cli.calling import Program

ROOT = Path(__file__).parents[2]

BROKEN = """
from pydantic import BaseModel

from graphrt import Flow


class State(BaseModel):
    text: str = ""


flow = Flow("broken", State)


@flow.task(writes=flow.state.text)
def first(text: str) -> str:
    return text


@flow.task(writes=flow.state.text)
def lonely(text: str, nothing: int) -> str:
    return text


other = Flow("fine", State)
other.task(writes=other.state.text, name="only")(first.fn)
"""


GAP = """
from pydantic import BaseModel

from graphrt import Flow


class State(BaseModel):
    text: str
    score: float = 0.0


flow = Flow("gap", State)
s = flow.state


@flow.task(writes=s.score)
def grade(text: str) -> float:
    return float(len(text))


@flow.task
def praise() -> None: ...


@flow.task
def thank() -> None: ...


low, high = flow.end("low"), flow.end("high")
flow.edge(grade, low, when=s.score < 4)
flow.edge(grade, praise, when=s.score > 4)
flow.edge(praise, thank)
flow.edge(thank, praise, at_most=2)
flow.edge(thank, high)
"""


FINE = GAP.replace("when=s.score > 4", "")

SAID = (
    "score = 4.0: no edge of 'grade' matches, and the run fails with NoRoute; add a last edge without when=,"
    " or widen a guard"
)


def write(program: Program, name: str, text: str) -> None:
    """Write a file of flows."""
    path = program.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def test_a_flow_without_findings_is_one_line(program: Program) -> None:
    """Exit code 0, and the name by which the flow can be run."""
    write(program, "fine.py", FINE)
    ran = program("check", "fine.py")
    assert (ran.code, ran.out, ran.err) == (0, "✓ fine.py:flow\n", "")


def test_every_mistake_has_place_and_code(program: Program) -> None:
    """What freezing refuses is told all at once, each with file and line and its code; the exit code is 1."""
    write(program, "broken.py", BROKEN)
    ran = program("check", "broken.py:flow")
    assert ran.code == 1
    first, *rest = ran.out.splitlines()
    assert first == "✗ broken.py:flow: 2 errors"
    assert [row.split()[:2] for row in rest] == [["broken.py:19:", "unknown-field"], ["no-start", "nothing"]]


def test_a_finding_has_place_code_state_and_name(program: Program) -> None:
    """A finding of a rule says where, which rule, in which state, and what to do; all on one line."""
    write(program, "gap.py", GAP)
    ran = program("check", "gap.py")
    assert ran.code == 1
    assert ran.out.splitlines() == [
        "✗ gap.py:flow: 1 error",
        f"  gap.py:16: GR201 {SAID} [guard-gap]",
    ]


def test_every_flow_of_every_target_is_checked(program: Program) -> None:
    """A file without a name stands for all its flows; the last line counts."""
    write(program, "broken.py", BROKEN)
    write(program, "fine.py", FINE)
    ran = program("check", "broken.py", "fine.py")
    assert ran.code == 1
    assert [row.partition(":")[2].partition(":")[0] for row in ran.out.splitlines() if row.startswith(("✓", "✗"))] == [
        "flow",
        "other",
        "flow",
    ]
    assert ran.out.splitlines()[-1] == "3 flows checked, 2 findings in 1"


def test_a_folder_stands_for_the_flows_below_it(program: Program) -> None:
    """Files without a flow, hidden ones and environments are passed over; a flow that a file only imports is not."""
    write(program, "flows/gap.py", GAP)
    write(program, "flows/deep/again.py", GAP.replace('"gap"', '"again"'))
    write(program, "flows/deep/imports.py", "from again import flow\n")
    write(program, "flows/tools.py", "x = 1\n")
    write(program, "flows/.hidden.py", "raise RuntimeError\n")
    write(program, "flows/env/lib.py", "raise RuntimeError\n")
    write(program, "flows/env/pyvenv.cfg", "")
    ran = program("check", "flows")
    assert [row for row in ran.out.splitlines() if row.startswith("✗")] == [
        "✗ flows/deep/again.py:flow: 1 error",
        "✗ flows/gap.py:flow: 1 error",
    ]
    assert program("check", "flows/env").err.startswith("graphrt: cannot load flows/env/lib.py")
    write(program, "empty/readme.txt", "")
    assert "no file in empty has a flow" in program("check", "empty").err


def test_a_target_that_cannot_be_loaded_does_not_hide_the_others(program: Program) -> None:
    """Files without a flow are passed over, one that is broken is named; the others are checked; the exit code is 2."""
    write(program, "none.py", "x = 1\n")
    write(program, "broken.py", "import nothere\n")
    write(program, "gap.py", GAP)
    write(program, "fine.py", FINE.replace('"gap"', '"fine"'))
    ran = program("check", "none.py", "fine.py")
    assert (ran.code, ran.out, ran.err) == (0, "✓ fine.py:flow\n", "")
    ran = program("check", "broken.py", "gap.py", "none.py", "nowhere.py", "fine.py")
    assert ran.code == 2
    assert [row for row in ran.out.splitlines() if row.startswith(("✗", "✓"))] == [
        "✗ gap.py:flow: 1 error",
        "✓ fine.py:flow",
    ]
    assert [row for row in ran.err.splitlines() if row.startswith("graphrt:")] == [
        "graphrt: cannot load broken.py: ModuleNotFoundError: No module named 'nothere'",
        "graphrt: there is no file nowhere.py; did you mean none.py?",
    ]
    ran = program("check", ".")
    assert ran.code == 2
    assert "✗ gap.py:flow: 1 error\n" in ran.out
    assert ran.err.startswith("graphrt: cannot load broken.py: ModuleNotFoundError")


def test_nothing_to_check_is_no_success(program: Program) -> None:
    """Where no file that was named has a flow, nothing was checked, and nobody may take that for green."""
    write(program, "none.py", "x = 1\n")
    write(program, "other.py", "x = 1\n")
    ran = program("check", "none.py", "other.py")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("graphrt: none.py has no flow; expected a variable that holds a Flow or a Graph")


def test_json_has_every_fact(program: Program) -> None:
    """Programs get code, place, message and witness of each finding, and with --cost the bounds."""
    write(program, "gap.py", GAP)
    ran = program("check", "gap.py", "--json", "--cost")
    (found,) = json.loads(ran.out)
    assert ran.code == 1
    assert found["target"] == "gap.py:flow"
    (gap,) = found["findings"]
    assert (gap["code"], gap["file"], gap["line"], gap["witness"]) == ("GR201", "gap.py", 16, {"score": 4.0})
    assert found["worst"]["visits"] == {
        "most": 8,
        "loop": {"nodes": ["praise", "thank", "praise"], "rounds": 2, "cost": 6},
        "unbounded": [],
    }
    assert found["worst"]["requests"]["most"] == 0
    assert program("check", "gap.py", "--format", "json").code == 1


def test_sarif_and_github(program: Program) -> None:
    """Code hosts get SARIF, GitHub Actions commands; without findings GitHub gets nothing."""
    write(program, "gap.py", GAP)
    log = json.loads(program("check", "gap.py", "--format", "sarif").out)
    assert [r["ruleId"] for r in log["runs"][0]["results"]] == ["GR201"]
    ran = program("check", "gap.py", "--format", "github")
    assert ran.out.startswith("::error file=gap.py,line=16,title=GR201 guard-gap::score = 4.0: no edge")
    write(program, "fine.py", FINE)
    assert program("check", "fine.py", "-f", "github").out == ""


def test_rules_are_selected_and_left_out(program: Program) -> None:
    """Codes, beginnings of codes and names, several with commas; a name that no rule has is refused before loading."""
    write(program, "gap.py", GAP)
    assert program("check", "gap.py", "--select", "GR3,GR1").code == 0
    assert program("check", "gap.py", "--select", "guard-gap").code == 1
    assert program("check", "gap.py", "--ignore", "GR2").code == 0
    ran = program("check", "nowhere.py", "--select", "GR2,guard-gab")
    assert (ran.code, ran.err) == (2, "graphrt: there is no rule 'guard-gab'. Did you mean 'guard-gap'?\n")


def test_settings_of_the_project(program: Program) -> None:
    """[tool.graphrt.check] of the nearest pyproject.toml holds; --select comes before it, --ignore adds to it."""
    write(program, "gap.py", GAP)
    write(program, "pyproject.toml", '[tool.graphrt.check]\nignore = ["GR201"]\nmax-visits = 7\n')
    ran = program("check", "gap.py")
    assert "a run may make 8 visits, more than the 7 of the budget" in ran.out
    assert "GR201" not in ran.out
    assert program("check", "gap.py", "--max-visits", "8").code == 0
    assert program("check", "gap.py", "--ignore", "over-budget").code == 0


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ('[tool.graphrt.check]\nselekt = ["GR2"]', "there is no setting 'selekt'. Did you mean 'select'?"),
        ('[tool.graphrt.check]\nselect = "GR2"', "select = 'GR2'; expected a list of codes or names of rules"),
        ("[tool.graphrt.check]\nmax-visits = -1", "max-visits = -1; expected a number from 0"),
        ("[tool.graphrt.check]\noutputs = 3", "outputs = 3; expected a table of flows, each with a list of fields"),
        ("[tool.graphrt]\ncheck = 3", "[tool.graphrt.check] is no table"),
        ("[tool", "cannot be read"),
        ('[tool.graphrt.check]\nselect = ["GR9"]', "there is no rule 'GR9'"),
    ],
)
def test_settings_that_cannot_be(program: Program, table: str, says: str) -> None:
    """A misspelt key or a wrong value is one line that names it, and exit code 2."""
    write(program, "gap.py", GAP)
    write(program, "pyproject.toml", table)
    ran = program("check", "gap.py")
    assert ran.code == 2
    assert says in ran.err
    assert len(ran.err.splitlines()) == 1


def test_cost_and_picture(program: Program) -> None:
    """--cost tells the bounds and what is behind them; --picture draws the part of the flow that a finding is about."""
    text = GAP.replace("at_most=2", "").replace("flow.edge(thank, high)", "flow.edge(grade, high)")
    write(program, "gap.py", text)
    ran = program("check", "gap.py", "--cost", "--picture")
    assert ran.out.splitlines()[1:3] == [
        "  any number of visits: nothing bounds the cycle praise → thank → praise",
        "  at most 0 requests to models",
    ]
    assert "GR103 no edge leaves the cycle praise → thank → praise" in ran.out
    assert [row.strip() for row in ran.out.splitlines() if row.startswith("      ")] == [
        "▢ praise · task",
        "└──▶ thank",
        "▢ thank · task",
        "└──▶ praise",
    ]


MEAN = """
from typing import Annotated

from pydantic import BaseModel

from graphrt import Flow


def mean(old: float, new: float) -> float:
    return (old + new) / 2


class Essay(BaseModel):
    text: str
    score: Annotated[float, mean] = 0.0


flow = Flow("essay", Essay)


@flow.task(writes=flow.state.score)
def grade(text: str) -> float:
    return 0.5
"""


def test_reducers_are_tried_on_request(program: Program) -> None:
    """--reducers, or the project's settings, call what the flow folds with; the finding stands at the field."""
    write(program, "mean.py", MEAN)
    assert program("check", "mean.py").code == 0
    ran = program("check", "mean.py", "--reducers")
    assert ran.code == 1
    assert "  mean.py:15: GR306 reducer mean of field 'score' is not associative: mean(mean(0.0, 0.0), 0.25)" in ran.out
    write(program, "pyproject.toml", "[tool.graphrt.check]\nreducers = true\n")
    assert program("check", "mean.py").code == 1
    write(program, "pyproject.toml", "[tool.graphrt.check]\nreducers = 1\n")
    assert "reducers = 1; expected true or false" in program("check", "mean.py").err


def test_the_hook_for_pre_commit_is_a_command_that_works(program: Program) -> None:
    """Who names the hook and a folder gets the check of that folder, whatever files were changed."""
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    assert {"id", "name", "entry", "language", "types"} <= set(hook)
    assert hook["pass_filenames"] is False
    name, *args = hook["entry"].split()
    assert name == "graphrt"
    write(program, "flows/gap.py", GAP)
    assert program(*args, "flows").code == 1
    write(program, "good/fine.py", FINE)
    assert program(*args, "good").code == 0


def test_recorded_runs_against_a_changed_flow(program: Program) -> None:
    """--against names the runs that would go another way under today's definition; under their own there are none."""
    write(program, "gap.py", GAP)
    assert program("run", "gap.py", "--input", '{"text": "a kettle"}').code == 0
    assert program("check", "gap.py", "--against", ".graphrt/runs.db", "--select", "GR6").code == 0
    write(program, "later.py", GAP.replace("s.score < 4", "s.score < 9"))
    ran = program("check", "later.py", "--against", ".graphrt/runs.db", "--select", "GR6")
    assert ran.code == 1
    assert "GR601 run" in ran.out
    assert "would go another way at visit 0 (grade)" in ran.out
    ran = program("check", "later.py", "--against", "nowhere.db")
    assert (
        ran.code,
        "there is no such store or trace file; give one, as in --against .graphrt/runs.db" in ran.err,
    ) == (2, True)
    assert "give one, as in --against .graphrt/runs.db" in program("check", "later.py", "--against", "latest").err


def test_many_runs_that_differ_alike_are_one_finding(program: Program) -> None:
    """However many runs a store holds, a change is told once for each node at which they part, the first in full."""
    write(program, "gap.py", GAP)
    for k in range(6):
        assert program("run", "gap.py", "--input", '{"text": "a kettle"}', "--run-id", f"run{k}").code == 0
    write(program, "later.py", GAP.replace("s.score < 4", "s.score < 9"))
    ran = program("check", "later.py", "--against", ".graphrt/runs.db", "--select", "GR6")
    assert ran.code == 1
    assert ran.out.count("GR601") == 1
    assert "GR601 runs run0, run1, run2 and 3 more would go another way at grade: run0 at visit 0 (grade): " in ran.out


@pytest.mark.parametrize(
    ("rules", "option"),
    [("GR306", "--reducers"), ("GR601,GR602", "--against RUNS"), ("over-budget", "--max-visits or --max-requests")],
)
def test_a_selection_that_can_find_nothing_is_refused(program: Program, rules: str, option: str) -> None:
    """Rules that wait for an option say so instead of finding nothing; beside others they may stand."""
    program.flow("support.py")
    ran = program("check", "support.py", "--select", rules)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.endswith(f": nothing can be found without {option}; add it\n")
    assert program("check", "support.py", "--select", f"{rules},GR1").code in {0, 1}
