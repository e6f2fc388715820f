"""Scraper with pagination."""

from __future__ import annotations

from typing import Annotated, cast

from pydantic import BaseModel

from graphrt import Flow, extend, is_none, let, not_


class Crawl(BaseModel):
    url: str
    html: str = ""
    next: str | None = None
    pages: int = 0
    items: Annotated[list[str], extend] = []


flow = Flow("crawl", Crawl)
s = flow.state


@flow.task(writes=s.html, retry=3, timeout=30)
async def fetch(url: str) -> str:
    return url


@flow.task(writes=(s.items, s.next))
def parse(html: str) -> tuple[list[str], str | None]:
    return [html], None


@flow.task
def save(items: list[str]) -> None: ...


blocked = flow.end("blocked", failure=True)
flow.start(fetch)
flow.edge(fetch, parse)
flow.edge(fetch, blocked, on=ConnectionError)
flow.edge(
    parse,
    fetch,
    when=not_(is_none(s.next)) & (s.pages < 50),
    set=[let(s.url).be(cast("str", s.next)), let(s.pages).be(s.pages + 1)],
)
flow.edge(parse, save)
