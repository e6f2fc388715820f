"""Tools of servers that speak the Model Context Protocol: of a process on this machine, or of an address.

    clock = MCPServer("mcp-server-time --local-timezone=UTC")
    desk = MCPServer("https://desk.example/mcp", headers={"Authorization": f"Bearer {key}"})
    agent = Agent("Help.", tools=[*clock.tools("get_current_time"), desk.tool("refund", approval="always")])

Tools are named one by one: a server that has others, or gets more, adds nothing to an agent. Nothing is opened before a
model is to be shown the tools, so a flow is defined, checked, drawn and replayed without any server. The server says
how its tools are described and which arguments they take; it is asked once for each connection.

A connection is shared by all runs of an event loop. A run that uses it holds it until it ends or waits for an answer.
It is closed ``idle_s`` after that, with ``aclose`` or ``async with``, and at the latest with its loop; then the process
of a command ends. With ``shared=False`` each run has a connection of its own, which is closed with the run.
"""

from __future__ import annotations

import asyncio
import shlex
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias, TypeVar, cast
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from pydantic import JsonValue

from graphrt.agents.errors import ToolReported, ToolServerFailed
from graphrt.agents.imports import imported
from graphrt.agents.model import ToolSpec, encodable
from graphrt.agents.secrets import Secrets
from graphrt.agents.tools import Tool, untitled
from graphrt.context import CURRENT

if TYPE_CHECKING:
    from types import TracebackType
    from typing import TextIO, Unpack

    from mcp import Client
    from mcp.types import CallToolResult

    from graphrt.agents.tool_options import RemoteOptions

T = TypeVar("T")

_CLOSED = -32000
"""The code of the protocol's library for a connection that is gone."""
_LATE = -32001
"""… and for an answer that took too long."""
CLOSE_S: Final = 8.0
"""How long it may take to close a connection. A process is killed long before that."""


class MCPServer:
    """A server whose tools agents may call."""

    def __init__(
        self,
        where: str | Sequence[str],
        *,
        name: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        headers: Mapping[str, str] | None = None,
        connect_timeout_s: float = 30.0,
        timeout_s: float = 60.0,
        idle_s: float = 300.0,
        shared: bool = True,
    ) -> None:
        """Say where it is; nothing is opened yet.

        Args:
            where: an address beginning with ``http://`` or ``https://``, or a command, as one text or word by word.
            name: what errors call it; by default the host, or the first word of the command.
            env: environment of the command, beside the few harmless variables that it inherits.
            cwd: folder in which the command runs.
            headers: sent with each request to an address.
            connect_timeout_s: longest time until it is ready.
            timeout_s: longest time of one answer.
            idle_s: how long a connection stays open when no run uses it any more; 0 closes it with the last one.
            shared: whether all runs of an event loop use one connection. Say False where the server remembers what was
                done in it (a browser, a shell), so that runs do not meet there; each then has a process or a session of
                its own, which lasts until the run ends or waits.
        """
        self._url = where if isinstance(where, str) and where.startswith(("http://", "https://")) else None
        self._command = [] if self._url else shlex.split(where) if isinstance(where, str) else list(where)
        if not (self._url or self._command):
            raise ToolServerFailed("an MCP server needs an address or a command; got nothing", server=name or "")
        host = urlsplit(self._url).netloc.rpartition("@")[2] if self._url else ""
        self.name = name or host or self._command[0]
        self._env = dict(env or {})
        self._cwd = cwd
        self._headers = dict(headers or {})
        self._secrets = Secrets(*self._env.values(), headers=headers, url=self._url or "")
        self.connect_timeout_s = connect_timeout_s
        self.timeout_s = timeout_s
        self.idle_s = idle_s
        self.shared = shared
        self._lines: WeakKeyDictionary[asyncio.AbstractEventLoop, _Line] = WeakKeyDictionary()

    def __repr__(self) -> str:
        return f"MCPServer({self.name!r})"

    def tool(self, tool: str, /, **options: Unpack[RemoteOptions]) -> Tool:
        """Return one of its tools; the options are those of `graphrt.tool`, and `name` what the model is to call it."""

        async def call(**arguments: JsonValue) -> str:
            return await self._call(tool, arguments)

        async def spec() -> ToolSpec:
            return await self._spec(tool)

        call.__name__ = call.__qualname__ = tool
        return Tool.remote(call, spec, **options)

    def tools(self, *names: str, **options: Unpack[RemoteOptions]) -> list[Tool]:
        """Return several of its tools, with the same options."""
        return [self.tool(name, **options) for name in names]

    async def names(self) -> tuple[str, ...]:
        """Ask the server which tools it has.

        Raises:
            ToolServerFailed: it cannot be reached, or answers badly.
        """
        return tuple(await self._specs())

    async def aclose(self) -> None:
        """Close the shared connection of this event loop; the next use opens another."""
        if (line := self._lines.get(asyncio.get_running_loop())) is not None:
            await line.close()

    async def __aenter__(self) -> Self:
        """Connect, so that what is wrong shows now.

        Raises:
            ToolServerFailed: it cannot be reached, or answers badly.
        """
        await self._specs()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        await self.aclose()

    # -- what is asked of the server ----------------------------------------------------------------------------------

    async def _call(self, tool: str, arguments: dict[str, JsonValue]) -> str:
        result = await self._ask(lambda connection: connection.client.call_tool(tool, arguments))
        text = _text(result)
        if result.is_error:
            raise ToolReported(text or f"tool {tool} failed and did not say why", tool=tool, server=self.name)
        return text

    async def _spec(self, tool: str) -> ToolSpec:
        specs = await self._specs()
        if tool not in specs:
            has = ", ".join(specs) or "none"
            raise self._failed(f"has no tool {tool!r}; its tools are: {has}", tool=tool)
        return specs[tool]

    async def _specs(self) -> dict[str, ToolSpec]:
        try:
            return await self._ask(_Connection.described)
        except ToolServerFailed:
            # A process that died since its last use is started again; asking for its tools twice harms nobody.
            return await self._ask(_Connection.described)

    async def _ask(self, work: Callable[[_Connection], Awaitable[T]]) -> T:
        line = await self._line()
        with line.connection() as connection:
            await self._opened(line, connection)
            from mcp import MCPError  # noqa: PLC0415 - two seconds to import, and loaded by now

            try:
                return await work(connection)
            except MCPError as error:
                if error.code == _LATE:
                    raise self._failed(f"did not answer within {self.timeout_s:g} s") from error
                if error.code != _CLOSED:
                    said = self._secrets.clean(error.message)
                    raise ToolReported(f"the tool's server refused the call: {said}") from error
                await line.lost(connection)
                raise self._failed("closed the connection", said=connection.said()) from error
            except (ToolReported, ToolServerFailed):
                raise
            except Exception as error:
                await line.lost(connection)
                raise self._failed(f"failed with {self._told(error)}", said=connection.said()) from error

    # -- connections --------------------------------------------------------------------------------------------------

    async def _line(self) -> _Line:
        """Return where the connection is kept that is used here: by the run, or by all of this event loop."""
        context = CURRENT.get()
        if context is not None and context.can_open:
            return await context.open(self._used if self.shared else self._own)
        return self._shared_line()

    def _shared_line(self) -> _Line:
        loop = asyncio.get_running_loop()
        line = self._lines.get(loop)
        if line is None:
            line = self._lines[loop] = _Line(self._enter, self.idle_s)
        return line

    @asynccontextmanager
    async def _used(self) -> AsyncGenerator[_Line]:
        """Hold the shared connection for the time of a run."""
        line = self._shared_line()
        async with line.held():
            yield line

    @asynccontextmanager
    async def _own(self) -> AsyncGenerator[_Line]:
        """Keep a connection of its own for the time of a run."""
        line = _Line(self._enter, 0.0)
        async with line.held():
            yield line

    async def _opened(self, line: _Line, connection: _Connection) -> None:
        """Wait until a connection is open."""
        try:
            await asyncio.shield(connection.ready)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # whatever a library raises where a process or an address is not what it should
            line.forget(connection)
            raise self._failed(self._reason(error), said=connection.said()) from error

    async def _enter(self, stack: AsyncExitStack, log: TextIO) -> Client:
        """Open a connection; what it needs is closed with the stack."""
        await imported("mcp", "mcp.client.streamable_http")
        from mcp import Client, StdioServerParameters, stdio_client  # noqa: PLC0415 - two seconds to import
        from mcp.client.streamable_http import streamable_http_client  # noqa: PLC0415 - as above

        if self._url is not None:
            import httpx2  # noqa: PLC0415 - brought by mcp

            timeout = httpx2.Timeout(self.timeout_s, connect=self.connect_timeout_s)
            http = await stack.enter_async_context(httpx2.AsyncClient(headers=self._headers, timeout=timeout))
            transport: Any = streamable_http_client(self._url, http_client=http)
        else:
            command, *args = self._command
            parameters = StdioServerParameters(command=command, args=args, env=self._env or None, cwd=self._cwd)
            transport = stdio_client(parameters, errlog=log)
        client = Client(transport, read_timeout_seconds=self.timeout_s)
        async with asyncio.timeout(self.connect_timeout_s):
            return await stack.enter_async_context(client)

    def _told(self, error: BaseException) -> str:
        leaf = _leaf(error)
        return f"{type(leaf).__name__}: {self._secrets.clean(str(leaf))}" if str(leaf) else type(leaf).__name__

    def _reason(self, error: BaseException) -> str:
        leaf = _leaf(error)
        if isinstance(leaf, ImportError):
            return "cannot be reached without the extra `mcp`: pip install 'graphrt[mcp]'"
        if isinstance(leaf, TimeoutError):
            return f"was not ready within {self.connect_timeout_s:g} s"
        if isinstance(leaf, FileNotFoundError):
            return f"cannot be started, {leaf.filename or 'its command'} was not found"
        return f"cannot be reached, {self._told(leaf)}"

    def _failed(self, found: str, *, said: str = "", tool: str | None = None) -> ToolServerFailed:
        message = f"tool server {self.name!r} {found}"
        message += f"; it said {self._secrets.clean(said)}" if said else ""
        where = "the address and the headers" if self._url else "the command and its environment"
        return ToolServerFailed(f"{message}; check {where}", server=self.name, tool=tool)


Enter: TypeAlias = "Callable[[AsyncExitStack, TextIO], Awaitable[Client]]"
"""Opens a connection; what it needs is closed with the stack."""


class _Line:
    """Where one connection at a time is kept, for those who hold it."""

    def __init__(self, enter: Enter, idle_s: float) -> None:
        self.enter = enter
        self.idle_s = idle_s
        self.holders = 0
        """How many runs use it, whether they ask something just now or not."""
        self._connection: _Connection | None = None

    def connection(self) -> _Connection:
        """Return the connection; another one if it is over."""
        if self._connection is None or self._connection.over:
            self._connection = _Connection(self)
        return self._connection

    def forget(self, connection: _Connection) -> None:
        """Use it no more."""
        if self._connection is connection:
            self._connection = None

    async def lost(self, connection: _Connection) -> None:
        """Close what is left of a connection that is of no use any more, and forget it."""
        await connection.close()
        self.forget(connection)

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self.lost(self._connection)

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[None]:
        """Keep the connection from being idle; who holds it last closes it, if it is not to stay open unused."""
        self.holders += 1
        try:
            yield
        finally:
            self.holders -= 1
            if not self.holders and not self.idle_s:
                await self.close()
            elif self._connection is not None:
                self._connection.touch()


class _Connection:
    """One open connection: a task enters and leaves it, as the protocol's library demands, others use it."""

    def __init__(self, line: _Line) -> None:
        self._line = line
        self._loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = self._loop.create_future()
        self.client: Client
        self.over = False
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - until it is over
        self._said = ""
        self._specs: dict[str, ToolSpec] | None = None
        self._calls = 0
        self._used = 0.0
        self._is_closing = False
        self._stirred = asyncio.Event()
        self._task = self._loop.create_task(self._hold())
        self._task.add_done_callback(_heard)

    def __enter__(self) -> Self:
        self._calls += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._calls -= 1
        self.touch()

    def touch(self) -> None:
        """Take note that it was in use until now."""
        self._used = self._loop.time()
        self._stirred.set()

    async def described(self) -> dict[str, ToolSpec]:
        """Return the tools of the server by their names, asked for once."""
        if self._specs is None:
            self._specs = await _listed(self.client)
        return self._specs

    def said(self) -> str:
        """Return the last line that the process wrote on its standard error."""
        return self._said

    async def close(self) -> None:
        """Close, and wait until that is done, but not for ever; nobody new gets it from now on."""
        self.over = self._is_closing = True
        if not self.ready.done():
            self._task.cancel()  # it is not open yet, and nobody shall wait for that
        self._stirred.set()
        # Not the task itself: whoever waits may be cancelled, and then is.
        await asyncio.wait((self._task,), timeout=CLOSE_S)
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait((self._task,), timeout=CLOSE_S)

    async def _hold(self) -> None:
        try:
            async with AsyncExitStack() as stack:
                self.client = await self._line.enter(stack, self._log)
                self.touch()
                self.ready.set_result(None)
                await self._until_idle()
        except BaseException as error:
            self._note()
            if not self.ready.done():
                self.ready.set_exception(
                    ConnectionAbortedError("it was given up while it was opened")
                    if isinstance(error, asyncio.CancelledError)
                    else error
                )
                self.ready.exception()  # whoever waits hears of it; nobody has to
            if isinstance(error, asyncio.CancelledError):
                raise
        finally:
            self.over = True
            self._line.forget(self)  # it keeps the event loop alive, which may be over as well
            self._note()
            self._log.close()

    async def _until_idle(self) -> None:
        while not self._is_closing:
            is_used = self._calls > 0 or self._line.holders > 0
            left = self._used + self._line.idle_s - self._loop.time()
            if left <= 0 and not is_used:
                self.over = True
                return
            self._stirred.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(None if is_used else left):
                    await self._stirred.wait()

    def _note(self) -> None:
        if not self._log.closed:
            self._log.seek(0)
            lines = [line for line in self._log.read()[-20_000:].splitlines() if line.strip()]
            self._said = lines[-1] if lines else ""


def _heard(task: asyncio.Task[None]) -> None:
    """Take note of how a connection ended, so that nobody is told a second time."""
    if not task.cancelled():
        task.exception()


async def _listed(client: Client) -> dict[str, ToolSpec]:
    specs: dict[str, ToolSpec] = {}
    cursor: str | None = None
    for _ in range(100):  # a server that always has one more page is not asked for ever
        page = await client.list_tools(cursor=cursor)
        for tool in page.tools:
            schema = untitled(dict(tool.input_schema))
            specs[tool.name] = ToolSpec(name=tool.name, description=tool.description or "", parameters=schema)
        cursor = page.next_cursor
        if cursor is None:
            break
    return specs


def _text(result: CallToolResult) -> str:
    """Return what a tool gave back as the text that a model is shown; what is no text is named."""
    parts: list[str] = []
    for part in result.content:
        text = getattr(part, "text", None)
        if isinstance(text, str):
            parts.append(text)
            continue
        kind = getattr(part, "mime_type", None) or getattr(getattr(part, "resource", None), "mime_type", None)
        parts.append(f"[{part.type}{f' {kind}' if kind else ''}, not shown]")
    if not parts and result.structured_content is not None:
        import json  # noqa: PLC0415 - for servers that send data alone

        parts.append(json.dumps(encodable(result.structured_content), ensure_ascii=False))
    return "\n".join(parts)


def _leaf(error: BaseException) -> BaseException:
    """Return what is wrong, out of the groups that the protocol's library raises."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error
