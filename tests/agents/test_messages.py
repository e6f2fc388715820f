"""Messages are plain frozen data: they survive JSON, refuse nonsense, and never turn an unknown count into 0."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter, ValidationError

from graphrt.agents import Message, ToolCall, Usage, assistant, system, tool_result, user
from graphrt.agents.messages import FilePart, ImagePart, TextPart, UserMessage

MESSAGE: TypeAdapter[Message] = TypeAdapter(Message)
CALL = ToolCall(id="c1", name="look", arguments={"place": "x", "deep": [1, {"a": None}]})
ALL = [
    system("Be brief."),
    user("Hi", name="Ada"),
    user(
        [
            TextPart(text="See"),
            ImagePart(url="https://example.org/a.png"),
            FilePart(data="aGk=", media_type="text/plain"),
        ]
    ),
    assistant("Ho", name="clerk"),
    assistant("", CALL, ToolCall(id="c2", name="look", raw="{place: ")),
    tool_result(CALL, "seen"),
    tool_result(CALL, "not there", failed=True),
]


@pytest.mark.parametrize("message", ALL, ids=range(len(ALL)))
def test_messages_survive_json(message: Message) -> None:
    """What is written to a trace is read back as the same message, told apart by its role."""
    assert MESSAGE.validate_json(MESSAGE.dump_json(message)) == message


@given(st.text(), st.text())
def test_any_text_survives_json(text: str, name: str) -> None:
    """No character of a text is lost or changed on the way into a trace and back."""
    for message in (user(text), assistant(text, name=name), system(text)):
        assert MESSAGE.validate_python(MESSAGE.dump_python(message, mode="json")) == message


def test_messages_do_not_change() -> None:
    """A message in a state is shared by branches and traces, so nobody may alter it."""
    message = user("Hi")
    with pytest.raises(ValidationError, match="frozen"):
        message.content = "Ho"  # type: ignore[misc]  # what is tested


@pytest.mark.parametrize(
    "wrong",
    [
        {"role": "user", "content": "Hi", "colour": "red"},
        {"role": "nobody", "content": "Hi"},
        {"role": "tool", "text": "x"},
        {"role": "assistant", "text": None},
    ],
)
def test_what_is_no_message_is_refused(wrong: dict[str, Any]) -> None:
    """An unknown field, role or type is an error where it is made, not at an endpoint."""
    with pytest.raises(ValidationError):
        MESSAGE.validate_python(wrong)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "exactly one of url= and data="),
        ({"url": "u", "data": "aGk="}, "exactly one of url= and data="),
        ({"data": "aGk="}, "needs media_type="),
    ],
)
def test_an_attachment_has_one_source(fields: dict[str, str], says: str) -> None:
    """A picture or file is given by its address or by its bytes with their type; the error says what is missing."""
    for kind in (ImagePart, FilePart):
        with pytest.raises(ValidationError, match=says):
            kind.model_validate(fields)


def test_the_text_of_a_message_leaves_out_what_is_no_text() -> None:
    """Text parts are joined by lines; pictures and files have no text."""
    parts: list[TextPart | ImagePart | FilePart] = [TextPart(text="one"), ImagePart(url="u"), TextPart(text="two")]
    assert user(parts).text == "one\ntwo"
    assert user("plain").text == "plain"


def test_unknown_plus_anything_is_unknown() -> None:
    """Counts add up one by one; a count that nobody reported makes the sum unknown, and an estimate stays one."""
    known = Usage(input_tokens=3, output_tokens=2, cached_tokens=1, reasoning_tokens=0)
    assert known + Usage.zero() == known
    assert (known + known).total_tokens == 10
    partly = known + Usage(input_tokens=3)
    assert (partly.input_tokens, partly.output_tokens, partly.total_tokens) == (6, None, None)
    assert (known + Usage(estimated=True)).estimated
    with pytest.raises(ValidationError):
        Usage(input_tokens=-1)


@pytest.mark.parametrize("message", ALL, ids=range(len(ALL)))
def test_a_deep_copy_shares_what_cannot_change(message: Message) -> None:
    """A conversation is handed out without copying it; only the arguments of calls are copied, with what is in them."""
    twin = copy.deepcopy(message)
    assert twin == message
    assert twin.model_fields_set == message.model_fields_set
    calls = getattr(message, "tool_calls", ())
    assert (twin is message) == (not calls)
    for call in getattr(twin, "tool_calls", ()):
        call.arguments["deep"] = 1
    assert all("deep" not in c.arguments or c.arguments["deep"] == [1, {"a": None}] for c in calls)


def test_nested_arguments_are_copied_too() -> None:
    """What stands inside the arguments of a copy is its own."""
    deep: Any = copy.deepcopy(CALL).arguments["deep"]
    deep[1]["a"] = "changed"
    assert CALL.arguments["deep"] == [1, {"a": None}]


def test_a_message_with_more_in_it_is_copied_whole() -> None:
    """A message of one's own may hold what can be changed: a deep copy shares none of it."""

    class Marked(UserMessage):
        marks: list[str] = Field(default_factory=list)

    message = Marked(content="Hi", marks=["a"])
    twin = copy.deepcopy(message)
    twin.marks.append("b")
    assert message.marks == ["a"]
