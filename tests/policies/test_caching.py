"""Caches: the same request is asked once, for so long, by however many; whatever is wrong with a cache is a miss."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import sqlite3
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from graphrt import Agent, Flow
from graphrt.agents import ModelRequest, Reply, ToolSpec, assistant, user
from graphrt.agents.errors import ModelBehavior, ModelUnavailable
from graphrt.agents.model import Emit, Model, discard
from graphrt.agents.models.openai import OpenAIModel
from graphrt.errors import UseError
from graphrt.policies import cache, context, fallback, pool
from graphrt.policies.replies.memory import MemoryReplies
from graphrt.policies.replies.sqlite import APPLICATION, SqliteReplies
from graphrt.testing import ScriptedModel, Turn
from graphrt.testing.clock import ManualClock, settle
from tests.policies.asking import Talk, ask, hearing, talking

pytestmark = pytest.mark.anyio

BROKEN = ModelUnavailable("found no connection", endpoint="here", model="m")


class Stated(ScriptedModel):
    """Says that all of its name answer alike."""

    @property
    def identity(self) -> str:
        """What they share."""
        return self.name


class Held(Model):
    """Says what it is told to once it is let go."""

    name = "held"

    def __init__(self) -> None:
        self.asked = 0
        self.cancelled = 0
        self.go = asyncio.Event()
        self.error: Exception | None = None

    async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
        """Wait, then answer or fail."""
        self.asked += 1
        emit("He")
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        emit("llo")
        return Reply(text="Hello")


async def test_the_same_request_is_asked_once() -> None:
    """A second one is answered from the cache: the text in one piece, no tokens, no cost, and a mark that says so."""
    model = ScriptedModel([Turn.say("Hel", "lo")], name="gpt-5-mini")
    kept = cache("1h")
    cached = kept.wrap(model)
    first = await ask(cached)
    pieces: list[str] = []
    with hearing() as heard:
        second = await ask(cached, emit=pieces.append)
    assert (first.text, second.text, pieces) == ("Hello", "Hello", ["Hello"])
    assert (first.usage.input_tokens, second.usage.input_tokens, second.usage.output_tokens) == (10, 0, 0)
    assert (cached.cost_usd(first) or 0) > 0
    assert cached.cost_usd(second) == 0
    assert heard.marks == ["cache hit"]
    assert heard.facts("hit") == {"saved": {"input_tokens": 10, "output_tokens": 5}}
    assert (kept.hits, kept.misses) == (1, 1)


DIFFERENT: list[ModelRequest] = [
    ModelRequest.prompt("Hi"),
    ModelRequest.prompt("Hi!"),
    ModelRequest.prompt("Hi", instructions="Be kind."),
    ModelRequest.prompt("Hi", examples=(("a", "b"),)),
    ModelRequest.prompt("Hi", tools=(ToolSpec(name="look"),)),
    ModelRequest.prompt("Hi", temperature=0),
    ModelRequest.prompt("Hi", seed=1),
    ModelRequest.prompt("Hi", model="other"),
    ModelRequest.prompt("Hi", labels=("Hi", "Ho")),
    ModelRequest.prompt("Hi", output_schema={"type": "string"}),
    ModelRequest(messages=(user("Before."), assistant("Yes?"), user("Hi"))),
    ModelRequest(messages=(user("Hi", name="ann"),)),
]


async def test_the_key_is_the_whole_request() -> None:
    """Requests that differ in anything, or go to another model, endpoint or scope, find nothing; equal ones do."""
    one, keeper = Stated([]), cache()
    keys = [keeper.key(request, one) for request in DIFFERENT]
    assert len(set(keys)) == len(DIFFERENT)
    assert keys == [keeper.key(ModelRequest.model_validate(r.model_dump()), Stated([])) for r in DIFFERENT]
    hi = DIFFERENT[0]
    others = [
        ScriptedModel([], name="other"),
        OpenAIModel("scripted", base_url="http://127.0.0.1:1/v1"),
        OpenAIModel("scripted", base_url="http://127.0.0.1:2/v1"),
        OpenAIModel("scripted", base_url="http://127.0.0.1:2/v1", extra={"top_k": 1}),
        fallback(Stated([], name="other")).around(one),
        fallback(Agent("Say.", model=Stated([]))).around(one),
        fallback(Agent("Say.", model=Stated([]), temperature=0)).around(one),
        fallback(Agent("Say.", model=Stated([]), examples=[("a", "b")])).around(one),
        context(messages=4).around(one),
        context(messages=2).around(one),
        context(messages=2, summary=True).around(one),
        context(messages=2, summary="In a word.").around(one),
    ]
    assert len({keeper.key(hi, one), *(keeper.key(hi, model) for model in others)}) == 1 + len(others)
    assert cache(scope="ann").key(hi, one) != cache(scope="bob").key(hi, one)


async def test_models_of_one_name_are_not_taken_for_each_other() -> None:
    """Unless they say what their answers depend on: then equal ones share, in another object and process too."""

    class Styled(Model):
        name = "styled"

        def __init__(self, style: str) -> None:
            self.style = style

        async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
            return Reply(text=self.style)

    class Sworn(Styled):
        @property
        def identity(self) -> str:
            return f"styled as {self.style}"

    kept = cache()
    makes: list[Callable[[str], Model]] = [Styled, Sworn, lambda said: ScriptedModel([said])]
    for style in ("pirate", "lawyer"):
        for make in makes:
            assert (await ask(kept.wrap(make(style)))).text == style
    assert (await ask(kept.wrap(Sworn("pirate")))).text == "pirate"
    assert (kept.misses, kept.hits) == (6, 1)


def test_an_endpoint_is_its_whole_address() -> None:
    """Scheme, path and query tell endpoints apart; what stands in a query is not to be read in the identity."""
    urls = ["http://h/v1", "https://h/v1", "https://h/v2", "https://h/v1?deployment=a", "https://h/v1?deployment=b"]
    said = [OpenAIModel("m", base_url=url, api_key="k").identity for url in urls]
    assert len(set(said)) == len(urls)
    assert said == [OpenAIModel("m", base_url=url, api_key="other").identity for url in urls]
    assert "deployment" not in str(said)


async def test_replies_of_a_pool_are_those_of_the_models_in_it() -> None:
    """Not of the model in whose place the pool stands: another pool in that place finds nothing, an equal one does."""
    kept, place = cache(), ScriptedModel([])

    def lent(name: str) -> Model:
        return kept.wrap(pool(lambda: Stated(lambda _: f"I am {name}.", name=name)).wrap(place))

    ann, bob, also_ann = lent("Ann"), lent("Bob"), lent("Ann")
    said = [(await ask(model)).text for model in (ann, bob, ann, bob)]
    assert said == ["I am Ann.", "I am Bob."] * 2
    hits = kept.hits
    await ask(ann)
    assert kept.hits == hits + 1
    await ask(also_ann, "another, so that its pool makes one")
    await ask(also_ann)
    assert kept.hits == hits + 2


async def test_a_key_is_a_hash(tmp_path: Path) -> None:
    """Neither keys nor files hold what was asked, nor the key of an endpoint."""
    path = tmp_path / "cache.db"
    kept = cache(file=path)
    secret = OpenAIModel("m", base_url="http://127.0.0.1:1/v1", api_key="sk-canary-123456")
    assert "sk-canary" not in secret.identity
    await ask(kept.wrap(ScriptedModel(["Fine."])), "My password is rose-petal.")
    await kept.aclose()
    assert b"rose-petal" not in _all_bytes(tmp_path)


def _all_bytes(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def test_a_reply_is_good_for_so_long() -> None:
    """After `ttl` on a clock that never jumps it is asked again, also if the time of day was set meanwhile."""
    clock = ManualClock()
    model = ScriptedModel(["one", "two"])
    cached = cache("1h", clock=clock).wrap(model)
    assert (await ask(cached)).text == "one"
    clock.set_time_of_day(clock.now() + 10 * 24 * 3600)
    await clock.advance(3599)
    assert (await ask(cached)).text == "one"
    await clock.advance(1)
    assert (await ask(cached)).text == "two"


async def test_who_asks_the_same_meanwhile_waits_for_that_answer() -> None:
    """Of a hundred at once one request is made; the first streams, the others get the text in one piece, and a mark."""
    model, kept = Held(), cache()
    cached = kept.wrap(model)
    first: list[str] = []
    asking = [asyncio.ensure_future(ask(cached, emit=first.append))]
    await settle()

    async def also() -> tuple[str, list[str], list[str], int | None]:
        pieces: list[str] = []
        with hearing() as heard:
            reply = await ask(cached, emit=pieces.append)
            return reply.text, pieces, heard.marks, reply.usage.total_tokens

    others = [asyncio.ensure_future(also()) for _ in range(99)]
    await settle()
    model.go.set()
    await asyncio.gather(*asking)
    assert set(map(str, await asyncio.gather(*others))) == {str(("Hello", ["Hello"], ["shared request"], 0))}
    assert (model.asked, first, kept.shared) == (1, ["He", "llo"], 99)


async def test_a_failure_is_shared_and_not_kept() -> None:
    """All who wait get the error; the next one asks anew."""
    model = Held()
    model.error = BROKEN
    cached = cache().wrap(model)
    waiting = [asyncio.ensure_future(ask(cached)) for _ in range(3)]
    await settle()
    model.go.set()
    assert await asyncio.gather(*waiting, return_exceptions=True) == [BROKEN] * 3
    model.error = None
    assert (await ask(cached)).text == "Hello"
    assert model.asked == 2


async def test_cancelling_one_leaves_the_request_to_the_others() -> None:
    """Also if it was the one who asked first; when the last one is cancelled, the request is."""
    model = Held()
    cached = cache().wrap(model)
    pieces: list[str] = []
    first = asyncio.ensure_future(ask(cached, emit=pieces.append))
    await settle()
    second = asyncio.ensure_future(ask(cached))
    await settle()
    third = asyncio.ensure_future(ask(cached))
    await settle()
    first.cancel()
    await settle()
    assert (first.cancelled(), model.cancelled) == (True, 0)
    model.go.set()
    assert (await second).text == "Hello"
    assert pieces == ["He"], "who is gone hears no more"
    cost = [(await each).usage.cost_usd for each in (second, third)]
    assert cost == [None, 0.0], "what it cost is put down to one of those who got it, once"

    alone = Held()
    cached = cache().wrap(alone)
    both = [asyncio.ensure_future(ask(cached)) for _ in range(2)]
    await settle()
    for each in both:
        each.cancel()
    await asyncio.gather(*both, return_exceptions=True)
    assert (alone.asked, alone.cancelled) == (1, 1)
    alone.go.set()
    assert (await ask(cached)).text == "Hello"


async def test_what_breaks_the_agreement_is_not_kept() -> None:
    """A label that is none, or no JSON, would be given to every further attempt: it is asked again."""
    model = ScriptedModel(["Well, hard to say.", Turn.choose("bug"), "no JSON", {"n": 1}])
    cached = cache().wrap(model)
    request = ModelRequest.prompt("Hi")
    with pytest.raises(ModelBehavior):
        await cached.choose(request, ["bug", "billing"])
    assert [(await cached.choose(request, ["bug", "billing"])).label for _ in range(2)] == ["bug", "bug"]
    with pytest.raises(ModelBehavior):
        await cached.fill(request, {"type": "object"})
    assert [(await cached.fill(request, {"type": "object"})).data for _ in range(2)] == [{"n": 1}] * 2
    assert len(model.requests) == 4


class Count(BaseModel):
    """What an agent is to count."""

    message: str = "Hi"
    n: Annotated[int, Field(gt=0)] | None = None


@pytest.mark.parametrize("in_file", [False, True])
async def test_what_an_agent_refuses_leaves_the_cache(in_file: bool, tmp_path: Path) -> None:
    """Data that does not fit its field is not given to the next run, though it was JSON: the model is asked again."""
    kept = cache("1h", file=tmp_path / "cache.db" if in_file else None)
    flow = Flow("count", Count)
    s = flow.state
    flow.agent("count", Agent("Count.", repairs=0, policies=[kept]), reads=s.message, writes=s.n)
    model = ScriptedModel([Reply(text="-1"), Reply(text="-2"), Reply(text="3")])
    states = [await flow.run(Count(), resources=[model]) for _ in range(4)]
    assert [r.status for r in states] == ["failed", "failed", "completed", "completed"]
    assert {r.error.type for r in states if r.error is not None} == {"OutputRefused"}
    assert [r.state.n for r in states[2:]] == [3, 3]
    assert (len(model.requests), kept.hits) == (3, 1)
    await kept.aclose()


async def test_calls_that_cannot_be_carried_out_leave_the_cache() -> None:
    """A reply that calls a tool wrongly is asked for again by the next run."""
    kept = cache("1h")
    model = ScriptedModel([Turn.call("look_up", nothing=1), "Mended.", Turn.call("look_up", word="rain"), "Found."])
    agent = Agent("Look it up.", tools=[look_up], policies=[kept])
    replies = [(await talking(agent).run(Talk(), resources=[model])).state.reply for _ in range(3)]
    assert replies == ["Mended.", "Found.", "Found."]
    assert kept.hits == 2


def look_up(word: str) -> str:
    """Look a word up."""
    return f"{word} is wet"


@given(
    st.lists(st.tuples(st.sampled_from(["get", "put", "wait"]), st.integers(0, 7), st.integers(0, 5)), max_size=60),
    st.integers(1, 4),
)
def test_memory_is_a_bounded_lru_with_ages(steps: list[tuple[str, int, int]], size: int) -> None:
    """Whatever is put and asked when: it has what a list of the last used ones, none too old, would have."""
    clock, model = ManualClock(), OrderedDict[str, tuple[float, bytes]]()
    replies = MemoryReplies(size=size, most_bytes=40, ttl_s=10, clock=clock)
    for step, which, amount in steps:
        key = str(which)
        if step == "wait":
            asyncio.run(clock.advance(amount))
        elif step == "put":
            body = b"x" * (amount * 6 + 1)
            model.pop(key, None)
            model[key] = (clock.monotonic(), body)
            while len(model) > size or sum(len(b) for _, b in model.values()) > 40:
                model.popitem(last=False)
            replies.put(key, body)
        else:
            found = model.get(key)
            if found is not None and clock.monotonic() - found[0] >= 10:
                del model[key]
                found = None
            if found is not None:
                model.move_to_end(key)
            assert replies.get(key) == (found[1] if found else None)
        assert len(replies) == len(model) <= size
        assert replies.bytes == sum(len(b) for _, b in model.values()) <= 40


# -- files ------------------------------------------------------------------------------------------------------------


async def test_a_file_is_there_again_after_a_restart(tmp_path: Path) -> None:
    """Another cache with the same file has the replies, until they are too old, or the clock went back before them."""
    clock, path = ManualClock(), tmp_path / "deep" / "cache.db"
    one = cache("1h", file=path, clock=clock)
    assert (await ask(one.wrap(Stated(["one"])))).text == "one"
    await one.aclose()
    two = cache("1h", file=path, clock=clock)
    with hearing() as heard:
        assert (await ask(two.wrap(Stated([])))).text == "one"
    assert heard.marks == ["cache hit"]
    await clock.advance(3600)
    assert (await ask(two.wrap(Stated(["two"])))).text == "two"
    clock.set_time_of_day(clock.now() - 10)
    assert (await ask(two.wrap(Stated(["three"])))).text == "three"
    await two.aclose()


def _ask_in_process(path: str, turn: str) -> str:
    async def main() -> str:
        kept = cache(file=path)
        text = (await ask(kept.wrap(Stated([turn])))).text
        await kept.aclose()
        return text

    return asyncio.run(main())


def test_processes_share_a_file(tmp_path: Path) -> None:
    """What one process has asked, the next one need not ask; several that begin at once do not disturb each other."""
    path = str(tmp_path / "cache.db")
    with multiprocessing.get_context("spawn").Pool(3) as workers:
        told = workers.starmap(_ask_in_process, [(path, f"reply {n}") for n in range(6)])
    assert len(set(told)) <= 3, "only those that began at the same time have asked"
    assert _ask_in_process(path, "later") in told


def test_a_file_is_bounded_too(tmp_path: Path) -> None:
    """It keeps so many replies; those that were not used for longest go."""
    clock = ManualClock()
    replies = SqliteReplies(tmp_path / "cache.db", size=3, ttl_s=None, clock=clock)
    for key in "abc":
        replies.put(key, key.encode())
        asyncio.run(clock.advance(61))
    assert replies.get("a") == b"a"
    asyncio.run(clock.advance(61))
    replies.put("d", b"d")
    assert [replies.get(key) for key in "abcd"] == [b"a", None, b"c", b"d"]
    replies.close()


def _altered(path: Path) -> None:
    with sqlite3.connect(path) as file:
        file.execute('UPDATE replies_1 SET reply = CAST(\'{"text": "forged"}\' AS BLOB)')
    file.close()


def _of_another_release(path: Path) -> None:
    with sqlite3.connect(path) as file:
        file.execute("ALTER TABLE replies_1 RENAME TO replies_0")
        file.execute("CREATE TABLE replies_1 (key TEXT, text TEXT)")
    file.close()


def _no_reply(path: Path) -> None:
    replies = SqliteReplies(path, size=9, ttl_s=None, clock=ManualClock())
    (key,) = replies._connected().execute("SELECT key FROM replies_1").fetchone()  # as another release may have kept it
    replies.put(key, b'{"words": "Hello"}')
    replies.close()


def _overwritten(path: Path) -> None:
    for file in path.parent.iterdir():
        file.unlink()
    path.write_bytes(b"not a database, but a diary, and a long one at that. " * 40)


def _torn(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))


def _a_folder(path: Path) -> None:
    for file in path.parent.iterdir():
        file.unlink()
    path.mkdir()


DAMAGES = [_altered, _of_another_release, _no_reply, _overwritten, _torn, _a_folder]


@pytest.mark.parametrize("damage", DAMAGES, ids=[damage.__name__.strip("_") for damage in DAMAGES])
async def test_a_damaged_file_is_a_miss(damage: object, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Altered, torn, of another release, or no cache at all: models are asked, nothing is raised, a line is logged."""
    assert callable(damage)
    path = tmp_path / "cache.db"
    one = cache(file=path)
    await ask(one.wrap(ScriptedModel(["one"])))
    await one.aclose()
    with sqlite3.connect(path) as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file.close()
    damage(path)
    two = cache(file=path)
    model = ScriptedModel(["two", "three"])
    with caplog.at_level(logging.WARNING):
        assert (await ask(two.wrap(model))).text == "two"
        assert (await ask(two.wrap(model), "Again")).text == "three"
    assert len(caplog.records) <= 1
    await two.aclose()


async def test_the_database_of_somebody_else_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A SQLite file that is no cache is not written to: the path may be a mistake."""
    path = tmp_path / "runs.db"
    with sqlite3.connect(path) as file:
        file.execute("CREATE TABLE precious (x)")
    file.close()
    before = path.read_bytes()
    kept = cache(file=path)
    assert (await ask(kept.wrap(ScriptedModel(["one"])))).text == "one"
    await kept.aclose()
    assert path.read_bytes() == before
    assert "it is a database of something else" in caplog.text
    assert int.from_bytes(b"grtc") == APPLICATION


def test_what_is_no_cache_is_refused() -> None:
    """A wrong duration or size is said where it is written."""
    with pytest.raises(UseError, match="'soon' is no duration"):
        cache("soon")
    with pytest.raises(UseError, match="size=0"):
        cache(size=0)
