"""A typed function as a tool: what a model is shown of it, what may reach it, and what comes back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from graphrt import Context, tool
from graphrt.agents.errors import ArgumentsRefused, ToolDefinitionError, ToolResultRefused, ToolTimeout
from graphrt.agents.mcp import MCPServer
from graphrt.agents.tools import MAX_CHARS, Tool, tool_from

pytestmark = pytest.mark.anyio


class Address(BaseModel):
    street: str
    number: int = 1


def send(
    to: Address,
    priority: Literal["low", "high"] = "low",
    copies: Annotated[int, Field(gt=0, description="how many")] = 1,
) -> str:
    """Send a parcel."""
    return f"{copies} to {to.street} {to.number}, {priority}"


def parameters_of(made: Tool) -> list[str]:
    """Return the names of the parameters that a model is shown."""
    properties: Any = made.parameters["properties"]
    return list(properties)


def context() -> Context:
    """Return what a running node would be handed."""
    return Context("r", "0", "n", 1, key=lambda: "key", emit=lambda _: None, cancelled=lambda: False, resources={})


# -- what a model is shown --------------------------------------------------------------------------------------------


def test_the_signature_is_the_schema() -> None:
    """Names, types, bounds, defaults and descriptions come from the function; titles are left out."""
    made = tool_from(send)
    assert (made.name, made.description) == ("send", "Send a parcel.")
    assert made.parameters["required"] == ["to"]
    properties: Any = made.parameters["properties"]
    assert properties["priority"] == {"enum": ["low", "high"], "type": "string", "default": "low"}
    assert properties["copies"] == {"type": "integer", "exclusiveMinimum": 0, "description": "how many", "default": 1}
    assert made.parameters["additionalProperties"] is False
    assert "title" not in str(made.parameters), "they repeat the names, and cost tokens with every request"
    assert made.spec.parameters == made.parameters


def test_the_context_is_handed_in_and_never_shown() -> None:
    """A parameter annotated Context, also an optional one, is no parameter of the model's."""

    def pay(cents: int, where: Context | None) -> str:
        return f"{cents} {where.idempotency_key if where else None}"

    made = tool_from(pay)
    assert parameters_of(made) == ["cents"]
    assert asyncio.run(made.run({"cents": 3}, context())) == "3 key"


def test_what_the_author_says_wins_over_the_signature() -> None:
    """Options of the decorator, and over these options of `tool_from`; the function stays the plain function."""

    @tool(
        name="mail", description="Post it.", writes=True, approval="always", timeout_s=3, show_errors=True, max_chars=5
    )
    def post(text: str) -> str:
        """Not this."""
        return text * 2

    made = tool_from(post)
    assert post("ab") == "abab"
    assert (made.name, made.description, made.writes, made.approval) == ("mail", "Post it.", True, "always")
    assert (made.timeout_s, made.show_errors, made.max_chars) == (3, True, 5)
    changed = tool_from(made, name="other", writes=False)
    assert (changed.name, changed.writes, changed.approval) == ("other", False, "always")
    assert tool_from(post, name="third").name == "third"


def test_methods_partials_and_callable_objects_are_tools() -> None:
    """What the author has bound is not the model's to choose."""

    class Shop:
        def find(self, number: str, limit: int = 3) -> str:
            """Find an order."""
            return f"{number} {limit}"

        def __call__(self, number: str) -> str:
            return number

    bound = tool_from(partial(Shop().find, limit=1), name="find")
    assert parameters_of(bound) == ["number"]
    assert bound.description == "Find an order."
    assert asyncio.run(bound.run({"number": "A"})) == "A 1"
    assert asyncio.run(tool_from(Shop(), name="shop").run({"number": "B"})) == "B"
    assert asyncio.run(tool_from(Shop().find).run({"number": "C"})) == "C 3"


def _untyped(number) -> str:  # type: ignore[no-untyped-def]  # noqa: ANN001 - what is tested
    return f"{number}"


def _starred(*numbers: int) -> str:
    return str(numbers)


def _positional(number: int, /) -> str:
    return str(number)


def _callback(then: Callable[[int], str]) -> str:
    return then(1)


def _unknown(number: NoSuchType) -> str:  # type: ignore[name-defined]  # noqa: F821 - what is tested
    return f"{number}"


class _Odd:
    """A type that nothing is known of."""


def _odd(thing: _Odd) -> str:
    return str(thing)


NAMELESS: Callable[[int], int] = lambda number: number  # noqa: E731 - what is tested
WRONG: list[tuple[Any, str]] = [
    (NAMELESS, "a lambda cannot name a tool"),
    (partial(send), "a partial without a name cannot name a tool"),
    (_untyped, "parameter 'number' of tool _untyped has no type"),
    (_starred, r"parameter \*numbers: 'int' of tool _starred cannot be filled by name"),
    (_positional, "cannot be filled by name"),
    (_callback, "a type that JSON cannot carry|a parameter that JSON cannot carry"),
    (_unknown, "the types of tool _unknown cannot be read"),
    (_odd, "a type that cannot be checked"),
]


@pytest.mark.parametrize(("fn", "says"), WRONG, ids=[says[:25] for _, says in WRONG])
def test_what_cannot_be_a_tool_is_refused_when_it_is_made(fn: Callable[..., Any], says: str) -> None:
    """A function whose parameters a model cannot fill is an error of the author, with the parameter and the remedy."""
    with pytest.raises(ToolDefinitionError, match=says):
        tool_from(fn)
    with pytest.raises(ToolDefinitionError, match="at most 64"):
        tool_from(send, name="no spaces please")


REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"aproval": "always"},
        r"aproval='always', but there is no such option. Did you mean 'approval'\? The options are",
    ),
    ({"timeout": 10}, r"timeout=10, but .* Did you mean 'timeout_s'\?"),
    ({"approval": "allways"}, "approval='allways'; it is 'never', 'always', or a plain function of the arguments"),
    ({"approval": "Never"}, "approval='Never'; it is"),
    ({"approval": False}, "approval=False; it is"),
    ({"timeout_s": "10s"}, "timeout_s='10s'; it is a number of seconds above 0, or None"),
    ({"timeout_s": 0}, "timeout_s=0; it is"),
    ({"timeout_s": float("nan")}, "timeout_s=nan; it is"),
    ({"retry": 0}, r"retry=0; it is the number of attempts in total, at least 1, or a Retry\(…\)"),
    ({"retry": -3}, "retry=-3; it is"),
    ({"retry": True}, "retry=True; it is"),
    ({"max_chars": 0}, "max_chars=0; it is a number of characters, at least 1"),
    ({"max_chars": -5}, "max_chars=-5; it is"),
    ({"writes": "no"}, "writes='no'; it is True or False"),
    ({"description": 3}, "description=3; it is a text"),
]


@pytest.mark.parametrize(("options", "says"), REFUSED, ids=[str(options)[1:-1] for options, _ in REFUSED])
def test_options_that_nobody_would_hear_are_refused(options: dict[str, Any], says: str) -> None:
    """Where they are written, with the tool, what was found and what was expected: at `@tool` and at `tool_from`."""
    plain, remote = tool_from(send), MCPServer("nothing", name="far")
    makes: list[Callable[[Any], object]] = [
        tool(**options),
        partial(tool_from, **options),
        lambda _: tool_from(plain, **options),
    ]
    for make in makes:
        with pytest.raises(ToolDefinitionError, match=f"tool send has {says}"):
            make(send)
    if "description" not in options:
        with pytest.raises(ToolDefinitionError, match=f"tool send has {says}"):
            remote.tool("send", **options)


def test_the_decorator_stands_without_options_too() -> None:
    """`@tool` alone says that nothing is to be said."""

    @tool
    def double(number: int) -> int:
        """Twice as much."""
        return 2 * number

    assert double(2) == 4
    assert tool_from(double).description == "Twice as much."


# -- what may reach the function --------------------------------------------------------------------------------------


async def test_arguments_arrive_as_their_types() -> None:
    """Nested data becomes the models that the function asks for, defaults are filled in."""
    given: dict[str, Any] = {"to": {"street": "Elm"}, "copies": 2}
    assert await tool_from(send).run(given) == "2 to Elm 1, low"
    assert tool_from(send).check(given)["to"] == Address(street="Elm")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "to: Field required"),
        ({"to": {"street": "Elm"}, "copies": 0}, "copies: Input should be greater than 0"),
        ({"to": {"street": "Elm", "number": "x"}}, "to.number: Input should be a valid integer"),
        ({"to": {"street": "Elm"}, "colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"to": {"street": "Elm"}, "priority": "urgent"}, "priority: Input should be 'low' or 'high'"),
    ],
)
async def test_wrong_arguments_never_reach_the_function(arguments: dict[str, Any], says: str) -> None:
    """The refusal names each field and why, in words that a model can act on."""
    called: list[object] = []

    def spy(
        to: Address,
        priority: Literal["low", "high"] = "low",
        copies: Annotated[int, Field(gt=0)] = 1,
    ) -> str:
        called.append((to, priority, copies))
        return ""

    with pytest.raises(ArgumentsRefused, match=says) as refused:
        await tool_from(spy).run(arguments)
    assert "Call it again with arguments that fit its schema" in tool_from(spy).feedback(refused.value)
    assert called == []


# -- what comes back --------------------------------------------------------------------------------------------------


@dataclass
class Row:
    name: str
    price: float


RESULTS: list[tuple[Any, str]] = [
    ("text as it is", "text as it is"),
    (3, "3"),
    (None, "null"),
    ({"a": [1, 2.5, None]}, '{"a":[1,2.5,null]}'),
    (Address(street="Elm"), '{"street":"Elm","number":1}'),
    ([Row("kettle", 49.9)], '[{"name":"kettle","price":49.9}]'),
    (float("nan"), '"NaN"'),
    ("half \ud83d", "half \ufffd"),
]


@pytest.mark.parametrize(("result", "shown"), RESULTS, ids=[repr(r)[:20] for r, _ in RESULTS])
async def test_results_are_shown_as_text_or_json(result: Any, shown: str) -> None:
    """Whatever has a JSON form is a result; text that cannot be encoded is mended."""

    def give() -> Any:
        return result

    assert await tool_from(give).run({}) == shown


async def test_a_result_that_nobody_could_read_is_refused() -> None:
    """An object without a JSON form is an error that says what to return instead."""

    def give() -> Any:
        return object()

    with pytest.raises(ToolResultRefused, match=r"of type object, which is neither text nor JSON.*return a str"):
        await tool_from(give).run({})


async def test_a_long_result_is_cut() -> None:
    """A model is shown so much at most, and told how much is missing."""

    def read() -> str:
        return "x" * (MAX_CHARS + 7)

    shown = await tool_from(read).run({})
    assert shown == "x" * MAX_CHARS + "… [7 more characters cut]"
    assert await tool_from(read, max_chars=2).run({}) == f"xx… [{MAX_CHARS + 5} more characters cut]"


async def test_a_tool_that_takes_too_long_is_given_up() -> None:
    """Its own time limit is an error of its own; one that the function raises is not mistaken for it."""

    async def hang() -> str:
        await asyncio.Event().wait()
        return ""

    async def late() -> str:
        raise TimeoutError("upstream")

    with pytest.raises(ToolTimeout, match=r"tool hang took longer than 0\.01 s"):
        await tool_from(hang, timeout_s=0.01).run({})
    with pytest.raises(TimeoutError, match="upstream") as own:
        await tool_from(late, timeout_s=5).run({})
    assert not isinstance(own.value, ToolTimeout)


async def test_messages_of_exceptions_do_not_leak() -> None:
    """A model hears that a tool failed, and why only if the tool says so."""
    error = RuntimeError("password is hunter2")
    closed, opened = tool_from(send), tool_from(send, show_errors=True)
    assert "hunter2" not in closed.feedback(error)
    assert opened.feedback(error) == "tool send failed with RuntimeError: password is hunter2"
    assert len(tool_from(send, show_errors=True, max_chars=10).feedback(error)) == 10


# -- approval ---------------------------------------------------------------------------------------------------------


def _above(arguments: Mapping[str, Any]) -> bool:
    return bool(arguments["copies"] > 5)


def _broken(arguments: Mapping[str, Any]) -> bool:
    raise KeyError(str(arguments))


def test_who_is_in_doubt_asks() -> None:
    """`never`, `always`, or a predicate; one that raises asks."""
    arguments = {"copies": 6}

    def needs(**options: Any) -> bool:
        made: Tool = tool_from(send, **options)
        return made.needs_approval(arguments)

    assert [needs(), needs(approval="never"), needs(approval="always")] == [False, False, True]
    assert [needs(approval=_above), needs(approval=_broken)] == [True, True]
    assert tool_from(send, approval=_above).needs_approval({"copies": 5}) is False


async def test_approval_that_cannot_decide_is_refused() -> None:
    """A word that nobody knows, and a function that would have to be awaited, are told where they are written."""

    async def later(_arguments: Mapping[str, Any]) -> bool:
        return False

    wrong: Any
    for wrong, found in ((later, "an async function"), ("sometimes", "'sometimes'"), (True, "True")):
        with pytest.raises(ToolDefinitionError, match=rf"has approval={found}; it is 'never', 'always', or a plain"):
            tool_from(send, approval=wrong)
        with pytest.raises(ToolDefinitionError, match="has approval="):
            tool_from(tool_from(send), approval=wrong)


# -- what does not end ------------------------------------------------------------------------------------------------


async def test_tools_that_hang_take_no_thread_away_from_others() -> None:
    """More given-up calls than there are threads: a healthy tool begins at once all the same."""
    release = threading.Event()

    def hang() -> str:
        release.wait(60)
        return ""

    def healthy() -> str:
        return "fine"

    stuck = tool_from(hang, timeout_s=0.01)
    try:
        gone = await asyncio.gather(*(stuck.run({}) for _ in range(40)), return_exceptions=True)
        assert [type(each) for each in gone] == [ToolTimeout] * 40
        assert await tool_from(healthy, timeout_s=5).run({}) == "fine"
    finally:
        release.set()


def test_a_tool_that_hangs_does_not_hold_the_event_loop() -> None:
    """`asyncio.run` returns while the thread of a tool that was given up still waits."""
    release = threading.Event()

    def hang() -> str:
        release.wait(60)
        return ""

    async def main() -> None:
        with pytest.raises(ToolTimeout):
            await tool_from(hang, timeout_s=0.01).run({})

    try:
        asyncio.run(main())
        assert any(thread.name.startswith("graphrt-tool") for thread in threading.enumerate())
    finally:
        release.set()


async def test_a_tool_that_swallows_its_cancellation_is_left_behind(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """After a grace; who timed out is told with the error, who cancelled in the log."""
    for place in ("graphrt.runtime.leaving.GRACE_S", "graphrt.agents.tools.GRACE_S"):
        monkeypatch.setattr(place, 0.01)
    release, begun = asyncio.Event(), asyncio.Event()

    async def stubborn() -> str:
        begun.set()
        while not release.is_set():
            with suppress(asyncio.CancelledError):
                await release.wait()
        return ""

    with pytest.raises(
        ToolTimeout, match=r"longer than 0\.01 s, did not end within 0\.01 s of being stopped, and runs on"
    ):
        await tool_from(stubborn, timeout_s=0.01).run({})
    begun.clear()
    task = asyncio.create_task(tool_from(stubborn).run({}))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "tool stubborn did not end within 0.01 s of being cancelled, and runs on" in caplog.text
    release.set()
    await asyncio.sleep(0)
