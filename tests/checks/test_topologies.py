"""Real flows of other projects: whatever the checker says about them can be explained."""

from __future__ import annotations

from typing import Final

import pytest

from graphrt.checks import check
from tests.checks.topologies import NAMES, topology

_HALTS = "burr stops such a loop from outside: the application is run until a given action (halt_after)"
_WAITS = "its guards are functions without an otherwise; where none holds, the original runs the node once more"

EXPLAINED: Final[dict[str, dict[tuple[str, str], str]]] = {
    "asl-semaphore": {
        ("GR105", "Get Lock/0/Acquire Lock"): "every error of the database leads to making the lock and trying again",
    },
    "burr-deep-researcher": {
        ("GR103", "generate_query"): _HALTS,
        ("GR201", "reflect_on_summary"): "research_loop_count is compared with == 2 and < 2: a count of 3 has no way",
    },
    "burr-multimodal": {("GR103", "prompt"): _HALTS},
    "n8n-082-api-schema": {
        ("GR102", "n1"): "it leads into the loop below",
        ("GR103", "n63"): "a node that loops over items; that it is done when none is left is not drawn",
    },
    "tornado-chatbot-complex": {("GR206", "waiter"): _WAITS},
    "tornado-coding": {("GR206", "code"): _WAITS, ("GR206", "build"): _WAITS},
    "tornado-magentic": {
        ("GR206", "planner"): _WAITS,
        ("GR206", "orchestrator"): _WAITS,
        ("GR206", "directOrchestrator"): _WAITS,
    },
    "tornado-memory-chatbot": {
        ("GR206", "selector"): _WAITS,
        ("GR206", "planner"): _WAITS,
        ("GR206", "researcher"): _WAITS,
    },
    "tornado-research": {
        ("GR206", "planner"): _WAITS,
        ("GR206", "researcher"): _WAITS,
        ("GR206", "reporter"): _WAITS,
    },
}
"""Every finding on a real flow, by topology, code and node, and why it is right, or what the drawing does not tell."""


def test_there_are_46_of_them() -> None:
    """None is left out, and none is explained that is not there."""
    assert len(NAMES) == 46
    assert set(EXPLAINED) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_no_finding_on_a_real_flow_is_without_explanation(name: str) -> None:
    """The flow can be frozen, and its findings are the explained ones."""
    graph, mistakes = topology(name)
    assert mistakes == ()
    assert graph is not None
    assert {(f.code, f.node) for f in check(graph)} == set(EXPLAINED.get(name, {}))
