"""Reading answers: what counts as one, as which outcome, and what is written."""

from types import SimpleNamespace
from typing import Any, Literal, cast

import pytest
from pydantic import BaseModel

from graphrt import Flow
from graphrt.answering import read_answer
from graphrt.errors import AnswerRefused
from graphrt.graph import Graph
from graphrt.lines import Visit


class Form(BaseModel):
    """What is asked for."""

    verdict: Literal["yes", "no"] | None = None
    amount: int = 0


def asked(field: str) -> tuple[Graph, Visit]:
    """A visit of a node that asks for a field."""
    flow = Flow("form", Form)
    flow.ask("ask", "How much?", writes=getattr(flow.state, field))
    graph = flow.freeze()
    return graph, cast("Visit", SimpleNamespace(id="0", node=graph.nodes[0]))


def read(field: str, answer: Any) -> tuple[str | None, dict[str, Any]]:
    """The outcome and the writes of an answer."""
    graph, visit = asked(field)
    outcome, writes, decoded = read_answer(visit, graph.field, answer)
    assert {f.name: f.encode(value) for f, value in decoded} == writes
    return outcome, writes


def test_an_answer_of_several_is_outcome_and_write() -> None:
    """One of the fixed answers decides the way, and is written."""
    assert read("verdict", "yes") == ("yes", {"verdict": "yes"})


def test_what_is_none_of_the_answers_is_refused_with_all_of_them() -> None:
    """The message names the question, the node, and what was expected."""
    with pytest.raises(AnswerRefused, match=r"'maybe' is no answer to 'How much\?'.*expected one of 'yes', 'no'"):
        read("verdict", "maybe")


@pytest.mark.parametrize("answer", [3, "3", " 3 "])
def test_a_text_may_spell_the_value(answer: object) -> None:
    """People type: text that is no value itself stands for the JSON value that it spells."""
    assert read("amount", answer) == (None, {"amount": 3})


@pytest.mark.parametrize("answer", ["three", "[3]", None])
def test_what_the_field_cannot_hold_is_refused(answer: object) -> None:
    """The message says what the field's type has against it."""
    with pytest.raises(AnswerRefused, match=r"is no answer to 'How much\?' \(node 'ask', visit 0\): "):
        read("amount", answer)
