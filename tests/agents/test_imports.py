"""Large libraries are imported beside the event loop, so that nothing else waits for them."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from graphrt.agents.imports import imported

WATCH = """
import asyncio, sys, threading

class Watch:
    def find_spec(self, name, path=None, target=None):
        is_large = name.partition(".")[0] in {"openai", "httpx2", "mcp"}
        if is_large and threading.current_thread() is threading.main_thread():
            print(name)

sys.meta_path.insert(0, Watch())
"""
ASKING = """
from graphrt.agents import ModelRequest
from graphrt.agents.models.openai import OpenAIModel
from graphrt.testing.endpoint import Endpoint, stream

async def main():
    async with Endpoint([stream("Hi")]) as endpoint:
        print((await OpenAIModel("m", base_url=endpoint.url).respond(ModelRequest.prompt("Hello"))).text == "Hi")

asyncio.run(main())
"""
CALLING = """
from graphrt.agents.mcp import MCPServer

async def main():
    async with MCPServer([sys.executable, "tests/agents/tool_server.py"]) as server:
        print(len(await server.names()) > 0)

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("script", [ASKING, CALLING], ids=["openai", "mcp"])
def test_the_event_loop_imports_no_large_library(script: str) -> None:
    """The first request to an endpoint, and the first use of a tool server, import nothing in the loop's thread."""
    done = subprocess.run([sys.executable, "-c", WATCH + script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"]


def test_what_is_missing_is_an_import_error() -> None:
    """A library that is not installed is told as by an import statement."""
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        asyncio.run(imported("no_such_library"))
