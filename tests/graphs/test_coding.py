"""The coding loop: programs really run, within their limits, and the loop is bounded wherever it can go round."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from graphrt.account import account
from graphrt.runtime import Result, cancel
from graphrt.stores.memory import MemoryStore
from graphrt.testing.clock import ManualClock
from graphrt.testing.scripted import Scripted, ScriptedModel
from graphs.coding import Job, build, execute, flow

pytestmark = pytest.mark.anyio
PASSED: Scripted = {"passes": True, "advice": ""}
TASK = Job(task="Say hello.")


def way(result: Result[Job]) -> list[str]:
    """Return the names of the nodes that a run has passed."""
    return [v.node.name for v in account(result.trace).visits.values() if "/" not in v.id]


async def until(true: Callable[[], bool]) -> None:
    """Wait until a process, which tells nobody, has come so far."""
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - another process makes it true
            await asyncio.sleep(0.01)


async def coded(*turns: Scripted) -> tuple[Result[Job], ScriptedModel]:
    """Run the flow on a script."""
    model = ScriptedModel(list(turns))
    return await flow.run(TASK, resources=[model]), model


async def test_a_program_that_breaks_is_mended() -> None:
    """The coder reads the error of its program, writes another, and that one is reviewed."""
    result, model = await coded("print(1 / 0)", "```python\nprint('hello')\n```", PASSED)
    assert way(result) == ["write", "build", "write", "build", "review", "passed"]
    assert "ZeroDivisionError" in model.requests[1].messages[-1].text
    assert (result.state.exit_code, result.state.output) == (0, "hello\n")


async def test_a_review_sends_it_back_with_advice() -> None:
    """What runs but does not do the task is written again."""
    result, model = await coded("print('hallo')", {"passes": False, "advice": "In English."}, "print('hello')", PASSED)
    assert way(result) == ["write", "build", "review", "write", "build", "review", "passed"]
    assert "In English." in model.requests[2].messages[-1].text


async def test_a_coder_that_never_gets_it_to_run_is_given_up() -> None:
    """After the fourth broken program the run fails at the end that says so."""
    result, model = await coded(*["1 / 0"] * 4)
    assert (result.status, way(result)[-1]) == ("failed", "given up")
    assert model.remaining == 0


async def test_a_reviewer_who_is_never_content_is_given_up() -> None:
    """Two rounds of advice are heeded; the third refusal ends the run."""
    no: Scripted = {"passes": False, "advice": "No."}
    result, model = await coded(*["print(1)", no] * 3)
    assert (result.status, way(result)[-1]) == ("failed", "given up")
    assert model.remaining == 0


async def test_a_program_that_does_not_end_is_told_so(tmp_path: Path) -> None:
    """After ten seconds the timeout of the node stops it, and an error edge tells the coder."""
    mark = tmp_path / "began"
    slow = f"import time; open({str(mark)!r}, 'w').write('x'); time.sleep(600)"
    model, clock = ScriptedModel([slow, "print('hello')", PASSED]), ManualClock()
    going = asyncio.ensure_future(flow.run(TASK, resources=[model], clock=clock))
    await until(mark.exists)
    await clock.advance(10)
    result = await going
    assert way(result) == ["write", "build", "write", "build", "review", "passed"]
    assert "It did not end within 10 seconds." in model.requests[1].messages[-1].text


LIMITS = [
    ("while True: pass", "killed for its CPU time"),
    ("x = bytearray(2 << 30)", "MemoryError"),
    ("print('x' * (4 << 20), flush=True)", "xxxx"),
    ("open('big', 'wb').write(b'x' * (4 << 20))", "File too large"),
    ("[open('program.py') for _ in range(200)]", "Too many open files"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("code", "said"), LIMITS, ids=[said for _, said in LIMITS])
async def test_a_program_has_limits(code: str, said: str) -> None:
    """Time, memory, the size of what it writes and prints, and open files are bounded by the system."""
    exit_code, output = await execute(code)
    assert exit_code != 0
    assert len(output) <= 4000
    assert said in output or (exit_code < 0 and said.startswith("killed"))


async def test_a_program_sees_neither_environment_nor_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys in the environment stay out of it, and so does what is installed for the user; its folder is gone after."""
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    exit_code, output = await execute("import os; print(sorted(os.environ)); print(os.getcwd())")
    assert exit_code == 0
    assert "OPENAI_API_KEY" not in output
    assert not Path(output.splitlines()[1]).is_absolute()


async def test_it_finds_the_files_that_it_was_given(tmp_path: Path) -> None:
    """Files are copied into its folder; what it does to them does not reach the originals."""
    (tmp_path / "data.txt").write_text("seven")
    exit_code, output = await execute(
        "print(open('data.txt').read()); open('data.txt', 'w').close()", [str(tmp_path / "data.txt")]
    )
    assert (exit_code, output) == (0, "seven\n")
    assert (tmp_path / "data.txt").read_text() == "seven"


async def test_a_cancelled_run_leaves_no_program_behind(tmp_path: Path) -> None:
    """Stopping the run stops the program, and whatever that has started."""
    mark = tmp_path / "alive"
    code = (
        f"import os, time\nopen({str(mark)!r}, 'w').write(str(os.getpid()))\nos.fork()\nwhile True: time.sleep(0.05)\n"
    )
    store = MemoryStore()
    going = asyncio.ensure_future(flow.run(TASK, store=store, run_id="r1", resources=[ScriptedModel([code])]))
    await until(lambda: mark.exists() and mark.read_text() != "")
    await cancel(store, "r1")
    assert (await going).status == "cancelled"
    group = int(mark.read_text())
    await until(lambda: gone(group))


def gone(group: int) -> bool:
    """Tell whether no process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


async def test_the_task_is_still_its_function() -> None:
    """A program can be built without any flow."""
    assert await build("print(6 * 7)", []) == (0, "42\n")
