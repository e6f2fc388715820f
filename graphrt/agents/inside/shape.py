"""The shape of the graph inside an agent: its state, its nodes, its edges."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, create_model

from graphrt.agents.errors import ToolFailed
from graphrt.agents.inside.asking import Asking
from graphrt.agents.inside.calling import FREELY, Calling
from graphrt.agents.inside.sketch import Sketch, To
from graphrt.agents.messages import Message, ToolCall
from graphrt.graph import Each, Node, Retry, Work
from graphrt.guards import Compare, Constant, Guard, Or, Read, Size
from graphrt.recorded import type_name
from graphrt.reducers import extend

if TYPE_CHECKING:
    from graphrt.agents.inside.place import Place
    from graphrt.agents.tools import Tool
    from graphrt.guards import Tree
    from graphrt.inputs import Json


class Shape:
    """Makes state and nodes for one agent in its place."""

    def __init__(self, place: Place) -> None:
        """Make the shape of an agent in `place`."""
        self.place = place
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
        if place.is_data:
            fields["refused"] = (str, "")
        fields["output"] = (place.output | None, None)
        name = "".join(part.capitalize() for part in re.split(r"\W+", place.spec.node)) or "Agent"
        return create_model(f"{name}State", **fields)

    def nodes(self) -> tuple[Node, ...]:
        """Return the nodes with their edges; joins do not know their openers yet."""
        place = self.place
        sketch = Sketch()
        retry = place.spec.retry or place.agent.retry
        reads = tuple(place.names.values())
        if place.agent.tools:
            self._tool_loop(sketch)
        elif place.is_text or place.spec.answers:
            work = Work(self.asks.once, _params(reads), "context", is_async=True)
            sketch.add(Node(0, "model", "task", reads, ("output",), retry=retry, work=work))
        else:
            self._data(sketch, "model")
        return sketch.wired()

    def _data(self, sketch: Sketch, name: str) -> None:
        """Ask for data until it fits, or the repairs are used up."""
        place = self.place
        reads = (*place.names.values(), "messages", "refused")
        work = Work(self.asks.filled, _params(reads), "context", is_async=True)
        writes = ("messages", "refused", "output")
        retry = place.spec.retry or place.agent.retry
        bad = Guard(Compare("!=", Read("refused"), Constant("")))
        sketch.add(
            Node(0, name, "task", reads, writes, retry=retry, work=work),
            To(name, when=bad, at_most=place.agent.repairs) if place.agent.repairs else None,
            To("refused", when=bad),
            To("answered"),
        )
        sketch.add(Node(0, "refused", "task", ("refused",), work=Work(self.asks.refuse, (("refused", "refused"),))))
        sketch.add(Node(0, "answered", "end"))

    def _tool_loop(self, sketch: Sketch) -> None:
        place = self.place
        retry = place.spec.retry or place.agent.retry
        reads = (*place.names.values(), "messages")
        turning = (*reads, "wrong_calls")
        turn = Work(self.asks.turn, _params(turning), "context", is_async=True)
        writes = ("messages", *place.lists, "wrong_calls", *(("output",) if place.is_text else ()))
        sketch.add(
            Node(0, "model", "task", turning, writes, retry=retry, work=turn),
            To("tool", when=_any_left(place.lists), each=Each("calls", "call", place.agent.at_once)),
            To("answered" if place.is_text else "answer"),
        )
        hopeless = Guard(Compare(">", Size(Read("wrong_calls")), Constant(place.agent.repairs)))
        again = (To("calls refused", when=hopeless), To("model", at_most=place.agent.max_turns - 1), To("turn limit"))
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
        if place.is_text:
            sketch.add(Node(0, "answered", "end"))
        elif place.spec.answers:
            work = Work(self.asks.chosen, _params(reads), "context", is_async=True)
            sketch.add(Node(0, "answer", "task", reads, ("output",), retry=retry, work=work))
        else:
            self._data(sketch, "answer")

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
        retry = Retry(attempts, wait_s=0.0, jitter=0.0, on=(type_name(ToolFailed),)) if attempts > 1 else None
        return Node(0, name, "task", ("call",), ("messages",), about=about, work=work, retry=retry)


def _params(fields: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, name) for name in fields)


def _any_left(lists: Sequence[str]) -> Guard:
    some: list[Tree] = [Compare(">", Size(Read(name)), Constant(0)) for name in lists]
    return Guard(Or(tuple(some)) if len(some) > 1 else some[0])
