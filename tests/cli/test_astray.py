"""What goes wrong around agents and guards is seen: calls in vain, failures inside, guards that raise."""

from __future__ import annotations

import json
import re

import pytest

from graphrt_viz.chronicle import chronicle_of
from tests.cli.calling import Program, Ran


def run(program: Program, flow: str) -> Ran:
    """Run a flow of `astray.py` that stands alone in the folder."""
    return program("run", f"{program.flow('astray.py')}:{flow}", "-i", "{}", "--run-id", flow)


def rows(text: str) -> dict[str, str]:
    """Return the rows of a table of visits by the visit."""
    found: dict[str, str] = {}
    for row in text.splitlines():
        if (ident := re.match(r"\S+(?:, \S+)*  +(\d[\d./-]*) ", row)) is not None:
            found.setdefault(ident[1], row)
    return found


CALLS = {
    "0/0.0-0.0": "refund: There is no tool 'refund'. The tools are: lookup.",
    "0/2.0-0.0": "lookup: the arguments of lookup are wrong: order: Input should be a valid integer",
    "0/4.0-0.0": "lookup: LookupError: order 13 is not in the ledger",
}
"""The visits that call a tool in vain: one that does not exist, one with wrong arguments, one that raises."""


@pytest.mark.parametrize("option", [[], ["--tree"]])
def test_calls_that_went_wrong_stand_out(program: Program, option: list[str]) -> None:
    """A call that the model was told to have failed is marked, with the tool and what went wrong; others are not."""
    assert run(program, "calls").code == 0
    shown = program("show", "calls", *option).out
    marked = {ident for ident, row in rows(shown).items() if "✗ told the model" in row}
    assert marked == set(CALLS)
    for trouble in CALLS.values():
        assert f"✗ told the model: {trouble}" in shown
    assert "lookup: order 4 is on its way" in rows(shown)["0/6.0-0.0"]


def test_lists_of_visits_hide_what_an_agent_keeps_for_itself(program: Program) -> None:
    """Requests show the calls that they led to, and what was written; the agent's own fields are left out."""
    run(program, "calls")
    shown = program("show", "calls").out
    assert "calls lookup(order=13)" in rows(shown)["0/4"]
    assert 'output = "It is on its way."' in rows(shown)["0/8"]
    for field in ("messages =", "wrong_calls =", "calls ="):
        assert field not in shown


def test_steps_name_the_agent_and_find_the_calls_that_went_wrong(program: Program) -> None:
    """In a list of steps a request stands behind the name of its agent; calls in vain count as failures."""
    run(program, "calls")
    steps = json.loads(program("replay", "calls", "--json").out)
    assert [s["visit"] for s in steps if s["failed"]] == list(CALLS)
    printed = program("replay", "calls").out
    assert "clerk · model #2 (visit 0/2)  ✓ completed" in printed
    assert f"✗ told the model: {CALLS['0/4.0-0.0']}" in printed


def test_statistics_count_calls_that_went_wrong(program: Program) -> None:
    """Of four calls three went wrong, at the tools and so at the agent around them."""
    run(program, "calls")
    nodes = json.loads(program("stats", "calls", "--json").out)["nodes"]
    assert {n["node"]: n["failures"] for n in nodes if n["failures"]} == {"clerk": 3, "clerk/tool": 3}


def test_the_report_finds_calls_that_went_wrong(program: Program) -> None:
    """Steps of a report have as their error what went wrong, which is searched and stepped through; they are good."""
    run(program, "calls")
    steps = chronicle_of(program.trace("calls")).steps
    wrong = {s.visit: (s.status, s.error) for s in steps if s.error is not None}
    assert {v: s for v, (s, _) in wrong.items()} == dict.fromkeys(CALLS, "good")
    assert all((wrong[v][1] or "").startswith(f"told the model: {text}") for v, text in CALLS.items())


def test_the_node_around_a_failure_has_failed_too(program: Program) -> None:
    """An agent whose request failed is no longer running, and `why` says what failed inside of it."""
    ran = run(program, "mute")
    assert ran.code == 1
    assert "failed at agent 'kind' (its request to the model, visit 0/0)" in ran.out
    assert "✗ failed" in rows(program("show", "mute").out)["0"]
    why = program("why", "mute", "0").out
    assert "has not been left yet" not in why
    assert "agent 'kind' (its request to the model, visit 0/0) failed inside it" in why


def test_a_guard_that_raises_is_told(program: Program) -> None:
    """The progress and `show` say that the run failed there; `why` lists the edges with the one whose guard raised."""
    ran = run(program, "raising")
    assert ran.code == 1
    assert re.search(r"count +✗ failed  GuardError: the guard 'tags\[0\] == 1' of edge 2 of 'count'", ran.err)
    assert "✗ a guard raised" in rows(program("show", "raising").out)["0"]
    why = program("why", "raising").out
    table = [re.split(r"  +", row.strip()) for row in why.splitlines() if re.match(r"  \d  →", row)]
    assert table == [
        ["1", "→ few", "number < 3", "no match"],
        ["2", "→ first", "tags[0] == 1", "raised"],
        ["3", "→ many", "always", "not tried"],
    ]
    assert "raised IndexError: index 0 of a list of 0 items" in why
    assert re.match(r"count .*✗ a guard raised", why)
    assert "✓" not in ran.err.split("count ")[-1], "its work went well, and that is not what there is to say"
    (told,) = (v for v in json.loads(program("show", "raising", "--json").out)["visits"] if v["node"] == "count")
    assert (told["status"], told["stuck"]["type"]) == ("completed", "GuardError")


@pytest.mark.parametrize(("flow", "advised"), [("hopeless", False), ("raising", True)])
def test_a_run_that_can_only_fail_again_is_not_resumed(program: Program, flow: str, *, advised: bool) -> None:
    """An end that is declared a failure cannot be mended by resuming: nobody is told to."""
    assert ("graphrt resume" in run(program, flow).out) is advised
    assert ("graphrt resume" in program("show", flow).out) is advised
