"""One HTTP client for each event loop and endpoint, shared by all models that talk to it, and closed with its loop.

Connections belong to an event loop, so a client made in one loop cannot serve another. A client is closed when the last
model that used it is closed, or else when its loop shuts its asynchronous generators down, as ``asyncio.run`` does.

Responses are bounded: an endpoint that never stops sending is cut off with ``ResponseTooLarge``. Compression is not
asked for, and refused when it comes all the same: bounds on packed bytes would bound nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary, WeakSet

from graphrt.agents.imports import imported

if TYPE_CHECKING:
    from httpx2 import Response
    from openai import AsyncOpenAI


_LIBRARIES: Final = ("httpx2", "openai", "openai.resources.chat.chat", "openai.resources.responses.responses")
"""What a request needs; they take most of a second to import, the last ones when a client is first asked for them."""


class ResponseTooLarge(Exception):
    """An endpoint sent more bytes than allowed, or packed ones."""


@dataclass(frozen=True, slots=True)
class Address:
    """What a client is made of, and what tells two clients apart."""

    base_url: str
    api_key: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 120.0
    """Longest time without a byte."""
    max_bytes: int = 16 * 1024 * 1024
    """Largest response."""


@dataclass(slots=True)
class _Shared:
    client: AsyncOpenAI
    keeper: AsyncGenerator[AsyncOpenAI, None]
    users: WeakSet[object] = field(default_factory=WeakSet[object])


_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Address, _Shared]] = WeakKeyDictionary()


async def client_for(address: Address, user: object) -> AsyncOpenAI:
    """Return the client for an address on the running loop; ``user`` keeps it open until it is released or gone."""
    await imported(*_LIBRARIES)
    clients = _loops.setdefault(asyncio.get_running_loop(), {})
    shared = clients.get(address)
    if shared is None:
        keeper = _kept(address, clients)
        clients[address] = shared = _Shared(await anext(keeper), keeper)
    shared.users.add(user)
    return shared.client


async def release(address: Address, user: object) -> None:
    """Say that a user needs the client no more; the last one closes it."""
    shared = _loops.get(asyncio.get_running_loop(), {}).get(address)
    if shared is None:
        return
    shared.users.discard(user)
    if not shared.users:
        await shared.keeper.aclose()


async def _kept(address: Address, clients: dict[Address, _Shared]) -> AsyncGenerator[AsyncOpenAI, None]:
    """Hold a client open. The loop knows its unfinished generators and closes them at its end, and so the client."""
    client = _connect(address)
    try:
        yield client
    finally:
        clients.pop(address, None)
        await client.close()


def _connect(address: Address) -> AsyncOpenAI:
    import httpx2  # noqa: PLC0415 - the client library takes most of a second to import, so it is imported when used
    from openai import AsyncOpenAI  # noqa: PLC0415 - as above

    timeout = httpx2.Timeout(address.read_timeout_s, connect=address.connect_timeout_s)
    http = httpx2.AsyncClient(
        timeout=timeout,
        limits=httpx2.Limits(max_connections=1000, max_keepalive_connections=100),
        follow_redirects=False,  # a redirected POST loses its body, and a key has no business elsewhere
        event_hooks={"response": [_bounded(address.max_bytes)]},
    )
    return AsyncOpenAI(
        base_url=address.base_url,
        api_key=address.api_key,
        max_retries=0,  # each attempt of ours is an event; hidden ones would be lies
        timeout=timeout,
        default_headers={"Accept-Encoding": "identity", **dict(address.headers)},
        http_client=http,
    )


def _bounded(max_bytes: int) -> Callable[[Response], Awaitable[None]]:
    """Make a hook that limits each response as it begins."""
    from httpx2 import AsyncByteStream  # noqa: PLC0415 - imported when used, see above

    class Bounded(AsyncByteStream):
        """A body that raises when it grows too large."""

        def __init__(self, body: AsyncByteStream) -> None:
            self._body = body

        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = 0
            async for piece in self._body:
                size += len(piece)
                if size > max_bytes:
                    msg = f"more than {max_bytes:,} bytes in one response"
                    raise ResponseTooLarge(msg)
                yield piece

        async def aclose(self) -> None:
            await self._body.aclose()

    async def hook(response: Response) -> None:
        packing = response.headers.get("content-encoding", "identity")
        if packing.strip().lower() not in {"", "identity"}:
            await response.aclose()
            msg = f"a response packed with {packing!r}, which was not asked for"
            raise ResponseTooLarge(msg)
        if isinstance(response.stream, AsyncByteStream):
            response.stream = Bounded(response.stream)

    return hook
