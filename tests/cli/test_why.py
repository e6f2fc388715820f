"""`graphrt why`: every edge that was tried, what its guard read, and the winner."""

from __future__ import annotations

import json

import pytest

from tests.cli import scenes
from tests.cli.calling import Program, same_as_golden


@pytest.mark.parametrize("visit", ["triage", "invoice", "review", "review #1", "approve"])
def test_a_visit_tells_why_it_was_left_so(program: Program, visit: str) -> None:
    """Where it came from, what it read and wrote, each attempt, and the verdict on each edge with the values read."""
    ran = program("why", program.file("run.jsonl", scenes.suspended()), visit)
    assert (ran.code, ran.err) == (0, "")
    same_as_golden(f"why-{visit.replace(' ', '-').replace('#', '')}.txt", ran.out)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("suspended", "approve (step 8, visit 6) in run desk  ? waits for an answer"),
        ("failed", "known_bugs (step 2, visit 1) in run broken  ✗ failed"),
        ("completed", "approve (step 8, visit 6) in run sent  ✓ send"),
        ("cut_off", "review (step 5, visit 3) in run crashed  ✓ completed"),
    ],
)
def test_without_a_visit_it_tells_of_the_one_that_says_most(program: Program, name: str, first: str) -> None:
    """Where the run failed or waits, else the last visit that was left by an edge."""
    ran = program("why", program.file("run.jsonl", getattr(scenes, name)()))
    assert ran.out.splitlines()[0] == first


def test_an_edge_that_is_used_up_says_so(program: Program) -> None:
    """Beside what the guard would have read stands how often the edge had been crossed, and how often it may."""
    script = scenes.GOOD | {"review": ({"score": 0.1},)}
    trace = scenes.support_run(script=script).trace
    ran = program("why", program.file("run.jsonl", trace), "review")
    assert "  1  → draft    score < 0.8  used up  3 of 3 used" in ran.out


def test_json_has_the_verdicts_and_what_came_next(program: Program) -> None:
    """Programs get the verdicts with values, and the visits that followed."""
    told = json.loads(program("why", program.file("run.jsonl", scenes.suspended()), "3", "--json").out)
    assert (told["run"], told["visit"], told["next"]) == ("desk", "3", ["4"])
    assert told["edges"] == [
        {
            "to": "draft",
            "trigger": "score < 0.8",
            "result": "taken",
            "values": {"score": 0.62},
            "count": 0,
            "step": "6",
            "at_most": 3,
        },
        {
            "to": "approve",
            "trigger": "always",
            "result": "not tried",
            "values": {},
            "count": None,
            "step": None,
            "at_most": None,
        },
    ]
