"""An endpoint on the loopback that answers while a test waits for a process of the program."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager

from graphrt.testing.endpoint import Answer, Endpoint, Received


class Served:
    """What the process met."""

    def __init__(self, endpoint: Endpoint, loop: asyncio.AbstractEventLoop) -> None:
        self.url = endpoint.url
        self._endpoint = endpoint
        self._loop = loop

    def hung_up(self) -> None:
        """Wait until a client has closed its connection before its answer was complete."""
        asyncio.run_coroutine_threadsafe(self._endpoint.hung_up.wait(), self._loop).result(30)


@contextmanager
def serving(answer: Callable[[Received], Answer]) -> Generator[Served]:
    """Serve in a thread of its own."""
    ready: Future[Served] = Future()
    ended = asyncio.Event()

    async def serve() -> None:
        async with Endpoint(answer) as endpoint:
            ready.set_result(Served(endpoint, asyncio.get_running_loop()))
            await ended.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    served = ready.result(30)
    try:
        yield served
    finally:
        served._loop.call_soon_threadsafe(ended.set)
        thread.join(30)
