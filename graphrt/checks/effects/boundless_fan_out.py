"""A branch per item of a list that a model writes, of any length.

How many branches start, and what they cost, is up to the model. `Field(max_length=…)` on the list bounds it, and tells
the model so; `Limits` of the flow stop the run. `at_once` bounds only how many are under way together.

Example:
    class Topic(BaseModel):
        text: str
        questions: list[str] = []
        question: str = ""
        answers: Annotated[list[str], append] = []


    flow = Flow("topic", Topic)
    s = flow.state
    ask = flow.agent("ask", Agent("List questions."), reads=s.text, writes=s.questions)


    @flow.task(writes=s.answers)
    def search(question: str) -> str: ...


    known = flow.join("known")
    flow.each(ask, search, item=s.question, of=s.questions)
    flow.edge(search, known)

Instead:
    class Topic(BaseModel):
        text: str
        questions: list[str] = Field([], max_length=8)
        question: str = ""
        answers: Annotated[list[str], append] = []


    flow = Flow("topic", Topic)
    s = flow.state
    ask = flow.agent("ask", Agent("List questions."), reads=s.text, writes=s.questions)


    @flow.task(writes=s.answers)
    def search(question: str) -> str: ...


    known = flow.join("known")
    flow.each(ask, search, item=s.question, of=s.questions)
    flow.edge(search, known)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.elements import is_model
from graphrt.checks.finding import Found
from graphrt.checks.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.checks.subject import Subject


def _find(at: Subject) -> Iterator[Found]:
    if at.has_limits:
        return
    for n in at.nodes:
        for e in n.edges:
            if e.each is None or at.graph.field[e.each.of].schema.get("maxItems") is not None:
                continue
            model = next((at.nodes[w] for w in at.writers[e.each.of] if is_model(at.nodes[w])), None)
            if model is None:
                continue
            yield Found(
                message=f"{n.name!r} starts a branch per item of {e.each.of!r}, a list of any length that"
                f" {model.name!r} has a model write; bound the list by Field(max_length=…), or give the flow Limits",
                node=n,
                edge=e,
                nodes=(model.name,),
            )


RULE = Rule("GR404", "boundless-fan-out", "warning", _find, __doc__)
