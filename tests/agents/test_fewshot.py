"""A request as a text that a base model goes on with: examples, earlier exchanges, and the input in one form."""

from __future__ import annotations

from graphrt.agents import ModelRequest, ToolCall, assistant, tool_result, user
from graphrt.agents.messages import CONCLUDE, GO_ON, MEND, RUNTIME
from graphrt.agents.models.local.fewshot import prompt, told

CALL = ToolCall(id="1", name="look")


def asked(*messages: object, **fields: object) -> ModelRequest:
    """Return a request with these messages."""
    return ModelRequest.model_validate({"messages": messages, **fields})


def test_examples_come_first_and_the_input_in_the_same_form() -> None:
    """The text stops where the answer begins; the start is what does not change from input to input."""
    text = prompt(ModelRequest(instructions="Answer."), [("Where?", "There."), ("When?\n  Now?", "Then.")], "Who?")
    assert text.start == "Message: Where?\nReply: There.\n\nMessage: When? Now?\nReply: Then.\n\n"
    assert text.rest == "Message: Who?\nReply:"


def test_instructions_are_said_only_where_no_example_shows_what_is_meant() -> None:
    """A base model does not follow them; without examples they are all there is."""
    assert prompt(ModelRequest(instructions="Be  brief."), [], "Who?").start == "Be brief.\n\n"
    assert prompt(ModelRequest(), [], "Who?", "Category").rest == "Message: Who?\nCategory:"


def test_fields_keep_their_names_and_lists_their_line() -> None:
    """Several fields stand one a line, the items of a list in the line of their field."""
    text = prompt(ModelRequest(), [], "facts: - one\n- two\nmust_say: all")
    assert text.rest == "facts: one two\nmust_say: all\nReply:"


def test_a_conversation_comes_down_to_its_last_input() -> None:
    """Earlier exchanges are examples of a kind, tool results belong to the input that they are about."""
    talk = told(asked(user("A?"), assistant("a"), user("B?"), assistant("", CALL), tool_result(CALL, "found b")))
    assert (talk.given, talk.found, talk.before) == ("B?", ("found b",), (("A?", "a"),))
    old = told(asked(user("A?"), assistant("", CALL), tool_result(CALL, "found a"), assistant("a"), user("B?")))
    assert (old.given, old.found, old.before) == ("B?", (), (("A?", "a"),))
    assert told(ModelRequest()).given == ""


def test_what_nobody_has_answered_is_all_to_be_answered() -> None:
    """Two messages in a row are one input, such as a question and the prompt that an agent puts behind it."""
    talk = told(asked(user("A?"), assistant("a"), user("B?"), user("known: b", name=RUNTIME)))
    assert (talk.given, talk.before) == ("B?\nknown: b", (("A?", "a"),))


def test_the_words_of_another_agent_are_an_input() -> None:
    """Where an assistant spoke last, what it said is what is to be answered."""
    for closing in ((), (user(GO_ON, name=RUNTIME),)):
        talk = told(asked(user("A?"), assistant("a", name="one"), *closing))
        assert (talk.given, talk.before) == ("a", (("A?", "a"),))
    chain = told(asked(user("A?"), assistant("a"), assistant("b")))
    assert (chain.given, chain.before) == ("b", (("A?", "a"), ("a", "b")))


def test_what_the_runtime_says_is_for_models_that_listen() -> None:
    """Being told to conclude, or what is wrong with an answer, is left out together with that answer."""
    concluding = told(asked(user("A?"), assistant("I think b."), user(CONCLUDE, name=RUNTIME)))
    assert (concluding.given, concluding.before) == ("A?", ())
    mending = told(asked(user("A?"), assistant("[]"), user(f"{MEND} no list", name=RUNTIME)))
    assert (mending.given, mending.before) == ("A?", ())
    assert told(asked(user("Sum up.", name=RUNTIME))).given == "Sum up."
