"""RAG with a grading loop."""

from __future__ import annotations

from pydantic import BaseModel

from graphrt import Agent, Flow, let, size


class Doc(BaseModel):
    url: str
    text: str


class Answering(BaseModel):
    question: str
    query: str = ""
    docs: list[Doc] = []
    relevant: list[Doc] = []
    answer: str = ""
    grounded: bool = False
    useful: bool = False
    rewrites: int = 0


flow = Flow("rag", Answering)
s = flow.state


@flow.task(writes=s.query)
def start(question: str) -> str:
    return question


@flow.task(writes=s.docs, retry=3, timeout=10)
async def retrieve(query: str) -> list[Doc]:
    return [Doc(url="a", text=query)]


@flow.task(writes=s.relevant)
def keep_relevant(docs: list[Doc], question: str) -> list[Doc]:
    return [d for d in docs if question in d.text]


rewrite = flow.agent("rewrite", Agent("Rewrite the query."), reads=(s.question, s.query), writes=s.query)
generate = flow.agent("generate", Agent("Answer from documents."), reads=(s.question, s.relevant), writes=s.answer)
check_grounded = flow.agent("check_grounded", Agent("Is it grounded?"), reads=(s.answer, s.relevant), writes=s.grounded)
check_useful = flow.agent("check_useful", Agent("Does it answer?"), reads=(s.answer, s.question), writes=s.useful)
done = flow.end("done")
gave_up = flow.end("gave_up", failure=True)
flow.edge(start, retrieve)
flow.edge(retrieve, keep_relevant)
flow.edge(keep_relevant, generate, when=size(s.relevant) > 0)
flow.edge(keep_relevant, rewrite, at_most=2)
flow.edge(keep_relevant, gave_up)
flow.edge(rewrite, retrieve)
flow.edge(generate, check_grounded)
flow.edge(check_grounded, check_useful, when=s.grounded)
flow.edge(check_grounded, generate, at_most=2)
flow.edge(check_grounded, gave_up)
flow.edge(check_useful, done, when=s.useful)
flow.edge(check_useful, rewrite, set=let(s.rewrites).be(s.rewrites + 1), at_most=2)
flow.edge(check_useful, gave_up)
