"""Research, then a report: two agents one after the other; the first hands on checked data.

graphrt chat graphs/report.py "The history of tea"
"""

from __future__ import annotations

from pydantic import BaseModel, Field

from graphrt import Agent, member, sequential


class Findings(BaseModel):
    """What the researcher hands on."""

    facts: list[str] = Field(min_length=1, description="Each in one sentence.")
    open_questions: list[str] = []


researcher = Agent("Collect what is known about the subject, and what is not.", name="researcher")
reporter = Agent("Write reports: a title, a paragraph for each fact, the open questions last.", name="reporter")

flow = sequential(
    member(researcher, output=Findings),
    member(reporter, instructions="Write the report from these findings, and from nothing else."),
    name="report",
)
