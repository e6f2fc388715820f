"""Every scenario, on the stepper alone in virtual time."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.scenarios.differences import DIFFERENCES
from tests.scenarios.loader import Refused, Scenario, graph_of, scenarios
from tests.scenarios.player import Player

SCENARIOS = scenarios()
_STATUS = {"paused": "suspended", "step_limit": "failed"}
_KNOWN = {
    "status",
    "sequence",
    "visits",
    "visits_counts",
    "steps",
    "counts",
    "state",
    "state_len",
    "bag",
    "error",
    "pauses",
    "next",
    "last",
    "max_wall_ms",
    "repeat",
    "phases",
    "options",
    "input",
}


def _expected(scenario: Scenario) -> dict[str, Any]:
    expect: dict[str, Any] = dict(scenario["expect"])
    difference = DIFFERENCES.get(scenario["id"])
    return expect if difference is None else expect | difference.instead


def _check(player: Player, expect: dict[str, Any]) -> None:
    unknown = expect.keys() - _KNOWN
    assert not unknown, f"expectations that nobody checks: {unknown}"
    stepper, names = player.stepper, [name for _, name in sorted(player.visits, key=lambda v: v[0])]
    if "status" in expect:
        assert stepper.status == _STATUS.get(expect["status"], expect["status"]), stepper.error
    if expect.get("status") == "step_limit":
        assert stepper.error is not None
        assert stepper.error.type == "LimitReached"
    for key in ("sequence", "visits"):
        if key in expect:
            assert names == expect[key]
    if "steps" in expect:
        assert player.steps == [sorted(step) for step in expect["steps"]]
    for key in ("counts", "visits_counts"):
        assert {name: player.counts[name] for name in expect.get(key, {})} == expect.get(key, {})
    if "last" in expect:
        assert names[-1] == expect["last"]
    for key, value in expect.get("state", {}).items():
        bag = key in expect.get("bag", ())
        assert (Counter(player.state[key]) if bag else player.state[key]) == (Counter(value) if bag else value), key
    for key, length in expect.get("state_len", {}).items():
        assert len(player.state[key]) == length
    if "error" in expect:
        _check_error(player, expect["error"])
    if "pauses" in expect:
        assert [{"node": q.node, "prompt": q.question} for q in stepper.questions.values()] == expect["pauses"]
    if "next" in expect:
        assert player.next == expect["next"]
    if "max_wall_ms" in expect:
        assert player.now_ms - player.began_ms <= expect["max_wall_ms"]


def _check_error(player: Player, expect: dict[str, Any]) -> None:
    error, at = player.stepper.error, player.stepper.failed_at
    assert error is not None
    assert at is not None
    assert error.type == expect.get("type", error.type)
    assert expect.get("type_contains", "") in error.type
    assert expect.get("message_contains", "") in error.message
    assert at[1] == expect.get("node", at[1])


def _play(scenario: Scenario, expect: dict[str, Any]) -> None:
    if expect.get("status") == "invalid_graph":
        with pytest.raises(Refused):
            graph_of(scenario)
        return
    graph = graph_of(scenario)
    player = Player(graph, scenario)
    phases = expect.get("phases", [expect])
    steps = scenario.get("run", [{"start": True}])
    for step in steps[: -len(phases)]:  # Only how it ends is asked about.
        player.play(step)
    for step, phase in zip(steps[-len(phases) :], phases, strict=True):
        player.play(step)
        _check(player, phase)
    for again in expect.get("repeat", []):
        player = Player(graph, scenario)
        player.play({"start": True, "input": again["input"]})
        _check(player, {"status": "completed"} | again)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s["id"])
def test_scenario(scenario: Scenario) -> None:
    """Each scenario comes out as it says, or as the table of differences says."""
    _play(scenario, _expected(scenario))


@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if s["id"] in DIFFERENCES], ids=lambda s: s["id"])
def test_difference_is_needed(scenario: Scenario) -> None:
    """What stands in the table is disputed or comes out otherwise than the scenario says: no entry is stale."""
    if scenario["expect"]["status"] != "DISPUTED":
        with pytest.raises((AssertionError, pytest.fail.Exception)):
            _play(scenario, scenario["expect"])


def test_table_is_whole() -> None:
    """The table knows only scenarios that exist, and decides everything that is disputed."""
    known = {s["id"]: s["expect"] for s in SCENARIOS}
    disputed = {name for name, expect in known.items() if expect.get("status") == "DISPUTED"}
    assert disputed <= DIFFERENCES.keys() <= known.keys()


def test_there_are_93() -> None:
    """No scenario is lost or doubled."""
    assert len({s["id"] for s in SCENARIOS}) == len(SCENARIOS) == 93
