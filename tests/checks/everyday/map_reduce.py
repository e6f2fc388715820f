"""Map-reduce over files."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel

from graphrt import Agent, Flow, merge


class Counting(BaseModel):
    folder: str
    files: list[str] = []
    file: str = ""
    counts: Annotated[dict[str, int], merge] = {}
    total: int = 0
    report: str = ""


flow = Flow("count", Counting)
s = flow.state


@flow.task(writes=s.files)
def find(folder: str) -> list[str]:
    return [folder + "/a", folder + "/b"]


@flow.task(writes=s.counts, retry=2)
async def count(file: str) -> dict[str, int]:
    return {file: len(file)}


gathered = flow.join("gathered")


@flow.task(writes=s.total)
def reduce(counts: dict[str, int]) -> int:
    return sum(counts.values())


summarise = flow.agent("summarise", Agent("Summarise."), reads=(s.counts, s.total), writes=s.report)
flow.each(find, count, item=s.file, of=s.files, at_once=8)
flow.edge(count, gathered)
flow.edge(count, gathered, on=OSError)
flow.edge(gathered, reduce)
flow.edge(reduce, summarise)
