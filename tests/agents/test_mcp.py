"""Tools of servers that speak the Model Context Protocol: real ones, in processes of their own."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import subprocess
import sys
import traceback
import weakref
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from graphrt import Agent, Flow
from graphrt.account import account
from graphrt.agents import ToolCall
from graphrt.agents.errors import ToolDefinitionError, ToolReported, ToolServerFailed
from graphrt.agents.mcp import MCPServer
from graphrt.replay import verify
from graphrt.runtime import answer, resume, run
from graphrt.stores.memory import MemoryStore
from graphrt.testing import ScriptedModel, Turn

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
SCRIPT = Path(__file__).with_name("tool_server.py")
TIME = [sys.executable, "-m", "mcp_server_time", "--local-timezone=UTC"]


class Desk(BaseModel):
    message: str = ""
    reply: str = ""


def desk(agent: Agent) -> Flow[Desk]:
    """Return a flow of one agent."""
    flow = Flow("desk", Desk)
    flow.agent("clerk", agent, reads=flow.state.message, writes=flow.state.reply)
    return flow


@contextmanager
def listening() -> Generator[str]:
    """Start the misbehaving server on a port of this machine; yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, str(SCRIPT), str(port)], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "running on" in line:
            break
    try:
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        process.communicate()


@asynccontextmanager
async def server(kind: str, **options: Any) -> AsyncGenerator[MCPServer]:
    """Yield the misbehaving server, over pipes or over HTTP."""
    if kind == "stdio":
        made = MCPServer([sys.executable, str(SCRIPT)], name="tools", **options)
        try:
            yield made
        finally:
            await made.aclose()
        return
    with listening() as address:
        made = MCPServer(address, name="tools", **options)
        try:
            yield made
        finally:
            await made.aclose()


@pytest.fixture(params=["stdio", "http"])
def kind(request: pytest.FixtureRequest) -> str:
    """Return how the server is reached."""
    return str(request.param)


async def is_gone(pid: int) -> bool:
    """Tell whether a process is there no more, not even as a zombie, within a few seconds."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        await asyncio.sleep(0.05)
    return False


def _reads(mark: Path) -> str:
    return mark.read_text("utf-8") if mark.exists() else ""


async def is_written(mark: Path, text: str) -> None:
    """Wait until a server has written so, but not for ever."""
    for _ in range(600):
        if await asyncio.to_thread(_reads, mark) == text:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{mark} never said {text}")


def told(model: ScriptedModel) -> list[str]:
    """Return what the model was told by tools, the last time."""
    return [m.text for m in model.requests[-1].messages if m.role == "tool"]


async def test_a_real_server_tells_an_agent_the_time() -> None:
    """Description and arguments come from the server, the call reaches it, and the trace replays without it."""
    clock = MCPServer(TIME)
    agent = Agent("Say the time.", tools=clock.tools("get_current_time", "convert_time"))
    flow = desk(agent)
    assert flow.freeze().digest, "a flow is defined without the server"
    calls = [
        ToolCall(id="1", name="get_current_time", arguments={"timezone": "Europe/Vienna"}),
        ToolCall(
            id="2",
            name="convert_time",
            arguments={"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"},
        ),
    ]
    model = ScriptedModel([calls, "done"])
    result = await run(flow.freeze(), Desk(message="now?"), resources=[model])
    await clock.aclose()
    offered = {t.name: t for t in model.requests[0].tools}
    assert "timezone" in str(offered["get_current_time"].parameters["properties"])
    assert offered["convert_time"].description
    now, later = told(model)
    assert "Europe/Vienna" in now
    assert "21:00" in later
    assert verify(result.trace, flow.freeze()) is None


async def test_the_same_tools_over_pipes_and_over_http(kind: str) -> None:
    """Results, faults that the tool reports, what is no text, and wrong arguments reach the model as they are."""
    async with server(kind) as tools:
        agent = Agent("Add.", tools=tools.tools("add", "fail", "picture"))
        calls = [
            ToolCall(id="1", name="add", arguments={"left": 2, "right": 3}),
            ToolCall(id="2", name="fail", arguments={"why": "no money"}),
            ToolCall(id="3", name="picture"),
            ToolCall(id="4", name="add", arguments={"left": "two"}),
        ]
        model = ScriptedModel([calls, "done"])
        result = await run(desk(agent).freeze(), Desk(), resources=[model])
    assert result.state.reply == "done"
    five, failed, picture, wrong = told(model)
    assert (five, picture) == ("5", "[image image/png, not shown]")
    assert "no money" in failed
    assert "right" in wrong
    marks = [m.failed for m in model.requests[-1].messages if m.role == "tool"]
    assert marks == [False, True, False, True]


async def test_one_connection_serves_all_runs_of_a_loop(kind: str) -> None:
    """The server is started once; runs beside each other share it, and after closing another one is opened."""
    async with server(kind) as tools:
        agent = Agent("Where?", tools=tools.tools("where"))

        async def asks() -> str:
            model = ScriptedModel([Turn.call("where"), "done"])
            await run(desk(agent).freeze(), Desk(), resources=[model])
            return told(model)[0].split(" ")[0]

        first = await asyncio.gather(*(asks() for _ in range(5)))
        assert len(set(first)) == 1
        await tools.aclose()
        again = await asks()
        assert (again == first[0]) == (kind == "http"), "a command is started again, a server on the network goes on"


async def test_an_approved_call_of_a_server_is_the_one_that_was_shown() -> None:
    """Approval and writes are said where the tool is named, whatever the server says about it."""
    async with server("stdio") as tools:
        flow = desk(Agent("Add.", tools=[tools.tool("add", name="sum_up", writes=True, approval="always")]))
        model, store = ScriptedModel([Turn.call("sum_up", left=1, right=1), "done"]), MemoryStore()
        result = await run(flow.freeze(), Desk(), store=store, resources=[model])
        (question,) = result.questions
        assert question.reads["call"]["arguments"] == {"left": 1, "right": 1}
        await answer(store, result.run, question.visit, "approve")
        result = await resume(store, result.run, flow.freeze(), resources=[model])
    assert told(model) == ["2"]
    assert [t.name for t in model.requests[0].tools] == ["sum_up"]


async def test_a_tool_that_the_server_lacks_is_named() -> None:
    """The agent fails before its model is asked, with the names of the tools that there are."""
    async with server("stdio") as tools:
        model = ScriptedModel(["never"])
        result = await run(desk(Agent("I.", tools=tools.tools("subtract"))).freeze(), Desk(), resources=[model])
    assert result.error is not None
    assert result.error.type == "ToolServerFailed"
    assert "has no tool 'subtract'; its tools are: add, where, fail, wait, die, big, picture" in result.error.message
    assert model.requests == []


async def test_a_server_that_is_not_there_is_one_clear_error() -> None:
    """A command that does not exist, one that ends at once, a port where nobody listens: each says what is wrong."""
    with pytest.raises(ToolServerFailed, match="'no-such-server' cannot be started, no-such-server was not found"):
        await MCPServer("no-such-server --flag").names()
    ends = [sys.executable, "-c", "import sys; sys.exit('the key is missing')"]
    with pytest.raises(ToolServerFailed, match="it said 'the key is missing'; check the command"):
        await MCPServer(ends, name="ends").names()
    with pytest.raises(ToolServerFailed, match=r"127\.0\.0\.1:9' cannot be reached, ConnectError"):
        await MCPServer("http://127.0.0.1:9/mcp").names()
    silent = [sys.executable, "-c", "import time; time.sleep(60)"]
    with pytest.raises(ToolServerFailed, match=r"was not ready within 0\.3 s"):
        await MCPServer(silent, connect_timeout_s=0.3).names()


async def test_a_server_that_dies_in_the_middle_of_a_call() -> None:
    """The model is told that the call failed, people what the server said last; the next call starts it again."""
    async with server("stdio") as tools:
        agent = Agent("Try.", tools=tools.tools("die", "add"))
        model = ScriptedModel([Turn.call("die"), Turn.call("add", left=1, right=2), "done"])
        result = await run(desk(agent).freeze(), Desk(), resources=[model])
    assert result.state.reply == "done"
    assert told(model) == ["tool die failed; its arguments were in order, so calling it again may not help", "3"]
    (noted,) = [v.notes["error"] for v in account(result.trace).visits.values() if "error" in v.notes]
    assert "ToolServerFailed: tool server 'tools' closed the connection" in noted


async def test_a_call_that_takes_too_long_or_is_cancelled_is_stopped(kind: str, tmp_path: Path) -> None:
    """The tool's own time ends the call, the server is told to stop, and goes on serving."""
    mark = tmp_path / "mark"
    async with server(kind) as tools:
        slow = tools.tool("wait", timeout_s=1.0)
        model = ScriptedModel([Turn.call("wait", mark=str(mark)), Turn.call("add", left=1, right=2), "done"])
        await run(desk(Agent("W.", tools=[slow, *tools.tools("add")])).freeze(), Desk(), resources=[model])
        assert told(model) == ["tool wait took longer than 1 s", "3"]
        await is_written(mark, "stopped")


async def test_an_idle_connection_is_closed_and_opened_again() -> None:
    """A process that nobody uses ends; the next use starts another."""
    async with server("stdio", idle_s=0.2) as tools:
        where = tools.tool("where").fn
        first = (await where()).split(" ")[0]
        for _ in range(100):
            try:
                os.kill(int(first), 0)
            except ProcessLookupError:
                break
            await asyncio.sleep(0.05)
        else:
            raise AssertionError("the process is still there")
        assert (await where()).split(" ")[0] != first


async def test_a_process_killed_between_two_runs_is_started_again() -> None:
    """Asking for the tools anew harms nobody, so the second run does not notice that the server was gone."""
    async with server("stdio", env={"GREETING": "hello"}) as tools:
        pid, greeting = (await tools.tool("where").fn()).split(" ")
        assert greeting == "hello"
        os.kill(int(pid), signal.SIGKILL)
        await asyncio.sleep(0.3)
        model = ScriptedModel([Turn.call("where"), "done"])
        result = await run(desk(Agent("W.", tools=tools.tools("where"))).freeze(), Desk(), resources=[model])
        assert result.status == "completed"
        assert told(model)[0].split(" ")[0] != pid


async def test_a_loop_that_ends_takes_its_processes_with_it() -> None:
    """Who forgets to close leaves nothing behind: the end of `asyncio.run` ends the command."""

    async def forgetful() -> str:
        return str(await MCPServer([sys.executable, str(SCRIPT)]).tool("where").fn())

    pid = int((await asyncio.to_thread(asyncio.run, forgetful())).split(" ")[0])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_what_a_process_says_is_quoted_without_its_secrets() -> None:
    """What it was given in its environment does not come back in an error."""
    script = "import os, sys; sys.exit('cannot log in with ' + os.environ['TOKEN'])"
    made = MCPServer([sys.executable, "-c", script], name="tools", env={"TOKEN": "tok-canary-4711"})
    with pytest.raises(ToolServerFailed) as raised:
        await made.names()
    assert "it said 'cannot log in with …'" in str(raised.value)
    assert "canary" not in "".join(traceback.format_exception(raised.value))


async def test_who_is_cancelled_while_a_slow_process_closes_is_cancelled() -> None:
    """Waiting for the end of a connection does not swallow a cancellation."""
    script = f"import runpy, time; runpy.run_path({str(SCRIPT)!r}, run_name='__main__'); time.sleep(60)"
    made = MCPServer([sys.executable, "-c", script])
    await made.names()
    closing = asyncio.ensure_future(made.aclose())
    await asyncio.sleep(0.01)
    assert not closing.done(), "the process takes its time"
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await made.aclose()


# -- whose connection it is, and how it ends ---------------------------------------------------------------------------


async def asks(tools: MCPServer, **options: Any) -> int:
    """Run an agent that asks where its tool runs; return that process."""
    model = ScriptedModel([Turn.call("where"), "done"])
    flow = desk(Agent("Where?", tools=tools.tools("where")))
    result = await run(flow.freeze(), Desk(), resources=[model], **options)
    assert result.status == "completed"
    return int(told(model)[0].split(" ")[0])


async def test_a_run_may_have_a_server_of_its_own() -> None:
    """With `shared=False` runs do not meet in a process, and it is gone when the run has ended."""
    tools = MCPServer([sys.executable, str(SCRIPT)], name="tools", shared=False)
    pids = await asyncio.gather(asks(tools), asks(tools))
    assert pids[0] != pids[1]
    assert [await is_gone(pid) for pid in pids] == [True, True]


async def test_a_server_of_its_own_is_the_same_in_all_of_a_run() -> None:
    """What a first call did is there for the second; while the run waits for a person there is no process."""
    tools = MCPServer([sys.executable, str(SCRIPT)], name="tools", shared=False)
    flow = desk(Agent("W.", tools=[*tools.tools("where"), tools.tool("add", approval="always")]))
    where, add = Turn.call("where"), Turn.call("add", left=1, right=1)
    turns = [where, where, add, where, Turn.say("done")]
    model, store = ScriptedModel(turns), MemoryStore()
    result = await run(flow.freeze(), Desk(), store=store, resources=[model])
    assert result.status == "suspended"
    first, second = told(model)[-2:]
    assert first == second
    assert await is_gone(int(first.split(" ")[0]))
    await answer(store, result.run, result.questions[0].visit, "approve")
    result = await resume(store, result.run, flow.freeze(), resources=[model])
    assert result.status == "completed"
    assert told(model)[2] == "2"
    assert told(model)[3] != first


async def test_without_idle_time_the_last_run_closes_it() -> None:
    """With `idle_s=0` a shared connection lives as long as any run uses it, and not a moment longer."""
    tools = MCPServer([sys.executable, str(SCRIPT)], name="tools", idle_s=0)
    pids = await asyncio.gather(*(asks(tools) for _ in range(3)))
    assert len(set(pids)) == 1
    assert await is_gone(pids[0])
    assert await asks(tools) != pids[0]


async def test_a_run_holds_its_connection_between_two_calls() -> None:
    """However long its model thinks, the process that it used is not taken away as idle."""
    tools = MCPServer([sys.executable, str(SCRIPT)], name="tools", idle_s=0.05)
    model = ScriptedModel(
        [Turn.call("where"), Turn(tool_calls=(ToolCall(id="2", name="where"),), delay_s=0.4), "done"],
        sleep=asyncio.sleep,
    )
    await run(desk(Agent("Where?", tools=tools.tools("where"))).freeze(), Desk(), resources=[model])
    first, second = told(model)
    assert first == second
    assert await is_gone(int(first.split(" ")[0]))


async def test_event_loops_come_and_go() -> None:
    """Each loop has a connection of its own, and neither its process nor the loop itself is kept when it is over."""
    tools = MCPServer([sys.executable, str(SCRIPT)], name="tools")
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def once() -> int:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        return await asks(tools)

    pids = [await asyncio.to_thread(asyncio.run, once()) for _ in range(2)]
    assert pids[0] != pids[1]
    assert [await is_gone(pid) for pid in pids] == [True, True]
    gc.collect()
    assert [loop() for loop in loops] == [None, None]


async def test_a_loop_that_is_closed_without_a_word_leaves_no_process() -> None:
    """Closing an event loop under an open connection brings an error at most, never a process that stays."""
    code = f"""
import asyncio, sys
from graphrt.agents.mcp import MCPServer
tools = MCPServer([sys.executable, {str(SCRIPT)!r}])
loop = asyncio.new_event_loop()
print(loop.run_until_complete(tools.tool("where").fn()), flush=True)
loop.close()
other = asyncio.new_event_loop()
print(other.run_until_complete(tools.tool("where").fn()), flush=True)
"""
    done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], capture_output=True, timeout=60)
    pids = [int(line.split(b" ")[0]) for line in done.stdout.splitlines()]
    assert len(pids) == 2, done.stderr
    assert pids[0] != pids[1]
    assert [await is_gone(pid) for pid in pids] == [True, True]


# -- servers at their worst --------------------------------------------------------------------------------------------


async def test_ten_megabytes_are_cut_and_say_so(kind: str) -> None:
    """What a tool returns is read whole and shown in part; the connection serves the next call."""
    async with server(kind) as tools:
        agent = Agent("Read.", tools=tools.tools("big", "add"))
        model = ScriptedModel([Turn.call("big", chars=10_000_000), Turn.call("add", left=1, right=2), "done"])
        result = await run(desk(agent).freeze(), Desk(), resources=[model])
    assert result.status == "completed"
    text, three = told(model)
    assert text.endswith("… [9980000 more characters cut]")
    assert len(text) < 20_100
    assert three == "3"


async def test_a_slow_start_is_waited_for_once() -> None:
    """Runs that begin while a process starts wait for that one."""
    async with server("stdio", env={"START_S": "1"}) as tools:
        pids = await asyncio.gather(*(asks(tools) for _ in range(3)))
    assert len(set(pids)) == 1


@pytest.mark.parametrize("how", ["stdio", "http"])
async def test_a_server_that_is_killed_in_the_middle_of_a_call(how: str, tmp_path: Path) -> None:
    """The call fails with one clear error on record, at once. A process is started again; an address is gone."""
    mark = tmp_path / "mark"
    with listening() if how == "http" else nullcontext() as address:
        where = address or [sys.executable, str(SCRIPT)]
        async with MCPServer(where, name="tools", timeout_s=20) as tools:
            pid = int((await tools.tool("where").fn()).split(" ")[0])
            model = ScriptedModel([Turn.call("wait", mark=str(mark)), "done"])
            flow = desk(Agent("W.", tools=tools.tools("wait")))
            running = asyncio.ensure_future(run(flow.freeze(), Desk(), resources=[model]))
            await is_written(mark, "waiting")
            begun = asyncio.get_running_loop().time()
            os.kill(pid, signal.SIGKILL)
            result = await running
            assert asyncio.get_running_loop().time() - begun < 10, "nobody waits for the time of an answer to pass"
    if how == "stdio":
        assert result.status == "completed"
        assert told(model) == ["tool wait failed; its arguments were in order, so calling it again may not help"]
    else:
        assert result.error is not None
        assert (
            "ToolServerFailed: tool server 'tools' cannot be reached" in f"{result.error.type}: {result.error.message}"
        )
    (noted,) = [v.notes["error"] for v in account(result.trace).visits.values() if "error" in v.notes]
    assert noted.startswith("ToolServerFailed: tool server 'tools' ")
    assert "Group" not in noted, "one error, not a group of them"


async def test_a_run_that_is_cancelled_during_a_call_tells_the_server(kind: str, tmp_path: Path) -> None:
    """The server stops its work, and serves the next run over the same connection; no task is left."""
    mark = tmp_path / "mark"
    async with server(kind) as tools:
        before = await asks(tools)
        tasks = asyncio.all_tasks()
        model = ScriptedModel([Turn.call("wait", mark=str(mark))])
        flow = desk(Agent("W.", tools=tools.tools("wait")))
        running = asyncio.ensure_future(run(flow.freeze(), Desk(), resources=[model]))
        await is_written(mark, "waiting")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await is_written(mark, "stopped")
        assert await asks(tools) == before
        assert {task for task in asyncio.all_tasks() if not task.done()} <= tasks


async def test_a_process_that_does_not_even_stop_is_killed() -> None:
    """One that hangs as a whole ends a call by its time, and does not outlive the connection."""
    async with server("stdio", timeout_s=1) as tools:
        pid = int((await tools.tool("where").fn()).split(" ")[0])
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(ToolServerFailed, match=r"did not answer within 1 s"):
            await tools.tool("where").fn()
    assert await is_gone(pid)


async def test_mistakes() -> None:
    """A server that is nothing, and a name that no endpoint takes, are refused where they are written."""
    with pytest.raises(ToolServerFailed, match="needs an address or a command"):
        MCPServer("")
    with pytest.raises(ToolDefinitionError, match=r"'a\.b' cannot name a tool"):
        MCPServer("x").tool("a.b")
    assert MCPServer("x").tool("a.b", name="a_b").name == "a_b"
    with pytest.raises(ToolDefinitionError, match=r"is no function, so it is no tool; name its tools: MCPServer"):
        Agent("I.", tools=[MCPServer("x")])  # type: ignore[list-item]  # the mistake
    secret = MCPServer("https://user:pass@desk.example/mcp", headers={"Authorization": "hunter2"})
    assert "hunter2" not in repr(secret)
    assert "pass" not in repr(secret)
    with pytest.raises(ToolReported):
        async with server("stdio") as tools:
            await tools.tool("fail").fn(why="because")
