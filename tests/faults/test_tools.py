"""Agents whose process is killed in the middle of a call: what has a result is not called again."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from graphrt.events import VisitWaiting
from graphrt.inputs import AttemptStarted
from graphrt.replay import verify
from graphrt.runtime import answer
from graphrt.stores import open_store
from tests.faults.processes import ENVIRONMENT, ROOT, STORES
from tests.faults.tooling import RUN, flow

pytestmark = pytest.mark.anyio
SCRIPT = ROOT / "tests" / "faults" / "tooling.py"


def process(place: str, effects: Path, *die: str) -> tuple[int, str]:
    """Let a process drive until it ends; return its exit code, negative for a signal, and what it said."""
    command = [sys.executable, str(SCRIPT), place, str(effects), *die]
    ended = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=60)
    return ended.returncode, ended.stdout.strip() or ended.stderr[-500:]


@pytest.mark.parametrize("kind", STORES)
async def test_a_finished_call_is_not_repeated_and_a_cut_one_is_asked_about(kind: str, tmp_path: Path) -> None:
    """Killed inside its second call, an agent goes on in a new process; a third process is told what a person said.

    The first call has its result on record; the second changes the world, so a person decides whether it runs again,
    with the key that it had before; the third waits for an approval, which comes from yet another process.
    """
    place, effects = f"{kind}:{tmp_path / ('runs.db' if kind == 'sqlite' else 'traces')}", tmp_path / "effects"
    assert process(place, effects, "pay")[0] == -signal.SIGKILL
    assert [line.split()[0] for line in effects.read_text("utf-8").splitlines()] == ["find", "pay"]
    assert process(place, effects) == (0, "suspended")
    store = open_store(place)
    try:
        (doubt,) = [q for q in store.trace(RUN).events() if isinstance(q, VisitWaiting)]
        assert doubt.reads["call"]["name"] == "pay"
        await answer(store, RUN, doubt.visit, "retry")
    finally:
        store.close()
    assert process(place, effects) == (0, "suspended")
    store = open_store(place)
    try:
        asked = [q for q in store.trace(RUN).events() if isinstance(q, VisitWaiting)][-1]
        assert asked.reads["call"]["arguments"] == {"reason": "settled"}
        await answer(store, RUN, asked.visit, "approve")
    finally:
        store.close()
    assert process(place, effects) == (0, "completed find done; pay done; close:settled done")
    marks = [line.split() for line in effects.read_text("utf-8").splitlines()]
    assert [name for name, _, _ in marks] == ["find", "pay", "pay", "close:settled"]
    assert marks[1] == marks[2], "both attempts came with one key"
    store = open_store(place)
    try:
        trace = store.trace(RUN)
    finally:
        store.close()
    assert verify(trace, flow(str(effects)).freeze()) is None
    starts = [r.input.visit for r in trace.records if isinstance(r.input, AttemptStarted)]
    assert len(starts) == len(set(starts)) + 1, "nothing but the call in doubt was begun twice"
