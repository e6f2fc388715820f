"""Tools of servers that speak the Model Context Protocol: of a process on this machine, or of an address.

    clock = MCPServer("mcp-server-time --local-timezone=UTC")
    desk = MCPServer("https://desk.example/mcp", headers={"Authorization": f"Bearer {key}"})
    agent = Agent("Help.", tools=[*clock.tools("get_current_time"), desk.tool("refund", approval="always")])

Tools are named one by one: a server that has others, or gets more, adds nothing to an agent. Nothing is opened before a
model is to be shown the tools, so a flow is defined, checked, drawn and replayed without any server. The server says
how its tools are described and which arguments they take; it is asked once for each connection.

A connection belongs to the event loop that opened it and is shared by all runs there. It is closed when nobody has used
it for a while, with ``aclose`` or ``async with``, and at the latest with its loop; then the process of a command ends.
"""

from __future__ import annotations

import asyncio
import shlex
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from pydantic import JsonValue

from graphrt.agents.errors import ToolReported, ToolServerFailed
from graphrt.agents.imports import imported
from graphrt.agents.model import ToolSpec, encodable
from graphrt.agents.secrets import Secrets
from graphrt.agents.tools import Tool, untitled

if TYPE_CHECKING:
    from types import TracebackType
    from typing import TextIO, Unpack

    from mcp import Client
    from mcp.types import CallToolResult

    from graphrt.agents.tools import RemoteOptions

T = TypeVar("T")

_CLOSED = -32000
"""The code of the protocol's library for a connection that is gone."""
_LATE = -32001
"""… and for an answer that took too long."""


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
            idle_s: how long a connection stays open unused.
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
        self._open: WeakKeyDictionary[asyncio.AbstractEventLoop, _Connection] = WeakKeyDictionary()

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
        """Close the connection of this event loop; the next use opens another."""
        if (connection := self._open.get(asyncio.get_running_loop())) is not None:
            await self._lost(connection)

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
        result = await self._ask(lambda client: client.call_tool(tool, arguments))
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
            connection = await self._connected()
            if connection.specs is None:
                connection.specs = await self._ask(_listed)
        except ToolServerFailed:
            # A process that died since its last use is started again; asking for its tools twice harms nobody.
            connection = await self._connected()
            if connection.specs is None:
                connection.specs = await self._ask(_listed)
        return connection.specs

    async def _ask(self, work: Callable[[Client], Awaitable[T]]) -> T:
        connection = await self._connected()
        from mcp import MCPError  # noqa: PLC0415 - two seconds to import, and loaded by now

        try:
            with connection:
                return await work(connection.client)
        except MCPError as error:
            if error.code == _LATE:
                raise self._failed(f"did not answer within {self.timeout_s:g} s") from error
            if error.code != _CLOSED:
                raise ToolReported(
                    f"the tool's server refused the call: {self._secrets.clean(error.message)}"
                ) from error
            await self._lost(connection)
            raise self._failed("closed the connection", said=connection.said()) from error
        except (ToolReported, ToolServerFailed):
            raise
        except Exception as error:
            await self._lost(connection)
            raise self._failed(f"failed with {self._told(error)}", said=connection.said()) from error

    async def _lost(self, connection: _Connection) -> None:
        loop = asyncio.get_running_loop()
        await connection.close()
        if self._open.get(loop) is connection:
            del self._open[loop]

    async def _connected(self) -> _Connection:
        loop = asyncio.get_running_loop()
        connection = self._open.get(loop)
        if connection is None or connection.over:
            connection = self._open[loop] = _Connection(self._enter, self.idle_s)
        try:
            await asyncio.shield(connection.ready)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # whatever a library raises where a process or an address is not what it should
            if self._open.get(loop) is connection:
                del self._open[loop]
            raise self._failed(self._reason(error), said=connection.said()) from error
        return connection

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


class _Connection:
    """One open connection: a task enters and leaves it, as the protocol's library demands, others use it."""

    def __init__(self, enter: Callable[[AsyncExitStack, TextIO], Awaitable[Client]], idle_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = self._loop.create_future()
        self.client: Client
        self.specs: dict[str, ToolSpec] | None = None
        self.over = False
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - until it is over
        self._said = ""
        self._enter_client = enter
        self._idle_s = idle_s
        self._users = 0
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._closing = asyncio.Event()
        self._task = self._loop.create_task(self._hold())

    def __enter__(self) -> None:
        self._users += 1

    def __exit__(self, *_: object) -> None:
        self._users -= 1
        self._used = self._loop.time()

    def said(self) -> str:
        """Return the last line that the process wrote on its standard error."""
        return self._said

    async def close(self) -> None:
        """Close, and wait until that is done; nobody new gets it from now on."""
        self.over = True
        self._closing.set()
        await asyncio.wait((self._task,))  # not the task itself: whoever waits may be cancelled, and then is

    async def _hold(self) -> None:
        try:
            async with AsyncExitStack() as stack:
                self.client = await self._enter_client(stack, self._log)
                self._used = self._loop.time()
                self.ready.set_result(None)
                await self._until_idle()
        except BaseException as error:
            self._note()
            if not self.ready.done():
                self.ready.set_exception(
                    ConnectionAbortedError("the event loop ended")
                    if isinstance(error, asyncio.CancelledError)
                    else error
                )
                self.ready.exception()  # whoever waits hears of it; nobody has to
            if isinstance(error, asyncio.CancelledError):
                raise
        finally:
            self.over = True
            self._note()
            self._log.close()

    async def _until_idle(self) -> None:
        while not self._closing.is_set():
            left = self._used + self._idle_s - self._loop.time()
            if left <= 0 and not self._users:
                self.over = True
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), max(left, 0.05) if not self._users else self._idle_s)

    def _note(self) -> None:
        if not self._log.closed:
            self._log.seek(0)
            lines = [line for line in self._log.read()[-20_000:].splitlines() if line.strip()]
            self._said = lines[-1] if lines else ""


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
