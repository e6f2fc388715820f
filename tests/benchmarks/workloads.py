"""What every contender does: the workloads, their sizes, and the figures that each gives.

The one place where sizes stand, so that no contender can do less than another. Standard library only: contenders
import it in environments of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CHAIN_NODES: Final = 100
LOOP_STEPS: Final = 1_000
FAN_BRANCHES: Final = (10, 100, 1_000)
GUARDS: Final = 10
ROUTED_STEPS: Final = 300
RUNS: Final = 1_000
RUN_NODES: Final = 10
DURABLE_STEPS: Final = 200
DURABLE_WARM: Final = 6
"""Runs before the clock starts: while a write-ahead log grows to its 1,000 pages, an fsync costs more."""
STORED_STEPS: Final = 1_000
GROUP_RUNS: Final = 100
GROUP_STEPS: Final = 20
LIST_ITEM_BYTES: Final = 200
IDLE_RUNS: Final = 500
DIAGRAM_NODES: Final = (100, 1_000, 10_000)
REPLAY_STEPS: Final = 1_000


def list_item(n: int) -> str:
    """Return what step `n` adds to the growing list; each item is another, since some formats write equal ones once."""
    return f"{n:0{LIST_ITEM_BYTES}}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a workload."""

    key: str
    """What the contenders call it."""
    says: str
    unit: str
    cpu: bool = True
    """Whether the number of the tables is processor time; otherwise it is time on the wall, or no time at all."""
    target: float | None = None
    """What graphrt has promised to stay below."""
    ratio: bool = True
    """Whether the ratio to the floor says something."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One task for all contenders."""

    key: str
    name: str
    """Also the name of the function that does it, in each contender."""
    does: str
    figures: tuple[Figure, ...]
    only_ours: str | None = None
    """Why no other contender is asked."""
    rounds: int = 5
    """In how many rounds it is done at most."""
    last_s: float = 120.0
    """When a contender is stopped and left out."""


_MEMORY = "KB"

WORKLOADS: Final = (
    Workload(
        "W1",
        "chain",
        f"{CHAIN_NODES} nodes in a row; each adds 1 to a number",
        (Figure("step", "a step", "µs"),),
    ),
    Workload(
        "W2",
        "loop",
        f"a node that adds 1, and an edge back to it while the number is below {LOOP_STEPS:,}",
        (Figure("step", "a step", "µs", target=8),),
    ),
    Workload(
        "W3",
        "fan",
        "a branch for each item of a list, which doubles it; a join; a node that adds up the results",
        tuple(
            Figure(f"branch {n}", f"a branch of {n:,}", "µs", target=20 if n > 10 else None)  # a run costs, too
            for n in FAN_BRANCHES
        ),
    ),
    Workload(
        "W4",
        "route",
        f"a node with {GUARDS} guards before the way on: nine are false, the tenth leads back, {ROUTED_STEPS} times",
        (Figure("step", "a step", "µs", target=12),),
    ),
    Workload(
        "W5",
        "runs",
        f"{RUNS:,} runs at a time, each a chain of {RUN_NODES} nodes",
        (Figure("run", "a run", "µs", target=120),),
    ),
    Workload(
        "W6",
        "durable",
        f"the loop, {DURABLE_STEPS} steps, each on disk before the next; {GROUP_RUNS} runs of {GROUP_STEPS} steps "
        f"at a time; a list that grows by {LIST_ITEM_BYTES} bytes a step, {STORED_STEPS:,} steps",
        (
            Figure("step normal", "an acknowledged step, no fsync", "µs on the wall", cpu=False, target=100),
            Figure("step full", "an acknowledged step, fsync", "µs on the wall", cpu=False, target=500),
            Figure("step group", f"a step of {GROUP_RUNS} runs together", "µs", target=30),
            Figure("bytes", "stored a step", "bytes", cpu=False, target=600),
            Figure("list", f"stored of {STORED_STEPS:,} steps of a growing list", "MB", cpu=False, target=0.5),
        ),
        rounds=3,
    ),
    Workload(
        "W7",
        "memory",
        f"{IDLE_RUNS} runs at a time, each waiting inside its node; as many suspended, waiting for an answer",
        (
            Figure("live", "a run that waits inside a node", _MEMORY, cpu=False),
            Figure("suspended", "a suspended run, kept in memory", _MEMORY, cpu=False, target=3),
        ),
        rounds=2,
    ),
    Workload(
        "W8",
        "start",
        "import what defining and running a flow needs, in a new process; say what the command line can do",
        (
            Figure("import", "import", "ms", target=150),
            Figure("rss", "resident after it", "MiB", cpu=False, target=32),
            Figure("help", "command line: --help", "ms", target=300, ratio=False),
        ),
        rounds=3,
    ),
    Workload(
        "W9",
        "stream",
        f"the loop of {LOOP_STEPS:,} steps with every event consumed as it happens",
        (Figure("step", "a step", "µs"),),
    ),
    Workload(
        "W10",
        "diagram",
        "a chain of so many nodes, defined, made ready to run, and written down as the text of a diagram that shows all"
        " of it: by the peers in Mermaid, by graphrt in PlantUML, since it collapses what Mermaid cannot draw, which is"
        " more than 500 edges. By graphrt alone also in Mermaid, and in DOT, for which labels are measured",
        (
            *(
                Figure(f"freeze {n}", f"define and make ready, a node of {n:,}", "µs", target=20 if n > 100 else None)
                for n in DIAGRAM_NODES
            ),
            *(
                Figure(
                    f"text {n}",
                    f"Mermaid, by graphrt PlantUML, a node of {n:,}",
                    "µs",
                    target=5 if n > 100 else None,
                )
                for n in DIAGRAM_NODES
            ),
            *(Figure(f"mermaid {n}", f"Mermaid, collapsed to 500 edges, a node of {n:,}", "µs") for n in DIAGRAM_NODES),
            *(Figure(f"dot {n}", f"DOT with measured labels, a node of {n:,}", "µs") for n in DIAGRAM_NODES),
        ),
        rounds=3,
    ),
    Workload(
        "W11",
        "replay",
        f"the recorded loop of {REPLAY_STEPS:,} steps, folded to its end and verified, without its nodes",
        (Figure("fold", "fold, a step", "µs", target=8), Figure("verify", "verify, a step", "µs")),
        only_ours="no peer keeps a trace from which a run can be derived again without calling its nodes",
    ),
    Workload(
        "W12",
        "growth",
        "the loop of 100 to 1,000,000 steps, the fan-out of 10 to 10,000 branches, a trace of 100,000 steps",
        (
            *(Figure(f"step {n}", f"a step of {n:,}", "µs") for n in (100, 1_000, 10_000, 100_000, 1_000_000)),
            *(Figure(f"kept {n}", f"kept a step of {n:,}", "bytes", cpu=False) for n in (100, 1_000, 10_000, 100_000)),
            *(Figure(f"branch {n}", f"a branch of {n:,}", "µs") for n in (10, 100, 1_000, 10_000)),
            *(Figure(f"stored {n}", f"stored a step of {n:,}", "bytes", cpu=False) for n in (100, 1_000, 10_000)),
            Figure("fold 100000", "fold of a trace of 100,000 steps", "ms", target=1_000),
            Figure("freeze 10000", "freeze of 10,000 nodes in a row", "ms", target=2_000),
            Figure("freeze forks", "freeze of 2,500 forks of two branches with their joins", "ms", target=2_000),
        ),
        only_ours="a promise of graphrt about itself; W2, W3 and W6 show how the others grow",
        rounds=1,
        last_s=300,
    ),
)

BY_KEY: Final = {workload.key: workload for workload in WORKLOADS}
