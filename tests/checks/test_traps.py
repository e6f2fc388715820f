"""Traps that users of other frameworks fall into at run time, written as flows: each is reported before it runs."""

from __future__ import annotations

from typing import Any, Literal, cast

from pydantic import BaseModel

from graphrt import Agent, Flow, Node
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


def is_good(score: float) -> bool:
    """Judge a grade."""
    return score > 0.5


def is_bad(score: float) -> bool:
    """Judge a grade."""
    return score < 0.5


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
    assert "edge 1 ('first' -> 'mail' when score > 0.5) takes everything that it would" in found.message


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


# -- edges that compete -----------------------------------------------------------------------------------------------


def graded(name: str = "report") -> tuple[Flow[Report], Any, Node, Node]:
    """Return a flow that begins with a grade, and two ends."""
    flow = Flow(name, Report)
    first = flow.task(writes=flow.state.score, name="grade")(grade)
    return flow, first, flow.end("good"), flow.end("bad")


def test_a_plain_edge_before_a_conditional_one() -> None:
    """Elsewhere both are taken, or the condition is never asked; here the first match is taken, so it is reported."""
    flow, first, good, bad = graded()
    flow.edge(first, good)
    flow.edge(first, bad, when=flow.state.score < 0.5)
    found = only(flow, "GR202")
    assert "edge 2 ('grade' -> 'bad' when score < 0.5) is never taken: edge 1 ('grade' -> 'good')" in found.message
    assert "so 'bad' is never reached" in found.message


def test_no_condition_holds() -> None:
    """Elsewhere the run ends there without a word; the state in which it would is told before."""
    flow, first, good, bad = graded()
    flow.edge(first, good, when=flow.state.score > 0.5)
    flow.edge(first, bad, when=flow.state.score < 0.5)
    assert only(flow, "GR201").witness == {"score": 0.5}


def test_cases_without_a_default() -> None:
    """Elsewhere a message that no case takes is dropped; whether functions take every state cannot be decided."""
    flow, first, good, bad = graded()
    flow.edge(first, good, when=is_good)
    flow.edge(first, bad, when=is_bad)
    assert "it is not decided whether one of the guards of 'grade' always holds" in only(flow, "GR206").message


def test_a_value_that_is_not_there_yet_is_compared() -> None:
    """Elsewhere the comparison of None with a number raises in the middle of the run."""

    class Draft(BaseModel):
        text: str
        rating: float | None = None

    flow = Flow("draft", Draft)
    s = flow.state

    @flow.task
    def send(text: str) -> None: ...

    flow.edge(send, flow.end("good"), when=cast("Any", s.rating) > 0.5)
    flow.edge(send, flow.end("bad"))
    found = next(f for f in check(flow) if f.code == "GR205")
    assert found.witness == {"rating": None}
    assert "rating = None: the guard of edge 1" in found.message


def test_one_edge_written_twice() -> None:
    """Elsewhere refused without a place, or the target runs twice."""
    flow, first, good, bad = graded()
    flow.edge(first, good, when=flow.state.score > 0.5)
    flow.edge(first, good, when=flow.state.score > 0.5)
    flow.edge(first, bad)
    assert "edges 1 and 2 of 'grade' both lead to 'good' on the same conditions" in only(flow, "GR106").message


# -- values that get lost ---------------------------------------------------------------------------------------------


def test_what_one_node_wrote_is_overwritten_by_the_next() -> None:
    """A list without a reducer: elsewhere the second answer silently replaces the first."""
    flow = Flow("report", Report)
    s = flow.state
    first = flow.task(writes=s.text, name="first")(search)
    second = flow.task(writes=s.text, name="second")(search)
    flow.edge(first, second)
    found = only(flow, "GR302")
    assert found.node == "first"
    assert "is replaced by 'second' before anything reads it" in found.message


def test_branches_of_unequal_length_meet_at_a_node() -> None:
    """Elsewhere the node where they meet runs as soon as the short one is there, and once more for the long one."""
    flow = Flow("report", Report)
    s = flow.state
    start = flow.task(name="start")(begin)
    short = flow.task(writes=s.web, name="short")(search)
    long = flow.task(writes=s.archive, name="long")(search)
    longer = flow.task(writes=s.score, name="longer")(grade)
    meet = flow.task(name="meet")(begin)
    flow.fork(start, [short, long])
    flow.edge(long, longer)
    flow.edge([short, longer], meet)
    found = only(flow, "GR109")
    assert (found.node, found.path) == ("meet", ("start", "short", "meet"))
    assert "start → long → longer → meet" in found.message


def test_a_value_of_another_type_than_the_next_node_takes() -> None:
    """Elsewhere no handler takes the message, or a validator fails in the middle of the run."""
    flow = Flow("report", Report)
    flow.task(writes=cast("Any", flow.state.score), name="first")(search)
    (found,) = check(flow)
    assert (found.code, found.name) == ("GR305", "assignment-type")
    assert "'first'" in found.message


# -- runs that do not end ---------------------------------------------------------------------------------------------


def test_an_agent_and_its_critic_talk_for_ever() -> None:
    """Elsewhere a recursion limit, whose default nobody remembers, breaks it off and the work is lost."""
    flow = Flow("report", Report)
    s = flow.state
    write = flow.agent("write", Agent("Write."), reads=s.query, writes=s.text)
    review = flow.agent("review", Agent("Grade it."), reads=s.text, writes=s.score)
    flow.start(write)
    flow.edge(write, review)
    flow.edge(review, flow.end("done"), when=s.score > 0.8)
    flow.edge(review, write)
    assert "nothing bounds the cycle review → write → review: only a model decides" in only(flow, "GR105").message


def test_failing_for_ever() -> None:
    """An edge back on every error is a retry without an end, without a wait and without a word."""
    flow = Flow("report", Report)
    first = flow.task(writes=flow.state.text, name="first")(search)
    flow.start(first)
    flow.edge(first, flow.end("done"))
    flow.edge(first, first, on=Exception)
    assert "as long as 'first' fails with Exception" in only(flow, "GR105").message
