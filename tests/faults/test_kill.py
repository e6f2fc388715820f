"""Processes that are killed at any moment: what was acknowledged is there, and the run ends as if nothing had been."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from graphrt.events import AttemptLost, VisitWaiting
from graphrt.inputs import AttemptStarted, AttemptSucceeded
from graphrt.replay import fold
from tests.faults.driven import FAILED, SUSPENDED, Options
from tests.faults.processes import (
    STORES,
    Forks,
    check,
    effects,
    finished,
    fresh,
    kill,
    process,
    recorded,
    says,
    uninterrupted,
)

MOST = 400
"""No store needs so many moments for a run."""
DENSE = 14
"""Up to here, each moment is looked at."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", STORES)
def test_killed_at_the_moments_of_its_store(kind: str, folder: Path, forks: Forks) -> None:
    """Before a statement of SQLite; before, in the middle of and after a write to a file, and after its sync.

    At each moment of the beginning, and at every ninth after that: the steps repeat.
    """
    expected = uninterrupted(fresh(kind, folder))
    for moment in [*range(1, DENSE), *range(DENSE, MOST, 9)]:
        options = fresh(kind, folder / str(moment))
        code = forks.run(msgspec.structs.replace(options, die=moment))
        if code == 0:
            assert moment > 4 * DENSE
            return
        assert code == -signal.SIGKILL
        trace = recorded(options)
        before, done = effects(options), finished(trace)
        assert forks.run(options) == 0
        if trace is not None and not trace.records:
            assert not before, "an effect before the beginning was on record"
        check(options, expected, before, done)
    raise AssertionError("the run has more moments than it should")


@pytest.mark.slow
def test_killed_again_and_again(options: Options, forks: Forks) -> None:
    """A run whose every process dies after a while still comes to its end, and no finished visit runs twice."""
    expected = uninterrupted(options)
    random_ = random.Random(7)
    done: set[str] = set()
    before: Counter[str] = Counter()
    for _ in range(100):
        code = forks.run(msgspec.structs.replace(options, die=random_.randrange(12, 40)))
        marks = effects(options)
        assert all(marks[visit] == before[visit] for visit in done)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        before, done = marks, finished(recorded(options))
    else:
        raise AssertionError("the run made no progress")
    check(options, expected, effects(options), finished(recorded(options)))


@pytest.mark.slow
def test_killed_from_outside_at_random_moments(options: Options) -> None:
    """Whoever kills the process knows only which node it has called last."""
    expected = uninterrupted(options)
    random_ = random.Random(3)
    told = msgspec.structs.replace(options, tell=True)
    done: set[str] = set()
    before: Counter[str] = Counter()
    for _ in range(30):
        driving = process(told)
        assert driving.stdout is not None
        for _ in range(random_.randrange(1, 9)):
            line = driving.stdout.readline().strip()
            if line in {"completed", ""}:
                break
        kill(driving)
        marks = effects(options)
        assert all(marks[visit] == before[visit] for visit in done)
        trace = recorded(options)
        before, done = marks, finished(trace)
        if trace is not None and fold(trace).status == "completed":
            break
    check(options, expected, before, done)


@pytest.mark.parametrize("on_crash", ["retry", "ask", "fail"])
def test_killed_between_an_effect_and_its_record(options: Options, forks: Forks, on_crash: str) -> None:
    """The attempt is in doubt, is shown so by whoever takes the run up, and treated as its node says."""
    options = msgspec.convert({**msgspec.to_builtins(options), "on_crash": on_crash}, Options)
    driving = process(msgspec.structs.replace(options, hold="0.0.0"))
    says(driving, "holding")
    trace = recorded(options)
    assert trace is not None
    assert any(isinstance(r.input, AttemptStarted) and r.input.visit == "0.0.0" for r in trace.records)
    kill(driving)
    assert effects(options)["0.0.0"] == 1
    before, done = effects(options), finished(recorded(options))
    assert "0.0.0" not in done
    code = forks.run(options)
    after = recorded(options)
    assert after is not None
    lost = [e for e in after.events() if isinstance(e, AttemptLost)]
    assert ("0.0.0", 1, on_crash) in [(e.visit, e.attempt, e.then) for e in lost]
    if on_crash == "retry":
        assert code == 0
        assert effects(options)["0.0.0"] == 2
        check(options, uninterrupted(options), before, done)
    else:
        assert code == (SUSPENDED if on_crash == "ask" else FAILED)
        assert effects(options)["0.0.0"] == 1
    if on_crash == "ask":
        (question,) = [e for e in after.events() if isinstance(e, VisitWaiting)]
        assert (question.visit, question.answers) == ("0.0.0", ("retry", "fail"))


def test_all_attempts_of_a_visit_share_a_key(options: Options, forks: Forks) -> None:
    """The world can tell that the second effect is the first one again: both came with one key."""
    driving = process(msgspec.structs.replace(options, hold="0"))
    says(driving, "holding")
    kill(driving)
    assert forks.run(options) == 0
    lines = [line.split(" ") for line in Path(options.effects).read_text("utf-8").splitlines()]
    keys: dict[str, set[str]] = {}
    for visit, _, key in lines:
        keys.setdefault(visit, set()).add(key)
    assert sum(visit == "0" for visit, _, _ in lines) == 2
    assert all(len(found) == 1 for found in keys.values())
    assert len({next(iter(found)) for found in keys.values()}) == len(keys)


def _can_trace() -> bool:
    command = shutil.which("strace")
    return command is not None and subprocess.run([command, "-qq", "true"], check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not _can_trace(), reason="needs strace, and the right to trace")
@pytest.mark.parametrize("kind", STORES)
def test_killed_at_a_call_of_the_system(kind: str, folder: Path, forks: Forks) -> None:
    """Between two writes of one commit, and between a write and its sync: SQLite's own log and ours are sound."""
    expected = uninterrupted(fresh(kind, folder))
    calls = "pwrite64,fdatasync,fsync,ftruncate" if kind == "sqlite" else "write,fsync"
    killed = 0
    for number in (3, 9, 17, 29, 47):
        options = fresh(kind, folder / str(number))
        inject = ["-e", f"inject={calls}:signal=SIGKILL:when={number}"]
        driving = process(options, "strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", *inject)
        driving.communicate()
        killed += driving.returncode != 0
        trace = recorded(options)
        before, done = effects(options), finished(trace)
        assert forks.run(options) == 0
        check(options, expected, before, done)
    assert killed >= 3


def test_the_checks_above_can_fail(options: Options, forks: Forks) -> None:
    """A run whose finished visit left another mark is noticed."""
    assert forks.run(options) == 0
    expected = uninterrupted(options)
    trace = recorded(options)
    before, done = effects(options), finished(trace)
    check(options, expected, before, done)
    with Path(options.effects).open("a", encoding="utf-8") as file:
        file.write("0 1 again\n")
    with pytest.raises(AssertionError):
        check(options, expected, before, done)
    assert trace is not None
    assert any(isinstance(r.input, AttemptSucceeded) for r in trace.records)
