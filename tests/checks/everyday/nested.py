"""Nested subflows."""

from __future__ import annotations

from typing import Annotated, cast

from pydantic import BaseModel

from graphrt import Agent, Flow, append, let


class Section(BaseModel):
    heading: str
    notes: str = ""
    text: str = ""
    score: float = 0.0


section = Flow("section", Section)
t = section.state
research = section.agent("research", Agent("Research."), reads=t.heading, writes=t.notes)
write = section.agent("write", Agent("Write."), reads=(t.heading, t.notes), writes=t.text)
grade = section.agent("grade", Agent("Grade."), reads=t.text, writes=t.score)
section.edge(research, write)
section.edge(write, grade)
section.edge(grade, write, when=t.score < 0.7, at_most=2)
section.edge(grade, section.end("written"))


class Book(BaseModel):
    title: str
    headings: list[str] = []
    heading: str = ""
    sections: Annotated[list[str], append] = []
    book: str = ""


flow = Flow("book", Book)
s = flow.state
plan = flow.agent("plan", Agent("Plan chapters."), reads=s.title, writes=s.headings)
chapter = flow.subflow(
    "chapter", section, inputs=let(t.heading).be(s.heading), outputs=let(s.sections).be(cast("list[str]", t.text))
)
bound = flow.join("bound")


@flow.task(writes=s.book)
def bind(title: str, sections: list[str]) -> str:
    return title + "".join(sections)


flow.each(plan, chapter, item=s.heading, of=s.headings)
flow.edge(chapter, bound)
flow.edge(bound, bind)
