"""Every mistake that freezing a flow can report: what it is, and a few lines of Python that make it on purpose.

`graphrt explain` and docs/reference/mistakes.md show what graphrt says about each, by making it: so they show real
messages. A test compares the codes here with those in the source.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from graphrt.errors import DefinitionError, Mistake


class Kind(NamedTuple):
    """One kind of mistake."""

    summary: str
    """What is wrong, in a line."""
    example: str
    """Lines that make it, behind `SETUP`."""


FILE: Final = "support.py"
"""The file that the examples are said to stand in."""

SETUP: Final = """\
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

BEHIND: Final = "behind a flow of two tasks, draft and review, over a Ticket"
"""What that is, in words."""

_INNER: Final = """\
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

KINDS: Final[dict[str, dict[str, Kind]]] = {
    "The state": {
        "state-type": Kind(
            "The state type is no pydantic model with named fields.",
            'flow = Flow("support", dict)',
        ),
        "no-json-form": Kind(
            "A field has a type whose values cannot be written as JSON, so they cannot be recorded.",
            'class Odd(BaseModel):\n    lock: type\n\n\nflow = Flow("odd", Odd)',
        ),
        "bad-default": Kind(
            "The default of a field does not fit its type.",
            'class Odd(BaseModel):\n    score: float = "high"\n\n\nflow = Flow("odd", Odd)',
        ),
        "secret-in-state": Kind(
            "A field holds a secret, and the state is recorded.",
            'class Odd(BaseModel):\n    key: SecretStr\n\n\nflow = Flow("odd", Odd)',
        ),
        "two-reducers": Kind(
            "A field has more than one reducer.",
            'class Odd(BaseModel):\n    n: Annotated[int, add, max] = 0\n\n\nflow = Flow("odd", Odd)',
        ),
        "reducer-type": Kind(
            "A reducer is not for a field of this type.",
            'class Odd(BaseModel):\n    facts: Annotated[str, append] = ""\n\n\nflow = Flow("odd", Odd)',
        ),
        "unnamed-reducer": Kind(
            "A reducer has no name that a trace could keep.",
            'class Odd(BaseModel):\n    n: Annotated[int, lambda a, b: a + b] = 0\n\n\nflow = Flow("odd", Odd)',
        ),
        "reducer-parameters": Kind(
            "A reducer does not take two values: what is there and what is written.",
            "def newest(value: int) -> int:\n    return value\n\n\n"
            'class Odd(BaseModel):\n    n: Annotated[int, newest] = 0\n\n\nflow = Flow("odd", Odd)',
        ),
    },
    "Nodes": {
        "no-nodes": Kind(
            "The flow has no nodes.",
            'flow = Flow("empty", Ticket)',
        ),
        "node-name": Kind(
            "The name of a node is no line of text.",
            'flow.task(name="two\\nlines")(write)',
        ),
        "duplicate-name": Kind(
            "Two nodes have one name.",
            'flow.task(writes=s.reply, name="draft")(write)',
        ),
        "not-a-function": Kind(
            "A task is made of something that cannot be called.",
            'flow.task(name="note")("a text")',
        ),
        "cannot-call": Kind(
            "A function cannot be called with fields by their names.",
            "class Desk:\n    def note(self, message: str) -> None: ...\n\n\nflow.task()(Desk.note)",
        ),
        "unknown-field": Kind(
            "A parameter is called as no field of the state.",
            "@flow.task()\ndef note(mesage: str) -> None: ...",
        ),
        "reads": Kind(
            "reads= names what the node does not take.",
            '@flow.task(reads={"txt": s.message})\ndef note(text: str = "") -> None: ...',
        ),
        "reads-type": Kind(
            "A parameter cannot take what the field, or its part, holds.",
            "@flow.task()\ndef note(rounds: list[str]) -> None: ...",
        ),
        "returns": Kind(
            "A function does not return what writes= takes.",
            '@flow.task(writes=s.facts)\ndef note(message: str) -> dict[str, str]:\n    return {"facts": message}',
        ),
        "writes-nothing": Kind(
            "An agent writes no field, so its work would be lost.",
            'flow.agent("greet", Agent("Say hello."), reads=s.message, writes=None)',
        ),
        "not-a-field": Kind(
            "Something stands where a field of flow.state is wanted.",
            'flow.agent("greet", Agent("Say hello."), writes="reply")',
        ),
        "named-twice": Kind(
            "A field is named twice in one place.",
            'flow.agent("greet", Agent("Say hello."), reads=(s.message, s.message), writes=s.reply)',
        ),
        "not-an-agent": Kind(
            "An agent's node is made of something that is no agent.",
            'flow.agent("greet", "Say hello.", writes=s.reply)',
        ),
        "agent": Kind(
            "What the agent says of itself does not fit where it is put.",
            'flow.agent("greet", Agent("Say hello.", prompt="{message} {nam}"), reads=s.message, writes=s.reply)',
        ),
        "one-answer": Kind(
            "A router or a question does not write exactly one field.",
            'flow.ask("approve", "Send it?", writes=(s.topic, s.reply))',
        ),
        "no-answers": Kind(
            "A router writes a field whose type does not say what it can answer.",
            'flow.router("triage", Agent("Sort it."), reads=s.message, writes=s.reply)',
        ),
        "no-question": Kind(
            "A question has no text.",
            'flow.ask("approve", "  ", writes=s.topic)',
        ),
        "retry": Kind(
            "retry= is neither a number of attempts nor a Retry.",
            "@flow.task(retry=0)\ndef note(message: str) -> None: ...",
        ),
        "policy": Kind(
            "policies= holds something that wraps no model.",
            "@flow.task(policies=[3])\ndef note(message: str) -> None: ...",
        ),
        "duration": Kind(
            "A time is neither a number of seconds nor a text such as 30s.",
            '@flow.task(timeout="half an hour")\ndef note(message: str) -> None: ...',
        ),
        "on-crash": Kind(
            "on_crash= is none of retry, ask, fail.",
            '@flow.task(on_crash="ignore")\ndef note(message: str) -> None: ...',
        ),
        "option": Kind(
            "A node has an option that there is not.",
            "@flow.task(retries=3)\ndef note(message: str) -> None: ...",
        ),
        "ignore": Kind(
            "ignore= does not name a rule and the reason.",
            '@flow.task(ignore="GR301")\ndef note(message: str) -> None: ...',
        ),
    },
    "Edges": {
        "not-a-node": Kind(
            "Something stands where a node is wanted.",
            'flow.edge(review, "draft")',
        ),
        "foreign-node": Kind(
            "A node of another flow is used.",
            'other = Flow("other", Ticket)\nflow.edge(review, other.end("sent"))',
        ),
        "no-node": Kind(
            "An edge has no source or no target.",
            "flow.edge([], review)",
        ),
        "several-targets": Kind(
            "An edge has more than one target.",
            "flow.edge(review, [draft, review])",
        ),
        "count": Kind(
            "A number that counts something is not at least 1.",
            "flow.edge(review, draft, at_most=0)",
        ),
        "on-answer": Kind(
            "on= names an answer of a node that gives none.",
            'flow.edge(review, draft, on="bad")',
        ),
        "on-error": Kind(
            "on= is a type that no error of a node has.",
            "flow.edge(review, draft, on=KeyboardInterrupt)",
        ),
        "impossible-answer": Kind(
            "on= names what a router or a question never answers.",
            'triage = flow.router("triage", Agent("Sort it."), reads=s.message, writes=s.topic)\n'
            'flow.edge(triage, draft, on="bugs")',
        ),
        "unanswered": Kind(
            "An answer leads nowhere, where others do.",
            'triage = flow.router("triage", Agent("Sort it."), reads=s.message, writes=s.topic)\n'
            'flow.edge(triage, draft, on="billing")',
        ),
        "end-goes-on": Kind(
            "An edge leaves an end.",
            'sent = flow.end("sent")\nflow.edge(review, sent)\nflow.edge(sent, draft)',
        ),
        "fork-and-edge": Kind(
            "A node is left by fork and by edge.",
            'sent = flow.end("sent")\nflow.fork(review, [draft, sent])\nflow.edge(review, sent)',
        ),
        "fork-of-choice": Kind(
            "A node that chooses one way is to fork.",
            'triage = flow.router("triage", Agent("Sort it."), reads=s.message, writes=s.topic)\n'
            "flow.fork(triage, [draft, review])",
        ),
        "each-of": Kind(
            "A branch is wanted for each item of something that is no list.",
            "flow.each(review, draft, item=s.question, of=s.reply)",
        ),
        "each-item": Kind(
            "The items of a list do not fit the field that is to hold one.",
            "flow.each(review, draft, item=s.rounds, of=s.questions)",
        ),
        "not-a-guard": Kind(
            "when= is no condition on the state.",
            "flow.edge(review, draft, when=s.topic is None)",
        ),
        "lambda-guard": Kind(
            "A guard is a function without a name.",
            "flow.edge(review, draft, when=lambda score: score < 0.8)",
        ),
        "guard-function": Kind(
            "A function cannot serve as a guard.",
            'def too_low(score: float) -> str:\n    return "yes"\n\n\nflow.edge(review, draft, when=too_low)',
        ),
        "never-equal": Kind(
            "A guard compares what can never be equal.",
            'flow.edge(review, draft, when=s.topic == "bugs")',
        ),
        "not-a-change": Kind(
            "set= is not made with let(…).",
            "flow.edge(review, draft, set=s.rounds + 1)",
        ),
        "set-twice": Kind(
            "An edge sets one field twice.",
            "flow.edge(review, draft, set=[let(s.rounds).be(1), let(s.rounds).be(2)])",
        ),
        "no-reducer": Kind(
            "let(…).take(…) of a field that has no reducer to take it.",
            'flow.edge(review, draft, set=let(s.reply).take("more"))',
        ),
        "set-value": Kind(
            "A field is set to what it cannot hold.",
            'flow.edge(review, draft, set=let(s.rounds).be("two"))',
        ),
        "foreign-state": Kind(
            "An expression reads the state of another flow.",
            'other = Flow("other", Ticket)\nflow.edge(review, draft, when=other.state.score < 0.8)',
        ),
    },
    "The shape": {
        "no-start": Kind(
            "It is not clear at which node the flow begins.",
            "flow.edge(review, draft)",
        ),
        "unreachable": Kind(
            "No way leads from the start to a node.",
            'sent = flow.end("sent")\nflow.start(draft)',
        ),
        "idle-cycle": Kind(
            "A cycle has only joins, so nothing in it ever works.",
            'one = flow.join("one")\ntwo = flow.join("two")\n'
            "flow.edge(review, one)\nflow.edge(one, two)\nflow.edge(two, one)",
        ),
        "branch-leads-back": Kind(
            "A branch leads back to its own fork, so branches would multiply.",
            'note = flow.task(writes=s.facts, name="note")(write)\nflow.fork(review, [note, draft])\nflow.start(draft)',
        ),
        "join-wait": Kind(
            "wait= of a join is none of all, any, or a number from 1.",
            'flow.join("both", wait="both")',
        ),
        "join-of": Kind(
            "of= of a join names a node that not every way to it passes.",
            'one = flow.task(writes=s.facts, name="one")(write)\ntwo = flow.task(writes=s.facts, name="two")(write)\n'
            'both = flow.join("both", of=one)\n'
            "flow.fork(review, [one, two])\nflow.edge([one, two], both)",
        ),
        "join-ambiguous": Kind(
            "It is not clear whose branches a join gathers.",
            'names = ("part", "deep", "one", "two")\n'
            "part, deep, one, two = [flow.task(writes=s.facts, name=n)(write) for n in names]\n"
            'both = flow.join("both")\n'
            "flow.each(review, part, item=s.question, of=s.questions)\n"
            "flow.edge(part, both, when=s.score < 0.5)\nflow.edge(part, deep)\n"
            "flow.fork(deep, [one, two])\nflow.edge([one, two], both)",
        ),
        "join-between": Kind(
            "Another join gathers the branches before they come to this one.",
            'one, two = [flow.task(writes=s.facts, name=n)(write) for n in ("one", "two")]\n'
            'early, both = flow.join("early"), flow.join("both", of=draft)\n'
            "flow.edge(review, one, when=s.score < 0.8)\nflow.edge(review, two)\n"
            "flow.edge([one, two], early)\nflow.edge(early, both)",
        ),
        "join-partial-count": Kind(
            "A join that counts branches stands before the one that gathers them all.",
            'one, two, three = [flow.task(writes=s.facts, name=n)(write) for n in ("one", "two", "three")]\n'
            'pair, everything = flow.join("pair", wait=1), flow.join("all")\n'
            "flow.fork(review, [one, two, three])\n"
            "flow.edge([one, two], pair)\nflow.edge([pair, three], everything)",
        ),
    },
    "Subflows": {
        "not-a-flow": Kind(
            "A subflow is made of something that is no flow.",
            'flow.subflow("inner", Ticket)',
        ),
        "flow-in-itself": Kind(
            "A flow contains itself.",
            'flow.subflow("again", flow)',
        ),
        "unfilled-input": Kind(
            "A field of a subflow has no default, and nothing fills it.",
            _INNER + 'flow.subflow("inner", inner, outputs=let(s.reply).be(i.answer))',
        ),
        "reduced-output": Kind(
            "A subflow writes a field with a reducer, and it is not said what it adds.",
            _INNER + 'flow.subflow("inner", inner, inputs=let(i.text).be(s.message))',
        ),
        "map-type": Kind(
            "A field of a subflow is filled with what it cannot hold.",
            _INNER
            + ('flow.subflow("inner", inner, inputs=let(i.text).be(s.rounds), outputs=let(s.reply).be(i.answer))'),
        ),
    },
    "Configurations": {
        "configuration": Kind(
            "What a configuration is made of does not fit it.",
            'from graphrt import sequential\n\nflow = sequential(Agent("Research."), Flow("own", Ticket))',
        ),
    },
}
"""The kinds by their codes, in groups."""
BY_CODE: Final[dict[str, Kind]] = {code: kind for kinds in KINDS.values() for code, kind in kinds.items()}


def reported(lines: str) -> tuple[Mistake, ...]:
    """Return what graphrt finds wrong with the flow after these lines, which are behind `SETUP`."""
    there: dict[str, Any] = {"__name__": "support"}
    try:
        exec(compile(SETUP + lines, FILE, "exec", dont_inherit=True), there)  # noqa: S102 - the examples above
        there["flow"].freeze()
    except DefinitionError as wrong:
        return wrong.mistakes
    return ()


def said_of(code: str) -> Mistake:
    """Return what graphrt says of the example of a mistake."""
    return next(m for m in reported(BY_CODE[code].example) if m.code == code)
