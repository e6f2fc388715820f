"""Every mistake that freezing a flow can report, made on purpose: a code, and a few lines of Python that earn it.

`tools/references.py` runs each example and writes what graphrt says about it into docs/reference/mistakes.md, so the
page shows real messages. A test compares the codes here with those in the source.
"""

from __future__ import annotations

from typing import Any

from graphrt.errors import DefinitionError, Mistake

FILE = "support.py"
"""The file that the examples are said to stand in."""

SETUP = """\
from typing import Annotated, Any, Literal

from pydantic import BaseModel, SecretStr

from graphrt import Agent, Flow, add, append, is_none, let


class Ticket(BaseModel):
    message: str
    topic: Literal["billing", "bug"] | None = None
    questions: list[str] = []
    question: str = ""
    facts: Annotated[list[str], append] = []
    reply: str = ""
    score: float = 0.0
    rounds: int = 0


flow = Flow("support", Ticket)
s = flow.state


def write(message: str) -> str:
    return f"About {message!r}: we are looking into it."


def grade(reply: str) -> float:
    return 1.0


draft = flow.task(writes=s.reply, name="draft")(write)
review = flow.task(writes=s.score, name="review")(grade)
flow.edge(draft, review)
"""
"""What stands above every example."""

INNER = """\
class Question(BaseModel):
    text: str
    answer: str = ""
    facts: list[str] = []


inner = Flow("inner", Question)
i = inner.state


@inner.task(writes=(i.answer, i.facts))
def find(text: str) -> tuple[str, list[str]]:
    return text, [text]


"""

EXAMPLES: dict[str, dict[str, str]] = {
    "The state": {
        "state-type": 'flow = Flow("support", dict)',
        "no-json-form": 'class Odd(BaseModel):\n    lock: type\n\n\nflow = Flow("odd", Odd)',
        "bad-default": 'class Odd(BaseModel):\n    score: float = "high"\n\n\nflow = Flow("odd", Odd)',
        "secret-in-state": 'class Odd(BaseModel):\n    key: SecretStr\n\n\nflow = Flow("odd", Odd)',
        "two-reducers": 'class Odd(BaseModel):\n    n: Annotated[int, add, max] = 0\n\n\nflow = Flow("odd", Odd)',
        "reducer-type": 'class Odd(BaseModel):\n    facts: Annotated[str, append] = ""\n\n\nflow = Flow("odd", Odd)',
        "unnamed-reducer": (
            'class Odd(BaseModel):\n    n: Annotated[int, lambda a, b: a + b] = 0\n\n\nflow = Flow("odd", Odd)'
        ),
        "reducer-parameters": (
            "def newest(value: int) -> int:\n    return value\n\n\n"
            'class Odd(BaseModel):\n    n: Annotated[int, newest] = 0\n\n\nflow = Flow("odd", Odd)'
        ),
    },
    "Nodes": {
        "no-nodes": 'flow = Flow("empty", Ticket)',
        "node-name": 'flow.task(name="two\\nlines")(write)',
        "duplicate-name": 'flow.task(writes=s.reply, name="draft")(write)',
        "not-a-function": 'flow.task(name="note")("a text")',
        "cannot-call": "class Desk:\n    def note(self, message: str) -> None: ...\n\n\nflow.task()(Desk.note)",
        "unknown-field": "@flow.task()\ndef note(mesage: str) -> None: ...",
        "reads": '@flow.task(reads={"txt": s.message})\ndef note(text: str = "") -> None: ...',
        "reads-type": "@flow.task()\ndef note(rounds: list[str]) -> None: ...",
        "returns": (
            '@flow.task(writes=s.facts)\ndef note(message: str) -> dict[str, str]:\n    return {"facts": message}'
        ),
        "writes-nothing": 'flow.agent("greet", Agent("Say hello."), reads=s.message, writes=None)',
        "not-a-field": 'flow.agent("greet", Agent("Say hello."), writes="reply")',
        "named-twice": 'flow.agent("greet", Agent("Say hello."), reads=(s.message, s.message), writes=s.reply)',
        "not-an-agent": 'flow.agent("greet", "Say hello.", writes=s.reply)',
        "agent": 'flow.agent("greet", Agent("Say hello.", prompt="{message} {nam}"), reads=s.message, writes=s.reply)',
        "one-answer": 'flow.ask("approve", "Send it?", writes=(s.topic, s.reply))',
        "no-answers": 'flow.router("triage", Agent("Sort it."), reads=s.message, writes=s.reply)',
        "no-question": 'flow.ask("approve", "  ", writes=s.topic)',
        "retry": "@flow.task(retry=0)\ndef note(message: str) -> None: ...",
        "policy": "@flow.task(policies=[3])\ndef note(message: str) -> None: ...",
        "duration": '@flow.task(timeout="half an hour")\ndef note(message: str) -> None: ...',
        "on-crash": '@flow.task(on_crash="ignore")\ndef note(message: str) -> None: ...',
        "option": "@flow.task(retries=3)\ndef note(message: str) -> None: ...",
        "ignore": '@flow.task(ignore="GR301")\ndef note(message: str) -> None: ...',
    },
    "Edges": {
        "not-a-node": 'flow.edge(review, "draft")',
        "foreign-node": 'other = Flow("other", Ticket)\nflow.edge(review, other.end("sent"))',
        "no-node": "flow.edge([], review)",
        "several-targets": "flow.edge(review, [draft, review])",
        "count": "flow.edge(review, draft, at_most=0)",
        "on-answer": 'flow.edge(review, draft, on="bad")',
        "on-error": "flow.edge(review, draft, on=KeyboardInterrupt)",
        "impossible-answer": (
            'triage = flow.router("triage", Agent("Sort it."), reads=s.message, writes=s.topic)\n'
            'flow.edge(triage, draft, on="bugs")'
        ),
        "unanswered": (
            'triage = flow.router("triage", Agent("Sort it."), reads=s.message, writes=s.topic)\n'
            'flow.edge(triage, draft, on="billing")'
        ),
        "end-goes-on": 'sent = flow.end("sent")\nflow.edge(review, sent)\nflow.edge(sent, draft)',
        "fork-and-edge": 'sent = flow.end("sent")\nflow.fork(review, [draft, sent])\nflow.edge(review, sent)',
        "fork-of-choice": (
            'triage = flow.router("triage", Agent("Sort it."), reads=s.message, writes=s.topic)\n'
            "flow.fork(triage, [draft, review])"
        ),
        "each-of": "flow.each(review, draft, item=s.question, of=s.reply)",
        "each-item": "flow.each(review, draft, item=s.rounds, of=s.questions)",
        "not-a-guard": "flow.edge(review, draft, when=s.topic is None)",
        "lambda-guard": "flow.edge(review, draft, when=lambda score: score < 0.8)",
        "guard-function": (
            'def too_low(score: float) -> str:\n    return "yes"\n\n\nflow.edge(review, draft, when=too_low)'
        ),
        "never-equal": 'flow.edge(review, draft, when=s.topic == "bugs")',
        "not-a-change": "flow.edge(review, draft, set=s.rounds + 1)",
        "set-twice": "flow.edge(review, draft, set=[let(s.rounds).be(1), let(s.rounds).be(2)])",
        "no-reducer": 'flow.edge(review, draft, set=let(s.reply).take("more"))',
        "set-value": 'flow.edge(review, draft, set=let(s.rounds).be("two"))',
        "foreign-state": 'other = Flow("other", Ticket)\nflow.edge(review, draft, when=other.state.score < 0.8)',
    },
    "The shape": {
        "no-start": "flow.edge(review, draft)",
        "unreachable": 'sent = flow.end("sent")\nflow.start(draft)',
        "idle-cycle": (
            'one = flow.join("one")\ntwo = flow.join("two")\n'
            "flow.edge(review, one)\nflow.edge(one, two)\nflow.edge(two, one)"
        ),
        "branch-leads-back": (
            'note = flow.task(writes=s.facts, name="note")(write)\nflow.fork(review, [note, draft])\nflow.start(draft)'
        ),
        "join-wait": 'flow.join("both", wait="both")',
        "join-of": (
            'one = flow.task(writes=s.facts, name="one")(write)\ntwo = flow.task(writes=s.facts, name="two")(write)\n'
            'both = flow.join("both", of=one)\n'
            "flow.fork(review, [one, two])\nflow.edge([one, two], both)"
        ),
        "join-ambiguous": (
            'names = ("part", "deep", "one", "two")\n'
            "part, deep, one, two = [flow.task(writes=s.facts, name=n)(write) for n in names]\n"
            'both = flow.join("both")\n'
            "flow.each(review, part, item=s.question, of=s.questions)\n"
            "flow.edge(part, both, when=s.score < 0.5)\nflow.edge(part, deep)\n"
            "flow.fork(deep, [one, two])\nflow.edge([one, two], both)"
        ),
        "join-between": (
            'one, two = [flow.task(writes=s.facts, name=n)(write) for n in ("one", "two")]\n'
            'early, both = flow.join("early"), flow.join("both", of=draft)\n'
            "flow.edge(review, one, when=s.score < 0.8)\nflow.edge(review, two)\n"
            "flow.edge([one, two], early)\nflow.edge(early, both)"
        ),
        "join-partial-count": (
            'one, two, three = [flow.task(writes=s.facts, name=n)(write) for n in ("one", "two", "three")]\n'
            'pair, everything = flow.join("pair", wait=1), flow.join("all")\n'
            "flow.fork(review, [one, two, three])\n"
            "flow.edge([one, two], pair)\nflow.edge([pair, three], everything)"
        ),
    },
    "Subflows": {
        "not-a-flow": 'flow.subflow("inner", Ticket)',
        "flow-in-itself": 'flow.subflow("again", flow)',
        "unfilled-input": INNER + 'flow.subflow("inner", inner, outputs=let(s.reply).be(i.answer))',
        "reduced-output": INNER + 'flow.subflow("inner", inner, inputs=let(i.text).be(s.message))',
        "map-type": INNER
        + ('flow.subflow("inner", inner, inputs=let(i.text).be(s.rounds), outputs=let(s.reply).be(i.answer))'),
    },
    "Configurations": {
        "configuration": (
            'from graphrt import sequential\n\nflow = sequential(Agent("Research."), Flow("own", Ticket))'
        ),
    },
}


def reported(lines: str) -> tuple[Mistake, ...]:
    """Return what graphrt finds wrong with the flow after these lines."""
    source = SETUP + lines
    there: dict[str, Any] = {"__name__": "support"}
    try:
        exec(compile(source, FILE, "exec", dont_inherit=True), there)  # noqa: S102 - our own examples
        there["flow"].freeze()
    except DefinitionError as wrong:
        return wrong.mistakes
    return ()
