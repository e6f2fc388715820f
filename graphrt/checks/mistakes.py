"""Every mistake that freezing a flow can report: what it is, and a few lines of Python that make it on purpose.

`graphrt explain` and docs/reference/mistakes.md show what graphrt says about each. Tests make each one, to see that it
says so, and compare the codes here with those in the source.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Kind(NamedTuple):
    """One kind of mistake."""

    summary: str
    """What is wrong, in a line."""
    example: str
    """Lines that make it, behind `SETUP`."""
    says: str
    """What graphrt says of them."""


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
            ("the state type must be a pydantic model (derived from pydantic.BaseModel), got <class 'dict'>"),
        ),
        "no-json-form": Kind(
            "A field has a type whose values cannot be written as JSON, so they cannot be recorded.",
            'class Odd(BaseModel):\n    lock: type\n\n\nflow = Flow("odd", Odd)',
            ("field 'lock' of Odd has the type type, whose values have no JSON form, so they cannot be recorded"),
        ),
        "bad-default": Kind(
            "The default of a field does not fit its type.",
            'class Odd(BaseModel):\n    score: float = "high"\n\n\nflow = Flow("odd", Odd)',
            "field 'score' of Odd has a default that does not fit: takes float, got 'high' (str)",
        ),
        "secret-in-state": Kind(
            "A field holds a secret, and the state is recorded.",
            'class Odd(BaseModel):\n    key: SecretStr\n\n\nflow = Flow("odd", Odd)',
            (
                "field 'key' of Odd has the type SecretStr: secrets never enter the state, because "
                "the state is recorded; hand in a client as a resource and read it by Context.resource"
            ),
        ),
        "two-reducers": Kind(
            "A field has more than one reducer.",
            'class Odd(BaseModel):\n    n: Annotated[int, add, max] = 0\n\n\nflow = Flow("odd", Odd)',
            "field 'n' of Odd has more than one reducer; keep one",
        ),
        "reducer-type": Kind(
            "A reducer is not for a field of this type.",
            'class Odd(BaseModel):\n    facts: Annotated[str, append] = ""\n\n\nflow = Flow("odd", Odd)',
            "field 'facts' of Odd has the reducer append, which needs a list, but its type is str",
        ),
        "unnamed-reducer": Kind(
            "A reducer has no name that a trace could keep.",
            'class Odd(BaseModel):\n    n: Annotated[int, lambda a, b: a + b] = 0\n\n\nflow = Flow("odd", Odd)',
            (
                "field 'n' of Odd has a lambda as its reducer; give it a name (def), so that graphs "
                "and traces can say what it is"
            ),
        ),
        "reducer-parameters": Kind(
            "A reducer does not take two values: what is there and what is written.",
            "def newest(value: int) -> int:\n    return value\n\n\n"
            'class Odd(BaseModel):\n    n: Annotated[int, newest] = 0\n\n\nflow = Flow("odd", Odd)',
            ("field 'n' of Odd has the reducer newest, which must take two values: the old one and what is written"),
        ),
    },
    "Nodes": {
        "no-nodes": Kind(
            "The flow has no nodes.",
            'flow = Flow("empty", Ticket)',
            "flow 'empty' has no nodes; add one with flow.task, flow.agent …",
        ),
        "node-name": Kind(
            "The name of a node is no line of text.",
            'flow.task(name="two\\nlines")(write)',
            "this task has the name 'two\\nlines'; a name is a line of text",
        ),
        "duplicate-name": Kind(
            "Two nodes have one name.",
            'flow.task(writes=s.reply, name="draft")(write)',
            ("there are two nodes 'draft' (the other at support.py:31); give one of them another name="),
        ),
        "not-a-function": Kind(
            "A task is made of something that cannot be called.",
            'flow.task(name="note")("a text")',
            "task 'note' is made from 'a text', which is not a function",
        ),
        "cannot-call": Kind(
            "A function cannot be called with fields by their names.",
            "class Desk:\n    def note(self, message: str) -> None: ...\n\n\nflow.task()(Desk.note)",
            "task 'note' is an unbound method; pass a bound one, Desk(…).note",
        ),
        "unknown-field": Kind(
            "A parameter is called as no field of the state.",
            "@flow.task()\ndef note(mesage: str) -> None: ...",
            "parameter 'mesage' of task 'note' is not a field of Ticket. Did you mean 'message'?",
        ),
        "reads": Kind(
            "reads= names what the node does not take.",
            '@flow.task(reads={"txt": s.message})\ndef note(text: str = "") -> None: ...',
            "task 'note' has no parameter 'txt', which its reads= names. Did you mean 'text'?",
        ),
        "reads-type": Kind(
            "A parameter cannot take what the field, or its part, holds.",
            "@flow.task()\ndef note(rounds: list[str]) -> None: ...",
            "parameter 'rounds' of task 'note' is list[str], but the field 'rounds' is int",
        ),
        "returns": Kind(
            "A function does not return what writes= takes.",
            '@flow.task(writes=s.facts)\ndef note(message: str) -> dict[str, str]:\n    return {"facts": message}',
            (
                "task 'note' returns dict[str, str], but writes=facts needs str (one item, because of "
                "append); a task returns the value, not a dict of updates"
            ),
        ),
        "writes-nothing": Kind(
            "An agent writes no field, so its work would be lost.",
            'flow.agent("greet", Agent("Say hello."), reads=s.message, writes=None)',
            "agent 'greet' writes nothing, so its work would be lost; say writes=",
        ),
        "not-a-field": Kind(
            "Something stands where a field of flow.state is wanted.",
            'flow.agent("greet", Agent("Say hello."), writes="reply")',
            "writes of agent 'greet' must be a field of flow.state, got 'reply'",
        ),
        "named-twice": Kind(
            "A field is named twice in one place.",
            'flow.agent("greet", Agent("Say hello."), reads=(s.message, s.message), writes=s.reply)',
            "reads of agent 'greet' names 'message' twice",
        ),
        "not-an-agent": Kind(
            "An agent's node is made of something that is no agent.",
            'flow.agent("greet", "Say hello.", writes=s.reply)',
            "agent 'greet' is made from 'Say hello.'; give an Agent",
        ),
        "agent": Kind(
            "What the agent says of itself does not fit where it is put.",
            'flow.agent("greet", Agent("Say hello.", prompt="{message} {nam}"), reads=s.message, writes=s.reply)',
            ("agent 'greet': the agent's prompt names {nam}, but the node reads message; add it to reads="),
        ),
        "one-answer": Kind(
            "A router or a question does not write exactly one field.",
            'flow.ask("approve", "Send it?", writes=(s.topic, s.reply))',
            "ask 'approve' must write exactly one field: the one that keeps its answer",
        ),
        "no-answers": Kind(
            "A router writes a field whose type does not say what it can answer.",
            'flow.router("triage", Agent("Sort it."), reads=s.message, writes=s.reply)',
            (
                "router 'triage' writes 'reply', whose type str does not say what it can answer; make "
                'it a Literal["…", "…"] or an Enum'
            ),
        ),
        "no-question": Kind(
            "A question has no text.",
            'flow.ask("approve", "  ", writes=s.topic)',
            "ask 'approve' has no question; say what is asked",
        ),
        "retry": Kind(
            "retry= is neither a number of attempts nor a Retry.",
            "@flow.task(retry=0)\ndef note(message: str) -> None: ...",
            "task 'note' has retry=0; give the number of attempts, at least 1, or a Retry(…)",
        ),
        "policy": Kind(
            "policies= holds something that wraps no model.",
            "@flow.task(policies=[3])\ndef note(message: str) -> None: ...",
            "task 'note' has 3 among its policies; see graphrt.policies for what can be",
        ),
        "duration": Kind(
            "A time is neither a number of seconds nor a text such as 30s.",
            '@flow.task(timeout="half an hour")\ndef note(message: str) -> None: ...',
            (
                "task 'note' has a timeout that cannot be: 'half an hour' is no duration; give "
                "seconds, or a text like '30s', '5m', '24h', '1h30m'"
            ),
        ),
        "on-crash": Kind(
            "on_crash= is none of retry, ask, fail.",
            '@flow.task(on_crash="ignore")\ndef note(message: str) -> None: ...',
            "task 'note' has on_crash='ignore'; it is 'retry', 'ask' or 'fail'",
        ),
        "option": Kind(
            "A node has an option that there is not.",
            "@flow.task(retries=3)\ndef note(message: str) -> None: ...",
            ("task 'note' has no option 'retries'; there are retry, timeout, on_crash, policies, ignore"),
        ),
        "ignore": Kind(
            "ignore= does not name a rule and the reason.",
            '@flow.task(ignore="GR301")\ndef note(message: str) -> None: ...',
            ("task 'note' has ignore='GR301'; give the code of a rule and the reason: ignore=(\"GR301\", \"…\")"),
        ),
    },
    "Edges": {
        "not-a-node": Kind(
            "Something stands where a node is wanted.",
            'flow.edge(review, "draft")',
            "the target of an edge is 'draft'; give the node itself, not its name 'draft'",
        ),
        "foreign-node": Kind(
            "A node of another flow is used.",
            'other = Flow("other", Ticket)\nflow.edge(review, other.end("sent"))',
            ("the target of an edge is 'sent' of flow 'other'; nodes belong to the flow that made them"),
        ),
        "no-node": Kind(
            "An edge has no source or no target.",
            "flow.edge([], review)",
            "the source of an edge is missing; give a node",
        ),
        "several-targets": Kind(
            "An edge has more than one target.",
            "flow.edge(review, [draft, review])",
            "an edge has one target; use fork to take several at once",
        ),
        "count": Kind(
            "A number that counts something is not at least 1.",
            "flow.edge(review, draft, at_most=0)",
            "edge 'review' -> 'draft' has at_most=0; it is a number from 1",
        ),
        "on-answer": Kind(
            "on= names an answer of a node that gives none.",
            'flow.edge(review, draft, on="bad")',
            (
                "edge 'review' -> 'draft': on='bad', but 'review' is a task, which gives no answer; "
                "use when=, or an exception type"
            ),
        ),
        "on-error": Kind(
            "on= is a type that no error of a node has.",
            "flow.edge(review, draft, on=KeyboardInterrupt)",
            ("edge 'review' -> 'draft': on=KeyboardInterrupt is not an exception type that derives from Exception"),
        ),
        "impossible-answer": Kind(
            "on= names what a router or a question never answers.",
            'triage = flow.router("triage", Agent("Sort it."), reads=s.message, writes=s.topic)\n'
            'flow.edge(triage, draft, on="bugs")',
            (
                "edge 'triage' -> 'draft': 'triage' never answers 'bugs'; it can answer 'billing', "
                "'bug'. Did you mean 'bug'?"
            ),
        ),
        "unanswered": Kind(
            "An answer leads nowhere, where others do.",
            'triage = flow.router("triage", Agent("Sort it."), reads=s.message, writes=s.topic)\n'
            'flow.edge(triage, draft, on="billing")',
            (
                "'triage' can answer 'bug', but no edge says where to go; add an edge with on= for "
                "each, or one edge without on= for the rest"
            ),
        ),
        "end-goes-on": Kind(
            "An edge leaves an end.",
            'sent = flow.end("sent")\nflow.edge(review, sent)\nflow.edge(sent, draft)',
            ("edge 'sent' -> 'draft': 'sent' is an end, so nothing follows it; make it a task or a join"),
        ),
        "fork-and-edge": Kind(
            "A node is left by fork and by edge.",
            'sent = flow.end("sent")\nflow.fork(review, [draft, sent])\nflow.edge(review, sent)',
            ("'review' has both fork and edge: a fork takes all that match, an edge the first; use one of them"),
        ),
        "fork-of-choice": Kind(
            "A node that chooses one way is to fork.",
            'triage = flow.router("triage", Agent("Sort it."), reads=s.message, writes=s.topic)\n'
            "flow.fork(triage, [draft, review])",
            (
                "fork 'triage' -> ['draft', 'review']: 'triage' chooses one way by its answer, so it "
                "cannot fork; lead an edge to a node that forks"
            ),
        ),
        "each-of": Kind(
            "A branch is wanted for each item of something that is no list.",
            "flow.each(review, draft, item=s.question, of=s.reply)",
            "each 'review' -> 'draft': of=reply is str, but a branch per item needs a list",
        ),
        "each-item": Kind(
            "The items of a list do not fit the field that is to hold one.",
            "flow.each(review, draft, item=s.rounds, of=s.questions)",
            "each 'review' -> 'draft': an item of 'questions' is str, but item=rounds is int",
        ),
        "not-a-guard": Kind(
            "when= is no condition on the state.",
            "flow.edge(review, draft, when=s.topic is None)",
            (
                "when= of edge 'review' -> 'draft': False is a plain bool, not a condition: Python "
                "has already computed it (`is`, `==` of constants); write is_none(x) for `x is None`, "
                "and compare fields of flow.state"
            ),
        ),
        "lambda-guard": Kind(
            "A guard is a function without a name.",
            "flow.edge(review, draft, when=lambda score: score < 0.8)",
            (
                "when= of edge 'review' -> 'draft' is a lambda, which has no name to print; give an "
                "expression over flow.state, or a named function"
            ),
        ),
        "guard-function": Kind(
            "A function cannot serve as a guard.",
            'def too_low(score: float) -> str:\n    return "yes"\n\n\nflow.edge(review, draft, when=too_low)',
            "guard 'too_low' of edge 'review' -> 'draft' returns str, but a guard returns a bool",
        ),
        "never-equal": Kind(
            "A guard compares what can never be equal.",
            'flow.edge(review, draft, when=s.topic == "bugs")',
            (
                "when= of edge 'review' -> 'draft' compares 'topic' with \"bugs\", but it is "
                'Literal["billing", "bug"] | None. Did you mean \'bug\'?'
            ),
        ),
        "not-a-change": Kind(
            "set= is not made with let(…).",
            "flow.edge(review, draft, set=s.rounds + 1)",
            "set= of edge 'review' -> 'draft' must be let(s.field).be(value), got rounds + 1",
        ),
        "set-twice": Kind(
            "An edge sets one field twice.",
            "flow.edge(review, draft, set=[let(s.rounds).be(1), let(s.rounds).be(2)])",
            "set= of edge 'review' -> 'draft' set 'rounds' twice",
        ),
        "no-reducer": Kind(
            "let(…).take(…) of a field that has no reducer to take it.",
            'flow.edge(review, draft, set=let(s.reply).take("more"))',
            (
                "set= of edge 'review' -> 'draft': let(reply).take(…) gives a value to a reducer, but "
                "'reply' (str) has none; write let(reply).be(…), or give the field a reducer "
                "(Annotated[…, append])"
            ),
        ),
        "set-value": Kind(
            "A field is set to what it cannot hold.",
            'flow.edge(review, draft, set=let(s.rounds).be("two"))',
            (
                "set= of edge 'review' -> 'draft': rounds = \"two\", but field 'rounds' takes int, got "
                "'two' (str): Input should be a valid integer"
            ),
        ),
        "foreign-state": Kind(
            "An expression reads the state of another flow.",
            'other = Flow("other", Ticket)\nflow.edge(review, draft, when=other.state.score < 0.8)',
            "when= of edge 'review' -> 'draft' reads the state of another flow: score < 0.8",
        ),
    },
    "The shape": {
        "no-start": Kind(
            "It is not clear at which node the flow begins.",
            "flow.edge(review, draft)",
            "every node has an edge that leads to it; say where the flow begins: flow.start(node)",
        ),
        "unreachable": Kind(
            "No way leads from the start to a node.",
            'sent = flow.end("sent")\nflow.start(draft)',
            "node 'sent' cannot be reached from 'draft'; lead an edge to it or remove it",
        ),
        "idle-cycle": Kind(
            "A cycle has only joins, so nothing in it ever works.",
            'one = flow.join("one")\ntwo = flow.join("two")\n'
            "flow.edge(review, one)\nflow.edge(one, two)\nflow.edge(two, one)",
            "'one' lies on a cycle of nodes that do no work; a run would never leave it",
        ),
        "branch-leads-back": Kind(
            "A branch leads back to its own fork, so branches would multiply.",
            'note = flow.task(writes=s.facts, name="note")(write)\nflow.fork(review, [note, draft])\nflow.start(draft)',
            (
                "a branch of 'review' leads back to 'review' without passing a join that gathers its "
                "branches, so branches would multiply; gather the branches in a join before it goes "
                "back"
            ),
        ),
        "join-wait": Kind(
            "wait= of a join is none of all, any, or a number from 1.",
            'flow.join("both", wait="both")',
            "join 'both' has wait='both'; it is 'all', 'any' or a number from 1",
        ),
        "join-of": Kind(
            "of= of a join names a node that not every way to it passes.",
            'one = flow.task(writes=s.facts, name="one")(write)\ntwo = flow.task(writes=s.facts, name="two")(write)\n'
            'both = flow.join("both", of=one)\n'
            "flow.fork(review, [one, two])\nflow.edge([one, two], both)",
            (
                "join 'both' names 'one' as its opener, but there is a way to 'both' that does not "
                "pass 'one'; name a node that every path to the join passes, or leave `of` out"
            ),
        ),
        "join-ambiguous": Kind(
            "It is not clear whose branches a join gathers.",
            'names = ("part", "deep", "one", "two")\n'
            "part, deep, one, two = [flow.task(writes=s.facts, name=n)(write) for n in names]\n"
            'both = flow.join("both")\n'
            "flow.each(review, part, item=s.question, of=s.questions)\n"
            "flow.edge(part, both, when=s.score < 0.5)\nflow.edge(part, deep)\n"
            "flow.fork(deep, [one, two])\nflow.edge([one, two], both)",
            (
                "join 'both' could gather the branches of 'review' or those of 'deep', which may run "
                "more than once inside; say which: join('both', of=review) or of=deep"
            ),
        ),
        "join-between": Kind(
            "Another join gathers the branches before they come to this one.",
            'one, two = [flow.task(writes=s.facts, name=n)(write) for n in ("one", "two")]\n'
            'early, both = flow.join("early"), flow.join("both", of=draft)\n'
            "flow.edge(review, one, when=s.score < 0.8)\nflow.edge(review, two)\n"
            "flow.edge([one, two], early)\nflow.edge(early, both)",
            (
                "join 'early' lies between 'draft' and join 'both' (of=draft), but gathers lines of "
                "the whole run; say that it belongs there: join('early', of=draft)"
            ),
        ),
        "join-partial-count": Kind(
            "A join that counts branches stands before the one that gathers them all.",
            'one, two, three = [flow.task(writes=s.facts, name=n)(write) for n in ("one", "two", "three")]\n'
            'pair, everything = flow.join("pair", wait=1), flow.join("all")\n'
            "flow.fork(review, [one, two, three])\n"
            "flow.edge([one, two], pair)\nflow.edge([pair, three], everything)",
            (
                "join 'pair' waits for 1, but it does not close the scope of 'review'; only the "
                "closing join may go on before all branches have arrived"
            ),
        ),
    },
    "Subflows": {
        "not-a-flow": Kind(
            "A subflow is made of something that is no flow.",
            'flow.subflow("inner", Ticket)',
            "subflow 'inner' is made from <class 'support.Ticket'>; give a Flow",
        ),
        "flow-in-itself": Kind(
            "A flow contains itself.",
            'flow.subflow("again", flow)',
            ("inside subflow 'again': flow 'support' contains itself; repeat it by an edge that leads back"),
        ),
        "unfilled-input": Kind(
            "A field of a subflow has no default, and nothing fills it.",
            _INNER + 'flow.subflow("inner", inner, outputs=let(s.reply).be(i.answer))',
            (
                "subflow 'inner' needs 'text', which has no fixed default and which nothing fills; "
                "say inputs=let(inner.text).be(outer.…)"
            ),
        ),
        "reduced-output": Kind(
            "A subflow writes a field with a reducer, and it is not said what it adds.",
            _INNER + 'flow.subflow("inner", inner, inputs=let(i.text).be(s.message))',
            (
                "subflow 'inner' writes 'facts', which has the reducer append here; say what it adds: "
                "outputs=let(outer.facts).be(inner.…)"
            ),
        ),
        "map-type": Kind(
            "A field of a subflow is filled with what it cannot hold.",
            _INNER
            + ('flow.subflow("inner", inner, inputs=let(i.text).be(s.rounds), outputs=let(s.reply).be(i.answer))'),
            "inputs of subflow 'inner' set text = rounds, but 'rounds' is int where str is needed",
        ),
    },
    "Configurations": {
        "configuration": Kind(
            "What a configuration is made of does not fit it.",
            'from graphrt import sequential\n\nflow = sequential(Agent("Research."), Flow("own", Ticket))',
            (
                "sequential: flow 'own' cannot be a member: its state Ticket has no field messages: "
                "Annotated[list[Message], append]; derive it from ChatState"
            ),
        ),
    },
}
"""The kinds by their codes, in groups."""
BY_CODE: Final[dict[str, Kind]] = {code: kind for kinds in KINDS.values() for code, kind in kinds.items()}
