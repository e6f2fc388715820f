"""ETL."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel

from graphrt import Flow, Retry, add, size


class Load(BaseModel):
    source: str
    rows: list[dict[str, str]] = []
    bad: list[dict[str, str]] = []
    loaded: Annotated[int, add] = 0
    mode: Literal["full", "delta"] = "delta"


flow = Flow("etl", Load)
s = flow.state


@flow.task(writes=s.rows, retry=Retry(attempts=5))
async def extract(source: str) -> list[dict[str, str]]:
    return []


@flow.task(writes=(s.rows, s.bad))
def clean(rows: list[dict[str, str]]) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    return list(rows), []


@flow.task(writes=s.rows)
def transform(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return list(rows)


@flow.task(writes=s.loaded)
async def load_all(rows: list[dict[str, str]]) -> int:
    return len(rows)


@flow.task(writes=s.loaded)
async def load_changes(rows: list[dict[str, str]]) -> int:
    return len(rows)


@flow.task
def report(loaded: int, bad: list[dict[str, str]]) -> None: ...


quarantine = flow.end("quarantine", failure=True)
flow.edge(extract, clean)
flow.edge(clean, quarantine, when=size(s.bad) > 100)
flow.edge(clean, transform)
flow.edge(transform, load_all, when=s.mode == "full")
flow.edge(transform, load_changes, when=s.mode == "delta")
flow.edge([load_all, load_changes], report)
