"""Questions researched side by side, each in a flow of its own that may help itself; then two people are asked."""

from typing import Annotated, Literal

from pydantic import BaseModel

from graphrt.expressions import let
from graphrt.flow import Flow
from graphrt.graph import Retry
from graphrt.reducers import append


class Look(BaseModel):
    question: str = ""
    answer: str = ""


look = Flow("look", Look)
seen = look.state


@look.task(writes=seen.answer, retry=Retry(attempts=2, wait_s=0))
def search(question: str) -> str:
    """Look something up."""
    if "?" not in question:
        raise LookupError(f"{question!r} is no question")
    return question.upper()


@look.task(writes=seen.answer)
def guess() -> str:
    """Say something without having looked."""
    return "who knows"


look.edge(search, guess, on=LookupError)


class Research(BaseModel):
    questions: list[str]
    question: str = ""
    answer: str = ""
    answers: Annotated[list[str], append] = []
    stars: int = 0
    verdict: Literal["publish", "drop"] | None = None


flow = Flow("research", Research)
s = flow.state


@flow.task()
def plan() -> None:
    """Begin."""


ask_around = flow.subflow(
    "look up", look, inputs=let(seen.question).be(s.question), outputs=let(s.answer).be(seen.answer)
)


@flow.task(writes=s.answers)
def keep(answer: str) -> str:
    """Keep what was found."""
    return answer


gather = flow.join("gather")
rate = flow.ask("rate", "How many stars?", reads=s.answers, writes=s.stars)
decide = flow.ask("decide", "Publish it?", reads=s.answers, writes=s.verdict)
both = flow.join("both")

flow.each(plan, ask_around, of=s.questions, item=s.question, local=[s.answer])
flow.edge(ask_around, keep)
flow.edge(keep, gather)
flow.fork(gather, [rate, decide])
flow.edge([rate, decide], both)
