"""A server of tools that misbehave on demand, in a process of its own; started by `test_mcp.py`.

python tool_server.py          speaks over standard input and output
python tool_server.py PORT     listens on 127.0.0.1

START_S in its environment is how long it takes to start.
"""

from __future__ import annotations

import os
import sys
import time

import anyio
from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError

server = MCPServer("misbehaving")


@server.tool()
def add(left: int, right: int) -> int:
    """Add two numbers."""
    return left + right


@server.tool()
def where() -> str:
    """Say which process answers, and what it finds in its environment."""
    return f"{os.getpid()} {os.environ.get('GREETING', '-')}"


@server.tool()
def fail(why: str) -> str:
    """Fail."""
    raise ToolError(why)


@server.tool()
async def wait(mark: str) -> str:
    """Wait for ever, and leave a mark when told to stop."""
    path = anyio.Path(mark)
    await path.write_text("waiting", encoding="utf-8")
    try:
        await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True):
            await path.write_text("stopped", encoding="utf-8")
    return "never"


@server.tool()
def die() -> str:
    """End the process in the middle of a call."""
    print("out of coffee", file=sys.stderr, flush=True)
    time.sleep(0.05)
    os._exit(7)


@server.tool()
def big(chars: int) -> str:
    """Return a long text."""
    return "0123456789" * (chars // 10)


@server.tool()
def picture() -> Image:
    """Return what is no text."""
    return Image(data=b"\x89PNG", format="png")


if __name__ == "__main__":
    time.sleep(float(os.environ.get("START_S", "0")))
    if len(sys.argv) > 1:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
    else:
        server.run("stdio")
