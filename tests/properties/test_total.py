"""Whatever comes, the stepper answers with events or a typed refusal, and a refused input changes nothing."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from graphrt import replay
from graphrt.errors import UseError
from graphrt.graph import Graph
from graphrt.inputs import (
    Answered,
    AttemptFailed,
    AttemptStarted,
    AttemptSucceeded,
    Cancelled,
    Forked,
    Input,
    Limits,
    Resumed,
    Started,
    TimerFired,
    Usage,
)
from graphrt.stepper import Stepper
from tests.driving import Driver, Refused, build, ended, error, initial
from tests.properties import invariants
from tests.strategies import ORDERS, WILD, World, graphs, moves, worlds

LIMITS = st.none() | st.builds(
    Limits,
    visits=st.none() | st.integers(0, 30),
    active_s=st.none() | st.floats(0, 20),
    tokens=st.none() | st.integers(0, 50),
    cost_usd=st.none() | st.floats(0, 5),
)


def _wrong_inputs(driver: Driver, rnd: random.Random) -> list[Input]:
    """Return inputs that cannot be right now."""
    visit = rnd.choice([*driver.visits, "0", "99", "0.0.0", "1/0", "", "x"])
    attempt = rnd.randrange(4)
    found: list[Input] = [
        Started("r", initial(driver.graph, {})),
        Forked("f", "r", "99"),
        Forked("f", "r", visit, {"nosuch": 1}),
        Forked("f", "r", visit, {"n": "many"}),
        TimerFired(visit, "nosuch"),
    ]
    begun = driver.ready.get(visit)
    if begun is None or begun.attempt != attempt:
        found.append(AttemptStarted(visit, attempt))
    running = driver.running.get(visit)
    if running is None or running.attempt != attempt:
        found += [AttemptSucceeded(visit, attempt), AttemptFailed(visit, attempt, error())]
    else:
        found.append(AttemptSucceeded(visit, attempt, {"nosuch": 1}))
    found += [TimerFired(visit, kind) for kind in ("retry", "deadline") if (visit, kind) not in driver.timers]
    asked = driver.stepper.questions.get(visit)
    found += [Answered(visit, {"no": "answer"}), Answered(visit, 7), Answered(visit, None)]
    if asked is None:
        found.append(Answered(visit, "yes"))
    if driver.status not in {"running", "suspended"}:
        found.append(Cancelled())
    if driver.status == "completed":
        found.append(Resumed())
    return found


def _fingerprint(driver: Driver) -> tuple[Any, ...]:
    """Return all that can be seen of a stepper."""
    s = driver.stepper
    totals = (s.totals.visits, s.totals.active_s, s.totals.tokens, s.totals.cost_usd)
    books = (dict(s.questions), dict(s.timers), dict(s.attempts), s.visits, totals)
    return s.status, s.run, s.error, s.failed_at, s.end, repr(s.partial), repr(s.state), books


def _move(driver: Driver, world: World, rnd: random.Random) -> Driver:
    """Let something happen that may happen to a run: mostly what it waits for, at times an interruption."""
    found = [*moves(driver), *(("deadline", v) for v, kind in driver.timers if kind == "deadline")]
    draw = rnd.random()
    if driver.status in {"running", "suspended"} and draw < 0.02:
        driver.cancel()
    elif draw < 0.05 and driver.status != "new":
        return driver.crashed()
    elif found:
        what, visit = rnd.choice(found)
        _perform(driver, world, rnd, what, visit)
    elif driver.status != "completed":
        driver.resume(rnd.choice((None, Limits(), Limits(visits=driver.stepper.totals.visits + 5))))
    return driver


def _perform(driver: Driver, world: World, rnd: random.Random, what: str, visit: str) -> None:
    match what:
        case "begin":
            driver.begin(visit)
        case "fire":
            driver.fire(visit, "retry")
        case "deadline":
            driver.fire(visit, "deadline")
        case "answer":
            answers = driver.stepper.questions[visit].answers
            driver.answer(visit, rnd.choice(answers) if answers else ["text"])
        case _:
            command = driver.running[visit]
            usage = rnd.choice((None, Usage("m", 1, 2, 0.25), Usage("m")))
            if rnd.random() < 0.15:
                driver.fail(visit, error(rnd.choice((ValueError, KeyError))), duration_s=1.0, usage=usage)
            elif rnd.random() < 0.05:
                driver.ok(visit, total="no number")
            else:
                driver.ok(visit, duration_s=0.5, usage=usage, **world.writes(command))


def test_a_wrong_opener_hides_no_other_join() -> None:
    """A join that names a node which it does not follow is refused, and so are graphs with more joins behind it."""
    edges = [("s", "a"), ("s", "b"), ("a", "x"), ("x", "J"), ("b", "K"), ("J", "L"), ("K", "L"), ("L", "M")]
    with pytest.raises(Refused, match=r"^join-of$"):
        build(edges, joins="J K L M", forks="s", nodes={"L": {"of": "J"}})


@given(graphs(WILD), worlds(), LIMITS, ORDERS)
def test_total(graph: Graph, world: World, limits: Limits | None, order: int) -> None:
    """Right inputs and wrong ones, crashes, cancellations, failures, limits, deadlines, in any order."""
    rnd = random.Random(order)
    driver = Driver(graph).start(limits=limits, items=list(world.items))
    for _ in range(rnd.randrange(200)):
        invariants.hold(driver)
        before = _fingerprint(driver)
        for wrong in rnd.sample(_wrong_inputs(driver, rnd), 3):
            with pytest.raises(UseError):
                driver.stepper.feed(driver.at, wrong)
        assert _fingerprint(driver) == before
        driver = _move(driver, world, rnd)
        if driver.status == "completed":
            break
    event(driver.status)
    if driver.status == "completed" and driver.stepper.end is None:
        assert ended(driver)
    stepper = Stepper(graph)
    for record in driver.records:
        assert stepper.feed(record.at, record.input)[0] == record.events
    assert replay.fold(driver.trace).status == driver.status
