"""Traps that users of other frameworks fall into at run time, written as flows: each is reported before it runs."""

from __future__ import annotations

from typing import Any, Literal, cast

from pydantic import BaseModel

from graphrt import Flow
from graphrt.checks import Finding, check


class Report(BaseModel):
    """What the flows are about."""

    query: str
    route: Literal["web", "archive"] | None = None
    web: str = ""
    archive: str = ""
    text: str = ""
    score: float = 0.0


def only(flow: Flow[Report], code: str) -> Finding:
    """Return the only finding of a rule."""
    (found,) = (f for f in check(flow) if f.code == code)
    return found


def begin() -> None:
    """Begin."""


def begin_with_score() -> float:
    """Begin with a number."""
    return 0.5


def search(query: str) -> str:
    """Search somewhere."""
    return query


def grade(text: str) -> float:
    """Grade a text."""
    return float(len(text))


def route_of(query: str) -> Literal["web", "archive"]:
    """Choose a source."""
    return "web" if "http" in query else "archive"


def test_unreachable_node() -> None:
    """A node without an edge to it, which elsewhere is compiled without a word, or found when it is drawn."""
    flow = Flow("report", Report)
    s = flow.state
    first = flow.task(writes=s.text)(search)
    flow.task(writes=s.score)(grade)
    flow.start(first)
    assert "node 'grade' cannot be reached from 'search'" in only(flow, "GR101").message


def test_join_whose_parent_is_skipped() -> None:
    """One parent of a join may not run: what it would have written is read behind the join all the same."""
    flow = Flow("report", Report)
    s = flow.state
    start = flow.task(writes=s.score, name="start")(begin_with_score)
    web = flow.task(writes=s.web, name="web")(search)
    archive = flow.task(writes=s.archive, name="archive")(search)
    both = flow.join("both")

    @flow.task(writes=s.text)
    def write(web: str, archive: str) -> str:
        return web + archive

    flow.fork(start, web, when=s.score > 0.4)
    flow.fork(start, archive)
    flow.edge([web, archive], both)
    flow.edge(both, write)
    found = only(flow, "GR301")
    assert found.path == ("start", "archive", "both", "write")
    assert "'write' reads 'web', which on the way start → archive → both → write nobody has written" in found.message


def test_two_guards_to_one_target() -> None:
    """Two conditions that lead to one target: in a fork both may hold, and the target runs twice."""
    flow = Flow("report", Report)
    s = flow.state
    first = flow.task(writes=s.score, name="first")(begin_with_score)
    mail = flow.task(name="mail")(begin)
    log = flow.task(name="log")(begin)
    flow.fork(first, mail, when=s.score > 0.5)
    flow.fork(first, mail, when=s.score > 0.8)
    flow.fork(first, log)
    assert "'mail' is visited once by each branch of 'first'" in only(flow, "GR109").message


def test_the_second_of_two_guards_to_one_target_is_shadowed() -> None:
    """Where the first match is taken, the narrower condition behind the wider one never gets its turn."""
    flow = Flow("report", Report)
    s = flow.state
    first = flow.task(writes=s.score, name="first")(begin_with_score)
    mail = flow.task(name="mail")(begin)
    log = flow.task(name="log")(begin)
    flow.edge(first, mail, when=s.score > 0.5)
    flow.edge(first, mail, when=s.score > 0.8)
    flow.edge(first, log)
    assert (found := only(flow, "GR202")).edge == 1
    assert "edge 0 ('first' -> 'mail' when score > 0.5) takes everything that it would" in found.message


def test_guards_of_a_fork_that_exclude_each_other_are_no_trap() -> None:
    """Two guards to one target that never hold together run it once; nothing is reported."""
    flow = Flow("report", Report)
    s = flow.state
    first = flow.task(writes=s.score, name="first")(begin_with_score)
    mail = flow.task(name="mail")(begin)
    log = flow.task(name="log")(begin)
    flow.fork(first, mail, when=s.score > 0.8)
    flow.fork(first, mail, when=s.score < 0.5)
    flow.fork(first, log)
    assert [f for f in check(flow) if f.code == "GR109"] == []


def test_misspelt_route() -> None:
    """A route that the router never answers, which elsewhere fails when it is first taken, or ends the run silently."""
    flow = Flow("report", Report)
    s = flow.state
    router = flow.router("route", route_of, writes=s.route)
    web = flow.task(writes=s.web, name="web")(search)
    archive = flow.task(writes=s.archive, name="archive")(search)
    flow.edge(router, web, on="web")
    flow.edge(router, archive, on=cast("Any", "archives"))
    found = {f.code: f.message for f in check(flow)}
    assert "'route' never answers 'archives'" in found["GR208"]
    assert "Did you mean 'archive'?" in found["GR208"]
    assert "'route' can answer 'archive', but no edge says where to go" in found["GR209"]


def test_parallel_write() -> None:
    """Two branches write one plain field, which elsewhere fails in the middle of the run, or loses a value."""
    flow = Flow("report", Report)
    s = flow.state
    start = flow.task(name="start")(begin)
    web = flow.task(writes=s.text, name="web")(search)
    archive = flow.task(writes=s.text, name="archive")(search)
    both = flow.join("both")
    flow.fork(start, [web, archive])
    flow.edge([web, archive], both)
    found = only(flow, "GR304")
    assert found.nodes == ("start", "web", "archive")
    assert "'web' and 'archive' write 'text' in two branches of 'start', side by side" in found.message
