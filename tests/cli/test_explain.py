"""`graphrt explain`: what a rule finds, why, and how to mend it."""

from __future__ import annotations

import json

from graphrt.checks import RULES
from graphrt.checks.mistakes import BY_CODE
from tests.cli.calling import Program


def test_a_rule_is_explained_by_code_or_name(program: Program) -> None:
    """Head, summary, reason, the example and its repair; the code in any case, or the name."""
    ran = program("explain", "GR201")
    assert ran.code == 0
    assert ran.out.startswith("GR201 guard-gap  error\n\nA state in which no edge of a node matches.\n")
    assert "\nExample\n\n    class Ticket(BaseModel):\n" in ran.out
    assert "\nInstead\n\n    class Ticket(BaseModel):\n" in ran.out
    assert program("explain", "gr201").out == program("explain", "guard-gap").out == ran.out
    assert all(row == row.rstrip() for row in ran.out.splitlines())


def test_a_mistake_leads_to_the_rule_that_stands_for_it(program: Program) -> None:
    """Who meets a mistake of freezing finds the rule that is for the same, and the other way round."""
    assert "`graphrt explain GR101` tells about the rule" in program("explain", "unreachable").out
    ran = program("explain", "unreachable-node")
    assert ran.out.startswith("GR101 unreachable-node")
    assert "Freezing a flow reports it too, as unreachable" in ran.out


def test_a_mistake_is_explained_as_an_error_names_it(program: Program) -> None:
    """What it is, lines that make it, and what is said of them; an error says how to ask for it."""
    ran = program("explain", "no-start")
    assert ran.code == 0
    assert ran.out.startswith("no-start  error  the flow cannot be run\n\nIt is not clear at which node")
    assert "\n    flow.edge(review, draft)\n" in ran.out
    assert "every node has an edge that leads to it; say where the flow begins: flow.start(node)" in ran.out
    assert program("explain", "[no-start]").out == ran.out
    (program.folder / "bad.py").write_text("from graphrt import ChatState, Flow\nflow = Flow('bad', ChatState)\n")
    assert program("run", "bad.py").err.endswith("[no-nodes]\n`graphrt explain no-nodes` shows an example\n")
    told = json.loads(program("explain", "no-start", "--json").out)
    assert (told["code"], told["severity"]) == ("no-start", "error")
    assert told["message"] in ran.out
    assert program("explain", "nostart").err == "graphrt: there is no rule 'nostart'. Did you mean 'no-start'?\n"


def test_all_rules_and_mistakes_are_listed(program: Program) -> None:
    """Each has a line, below the title of its family; JSON has everything about each."""
    ran = program("explain", "--list")
    assert [row.split()[0] for row in ran.out.splitlines() if row.startswith("  GR")] == [r.code for r in RULES]
    assert "\nData flow\n" in ran.out
    found = json.loads(program("explain", "--list", "--json").out)
    known = [(r.code, r.example) for r in RULES] + [(code, kind.example) for code, kind in BY_CODE.items()]
    assert [(r["code"], r["example"]) for r in found] == known
    listed = {row.split()[0] for row in ran.out.partition("Mistakes: ")[2].splitlines() if row.startswith("  ")}
    assert listed == set(BY_CODE)


def test_what_cannot_be_explained(program: Program) -> None:
    """An unknown code proposes one that is known; nothing, or both, is refused."""
    ran = program("explain", "GR2O1")
    assert (ran.code, ran.out, ran.err) == (2, "", "graphrt: there is no rule 'GR2O1'. Did you mean 'GR201'?\n")
    assert program("explain", "GR201", "--list").code == 2
    assert "give the code of a rule, or --list" in program("explain", "--json").err
