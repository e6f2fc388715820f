"""Timeouts: a model that says nothing, falls silent or does not end is given up, with what it had said."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from graphrt import Agent, Retry
from graphrt.account import account
from graphrt.agents import Model, ModelRequest, Reply
from graphrt.agents.errors import ModelTimeout, TruncatedStream
from graphrt.agents.model import Emit, discard
from graphrt.agents.models.openai import OpenAIModel
from graphrt.agents.pulse import pulse
from graphrt.errors import UseError
from graphrt.policies import cache, timeout
from graphrt.runtime import leaving
from graphrt.testing.clock import ManualClock, settle
from graphrt.testing.endpoint import Endpoint, calling, chunk, sse
from tests.policies.asking import Talk, ask, hearing, talking

pytestmark = pytest.mark.anyio


class Slow(Model):
    """Says a piece after each wait, shown or not; then it ends, or never does."""

    name = "slow"

    def __init__(self, clock: ManualClock, waits: Sequence[float], *, hidden: bool = False, end: bool = True) -> None:
        self.clock = clock
        self.waits = waits
        self.hidden = hidden
        self.end = end
        self.stopped = False

    async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
        """Say it, slowly."""
        try:
            for number, wait in enumerate(self.waits):
                await self.clock.sleep(wait)
                if self.hidden:
                    pulse()
                else:
                    emit(f"{number} ")
            if not self.end:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.stopped = True
            raise
        return Reply(text="".join(f"{n} " for n in range(len(self.waits))))


CASES: list[tuple[dict[str, float], Sequence[float], bool, str | None, float, str]] = [
    ({"first_byte": 5}, [6], True, "first_byte", 5, ""),
    ({"first_byte": 5}, [4, 60, 60], True, None, 124, ""),
    ({"idle": 5}, [60, 4, 6], True, "idle", 69, "0 1 "),
    ({"idle": 5}, [60, 4], False, "idle", 69, "0 1 "),
    ({"total": 10}, [4, 4, 4], True, "total", 10, "0 1 "),
    ({"first_byte": 3, "idle": 2, "total": 10}, [2, 1, 1, 1], True, None, 5, ""),
    ({"first_byte": 30, "idle": 2, "total": 100}, [2, 1, 3], True, "idle", 5, "0 1 "),
]


@pytest.mark.parametrize("hidden", [False, True], ids=["text", "hidden pieces"])
@pytest.mark.parametrize(("bounds", "waits", "end", "passed", "after", "partial"), CASES)
async def test_each_bound(
    bounds: dict[str, float],
    waits: Sequence[float],
    end: bool,
    passed: str | None,
    after: float,
    partial: str,
    hidden: bool,
) -> None:
    """It is noticed when it is passed, not before; the model is stopped; the text that came is in the error."""
    clock = ManualClock()
    model = Slow(clock, waits, hidden=hidden, end=end)
    pieces: list[str] = []
    with hearing() as heard:
        asking = asyncio.ensure_future(ask(timeout(clock=clock, **bounds).wrap(model), emit=pieces.append))
        await clock.run_out(asyncio.ensure_future(asyncio.wait({asking})))
    assert clock.monotonic() == after
    if passed is None:
        assert asking.result().text == "".join(f"{n} " for n in range(len(waits)))
        return
    error = asking.exception()
    assert isinstance(error, ModelTimeout)
    assert (error.partial, error.retryable, model.stopped) == ("" if hidden else partial, True, True)
    assert f"timeout({passed}={bounds[passed]:g})" in error.message
    assert heard.facts(passed) == {"bound": passed, "allowed_s": bounds[passed]}


async def test_cancelling_reaches_the_model() -> None:
    """Who is cancelled while a model is bounded takes it along."""
    clock = ManualClock()
    model = Slow(clock, [1000])
    asking = asyncio.ensure_future(ask(timeout(total="1h", clock=clock).wrap(model)))
    await settle()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert (asking.cancelled(), model.stopped, clock.next_in_s) == (True, True, None)


async def test_errors_of_the_model_pass_as_they_are() -> None:
    """A bound changes nothing for a model that fails in time."""
    broken = TruncatedStream("it broke off", endpoint="here", model="m", partial="Half")

    class Broken(Model):
        name = "broken"

        async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
            raise broken

    with pytest.raises(TruncatedStream) as found:
        await ask(timeout(total=5).wrap(Broken()))
    assert found.value is broken


async def test_a_stubborn_model_does_not_hold_us() -> None:
    """One that will not stop is left behind."""
    clock = ManualClock()
    go = asyncio.Event()

    class Stubborn(Model):
        name = "stubborn"

        async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
            while not go.is_set():
                try:
                    await go.wait()
                except asyncio.CancelledError:
                    continue
            return Reply(text="late")

    asking = asyncio.ensure_future(ask(timeout(total=1, clock=clock).wrap(Stubborn())))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leaving, "GRACE_S", 0.01)
        await clock.run_out(asyncio.ensure_future(asyncio.wait({asking})))
    assert isinstance(asking.exception(), ModelTimeout)
    go.set()
    await settle()


async def test_it_is_retried_as_other_passing_faults_are() -> None:
    """In a flow each attempt that took too long is on record, with its mark, and the next may succeed."""
    clock = ManualClock()

    class Late(Slow):
        tries = 0

        async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
            self.tries += 1
            self.waits = [60] if self.tries == 1 else [1]
            return await super().respond(request, emit)

    agent = Agent("Say.", policies=[timeout(first_byte="20s", clock=clock)], retry=Retry(2, wait_s=5, jitter=0))
    going = asyncio.ensure_future(talking(agent).run(Talk(), resources=[Late(clock, [])], clock=clock))
    await clock.run_out(going)
    result = going.result()
    first, second = account(result.trace).visits["0/0"].attempts
    assert (result.state.reply, clock.monotonic()) == ("0", 26)
    assert first.error is not None
    assert (first.error.type, [m.text for m in first.marks]) == ("ModelTimeout", ["timeout: first_byte of 20 s"])
    assert (second.error, second.marks) == (None, ())


async def test_pieces_of_a_tool_call_are_signs_of_life() -> None:
    """Over the wire: text, labels and tool calls of a real stream pulse, and so the silence between them is bounded."""
    clock = ManualClock()
    go, more = asyncio.Event(), asyncio.Event()
    answer = calling("look", '{"n": 1}')
    held = type(answer)(body=(*answer.body[:1], go, *answer.body[1:2], more, *answer.body[2:]))
    async with Endpoint([held, sse(chunk({"content": "Once"}), done=False, ending="hang")]) as endpoint:
        model = OpenAIModel("m", base_url=endpoint.url)
        bounded = timeout(idle=10, clock=clock).wrap(model)
        asking = asyncio.ensure_future(ask(bounded))
        await _until(lambda: clock.next_in_s is not None)
        await clock.advance(9)
        go.set()
        await _until(lambda: (clock.next_in_s or 0) == 1)  # the alarm is set anew when it rings
        await asyncio.sleep(0.05)
        await clock.advance(9)
        more.set()
        assert (await asking).tool_calls[0].arguments == {"n": 1}
        hanging = asyncio.ensure_future(ask(bounded))
        await _until(lambda: clock.next_in_s is not None)
        await clock.advance(10)
        with pytest.raises(ModelTimeout) as found:
            await hanging
        await asyncio.wait_for(endpoint.hung_up.wait(), 10)
        assert (found.value.partial, found.value.endpoint) == ("Once", f"127.0.0.1:{endpoint.port}")
        await model.aclose()


async def _until(happened: object) -> None:
    assert callable(happened)
    async with asyncio.timeout(20):
        while not happened():  # noqa: ASYNC110 - what happens is in a socket, and sets no event
            await asyncio.sleep(0.005)


async def test_who_shares_a_request_hears_that_it_lives() -> None:
    """A bound around a cache is not passed while another's request, which is waited for, makes progress."""
    clock = ManualClock()
    kept = cache(clock=clock)
    model = Slow(clock, [4] * 5)
    bounded = timeout(first_byte=5, idle=5, clock=clock).wrap(kept.wrap(model))
    asking = [asyncio.ensure_future(ask(bounded)) for _ in range(3)]
    await clock.run_out(asyncio.gather(*asking))
    assert [task.result().text for task in asking] == ["0 1 2 3 4 "] * 3
    assert kept.misses == 1


def test_what_is_no_bound_is_refused() -> None:
    """Nothing to bound, or no duration, is said where it is written."""
    with pytest.raises(UseError, match=r"timeout\(\) bounds nothing"):
        timeout()
    with pytest.raises(UseError, match=r"timeout\(idle=…\): 'long' is no duration"):
        timeout(idle="long")
