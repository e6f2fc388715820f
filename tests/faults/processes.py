"""Starting, killing and comparing processes that drive a run; see `driven.py`."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from graphrt.events import AttemptLost, Routed, VisitCompleted, VisitStarted
from graphrt.graph import Graph
from graphrt.inputs import AttemptStarted, AttemptSucceeded
from graphrt.replay import fold, verify
from graphrt.runtime import run
from graphrt.stores import open_store
from graphrt.trace import Trace
from tests.faults.driven import RUN, Options, State, graph

STORES: Final = ("sqlite", "jsonl")
ROOT: Final = Path(__file__).parents[2]
SCRIPT: Final = ROOT / "tests" / "faults" / "driven.py"
ENVIRONMENT: Final = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'viz'}"}


def fresh(kind: str, folder: Path) -> Options:
    """Return the options of a run in a store of its own."""
    folder.mkdir(exist_ok=True)
    place = folder / ("runs.db" if kind == "sqlite" else "traces")
    return Options(f"{kind}:{place}", str(folder / "effects"))


def process(options: Options, *before: str) -> subprocess.Popen[str]:
    """Start a process that drives; `before` is a command to start it with."""
    return subprocess.Popen(
        [*before, sys.executable, str(SCRIPT), msgspec.json.encode(options).decode()],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def says(driving: subprocess.Popen[str], text: str) -> None:
    """Wait until a process prints a line."""
    assert driving.stdout is not None
    for line in driving.stdout:
        if line.strip() == text:
            return
    raise AssertionError(f"the process ended without saying {text!r}")


def kill(driving: subprocess.Popen[str]) -> None:
    """End a process as a power cut of its own would."""
    driving.send_signal(signal.SIGKILL)
    driving.communicate()


class Forks:
    """A process that has loaded all that is needed and forks others, which begin at once."""

    def __init__(self) -> None:
        self.server = subprocess.Popen(
            [sys.executable, str(SCRIPT)],
            cwd=ROOT,
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, options: Options) -> int:
        """Let a process drive until it ends; return its exit code, or the signal that ended it, negative."""
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.write(msgspec.json.encode(options).decode() + "\n")
        self.server.stdin.flush()
        return int(self.server.stdout.readline())

    def close(self) -> None:
        """End the server."""
        self.server.communicate()


@dataclass(frozen=True)
class Outcome:
    """What a run comes to, however often it was interrupted."""

    state: dict[str, Any] | None
    visits: frozenset[tuple[str, str, tuple[str, ...]]]
    completed: frozenset[tuple[str, str | None, str]]
    routed: frozenset[str]


def outcome(trace: Trace, made: Graph) -> Outcome:
    """Read it from a trace."""
    events = trace.events()
    stepper = fold(trace, made)
    assert stepper.status == "completed"
    return Outcome(
        stepper.state,
        frozenset((e.visit, e.node, e.causes) for e in events if isinstance(e, VisitStarted)),
        frozenset((e.visit, e.outcome, repr(e.writes)) for e in events if isinstance(e, VisitCompleted)),
        frozenset(repr(e) for e in events if isinstance(e, Routed)),
    )


def uninterrupted(options: Options) -> Outcome:
    """Return what the run comes to when nothing happens to it."""
    made = graph(msgspec.structs.replace(options, hold=None, effects=os.devnull))
    result = asyncio.run(run(made, State(), run_id=RUN, seed=1))
    return outcome(result.trace, made)


def recorded(options: Options) -> Trace | None:
    """Return the trace, read from the store as any process may; None if nothing is there."""
    store = open_store(options.store)
    try:
        return store.trace(RUN) if store.runs() else None
    finally:
        store.close()


def finished(trace: Trace | None) -> set[str]:
    """Return the visits that have a result on record."""
    records = trace.records if trace is not None else ()
    return {r.input.visit for r in records if isinstance(r.input, AttemptSucceeded)}


def effects(options: Options) -> Counter[str]:
    """Return how often each visit has left its mark."""
    path = Path(options.effects)
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return Counter(line.split(" ")[0] for line in lines)


def check(options: Options, expected: Outcome, before: Counter[str], done: set[str]) -> None:
    """Check a run that has ended after it was killed, having left the marks `before` and results for `done`."""
    trace = recorded(options)
    assert trace is not None
    made = graph(options)
    assert [r.seq for r in trace.records] == list(range(len(trace.records)))
    assert outcome(trace, made) == expected
    assert verify(trace, made) is None
    marks = effects(options)
    assert all(marks[visit] == before[visit] for visit in done), "a visit with a result was run again"
    started = Counter(r.input.visit for r in trace.records if isinstance(r.input, AttemptStarted))
    lost = Counter(e.visit for e in trace.events() if isinstance(e, AttemptLost))
    for visit, count in marks.items():
        assert count <= started[visit], f"visit {visit} was called without a start on record"
        assert started[visit] - lost[visit] <= count, f"visit {visit} has a result and no mark"
