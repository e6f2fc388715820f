"""Research: a planner splits the question, researchers work on its parts, two at a time, a reporter sums up.

What they can search is a folder of short pages, `graphs/library`. A part that cannot be looked into is reported as a
gap, and fails nobody else.

    graphrt run graphs/research.py --input "Compare tea and coffee."
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from graphrt import Agent, Flow, append

LIBRARY = Path(__file__).parent / "library"


class Research(BaseModel):
    """A question, and what was found out about it."""

    question: str
    topics: Annotated[list[str], Field(max_length=5, description="Subjects to look up, each in a word or two.")] = []
    topic: str = ""
    findings: Annotated[list[str], append] = []
    report: str = ""


def look_up(subject: str) -> str:
    """Look a subject up in the library; one or two words are best."""
    words = set(re.findall(r"\w{3,}", subject.lower()))
    for page in sorted(LIBRARY.glob("*.md")):
        if page.stem in words:
            return page.read_text("utf-8").partition("\n\n")[2].replace("\n", " ").strip()
    raise LookupError(f"the library has no page on {subject!r}")


planner = Agent(
    "Which subjects must be looked up to answer the question?",
    examples=[
        ("Is chess older than poker?", ["chess", "poker"]),
        ("How do cats sleep?", ["cats"]),
        ("Compare gold, silver and tin.", ["gold", "silver", "tin"]),
        ("What is the difference between lakes and rivers?", ["lakes", "rivers"]),
    ],
)
researcher = Agent(
    "Look the subject up, and say in a few sentences what the library has on it.",
    tools=[look_up],
    examples=[
        ("chess", {"tool": "look_up", "arguments": {"subject": "chess"}}),
        ("cats", {"tool": "look_up", "arguments": {"subject": "cats"}}),
    ],
    max_turns=4,
)
reporter = Agent(
    "Answer the question in a short paragraph, from the findings and from nothing else; name what is missing.",
    examples=[
        (
            {
                "question": "Compare gold and tin.",
                "findings": ["Gold is a metal. It is yellow. It is heavy.", "Tin is a metal. It is white. It is soft."],
            },
            "Gold is yellow and heavy, tin is white and soft.",
        ),
        (
            {
                "question": "Is chess older than poker?",
                "findings": ["Chess was born in India in about 600.", "Poker was born in America in about 1800."],
            },
            "Chess was born in India in about 600 and poker in America in about 1800, so chess is older.",
        ),
        (
            {
                "question": "How much do foxes and wolves weigh?",
                "findings": ["A fox has red fur. It weighs 6 kg.", "A wolf lives in a pack. It weighs 40 kg."],
            },
            "A fox weighs 6 kg, and a wolf weighs 40 kg.",
        ),
    ],
)

flow = Flow("research", Research)
s = flow.state

plan = flow.agent("plan", planner, reads=s.question, writes=s.topics)
research = flow.agent("research", researcher, reads=s.topic, writes=s.findings, timeout="2m")


@flow.task(writes=s.findings)
def gap(topic: str) -> str:
    """Say what could not be found out."""
    return f"Nothing could be found out about {topic}."


gathered = flow.join("gathered")
report = flow.agent("report", reporter, reads=(s.question, s.findings), writes=s.report)

flow.each(plan, research, item=s.topic, of=s.topics, at_once=2)
flow.edge(research, gap, on=Exception)
flow.edge([research, gap], gathered)
flow.edge(gathered, report)
