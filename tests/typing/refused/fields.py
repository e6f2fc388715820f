"""Mistakes with the fields of a state."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

from pydantic import BaseModel

from graphrt import Flow, append, contains, extend, is_none, let, matches, not_, size


class Customer(BaseModel):
    name: str = ""


class Ticket(BaseModel):
    message: str = ""
    customer: Customer = Customer()
    topic: Literal["billing", "bug"] | None = None
    facts: Annotated[list[str], append] = []
    queries: Annotated[list[str], extend] = []
    score: float = 0.0
    rounds: int = 0
    urgent: bool = False


@dataclasses.dataclass
class Plain:
    message: str = ""


flow = Flow("fields", Ticket)
s = flow.state
begin, end = flow.task(lambda: None), flow.end("end")

Flow("plain", Plain)  # error: a state is a pydantic model
Flow("dict", dict)  # error: and no mapping
Flow(Ticket)  # error: a flow has a name

flow.edge(begin, end, when=s.mesage == "")  # error: no such field
flow.edge(begin, end, when=s.customer.nam == "")  # error: no such field inside
flow.edge(begin, end, when=s.score.startswith("a"))  # error: a number has no such method
flow.edge(begin, end, when=s.topic == "biling")  # error: no such topic
flow.edge(begin, end, when=s.score < "0.8")  # error: a number is compared with a text
flow.edge(begin, end, when=size(s.score) > 1)  # error: a number has no size
flow.edge(begin, end, when=contains(s.score, 1))  # error: a number contains nothing
flow.edge(begin, end, when=matches(s.score, "^0"))  # error: a number matches no pattern
flow.edge(begin, end, when=not_(s.score))  # error: a number is no condition
flow.edge(begin, end, when=(s.score < 1) & s.facts)  # error: a list is no condition
flow.edge(begin, end, when=s.score)  # error: a number is no guard
flow.edge(begin, end, when="score < 0.8")  # error: a guard is no text
flow.edge(begin, end, when=is_none())  # error: nothing is asked

flow.edge(begin, end, set=let(s.rounds).be("one"))  # error: a number is set to a text
flow.edge(begin, end, set=let(s.rounds).be(s.message))  # error: a number is set to a field of texts
flow.edge(begin, end, set=let(s.rounds).be(s.score / 2))  # error: a whole number is set to a fraction
flow.edge(begin, end, set=let(s.topic).be("biling"))  # error: no such topic
flow.edge(begin, end, set=let(s.facts).be("a fact"))  # error: a list is set to an item
flow.edge(begin, end, set=let(s.facts).be([1]))  # error: a list of texts is set to one of numbers
flow.edge(begin, end, set=let(s.facts).take(1))  # error: a list of texts takes no number
flow.edge(begin, end, set=let(s.facts).take([1]))  # error: a list of texts takes no numbers
flow.edge(begin, end, set=let(s.rounds).take("one"))  # error: a number takes no text
flow.edge(begin, end, set=let(s.rounds))  # error: set to what?
flow.edge(begin, end, set=s.rounds + 1)  # error: a value is no assignment
flow.edge(begin, end, set={"rounds": 1})  # error: assignments are no mapping
flow.task(writes=s.message, reads={"text": s.customer.nme})(str.upper)  # error: no such part of the field
s.rounds = "one"  # error: fields are not assigned here, and not to a text
