"""Pools: at most so many are made, users wait in order, nothing of one user is left for the next, all are closed."""

from __future__ import annotations

import asyncio

import pytest

from graphrt import Agent, Context, Flow
from graphrt.agents import Model, ModelRequest, Reply
from graphrt.agents.errors import NoModel
from graphrt.agents.model import Emit, discard
from graphrt.errors import UseError
from graphrt.policies import Pool, pool
from graphrt.testing import ScriptedModel
from graphrt.testing.clock import ManualClock, settle
from tests.policies.asking import Talk, ask, hearing, talking

pytestmark = pytest.mark.anyio


class Costly(Model):
    """Remembers what it is not asked to forget."""

    made = 0
    name = "costly"

    def __init__(self) -> None:
        type(self).made += 1
        self.number = type(self).made
        self.heard: list[str] = []
        self.closed = False
        self.in_use = False
        self.go = asyncio.Event()
        self.go.set()

    async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
        """Say what it remembers."""
        assert not self.in_use, "one user at a time"
        assert not self.closed
        self.in_use = True
        try:
            self.heard.append(text := request.messages[-1].text)
            await self.go.wait()
            await asyncio.sleep(0)
            if text == "fail":
                raise ValueError(text)
            return Reply(text=f"{self.number}: {', '.join(self.heard)}")
        finally:
            self.in_use = False

    async def aclose(self) -> None:
        """Close it."""
        self.closed = True


@pytest.fixture(autouse=True)
def _count_anew() -> None:
    Costly.made = 0


async def test_as_many_as_needed_and_no_more() -> None:
    """Fifty users share three, which are made when they are needed; each is used by one at a time."""
    lent = pool(Costly, size=3)
    pooled = lent.wrap(ScriptedModel([]))
    await ask(pooled)
    assert Costly.made == 1
    await asyncio.gather(*(ask(pooled, str(n)) for n in range(50)))
    assert (Costly.made, lent.made, lent.idle, lent.waiting) == (3, 3, 3, 0)
    await lent.aclose()


async def test_users_wait_in_order_and_may_give_up() -> None:
    """First come, first served; a cancelled wait makes room; what was waited is on record."""
    clock = ManualClock()
    lent = pool(Costly, size=1, clock=clock)
    pooled = lent.wrap(ScriptedModel([]))
    order: list[int] = []

    async def one(number: int) -> None:
        async with lent.lease():
            order.append(number)
            await clock.sleep(1)

    users = [asyncio.ensure_future(one(n)) for n in range(4)]
    await settle()
    users[1].cancel()
    with hearing() as heard:
        last = asyncio.ensure_future(ask(pooled))
        await clock.run_out(asyncio.gather(*users, last, return_exceptions=True))
    assert order == [0, 2, 3]
    assert heard.marks == ["waited 3 s for the pool"]
    await lent.aclose()


async def test_nothing_of_a_user_is_left_for_the_next() -> None:
    """`reset` makes one as good as new; one whose user failed or was cancelled is closed and not lent again."""
    lent: Pool[Costly] = pool(Costly, size=1, reset=lambda costly: costly.heard.clear())
    pooled = lent.wrap(ScriptedModel([]))
    assert [(await ask(pooled, text)).text for text in ("my secret", "yours")] == ["1: my secret", "1: yours"]
    async with lent.lease() as first:
        pass
    with pytest.raises(ValueError, match="fail"):
        await ask(pooled, "fail")
    assert (first.closed, lent.made) == (True, 0)
    assert (await ask(pooled, "hello")).text == "2: hello"
    async with lent.lease() as second:
        second.go.clear()
    hanging = asyncio.ensure_future(ask(pooled, "my other secret"))
    await settle()
    hanging.cancel()
    await asyncio.gather(hanging, return_exceptions=True)
    assert second.closed
    assert (await ask(pooled, "hello")).text == "3: hello"
    await lent.aclose()


async def test_a_reset_that_fails_disposes_of_it() -> None:
    """One that cannot be made as new is closed; whoever returned it hears why."""

    def broken(costly: Costly) -> None:
        raise OSError(costly.number)

    lent = pool(Costly, size=1, reset=broken)
    with pytest.raises(OSError, match="1"):
        await ask(lent.wrap(ScriptedModel([])))
    assert (lent.made, lent.idle) == (0, 0)


async def test_closing_disposes_of_all() -> None:
    """What is idle is closed at once, what is lent when it comes back; who waits is told."""
    lent = pool(Costly, size=2)
    async with lent, lent.lease() as kept:
        async with lent.lease() as idle:
            pass
        await lent.aclose()
        assert (idle.closed, kept.closed) == (True, False)
        with pytest.raises(UseError, match="the pool was closed"):
            await ask(lent.wrap(ScriptedModel([])))
    assert (kept.closed, lent.made) == (True, 0)


class Stuck:
    """Cannot be closed, and takes a moment to find out."""

    alive = 0
    most = 0

    def __init__(self) -> None:
        type(self).alive += 1
        type(self).most = max(self.most, self.alive)

    async def aclose(self) -> None:
        """Fail to close."""
        await asyncio.sleep(0)
        type(self).alive -= 1
        raise OSError("stuck")


async def test_one_that_cannot_be_disposed_of_hides_no_error_and_frees_its_place() -> None:
    """A cancelled user stays cancelled, a failed one keeps its error; nobody gets another before it is gone."""
    lent = pool(Stuck, size=1)

    async def use(error: Exception | None = None) -> None:
        async with lent.lease():
            if error is not None:
                raise error
            await asyncio.sleep(10)

    using = asyncio.ensure_future(use())
    await settle()
    next_one = asyncio.ensure_future(use(ValueError("mine")))
    await settle()
    using.cancel()
    with pytest.raises(asyncio.CancelledError):
        await using
    with pytest.raises(ValueError, match="mine") as raised:
        await next_one
    assert raised.value.__notes__ == ["and what the pool had lent could not be disposed of: OSError: stuck"]
    assert (lent.made, Stuck.most) == (0, 1)


async def test_closing_disposes_of_the_others_too_when_one_cannot_be() -> None:
    """Each is tried, and what went wrong is raised at the end."""
    closed: list[int] = []

    class Numbered:
        def __init__(self) -> None:
            self.number = lent.made

        def close(self) -> None:
            closed.append(self.number)
            if self.number < 3:
                raise OSError(self.number)

    lent: Pool[Numbered] = pool(Numbered, size=3)
    async with lent.lease(), lent.lease(), lent.lease():
        pass
    with pytest.raises(ExceptionGroup, match="2 of 3 in the pool") as raised:
        await lent.aclose()
    assert (sorted(closed), len(raised.value.exceptions), lent.made) == ([1, 2, 3], 2, 0)


async def test_one_that_cannot_be_made_takes_no_place() -> None:
    """The error is that of making it, and the next user may try again."""
    tries = 0

    async def make() -> Costly:
        nonlocal tries
        tries += 1
        await asyncio.sleep(0)
        if tries == 1:
            raise OSError("not yet")
        return Costly()

    lent = pool(make, size=1)
    pooled = lent.wrap(ScriptedModel([]))
    with pytest.raises(OSError, match="not yet"):
        await ask(pooled)
    assert (await ask(pooled)).text == "1: Hi"
    await lent.aclose()


async def test_it_takes_the_place_of_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent under a pool needs no other model; the record names the one that answered."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GRAPHRT_MODEL", "nothing")
    async with pool(Costly, size=1) as lent:
        result = await talking(Agent("Say.", policies=[lent], retry=1)).run(Talk())
        assert result.state.reply == "1: Hi"
    failed = await talking(Agent("Say.", policies=[pool_of_nothing()], retry=1)).run(Talk())
    assert failed.error is not None
    assert failed.error.type == NoModel.__name__


def pool_of_nothing() -> Pool[Model]:
    """Return a pool whose making fails as a missing model does."""

    def make() -> Model:
        raise NoModel("nothing says which model to use")

    return pool(make)


async def test_anything_can_be_lent_to_a_task() -> None:
    """A task that was given the pool as a resource leases a client for itself."""

    class Client:
        closed = False

        def close(self) -> None:
            self.closed = True

    clients: list[Client] = []

    def make() -> Client:
        clients.append(Client())
        return clients[-1]

    flow = Flow("talk", Talk)

    @flow.task(writes=flow.state.reply)
    async def work(context: Context) -> str:
        async with context.resource(Pool[Client]).lease() as client:
            return type(client).__name__

    async with pool(make) as lent:
        result = await flow.run(Talk(), resources=[lent])
    assert result.state.reply == "Client"
    assert [client.closed for client in clients] == [True]


def test_a_pool_of_nothing_is_refused() -> None:
    """Its size is 1 or more."""
    with pytest.raises(UseError, match="size=0"):
        pool(Costly, size=0)
