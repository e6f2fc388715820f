"""Instructions of an agent with a field in braces, which nothing fills in.

Instructions are sent as they are. What an agent reads is filled into `prompt`: name the field there, and keep the
instructions the same for every run, which also lets endpoints cache them.

Example:
    class Ticket(BaseModel):
        message: str
        tone: str
        reply: str = ""


    flow = Flow("support", Ticket)
    s = flow.state
    flow.agent("answer", Agent("Answer in a {tone} tone."), reads=(s.message, s.tone), writes=s.reply)

Instead:
    class Ticket(BaseModel):
        message: str
        tone: str
        reply: str = ""


    flow = Flow("support", Ticket)
    s = flow.state
    answer = Agent("Answer in the tone that is asked for.", prompt="Tone: {tone}. Message: {message}")
    flow.agent("answer", answer, reads=(s.message, s.tone), writes=s.reply)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from graphrt.checks.finding import Found
from graphrt.checks.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.checks.subject import Subject


def _find(at: Subject) -> Iterator[Found]:
    for n in at.nodes:
        for name in dict.fromkeys(re.findall(r"\{(\w+)\}", str(n.about.get("instructions", "")))):
            if name in at.graph.field:
                yield Found(
                    message=f"the instructions of {n.name!r} name {{{name}}}, but nothing is filled into instructions;"
                    f" name it in Agent(prompt=…), and let the node read {name!r}",
                    node=n,
                )


RULE = Rule("GR406", "unfilled-instructions", "warning", _find, __doc__)
