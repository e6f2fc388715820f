"""The shape of the graph inside an agent: its state, its nodes, its edges."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec.structs import replace
from pydantic import BaseModel, create_model

from graphrt.agents.errors import ToolFailed
from graphrt.agents.guardrails import ALLOW, BLOCK
from graphrt.agents.inside.asking import Asking
from graphrt.agents.inside.calling import FREELY, Calling
from graphrt.agents.inside.judging import Heard, Judge
from graphrt.agents.inside.sketch import Sketch, To
from graphrt.agents.messages import Message, ToolCall
from graphrt.drafts import ExpansionSpec
from graphrt.graph import Each, Node, Retry, Work
from graphrt.guards import Guard
from graphrt.reducers import extend
from graphrt.trees import Compare, Constant, Or, Read, Size

if TYPE_CHECKING:
    from graphrt.agents.guardrails import Guardrail
    from graphrt.agents.inside.place import Place
    from graphrt.agents.tools import Tool
    from graphrt.errors import Mistake
    from graphrt.fields import Field
    from graphrt.inputs import Json
    from graphrt.trees import Tree


class Shape:
    """Makes state and nodes for one agent in its place."""

    def __init__(self, place: Place) -> None:
        """Make the shape of an agent in `place`."""
        self.place = place
        self.retry = place.spec.retry or place.agent.retry
        self.field: dict[str, Field] = {}
        self.mistakes: list[str | Mistake] = []
        """What is wrong with agents that judge."""
        self.asks = Asking(place)
        self.calls = Calling(place)

    def state_type(self) -> type[BaseModel]:
        """Return the type of the state inside: what the node reads, what is said meanwhile, what comes out."""
        place = self.place
        fields: dict[str, Any] = {place.names[f.name]: (f.annotation, ...) for f in place.spec.reads}
        if place.agent.tools or place.is_data:
            fields["messages"] = (Annotated[list[Message], extend], [])
        if place.agent.tools:
            fields["calls"] = (list[ToolCall], [])
            fields["call"] = (ToolCall | None, None)
            fields["wrong_calls"] = (list[str], [])
            if place.acting:
                fields["acts"] = (list[ToolCall], [])
        if place.asking:
            ways: Any = Literal[(FREELY, *(t.name for t in place.asking))]
            fields["consent"] = (ways | None, None)
            fields["verdict"] = (Literal["approve", "decline"] | None, None)
        if place.screening or place.admitting:
            fields["going_in"] = (str, "")
        if place.releasing:
            fields["coming_out"] = (str, "")
        if place.agent.guardrails:
            fields["ruling"] = (Literal["allow", "block"] | None, None)
            fields["because"] = (str, "")
        if place.is_data:
            fields["refused"] = (str, "")
        fields["output"] = (place.output | None, None)
        name = "".join(part.capitalize() for part in re.split(r"\W+", place.spec.node)) or "Agent"
        return create_model(f"{name}State", **fields)

    def nodes(self, fields: Sequence[Field]) -> tuple[Node, ...]:
        """Return the nodes with their edges; joins do not know their openers yet."""
        place, sketch = self.place, Sketch()
        self.field = {f.name: f for f in fields}
        if place.screening or place.admitting:
            self._admission(sketch)
        if place.agent.tools:
            self._tool_loop(sketch)
        elif place.is_data:
            self._data(sketch, "model")
        else:
            self._once(sketch)
        return sketch.wired()

    def _after(self, sketch: Sketch, *edges: To) -> tuple[To, ...]:
        """Return how the first request is left: by these edges, once it is admitted, if somebody has a say in that."""
        if not self.place.admitting:
            return edges
        sketch.add(Node(0, "admitted", "join"), *edges)
        return (To("admitted"),)

    @property
    def _finish(self) -> str:
        """Where what the agent wants to write goes."""
        return "output" if self.place.releasing else "answered"

    def _once(self, sketch: Sketch) -> None:
        """Make one request; nothing follows unless somebody looks at it."""
        place = self.place
        reads = tuple(place.names.values())
        work = Work(self.asks.once, _params(reads), "context", is_async=True)
        model = Node(0, "model", "task", reads, ("output",), retry=self.retry, work=work)
        if not place.agent.guardrails:
            sketch.add(model)
            return
        sketch.add(model, *self._after(sketch, To(self._finish)))
        self._answered(sketch)

    def _data(self, sketch: Sketch, name: str) -> None:
        """Ask for data until it fits, or the repairs are used up."""
        place = self.place
        reads = (*place.names.values(), "messages", "refused")
        work = Work(self.asks.filled, _params(reads), "context", is_async=True)
        writes = ("messages", "refused", "output")
        bad = Guard(Compare("!=", Read("refused"), Constant("")))
        done = (To(self._finish),)
        sketch.add(
            Node(0, name, "task", reads, writes, retry=self.retry, work=work),
            To(name, when=bad, at_most=place.agent.repairs) if place.agent.repairs else None,
            To("refused", when=bad),
            *(self._after(sketch, *done) if name == "model" else done),
        )
        sketch.add(Node(0, "refused", "task", ("refused",), work=Work(self.asks.refuse, (("refused", "refused"),))))
        self._answered(sketch)

    def _tool_loop(self, sketch: Sketch) -> None:
        place = self.place
        turning = (*place.names.values(), "messages", "wrong_calls")
        turn = Work(self.asks.turn, _params(turning), "context", is_async=True)
        writes = ("messages", *place.lists, "wrong_calls", *(("output",) if place.is_text else ()))
        edges = (
            To("tool", when=_any_left(place.lists), each=Each("calls", "call", place.agent.at_once)),
            To(self._finish if place.is_text else "answer"),
        )
        model = Node(0, "model", "task", turning, writes, retry=self.retry, work=turn)
        sketch.add(model, *self._after(sketch, *edges))
        self._rounds(sketch)
        if place.is_text:
            self._answered(sketch)
        elif place.spec.answers:
            reads = (*place.names.values(), "messages")
            work = Work(self.asks.chosen, _params(reads), "context", is_async=True)
            answer = Node(0, "answer", "task", reads, ("output",), retry=self.retry, work=work)
            sketch.add(answer, To(self._finish) if place.releasing else None)
            if place.releasing:
                self._answered(sketch)
        else:
            self._data(sketch, "answer")

    def _rounds(self, sketch: Sketch) -> None:
        """Carry the calls of a turn out, and go on to the next turn."""
        place = self.place
        hopeless = Guard(Compare(">", Size(Read("wrong_calls")), Constant(place.agent.repairs)))
        again = (
            To("calls refused", when=hopeless),
            To("model", at_most=place.agent.max_turns - 1),
            To("turn limit"),
        )
        sketch.add(self._calls("tool", place.reading), To("results"))
        if not place.acting:
            sketch.add(Node(0, "results", "join"), *again)
        else:
            local = ("consent", "verdict") if place.asking else ()
            first = "consent" if place.asking else "act"
            acts = Each("acts", "call", place.agent.at_once)
            sketch.add(Node(0, "results", "join"), To(first, each=acts, local=local))
            if place.asking:
                self._approval(sketch)
            sketch.add(replace(self._calls("act", place.acting), on_crash="ask"), To("done"))
            sketch.add(Node(0, "done", "join"), *again)
        refuse = Work(self.asks.refuse_calls, (("wrong_calls", "wrong_calls"),))
        sketch.add(Node(0, "calls refused", "task", ("wrong_calls",), work=refuse))
        sketch.add(Node(0, "turn limit", "task", work=Work(self.asks.over)))

    # -- guardrails ---------------------------------------------------------------------------------------------------

    def _admission(self, sketch: Sketch) -> None:
        """Begin: those who judge first, one behind the other; then, side by side, the model and the other judges."""
        place, heard = self.place, Heard(self.place)
        reads = tuple(place.names.values())
        take = Node(0, "input", "task", reads, ("going_in",), work=Work(heard.input, _params(reads)))
        start = [To("model"), *(To(g.node, local=("ruling", "because")) for g in place.admitting)]
        if place.screening:
            last = "cleared" if place.admitting else "model"
            steps = [*(g.node for g in place.screening), last]
            sketch.add(take, To(steps[0]))
            for guardrail, then in zip(place.screening, steps[1:], strict=True):
                self._check(sketch, guardrail, "going_in", then)
            take = Node(0, "cleared", "task", work=Work(heard.cleared))
        if place.admitting:
            sketch.add(replace(take, fork=True), *start)
        for guardrail in place.admitting:
            self._check(sketch, guardrail, "going_in", "admitted")

    def _answered(self, sketch: Sketch) -> None:
        """End; before that, let all who judge what comes out look at it."""
        place = self.place
        if place.releasing:
            work = Work(Heard(place).output, (("output", "output"),))
            several = len(place.releasing) > 1
            checks = [To(g.node, local=("ruling", "because") if several else ()) for g in place.releasing]
            sketch.add(Node(0, "output", "task", ("output",), ("coming_out",), fork=several, work=work), *checks)
            for guardrail in place.releasing:
                self._check(sketch, guardrail, "coming_out", "released" if several else "answered")
            if several:
                sketch.add(Node(0, "released", "join"), To("answered"))
        sketch.add(Node(0, "answered", "end"))

    def _check(self, sketch: Sketch, guardrail: Guardrail, text: str, then: str) -> None:
        """Let one guardrail judge a text, and stop where it blocks."""
        judge, outcomes = Judge(self.place, guardrail), (ALLOW, BLOCK)
        stop = f"stop {guardrail.name}"
        edges = (To(then, on=ALLOW), To(stop, on=BLOCK))
        if (agent := guardrail.agent) is None:
            work = Work(judge.judge, (("judged", text),), "context", is_async=True)
            writes = ("ruling", "because")
            sketch.add(Node(0, guardrail.node, "router", (text,), writes, answers=outcomes, work=work), *edges)
            sketch.add(Node(0, stop, "task", ("because",), work=Work(judge.stop, (("because", "because"),))))
            return
        spec = ExpansionSpec(guardrail.node, (self.field[text],), (self.field["ruling"],), outcomes)
        inside = agent.expand(spec)
        self.mistakes += [f"guardrail {guardrail.name!r}: {m}" if isinstance(m, str) else m for m in inside.mistakes]
        node = Node(
            0,
            guardrail.node,
            "router",
            (text,),
            ("ruling",),
            answers=outcomes,
            graph=inside.graph,
            inputs=tuple(inside.inputs),
            outputs=tuple(inside.outputs),
            about=dict(inside.about),
        )
        sketch.add(node, *edges)
        sketch.add(Node(0, stop, "task", work=Work(judge.stop)))

    # -- calls --------------------------------------------------------------------------------------------------------

    def _approval(self, sketch: Sketch) -> None:
        """Ask a person about each call that needs it."""
        place = self.place
        ways = (FREELY, *(t.name for t in place.asking))
        work = Work(self.calls.consent, (("call", "call"),))
        sketch.add(
            Node(0, "consent", "router", ("call",), ("consent",), answers=ways, work=work),
            To("act", on=FREELY),
            *(To(f"approve {t.name}", on=t.name) for t in place.asking),
        )
        for tool in place.asking:
            question = f"May {place.spec.node!r} call {tool.name} with these arguments?"
            answers = ("approve", "decline")
            sketch.add(
                Node(0, f"approve {tool.name}", "ask", ("call",), ("verdict",), answers=answers, question=question),
                To("act", on="approve"),
                To("declined", on="decline"),
            )
        declined = Work(self.calls.declined, (("call", "call"),))
        sketch.add(Node(0, "declined", "task", ("call",), ("messages",), work=declined), To("done"))

    def _calls(self, name: str, tools: Sequence[Tool]) -> Node:
        work = Work(self.calls.call, (("call", "call"),), "context", is_async=True)
        about: dict[str, Json] = {"tools": [t.name for t in tools]}
        if keyed := [t.name for t in tools if t.context is not None and t in self.place.acting]:
            about["keyed"] = keyed  # they may hand on the key that is the same for every attempt
        # Each tool says itself how often and after which wait it is tried again, by the error that it raises.
        attempts = max((t.retry.attempts for t in tools if t.retry is not None), default=1)
        retry = Retry(attempts, wait_s=0.0, jitter=0.0, on=ToolFailed) if attempts > 1 else None
        return Node(0, name, "task", ("call",), ("messages",), about=about, work=work, retry=retry)


def _params(fields: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, name) for name in fields)


def _any_left(lists: Sequence[str]) -> Guard:
    some: list[Tree] = [Compare(">", Size(Read(name)), Constant(0)) for name in lists]
    return Guard(Or(tuple(some)) if len(some) > 1 else some[0])
