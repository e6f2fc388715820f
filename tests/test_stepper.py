"""The state machine, one input at a time: attempts, errors, questions, limits, ends, and being taken up again."""

# A test of one module may look inside it:
# pyright: reportPrivateUsage=false
from __future__ import annotations

import itertools
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from graphrt.errors import AnswerRefused, InputRefused, UseError, WrongInput
from graphrt.events import (
    AttemptLost,
    AttemptRetried,
    Joined,
    LimitPassed,
    Routed,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunForked,
    RunResumed,
    RunSuspended,
    VisitCancelled,
    VisitCompleted,
    VisitFailed,
    VisitStarted,
    VisitWaiting,
)
from graphrt.fields import fields_of
from graphrt.graph import Each, Retry, graph_from_json
from graphrt.inputs import (
    Answered,
    AttemptFailed,
    AttemptStarted,
    AttemptSucceeded,
    Cancelled,
    Forked,
    Limits,
    Resumed,
    Started,
    TimerFired,
    Usage,
)
from tests.driving import Driver, be, build, each, ended, error, initial, plus, subgraph, when

CHAIN = build([("a", "b"), ("b", "c")])
DIAMOND = build([("f", "a"), ("f", "b"), ("a", "J"), ("b", "J"), ("J", "z")], forks="f", joins="J")
ASK = {"kind": "ask", "question": "Go on?", "answers": ("yes", "no"), "writes": ("note",)}
ASKING = build([("a", "q"), ("q", "b", {"on": "yes"}), ("q", "c", {"on": "no"})], nodes={"q": ASK})
NO_WAIT = Retry(3, wait_s=0)


def _retrying(retry: Retry | None = NO_WAIT, **more: Any) -> Driver:
    return Driver(build([("a", "b")], nodes={"a": {"retry": retry, **more}}))


class TestOneVisit:
    """What an attempt came to."""

    def test_runs_a_chain(self) -> None:
        """A chain runs node by node, each visit numbered and caused by the one before."""
        d = Driver(CHAIN).start().finish()
        assert d.status == "completed"
        assert d.visits == {"0": "a", "1": "b", "2": "c"}
        assert [e.causes for e in d.of(VisitStarted)] == [(), ("0",), ("1",)]
        assert d.state["log"] == ["a", "b", "c"]
        assert d.of(RunCompleted) == [RunCompleted(None, 3)]
        assert ended(d)

    def test_hands_the_state_to_each_attempt(self) -> None:
        """An attempt sees what was written before it."""
        d = Driver(CHAIN).start(n=4)
        assert d.ready["0"].state["n"] == 4
        d.ok("0", n=5)
        assert d.ready["1"].state["n"] == 5

    def test_records_nothing_twice(self) -> None:
        """What a visit wrote stands in its completion."""
        d = Driver(CHAIN).start()
        d.ok("0", n=1, log="x")
        assert d.of(VisitCompleted) == [VisitCompleted("0", "a", None, {"n": 1, "log": "x"})]

    def test_refuses_a_value_that_does_not_fit(self) -> None:
        """A bad value fails the attempt; it names node, field, expected type and value."""
        d = Driver(CHAIN).start()
        d.ok("0", n="many")
        assert d.status == "failed"
        assert d.stepper.error is not None
        assert d.stepper.error.type == "WriteRefused"
        assert all(word in d.stepper.error.message for word in ("'n'", "int", "many"))
        assert d.state["n"] == 0

    def test_refuses_a_field_that_the_node_does_not_declare(self) -> None:
        """A driver that reports an undeclared write is wrong, and nothing changes."""
        d = Driver(build([("a", "b")], nodes={"a": {"writes": ("n",)}})).start()
        d.begin("0")
        with pytest.raises(WrongInput, match="does not declare"):
            d.feed(AttemptSucceeded("0", 1, {"note": "x"}))
        assert d.stepper.attempts == {"0": 1}

    def test_fails_an_attempt_whose_reducer_raises(self) -> None:
        """A reducer of the author's that raises fails the attempt like a bad value; nothing is written."""
        d = Driver(build([("a", "b")], fields=OWN)).start()
        d.ok("0", picky=-1)
        assert d.stepper.error is not None
        assert (d.status, d.stepper.error.type) == ("failed", "WriteRefused")
        assert d.state["picky"] == 0

    def test_fails_the_run_where_a_reducer_raises_at_a_join(self) -> None:
        """A reducer may raise only when branches meet; that is an error of the run, not of the runtime."""
        g = build([("f", "a"), ("f", "b"), ("a", "J"), ("b", "J"), ("J", "z")], forks="f", joins="J", fields=OWN)
        d = Driver(g).start()
        d.ok("0")
        d.ok("0.0.0", picky=6)
        d.ok("0.1.0", picky=6)
        assert d.stepper.error is not None
        assert (d.status, d.stepper.error.type) == ("failed", "WriteRefused")

    def test_takes_a_router_by_its_answer(self) -> None:
        """A router leaves by the edges for its answer."""
        g = build(
            [("r", "a", {"on": "x"}), ("r", "b", {"on": "y"})],
            nodes={"r": {"kind": "router", "answers": ("x", "y"), "writes": ("note",)}},
        )
        d = Driver(g).start()
        d.ok("0", note="y")
        assert d.visits == {"0": "r", "1": "b"}
        assert d.of(VisitCompleted)[0].outcome == "y"

    def test_refuses_a_router_without_an_answer(self) -> None:
        """A driver has to say what a router answered; the attempt stays open."""
        g = build([("r", "a", {"on": "x"})], nodes={"r": {"kind": "router", "answers": ("x",), "writes": ("note",)}})
        d = Driver(g).start()
        d.begin("0")
        with pytest.raises(WrongInput, match="answers nothing"):
            d.feed(AttemptSucceeded("0", 1, {}))
        d.ok("0", note="x")
        assert d.visits["1"] == "a"


def _picky(old: int, new: int) -> int:
    if new < 0 or old + new > 10:
        raise ValueError("out of range")
    return old + new


class _Own(BaseModel):
    picky: Annotated[int, _picky] = 0


OWN = fields_of(_Own)[0]


class TestRouting:
    """Which edge is taken, and what is said about it."""

    def test_tells_the_verdict_of_every_edge(self) -> None:
        """False with the values read, used up with the count, not tried behind the one taken."""
        g = build([
            ("a", "b", {"when": when("n", ">", 5)}),
            ("a", "a", {"at_most": 1}),
            ("a", "c"),
            ("a", "b"),
        ])  # fmt: skip
        d = Driver(g).start()
        d.ok("0")
        d.ok("1")
        first, second = d.of(Routed)
        assert [v.result for v in first.verdicts] == ["false", "taken", "not tried", "not tried"]
        assert [v.result for v in second.verdicts] == ["false", "used up", "taken", "not tried"]
        assert first.verdicts[0].values == {"n": 0}
        assert [first.verdicts[1].count, second.verdicts[1].count] == [0, 1]

    def test_fails_where_no_edge_matches(self) -> None:
        """NoRoute lists the verdicts; the run does not end silently."""
        d = Driver(build([("a", "b", {"when": when("n", ">", 5)})])).start()
        d.ok("0", n=3)
        assert d.stepper.error is not None
        assert d.stepper.error.type == "NoRoute"
        assert "n = 3" in d.stepper.error.message
        assert d.stepper.failed_at == ("0", "a")

    def test_routes_again_after_a_resume(self) -> None:
        """What had completed and found no route tries again under the mended definition, without running again."""
        old = build([("a", "b", {"when": when("n", ">", 5)})])
        d = Driver(old).start()
        d.ok("0", n=3)
        assert d.status == "failed"
        mended = d.crashed(graph=build([("a", "b", {"when": when("n", ">", 2)})]))
        mended.finish()
        assert mended.status == "completed"
        assert mended.counts == {"a": 1, "b": 1}

    def test_routes_an_answer_again_after_a_resume(self) -> None:
        """The answer is remembered, also of an ask that writes no field."""
        ask = {"kind": "ask", "answers": ("yes", "no"), "writes": ()}
        d = Driver(build([("q", "b", {"on": "yes", "when": when("n", ">", 5)})], nodes={"q": ask})).start()
        d.answer("0", "yes")
        assert d.status == "failed"
        d.resume()
        assert d.status == "failed"
        assert d.stepper.error is not None
        assert "'yes'" in d.stepper.error.message

    def test_fails_on_a_guard_that_raises(self) -> None:
        """GuardError names the edge and what was raised."""
        d = Driver(build([("a", "b", {"when": when("note", ">", 5)})])).start()
        d.ok("0")
        assert d.stepper.error is not None
        assert d.stepper.error.type == "GuardError"
        assert "TypeError" in d.stepper.error.message

    def test_fails_on_an_action_that_raises(self) -> None:
        """An action whose value cannot be computed is an error of the crossing."""
        d = Driver(build([("a", "b", {"set": (plus("note", 1),)})])).start()
        d.ok("0")
        assert d.stepper.error is not None
        assert d.stepper.error.type == "GuardError"

    def test_applies_actions_in_the_new_line(self) -> None:
        """An action replaces, also a reduced field."""
        d = Driver(build([("a", "b", {"set": (plus("n", 2), be("log", ["fresh"]))})])).start()
        d.ok("0", log="old", n=1)
        assert d.ready["1"].state["n"] == 3
        assert list(d.ready["1"].state["log"]) == ["fresh"]

    @pytest.mark.parametrize("value", [None, 3])
    def test_fails_where_there_is_nothing_to_fan_out(self, value: int | None) -> None:
        """`each` over something that is no list is an error, not a plain edge."""

        class Optional(BaseModel):
            items: Any = None
            item: int = 0

        g = build([("a", "b", {"each": Each("items", "item")})], fields=fields_of(Optional)[0])
        d = Driver(g).start(items=value)
        d.ok("0")
        assert d.stepper.error is not None
        assert d.stepper.error.type == "GuardError"
        assert repr(value) in d.stepper.error.message

    def test_names_the_item_in_the_first_visit_of_each_branch(self) -> None:
        """Also in branches that had to wait for a place."""
        g = build([("a", "b", {"each": each(at_once=1)}), ("b", "c"), ("c", "J")], joins="J")
        d = Driver(g).start().finish()
        assert [e.item for e in d.of(VisitStarted) if e.node == "b"] == [10, 20, 30]
        assert [e.item for e in d.of(VisitStarted) if e.node == "c"] == [None] * 3


class TestRetries:
    """Repeating a failed attempt."""

    def test_repeats_at_once_without_a_wait(self) -> None:
        """Attempts count from 1; each failure is recorded, the last as the visit's."""
        d = _retrying().start()
        for _ in range(3):
            d.fail("0")
        assert [e.attempt for e in d.of(AttemptRetried)] == [1, 2]
        assert [e.attempt for e in d.of(VisitFailed)] == [3]
        assert d.status == "failed"

    def test_discards_what_failed_attempts_wrote(self) -> None:
        """Only the attempt that succeeds writes."""
        d = _retrying().start()
        d.fail("0")
        d.ok("0", log="second")
        d.finish()
        assert d.state["log"] == ["second", "b"]

    def test_waits_exponentially_up_to_a_bound(self) -> None:
        """Waits double from the first on, and none is longer than the longest."""
        d = _retrying(Retry(6, wait_s=1, factor=2, most_s=5, jitter=0)).start()
        waits: list[float] = []
        for _ in range(5):
            d.fail("0")
            waits.append(d.timers["0", "retry"] - d.at)
            d.fire("0", "retry")
        assert waits == [1, 2, 4, 5, 5]

    def test_draws_jitter_from_the_seed(self) -> None:
        """The same seed gives the same waits, another one others, all within the share."""

        def waits(seed: int) -> list[float]:
            d = _retrying(Retry(8, wait_s=1, factor=1, jitter=0.5)).start(seed=seed)
            found: list[float] = []
            for _ in range(7):
                d.fail("0")
                found.append(d.timers["0", "retry"] - d.at)
                d.fire("0", "retry")
            return found

        assert waits(1) == waits(1)
        assert waits(1) != waits(2)
        assert len(set(waits(1))) > 1
        assert all(1 <= w <= 1.5 for w in waits(1) + waits(2))

    def test_waits_as_long_as_the_failing_party_asks(self) -> None:
        """`retry_after_s` lengthens a wait, also beyond the longest, and never shortens it."""
        d = _retrying(Retry(3, wait_s=1, most_s=2, jitter=0)).start()
        d.fail("0", error(retry_after_s=30))
        assert d.timers["0", "retry"] - d.at == 30
        d.fire("0", "retry")
        d.fail("0", error(retry_after_s=0.5))
        assert d.timers["0", "retry"] - d.at == 2

    @pytest.mark.parametrize(
        ("policy", "kind", "again"),
        [
            ({"on": ("LookupError",)}, KeyError, True),
            ({"on": ("LookupError",)}, ValueError, False),
            ({"never": ("LookupError",)}, KeyError, False),
            ({"never": ("LookupError",)}, ValueError, True),
            ({"on": ("LookupError",), "never": ("KeyError",)}, KeyError, False),
            ({"on": ("LookupError",), "never": ("KeyError",)}, IndexError, True),
            ({"on": LookupError}, KeyError, True),
            ({"on": "LookupError"}, KeyError, True),
            ({"on": (LookupError, "OSError")}, ValueError, False),
            ({"on": [LookupError], "never": [KeyError]}, KeyError, False),
        ],
    )
    def test_repeats_only_what_is_worth_it(self, policy: dict[str, Any], kind: type[Exception], again: bool) -> None:
        """`on` and `never` match any class in the line of the exception; `never` wins."""
        d = _retrying(Retry(2, wait_s=0, **policy)).start()
        d.fail("0", error(kind))
        assert ("0" in d.ready) is again

    def test_what_is_no_exception_is_refused(self) -> None:
        """A policy that could never match says so where it is written."""
        with pytest.raises(TypeError, match=r"Retry\(on=…\) holds 3; give exception types, or their names"):
            Retry(on=(3,))  # type: ignore[arg-type]  # the mistake this is about

    def test_counts_a_timeout_as_a_failure(self) -> None:
        """A NodeTimeout is retried like any error, and matched as TimeoutError too."""
        from graphrt.errors import NodeTimeout

        d = _retrying(Retry(2, wait_s=0, on=("TimeoutError",)), timeout_s=5).start()
        assert d.ready["0"].timeout_s == 5
        d.fail("0", error(NodeTimeout))
        assert d.ready["0"].attempt == 2
        d.fail("0", error(NodeTimeout))
        assert d.stepper.error is not None
        assert d.stepper.error.type == "NodeTimeout"

    def test_does_not_repeat_beyond_a_limit(self) -> None:
        """An attempt that passes a limit of the run is not repeated, however often its node may be tried."""
        d = _retrying(Retry(100, wait_s=0)).start(limits=Limits(active_s=10))
        d.fail("0", duration_s=6)
        d.fail("0", duration_s=6)
        assert d.stepper.error is not None
        assert (d.status, d.stepper.error.type) == ("failed", "LimitReached")

    def test_keeps_waiting_over_a_restart(self) -> None:
        """A wait survives the process: it is due when it was."""
        d = _retrying(Retry(2, wait_s=10, jitter=0)).start()
        d.fail("0")
        again = d.crashed()
        assert again.timers == {("0", "retry"): 1010.0}
        again.fire("0", "retry")
        again.finish()
        assert again.status == "completed"


class TestErrorEdges:
    """Errors that a node catches."""

    @pytest.mark.parametrize(
        ("on", "target"),
        [("KeyError", "h"), ("LookupError", "h"), ("Exception", "h"), ("ValueError", None), ("Key", None)],
    )
    def test_matches_any_class_of_the_line(self, on: str, target: str | None) -> None:
        """The exception's own class or any of its bases, by name."""
        d = Driver(build([("a", "b"), ("a", "h", {"on_error": on})])).start()
        d.fail("0", error(KeyError))
        assert d.visits.get("1") == target
        assert d.status == ("running" if target else "failed")

    def test_takes_the_first_error_edge_that_matches(self) -> None:
        """In the order of the definition, guards included."""
        g = build([
            ("a", "x", {"on_error": "LookupError", "when": when("n", ">", 1)}),
            ("a", "y", {"on_error": "KeyError"}),
            ("a", "z", {"on_error": "Exception"}),
        ])  # fmt: skip
        d = Driver(g).start()
        d.fail("0", error(KeyError))
        assert d.visits["1"] == "y"
        assert d.of(Routed)[-1].error == "KeyError"
        assert [v.result for v in d.of(Routed)[-1].verdicts] == ["false", "taken", "not tried"]

    def test_fails_where_no_guard_of_an_error_edge_holds(self) -> None:
        """Then the original error fails the run."""
        d = Driver(build([("a", "b"), ("a", "h", {"on_error": "Exception", "when": when("n", ">", 1)})])).start()
        d.fail("0", error(KeyError))
        assert d.stepper.error is not None
        assert d.stepper.error.type == "KeyError"

    def test_cancels_siblings_of_a_failure(self) -> None:
        """Uncaught, an error stops what runs beside it; what that had recorded stays."""
        d = Driver(DIAMOND).start()
        d.ok("0")
        d.begin("0.1.0")
        d.fail("0.0.0")
        assert d.status == "failed"
        assert d.of(VisitCancelled) == [VisitCancelled("0.1.0", "b", "failure")]
        assert not d.running

    def test_catches_no_route(self) -> None:
        """Errors of routing can be caught at the node that they stand at."""
        g = build([("a", "b", {"when": when("n", ">", 1)}), ("a", "h", {"on_error": "NoRoute"})])
        d = Driver(g).start()
        d.ok("0")
        assert d.visits["1"] == "h"

    def test_starts_one_branch_of_a_fork(self) -> None:
        """A fork node that fails goes on over one error edge, inside its scope if that leads to the join."""
        g = build(
            [("f", "a"), ("f", "b"), ("f", "h", {"on_error": "Exception"}), *((n, "J") for n in "abh")],
            forks="f",
            joins="J",
        )
        d = Driver(g).start()
        d.fail("0")
        assert d.visits == {"0": "f", "0.2.0": "h"}
        d.finish()
        assert d.visits["1"] == "J"
        assert ended(d)


class TestQuestions:
    """Asking and answering."""

    def test_suspends_when_only_questions_are_left(self) -> None:
        """The run needs no process; an answer takes it on."""
        d = Driver(ASKING).start()
        d.ok("0")
        assert d.status == "suspended"
        assert d.of(VisitWaiting) == [VisitWaiting("1", "q", "Go on?", ("yes", "no"))]
        assert d.of(RunSuspended) == [RunSuspended(("1",))]
        d.answer("1", "yes")
        assert (d.status, d.visits["2"], d.state["note"]) == ("running", "b", "yes")

    def test_refuses_a_wrong_answer_and_keeps_asking(self) -> None:
        """A refused answer names what is expected, and changes nothing."""
        d = Driver(ASKING).start()
        d.ok("0")
        with pytest.raises(AnswerRefused, match="'yes', 'no'"):
            d.answer("1", "perhaps")
        assert d.status == "suspended"
        assert list(d.stepper.questions) == ["1"]
        d.answer("1", "no")
        assert d.visits["2"] == "c"

    def test_refuses_an_answer_of_the_wrong_type(self) -> None:
        """Without named answers, an answer has to fit the field; text may spell the value."""
        g = build([("q", "b")], nodes={"q": {"kind": "ask", "writes": ("n",)}})
        d = Driver(g).start()
        with pytest.raises(AnswerRefused):
            d.answer("0", "many")
        with pytest.raises(AnswerRefused):
            d.answer("0", [3])
        d.answer("0", "3")
        assert d.state["n"] == 3

    def test_refuses_an_answer_to_nobody(self) -> None:
        """An answer names a visit that asks."""
        d = Driver(ASKING).start()
        with pytest.raises(AnswerRefused, match="asks nothing"):
            d.answer("0", "yes")
        d.ok("0")
        d.answer("1", "yes")
        with pytest.raises(AnswerRefused, match="asks nothing"):
            d.answer("1", "yes")

    def test_refuses_an_answer_that_a_reducer_refuses(self) -> None:
        """The question stays open if the reducer of its field raises."""
        d = Driver(build([("q", "b")], nodes={"q": {"kind": "ask", "writes": ("picky",)}}, fields=OWN)).start()
        with pytest.raises(AnswerRefused):
            d.answer("0", -1)
        d.answer("0", 2)
        assert d.status == "running"

    def test_lets_other_branches_go_on(self) -> None:
        """Only when nothing else is live the run is suspended."""
        g = build([("f", "q"), ("f", "a"), ("q", "J"), ("a", "J")], forks="f", joins="J", nodes={"q": {"kind": "ask"}})
        d = Driver(g).start()
        d.ok("0")
        assert d.status == "running"
        d.ok("0.1.0")
        assert d.status == "suspended"
        d.answer("0.0.0", "x")
        assert d.status == "completed"

    def test_is_not_suspended_while_a_retry_waits(self) -> None:
        """A timer needs a process."""
        g = build(
            [("f", "q"), ("f", "a"), ("q", "J"), ("a", "J")],
            forks="f",
            joins="J",
            nodes={"q": {"kind": "ask"}, "a": {"retry": Retry(2, wait_s=5)}},
        )
        d = Driver(g).start()
        d.ok("0")
        d.fail("0.1.0")
        assert d.status == "running"
        d.fire("0.1.0", "retry")
        d.ok("0.1.0")
        assert d.status == "suspended"

    def test_is_suspended_by_questions_inside_a_node(self) -> None:
        """A graph inside a node that asks suspends the whole run, and the answer leads out of it."""
        inner = build([("x", "q"), ("q", "y")], nodes={"q": {"kind": "ask", "writes": ("note",)}})
        d = Driver(build([("a", "s"), ("s", "b")], nodes={"s": subgraph(inner, "note")})).start()
        d.ok("0")
        d.ok("1/0")
        assert d.status == "suspended"
        d.answer("1/1", "fine")
        d.finish()
        assert (d.status, d.state["note"]) == ("completed", "fine")

    def test_follows_the_edge_of_a_deadline(self) -> None:
        """A question that nobody answers in time has its own edge."""
        ask = ASK | {"deadline_s": 60.0}
        g = build([("q", "b", {"on": "yes"}), ("q", "late", {"on_error": "DeadlinePassed"})], nodes={"q": ask})
        d = Driver(g).start()
        assert d.of(VisitWaiting)[0].due == 1060.0
        d.fire("0", "deadline")
        assert d.visits["1"] == "late"
        assert d.status == "running"
        assert not d.stepper.questions

    def test_fails_a_deadline_without_an_edge(self) -> None:
        """DeadlinePassed fails the run like any error."""
        d = Driver(build([("q", "b")], nodes={"q": {"kind": "ask", "deadline_s": 60.0}})).start()
        d.fire("0", "deadline")
        assert d.stepper.error is not None
        assert (d.status, d.stepper.error.type) == ("failed", "DeadlinePassed")

    def test_cancels_the_deadline_of_an_answered_question(self) -> None:
        """A question answered in time has no timer left."""
        d = Driver(build([("q", "b")], nodes={"q": {"kind": "ask", "deadline_s": 60.0}})).start()
        d.answer("0", "x")
        assert not d.timers
        assert not d.stepper.timers
        with pytest.raises(WrongInput):
            d.feed(TimerFired("0", "deadline"))

    def test_keeps_a_deadline_over_a_restart(self) -> None:
        """A deadline is due when it was, and may have passed meanwhile."""
        d = Driver(build([("q", "b")], nodes={"q": {"kind": "ask", "deadline_s": 60.0}})).start()
        again = d.crashed()
        assert again.timers == {("0", "deadline"): 1060.0}
        assert again.status == "suspended"

    def test_costs_the_same_with_many_questions_open(self) -> None:
        """Looking whether a run is suspended does not go through all that is live."""
        g = build([("f", "q", {"each": each()}), ("f", "a"), ("a", "a")], forks="f", nodes={"q": {"kind": "ask"}})
        d = Driver(g).start(items=list(range(2000)))
        d.ok("0")
        assert len(d.stepper.questions) == 2000
        d.stepper._visits = _Uniterable(d.stepper._visits)
        d.ok("0.1.0")
        assert d.status == "running"


class _Uniterable(dict[Any, Any]):
    def values(self) -> Any:
        raise AssertionError("went through all live visits")


class TestLimits:
    """Bounds of a whole run."""

    @pytest.mark.parametrize(
        ("limits", "name", "used"),
        [
            (Limits(active_s=10), "active_s", 12),
            (Limits(tokens=10), "tokens", 12),
            (Limits(cost_usd=10), "cost_usd", 12),
        ],
    )
    def test_is_an_outcome_of_the_visit_that_passed_it(self, limits: Limits, name: str, used: float) -> None:
        """The visit completed and then stands at LimitReached; nothing else starts."""
        d = Driver(CHAIN).start(limits=limits)
        d.ok("0", duration_s=12, usage=Usage("m", 6, 6, 12))
        assert d.of(LimitPassed) == [LimitPassed("0", name, used, 10)]
        assert d.stepper.error is not None
        assert (d.status, d.stepper.error.type) == ("failed", "LimitReached")
        assert d.stepper.error.detail["limit"] == name
        assert d.counts["b"] == 0

    def test_is_not_passed_by_using_all_of_it(self) -> None:
        """A limit may be used up to the last."""
        d = Driver(CHAIN).start(limits=Limits(visits=3, tokens=36))
        while d.status == "running":
            d.ok(next(iter(d.ready)), usage=Usage("m", 6, 6))
        assert d.status == "completed"

    def test_counts_visits(self) -> None:
        """The visit that is one too many fails before its work begins."""
        d = Driver(CHAIN).start(limits=Limits(visits=2)).finish()
        assert d.stepper.failed_at == ("2", "c")
        assert len(d.of(AttemptRetried)) == 0
        assert "c" not in d.state["log"]

    def test_is_caught_once_and_leaves_grace_to_end_in_order(self) -> None:
        """An edge on LimitReached leads away; a tenth more, at least ten visits, is left for what follows."""
        g = build([("a", "a"), ("a", "end", {"on_error": "LimitReached"}), ("end", "end", {"at_most": 3})])
        d = Driver(g).start(limits=Limits(visits=5))
        for _ in range(5):
            d.ok(next(iter(d.ready)))
        assert d.counts == {"a": 6, "end": 1}
        d.ok("6")
        assert d.status == "running"

    def test_fails_beyond_the_grace(self) -> None:
        """A loop that catches the limit and goes on all the same fails in the end."""
        g = build([("a", "a"), ("a", "a", {"on_error": "LimitReached"})])
        d = Driver(g).start(limits=Limits(visits=5))
        for _ in range(100):
            if d.status != "running":
                break
            d.ok(next(iter(d.ready)))
        assert d.status == "failed"
        assert d.counts["a"] == 16
        assert len(d.of(LimitPassed)) == 2

    def test_is_caught_for_each_limit_apart(self) -> None:
        """Grace for one limit is none for another."""
        g = build([("a", "a"), ("a", "a", {"on_error": "LimitReached"})])
        d = Driver(g).start(limits=Limits(active_s=100, tokens=10))
        d.ok("0", usage=Usage("m", 11, 0))
        assert d.status == "running"
        d.ok("1", duration_s=101)
        assert d.status == "running"
        assert [e.limit for e in d.of(LimitPassed)] == ["tokens", "active_s"]

    def test_can_be_raised_at_a_resume(self) -> None:
        """With new limits the run goes on where it stood; nothing runs twice."""
        d = Driver(CHAIN).start(limits=Limits(visits=2)).finish()
        d.resume(Limits(visits=3))
        d.finish()
        assert d.status == "completed"
        assert d.state["log"] == ["a", "b", "c"]

    def test_leaves_no_grace_where_nobody_caught_it(self) -> None:
        """A resume under the same limits meets them again at the next step."""
        d = Driver(build([("a", "a")])).start(limits=Limits(visits=2)).finish()
        visits = d.stepper.totals.visits
        d.resume()
        d.finish()
        assert d.status == "failed"
        assert d.stepper.totals.visits <= visits + 1

    def test_stops_branches_that_pass_it_together(self) -> None:
        """Visits that had not begun when the run failed begin with their first attempt after a resume."""
        d = Driver(DIAMOND).start(limits=Limits(visits=1))
        d.ok("0")
        assert d.status == "failed"
        assert [e.visit for e in d.of(VisitCancelled)] == ["0.1.0"]
        d.resume(Limits())
        assert {v: c.attempt for v, c in d.ready.items()} == {"0.0.0": 1, "0.1.0": 1}
        d.finish()
        assert d.status == "completed"
        assert ended(d)

    def test_counts_attempts_in_doubt_that_run_again(self) -> None:
        """What was used before a crash stays used."""
        d = Driver(CHAIN).start(limits=Limits(active_s=10))
        d.ok("0", duration_s=6)
        again = d.crashed()
        again.ok("1", duration_s=6)
        assert again.stepper.error is not None
        assert again.stepper.error.type == "LimitReached"


class TestCancelling:
    """Stopping a run from outside."""

    def test_stops_everything_that_lives(self) -> None:
        """Attempts, waits and questions end, each recorded."""
        g = build(
            [("f", "a"), ("f", "b"), ("f", "q"), ("f", "c"), *((n, "J") for n in "abqc")],
            forks="f",
            joins="J",
            nodes={"q": {"kind": "ask", "deadline_s": 9.0}, "b": {"retry": Retry(2, wait_s=5)}},
        )
        d = Driver(g).start()
        d.ok("0")
        d.begin("0.0.0")
        d.fail("0.1.0")
        d.cancel()
        assert d.status == "cancelled"
        assert {e.node for e in d.of(VisitCancelled)} == {"a", "b", "q", "c"}
        assert d.of(RunCancelled) == [RunCancelled("tests")]
        assert not (d.ready)
        assert not (d.running)
        assert not (d.timers)
        assert not (d.stepper.questions)
        assert not (d.stepper.attempts)
        assert not (d.stepper.timers)

    def test_takes_no_more_inputs(self) -> None:
        """What an attempt returns after the cancellation is not wanted."""
        d = Driver(CHAIN).start()
        d.begin("0")
        d.cancel()
        for given in (AttemptSucceeded("0", 1), AttemptFailed("0", 1, error()), Cancelled(), Answered("0", 1)):
            with pytest.raises(UseError):
                d.feed(given)

    def test_goes_on_after_a_resume(self) -> None:
        """Live lines go on with a new round of attempts; what had completed does not run again."""
        d = Driver(DIAMOND).start()
        d.ok("0")
        d.ok("0.0.0", log="a")
        d.begin("0.1.0")
        d.cancel()
        d.resume()
        assert {v: c.attempt for v, c in d.ready.items()} == {"0.1.0": 2}
        d.finish()
        assert d.state["log"] == ["a", "b", "z"]
        assert ended(d)

    def test_numbers_attempts_that_never_began_anew(self) -> None:
        """An attempt that was commanded and not begun left no trace, so its number is free."""
        d = Driver(CHAIN).start()
        d.cancel()
        d.resume()
        assert d.ready["0"].attempt == 1

    def test_asks_again_after_a_resume(self) -> None:
        """A question is open again, with a deadline of its full length."""
        d = Driver(build([("q", "b")], nodes={"q": {"kind": "ask", "deadline_s": 60.0}})).start()
        d.cancel()
        d.at += 1000
        d.resume()
        assert d.status == "suspended"
        assert d.timers == {("0", "deadline"): d.at + 60}

    def test_is_refused_when_nothing_runs(self) -> None:
        """A completed run cannot be cancelled or resumed."""
        d = Driver(CHAIN).start().finish()
        for given in (Cancelled(), Resumed(), Started("r", {}), AttemptStarted("2", 1), TimerFired("2", "retry")):
            with pytest.raises(WrongInput, match="completed"):
                d.feed(given)


class TestTakingUpAgain:
    """Resuming after a failure or a crash."""

    def test_gives_a_failed_visit_a_new_round(self) -> None:
        """All attempts of the policy are there again; the numbers go on."""
        d = _retrying(Retry(2, wait_s=0)).start()
        d.fail("0")
        d.fail("0")
        assert d.status == "failed"
        d.resume()
        assert d.of(RunResumed) == [RunResumed("failed")]
        assert d.ready["0"].attempt == 3
        d.fail("0")
        assert d.ready["0"].attempt == 4
        d.ok("0")
        d.finish()
        assert d.status == "completed"
        assert d.stepper.error is None

    def test_lets_cancelled_siblings_go_on(self) -> None:
        """What a failure cancelled beside it goes on after the resume."""
        d = Driver(DIAMOND).start()
        d.ok("0")
        d.fail("0.0.0")
        d.resume()
        d.finish()
        assert d.state["log"] == ["a", "b", "z"]

    def test_meets_a_conflict_again(self) -> None:
        """Branches that wrote one field still conflict after a resume; the failure names them."""
        d = Driver(DIAMOND).start()
        d.ok("0")
        d.ok("0.0.0", note="x")
        d.ok("0.1.0", note="y")
        for _ in range(2):
            assert d.stepper.error is not None
            assert d.stepper.error.type == "WriteConflict"
            assert d.stepper.error.detail["visits"] == ["0.0.0", "0.1.0"]
            assert d.status == "failed"
            d.resume()
        assert len(d.of(RunFailed)) == 3

    def test_meets_a_conflict_of_lines_that_never_met_again(self) -> None:
        """Also one that shows only at the end of the run."""
        d = Driver(build([("f", "a"), ("f", "b")], forks="f")).start()
        d.ok("0")
        d.ok("0.0.0", note="x")
        d.ok("0.1.0", note="y")
        assert d.status == "failed"
        d.resume()
        assert d.status == "failed"
        assert d.stepper.error is not None
        assert d.stepper.error.type == "WriteConflict"

    def test_fails_once_where_several_chains_meet_a_conflict(self) -> None:
        """A run fails once, whatever else was about to settle."""
        g = build([("a", "J", {"each": each(at_once=1), "set": (be("note", "x"),)}), ("J", "z")], joins="J")
        d = Driver(g).start()
        d.ok("0")
        assert d.status == "failed"
        assert len(d.of(RunFailed)) == 1

    def test_meets_a_short_join_again(self) -> None:
        """A join that came up short is not let through by a resume."""
        g = build(
            [("f", "a"), ("f", "b"), ("a", "J"), ("b", "J", {"when": when("n", ">", 5)}), ("b", "x"), ("J", "z")],
            forks="f",
            nodes={"J": {"kind": "join", "wait": 2}},
        )
        d = Driver(g).start().finish()
        for _ in range(2):
            assert d.stepper.error is not None
            assert (d.status, d.stepper.error.type) == ("failed", "JoinShort")
            d.resume()
        assert d.counts["z"] == 0

    def test_reaches_a_failure_end_again(self) -> None:
        """A run that ended in failure ends in it again."""
        d = Driver(build([("a", "e")], nodes={"e": {"kind": "end", "failure": True}})).start().finish()
        for _ in range(2):
            assert d.stepper.error is not None
            assert (d.status, d.stepper.error.type) == ("failed", "EndedInFailure")
            d.resume()

    def test_commands_again_what_never_began(self) -> None:
        """After a crash, an attempt that had not begun is commanded under its number."""
        d = Driver(CHAIN).start()
        again = d.crashed()
        assert again.ready["0"].attempt == 1
        assert not again.of(AttemptLost)

    def test_runs_a_lost_attempt_again(self) -> None:
        """An attempt in doubt is shown and runs again; it does not use up the policy's attempts."""
        d = _retrying(Retry(1)).start()
        d.begin("0")
        again = d.crashed()
        assert again.of(AttemptLost) == [AttemptLost("0", "a", 1, "retry")]
        assert again.ready["0"].attempt == 2
        again.finish()
        assert again.status == "completed"

    def test_fails_a_lost_attempt_that_must_not_run_again(self) -> None:
        """`on_crash=fail`: InDoubt, which an edge can catch."""
        d = Driver(build([("a", "b"), ("a", "h", {"on_error": "InDoubt"})], nodes={"a": {"on_crash": "fail"}})).start()
        d.begin("0")
        again = d.crashed()
        assert again.visits["1"] == "h"

    def test_shows_every_lost_attempt_when_one_fails_the_run(self) -> None:
        """All attempts in doubt are recorded, also when the first of them must not run again."""
        g = build([("f", "a"), ("f", "b"), ("f", "c")], forks="f", nodes={"a": {"on_crash": "fail"}})
        d = Driver(g).start()
        d.ok("0")
        d.begin("0.0.0")
        d.begin("0.1.0")
        again = d.crashed()
        assert again.status == "failed"
        assert [e.visit for e in again.of(AttemptLost)] == ["0.0.0", "0.1.0"]
        assert not again.ready

    def test_shows_a_lost_attempt_once(self) -> None:
        """An attempt that was said to be lost, before another one failed the run, is not said to be lost again."""
        nodes = {"a": {"on_crash": "fail"}, "b": {"on_crash": "ask"}, "c": {"on_crash": "fail"}}
        d = Driver(build([("f", "a"), ("f", "b"), ("f", "c")], forks="f", nodes=nodes)).start()
        d.ok("0")
        for visit in ("0.0.0", "0.1.0", "0.2.0"):
            d.begin(visit)
        again = d.crashed()
        assert again.status == "failed"
        again.resume()
        assert again.status == "failed"
        assert again.stepper.failed_at == ("0.0.0", "a")
        assert [e.visit for e in again.of(AttemptLost)] == ["0.0.0", "0.1.0", "0.2.0"]
        assert not again.ready
        assert again.folded().bytes == again.bytes

    def test_an_attempt_that_must_not_run_again_never_does(self) -> None:
        """`on_crash=fail`: at most once, however often the run is resumed; a fork does it again, in its own run."""
        d = Driver(build([("a", "b")], nodes={"a": {"on_crash": "fail", "retry": NO_WAIT}})).start()
        d.begin("0")
        again = d.crashed()
        for _ in range(3):
            assert (again.status, again.ready) == ("failed", {})
            assert again.of(VisitFailed)[-1].error.type == "InDoubt"
            again.resume()
        assert len(again.of(AttemptLost)) == 1
        assert again.folded().bytes == again.bytes
        again.fork("0")
        assert list(again.ready) == ["0"]

    def test_who_gave_a_lost_attempt_up_is_asked_again(self) -> None:
        """`on_crash=ask` answered by fail: resumed, the run asks anew, and repeats nothing by itself."""
        d = Driver(build([("a", "b")], nodes={"a": {"on_crash": "ask"}})).start()
        d.begin("0")
        again = d.crashed()
        again.answer("0", "fail")
        assert again.status == "failed"
        again.resume()
        assert (again.status, again.ready) == ("suspended", {})
        again.answer("0", "retry")
        again.finish()
        assert again.status == "completed"
        assert again.folded().bytes == again.bytes

    @pytest.mark.parametrize(("answer", "status"), [("retry", "running"), ("fail", "failed")])
    def test_asks_about_a_lost_attempt(self, answer: str, status: str) -> None:
        """`on_crash=ask`: a person says whether it runs again."""
        d = Driver(build([("a", "b")], nodes={"a": {"on_crash": "ask"}})).start()
        d.begin("0")
        again = d.crashed()
        assert again.status == "suspended"
        assert again.of(VisitWaiting)[0].answers == ("retry", "fail")
        with pytest.raises(AnswerRefused):
            again.answer("0", "perhaps")
        again.answer("0", answer)
        assert again.status == status

    @pytest.mark.parametrize(("then", "status"), [("ask", "suspended"), ("fail", "failed"), ("retry", "running")])
    def test_doubts_an_attempt_that_was_stopped_in_the_middle(self, then: str, status: str) -> None:
        """A cancelled run that goes on treats an attempt that had begun as a crash would: its effect may be there."""
        d = Driver(build([("a", "b")], nodes={"a": {"on_crash": then}})).start()
        d.begin("0")
        d.cancel()
        d.resume()
        assert d.status == status
        assert [(e.visit, e.then) for e in d.of(AttemptLost)] == ([("0", then)] if then != "retry" else [])
        assert ("0" in d.ready) == (then == "retry")

    def test_does_not_doubt_an_attempt_that_had_not_begun(self) -> None:
        """What was commanded and never called has had no effect."""
        d = Driver(build([("a", "b")], nodes={"a": {"on_crash": "ask"}})).start()
        d.cancel()
        d.resume()
        assert d.status == "running"
        assert d.ready["0"].attempt == 1

    def test_goes_on_asking_about_a_lost_attempt(self) -> None:
        """Neither another crash nor a cancellation makes the doubt go away."""
        d = Driver(build([("a", "b")], nodes={"a": {"on_crash": "ask"}})).start()
        d.begin("0")
        again = d.crashed().crashed()
        assert list(again.stepper.questions) == ["0"]
        again.cancel()
        again.resume()
        assert not again.ready
        assert list(again.stepper.questions) == ["0"]

    def test_may_be_resumed_while_it_runs(self) -> None:
        """A resume of a run that was cut off while suspended or running changes nothing but the attempts in doubt."""
        d = Driver(ASKING).start()
        d.ok("0")
        again = d.crashed()
        assert again.status == "suspended"
        again.answer("1", "yes")
        again.finish()
        assert again.status == "completed"


class TestGraphsInside:
    """Nodes that are graphs themselves."""

    INNER = build([("x", "y")])

    def test_stands_below_the_visit_of_its_node(self) -> None:
        """Inner visits are numbered below; fields go in and come out by name."""
        d = Driver(build([("a", "s"), ("s", "b")], nodes={"s": subgraph(self.INNER, "n")})).start(n=5)
        d.ok("0")
        assert d.ready["1/0"].state["n"] == 5
        d.ok("1/0", n=7, note="inside only")
        d.ok("1/1")
        assert d.visits == {"0": "a", "1": "s", "1/0": "x", "1/1": "y", "2": "b"}
        assert (d.state["n"], d.state["note"]) == (7, "")
        d.finish()
        assert ended(d)

    def test_fails_as_its_node(self) -> None:
        """An error that nothing inside catches is the node's, if the node catches it; siblings inside are cancelled."""
        inner = build([("f", "a"), ("f", "b")], forks="f")
        d = Driver(build([("s", "z"), ("s", "h", {"on_error": "KeyError"})], nodes={"s": subgraph(inner)})).start()
        d.ok("0/0")
        d.fail("0/0.0.0", error(KeyError))
        assert d.of(VisitCancelled) == [VisitCancelled("0/0.1.0", "b", "failure")]
        assert [e.visit for e in d.of(VisitFailed)] == ["0/0.0.0", "0"]
        assert d.visits["1"] == "h"
        d.finish()
        assert ended(d)

    def test_catches_an_error_two_graphs_up(self) -> None:
        """An error goes up until a node around catches it."""
        middle = build([("s", "t")], nodes={"s": subgraph(self.INNER)})
        d = Driver(build([("m", "z"), ("m", "h", {"on_error": "ValueError"})], nodes={"m": subgraph(middle)})).start()
        d.fail("0/0/0")
        assert d.visits["1"] == "h"
        d.finish()
        assert ended(d)

    def test_fails_the_run_where_nobody_catches(self) -> None:
        """Then the run failed at the inner visit, and goes on there after a resume."""
        d = Driver(build([("s", "z")], nodes={"s": subgraph(self.INNER)})).start()
        d.ok("0/0")
        d.fail("0/1")
        assert d.stepper.failed_at == ("0/1", "y")
        d.resume()
        assert list(d.ready) == ["0/1"]
        d.finish()
        assert d.status == "completed"

    def test_catches_a_conflict_inside(self) -> None:
        """Branches inside that wrote one field fail the node."""
        d = Driver(
            build([("s", "z"), ("s", "h", {"on_error": "WriteConflict"})], nodes={"s": subgraph(DIAMOND)})
        ).start()
        d.ok("0/0")
        d.ok("0/0.0.0", note="x")
        d.ok("0/0.1.0", note="y")
        assert d.visits["1"] == "h"

    def test_inherits_policies(self) -> None:
        """A node inside without its own takes retry, timeout and on_crash of the nearest node around it."""
        inner = build([("x", "y")], nodes={"y": {"retry": Retry(1), "timeout_s": 3.0}})
        node = subgraph(inner) | {"retry": NO_WAIT, "timeout_s": 7.0, "on_crash": "ask"}
        d = Driver(build([("s", "z")], nodes={"s": node})).start()
        assert d.ready["0/0"].timeout_s == 7
        d.fail("0/0")
        assert d.ready["0/0"].attempt == 2
        d.begin("0/0")
        doubtful = d.crashed()
        assert list(doubtful.stepper.questions) == ["0/0"]
        doubtful.answer("0/0", "retry")
        doubtful.ok("0/0")
        assert doubtful.ready["0/1"].timeout_s == 3
        doubtful.fail("0/1")
        assert doubtful.status == "failed"

    def test_may_end_without_work(self) -> None:
        """A graph inside that only ends gives its node's outcome at once."""
        inner = build([("e", "e2")], nodes={"e": {"kind": "end"}, "e2": {"kind": "end"}})
        nested = build([("i", "e")], nodes={"i": subgraph(inner), "e": {"kind": "end"}})
        d = Driver(build([("s", "z")], nodes={"s": subgraph(nested)})).start()
        assert d.visits["1"] == "z"
        d.finish()
        assert ended(d)

    def test_refuses_what_does_not_fit_inside(self) -> None:
        """A field that cannot be filled or read back fails the node with WriteRefused."""
        from graphrt.guards import Change
        from graphrt.trees import Read

        bad = subgraph(self.INNER) | {"inputs": (Change("n", Read("note")),)}
        d = Driver(build([("s", "z")], nodes={"s": bad})).start(note="text")
        assert d.stepper.error is not None
        assert (d.status, d.stepper.error.type) == ("failed", "WriteRefused")
        bad = subgraph(self.INNER) | {"outputs": (Change("n", Read("note")),), "writes": ("n",)}
        d = Driver(build([("s", "z")], nodes={"s": bad})).start(note="text").finish()
        assert d.stepper.error is not None
        assert (d.status, d.stepper.error.type) == ("failed", "WriteRefused")

    def test_is_cancelled_with_all_inside(self) -> None:
        """Cancel passes through, and so does the resume."""
        d = Driver(build([("s", "z")], nodes={"s": subgraph(DIAMOND)})).start()
        d.ok("0/0")
        d.cancel()
        assert [e.visit for e in d.of(VisitCancelled)] == ["0/0.0.0", "0/0.1.0"]
        d.resume()
        d.finish()
        assert d.status == "completed"
        assert ended(d)

    def test_nests_deeply(self) -> None:
        """Twenty graphs in each other run like one."""
        g = self.INNER
        for _ in range(20):
            g = build([("s", "t")], nodes={"s": subgraph(g, "n")})
        d = Driver(g).start().finish(lambda c: {"n": c.state["n"] + 1})
        assert d.status == "completed"
        assert d.state["n"] == 22
        assert ended(d)


class TestEnds:
    """Ends that are declared."""

    def test_ends_its_branch_only(self) -> None:
        """A plain end leaves the others alone."""
        d = (
            Driver(build([("f", "e"), ("f", "b"), ("b", "c")], forks="f", nodes={"e": {"kind": "end"}}))
            .start()
            .finish()
        )
        assert d.counts == {"f": 1, "e": 1, "b": 1, "c": 1}
        assert d.of(RunCompleted)[0].end is None

    def test_stops_the_whole_run(self) -> None:
        """A stopping end cancels all else; the state is the fold of what is behind it."""
        g = build(
            [("f", "a"), ("f", "b"), ("a", "stop"), ("b", "c")],
            forks="f",
            nodes={"stop": {"kind": "end", "stop": True}},
        )
        d = Driver(g).start()
        d.ok("0", log="f")
        d.ok("0.1.0", log="b", note="lost")
        d.ok("0.0.0", log="a")
        assert d.status == "completed"
        assert d.stepper.end == "stop"
        assert d.of(VisitCancelled) == [VisitCancelled("0.1.1", "c", "end")]
        assert (d.state["log"], d.state["note"]) == (["f", "a"], "")
        assert not (d.ready)
        assert not (d.running)
        assert not (d.stepper.visits)

    def test_stops_a_graph_inside_only(self) -> None:
        """A stopping end inside a node ends that graph, and the run goes on."""
        inner = build([("f", "stop"), ("f", "b")], forks="f", nodes={"stop": {"kind": "end", "stop": True}})
        d = Driver(build([("s", "z")], nodes={"s": subgraph(inner)})).start()
        d.ok("0/0")
        assert d.visits["1"] == "z"
        d.finish()
        assert d.status == "completed"
        assert ended(d)

    def test_leaves_out_what_is_local_to_a_branch(self) -> None:
        """The state of a stopping end has local fields as they were where their branch began."""
        g = build(
            [("f", "m"), ("f", "x"), ("m", "a", {"local": ("note",)}), ("m", "b"), ("a", "stop")],
            forks="f m",
            nodes={"stop": {"kind": "end", "stop": True}},
        )
        d = Driver(g).start()
        d.ok("0", note="start")
        d.ok("0.0.0", note="branch")
        d.ok("0.0.0.0.0", note="inner branch")
        assert d.status == "completed"
        assert d.state["note"] == "branch"

    def test_fails_the_run_or_its_node(self) -> None:
        """A failure end is an error that an edge can catch."""
        inner = build([("x", "e")], nodes={"e": {"kind": "end", "failure": True}})
        g = build([("s", "z"), ("s", "h", {"on_error": "EndedInFailure"})], nodes={"s": subgraph(inner)})
        d = Driver(g).start()
        d.ok("0/0")
        assert d.visits["1"] == "h"


class TestForks:
    """A new run from the middle of an old one."""

    def test_edits_the_state_that_the_visit_sees(self) -> None:
        """What came before stays, the rest runs anew with the edited fields."""
        d = Driver(CHAIN).start()
        d.ok("0", log="a", n=1)
        d.fork("1", n=41, log=["edited"])
        assert d.of(RunForked) == [RunForked("f", "r", "1")]
        assert d.ready["1"].state["n"] == 41
        d.finish()
        assert d.state["log"] == ["edited", "b", "c"]

    def test_numbers_attempts_as_its_own(self) -> None:
        """An attempt that the old run commanded and did not begin is the first of the new one."""
        d = Driver(CHAIN).start()
        d.fork("0")
        assert d.ready["0"].attempt == 1

    def test_refuses_values_that_do_not_fit(self) -> None:
        """Unknown fields, wrong types and visits that are not live are refused; nothing changes."""
        d = Driver(CHAIN).start()
        for values in ({"nosuch": 1}, {"n": "many"}):
            with pytest.raises(InputRefused):
                d.feed(Forked("f", "r", "0", values))
        with pytest.raises(WrongInput):
            d.feed(Forked("f", "r", "7"))
        with pytest.raises(WrongInput):
            Driver(CHAIN).feed(Forked("f", "r", "0"))
        assert (d.status, d.stepper.run, d.state["n"]) == ("running", "r", 0)

    def test_goes_on_from_a_failed_run(self) -> None:
        """A fork of a run that failed at a join meets the conflict, or goes on if there is none."""
        g = build(
            [("f", "a"), ("f", "b"), ("f", "c"), ("a", "K"), ("b", "K"), ("K", "J"), ("c", "J")], forks="f", joins="K J"
        )
        d = Driver(g).start()
        d.ok("0")
        d.ok("0.0.0", note="x")
        d.ok("0.1.0", note="y")
        assert d.status == "failed"
        d.fork("0.2.0")
        assert d.status == "failed"
        assert d.stepper.error is not None
        assert d.stepper.error.type == "WriteConflict"

    def test_enters_a_graph_inside_anew(self) -> None:
        """A fork from a visit with a graph inside begins that graph again."""
        d = Driver(build([("a", "s"), ("s", "z")], nodes={"s": subgraph(TestGraphsInside.INNER, "n")})).start()
        d.ok("0")
        d.ok("1/0")
        d.fork("1", n=9)
        assert list(d.ready) == ["1/0"]
        assert d.ready["1/0"].state["n"] == 9
        d.finish()
        assert (d.status, d.state["n"]) == ("completed", 9)
        assert ended(d)

    def test_asks_again(self) -> None:
        """A question of the old run is open in the new one."""
        d = Driver(ASKING).start()
        d.ok("0")
        d.fork("1", n=2)
        assert d.status == "suspended"
        d.answer("1", "yes")
        assert d.ready["2"].state["n"] == 2


class TestRaces:
    """Joins that do not wait for all, beside nodes that take no time."""

    @pytest.mark.parametrize(
        "beside",
        [
            {"kind": "end"},
            {"kind": "end", "stop": True},
            {"kind": "end", "failure": True},
            {"kind": "ask", "deadline_s": 5.0},
            {},
            subgraph(build([("x", "y")])),
            subgraph(build([("e", "e2")], nodes={"e": {"kind": "end"}, "e2": {"kind": "end"}})),
        ],
    )
    def test_drops_what_had_just_started(self, beside: dict[str, Any]) -> None:
        """A branch that leads straight to the join wins; what started beside it is cancelled before it does a thing."""
        g = build(
            [("f", "J"), ("f", "b"), ("J", "z")], forks="f", nodes={"J": {"kind": "join", "wait": 1}, "b": beside}
        )
        d = Driver(g).start()
        d.ok("0")
        assert d.status == "running"
        assert d.of(VisitCancelled) == [VisitCancelled("0.1.0", "b", "join")]
        assert d.of(Joined) == [Joined("1", "J", "0", 1, ("0.1.0",))]
        d.finish()
        assert d.status == "completed"
        assert ended(d)

    def test_drops_a_join_that_fired_in_the_same_moment(self) -> None:
        """A join inside that fired together with the one around it is cancelled, and goes on nowhere."""
        g = build(
            [("F", "v"), ("F", "w"), ("v", "K"), ("v", "J"), ("K", "k"), ("k", "J"), ("w", "J"), ("J", "z")],
            forks="F v",
            nodes={"K": {"kind": "join", "of": "v"}, "J": {"kind": "join", "of": "F", "wait": 1}},
        )
        d = Driver(g).start()
        d.ok("0")
        d.ok("0.0.0")
        assert {e.visit for e in d.of(VisitCancelled)} == {"0.0.1", "0.1.0"}
        d.finish()
        assert d.counts["k"] == 0
        assert ended(d)

    def test_counts_branches_not_lines(self) -> None:
        """Two lines of one branch count once."""
        g = build(
            [("F", "v"), ("F", "w"), ("v", "a"), ("v", "b"), ("a", "J"), ("b", "J"), ("w", "J"), ("J", "z")],
            forks="F v",
            nodes={"J": {"kind": "join", "of": "F", "wait": 2}},
        )
        d = Driver(g).start()
        d.ok("0")
        d.ok("0.0.0")
        d.ok("0.0.0.0.0")
        d.ok("0.0.0.1.0")
        assert d.counts["J"] == 0
        d.ok("0.1.0")
        assert d.of(Joined)[0].arrived == 2

    def test_drops_the_rest_of_a_bounded_fan_out(self) -> None:
        """Branches that had not started never do."""
        g = build(
            [("f", "a", {"each": each(at_once=2)}), ("a", "J"), ("J", "z")], nodes={"J": {"kind": "join", "wait": 2}}
        )
        d = Driver(g).start(items=list(range(9)))
        d.ok("0")
        d.ok("0.0-0.0", log="first")
        d.ok("0.0-2.0", log="third")
        assert d.counts["a"] == 4
        assert d.counts["J"] == 1
        d.finish()
        assert d.state["log"] == ["first", "third", "z"]
        assert ended(d)

    def test_catches_a_short_join(self) -> None:
        """Fewer than it waits for: JoinShort, with an edge of its own."""
        g = build(
            [
                ("f", "a"),
                ("f", "b"),
                ("a", "J"),
                ("b", "J", {"when": when("n", ">", 5)}),
                ("b", "x"),
                ("J", "z"),
                ("J", "h", {"on_error": "JoinShort"}),
            ],
            forks="f",
            nodes={"J": {"kind": "join", "wait": 2}},
        )
        d = Driver(g).start().finish()
        assert d.status == "completed"
        assert (d.counts["h"], d.counts["z"]) == (1, 0)
        assert d.state["log"] == ["f", "a", "b", "x", "h"]

    def test_is_short_over_nothing(self) -> None:
        """`any` over an empty list has no winner."""
        g = build([("f", "a", {"each": each()}), ("a", "J"), ("J", "z")], nodes={"J": {"kind": "join", "wait": 1}})
        d = Driver(g).start(items=[])
        d.ok("0")
        assert d.stepper.error is not None
        assert d.stepper.error.type == "JoinShort"


class TestRefusals:
    """Inputs that do not fit; nothing changes."""

    def test_refuses_a_state_that_does_not_fit(self) -> None:
        """Unknown, missing and ill-typed fields of the initial state are named."""
        whole = initial(CHAIN, {})
        missing = {k: v for k, v in whole.items() if k != "n"}
        for state, word in ((whole | {"x": 1}, "'x'"), (missing, "'n'"), (whole | {"n": "many"}, "many")):
            d = Driver(CHAIN)
            with pytest.raises(InputRefused, match=word):
                d.feed(Started("r", state))
            assert d.status == "new"

    def test_refuses_what_does_not_fit_an_attempt(self) -> None:
        """Attempts begin once, end once, under their number."""
        d = Driver(CHAIN).start()
        for given in (
            AttemptSucceeded("0", 1),
            AttemptFailed("0", 1, error()),
            AttemptStarted("0", 2),
            AttemptStarted("1", 1),
            TimerFired("0", "retry"),
        ):
            with pytest.raises(WrongInput):
                d.feed(given)
        d.begin("0")
        with pytest.raises(WrongInput):
            d.feed(AttemptStarted("0", 1))
        d.ok("0")
        with pytest.raises(WrongInput):
            d.feed(AttemptSucceeded("0", 1))

    def test_begins_with_started_only(self) -> None:
        """A new run takes nothing else."""
        for given in (Resumed(), Cancelled(), Answered("0", 1), AttemptStarted("0", 1), Forked("f", "r", "0")):
            with pytest.raises(WrongInput, match="new"):
                Driver(CHAIN).feed(given)
        d = Driver(CHAIN).start()
        with pytest.raises(WrongInput, match="begun already"):
            d.feed(Started("r", initial(CHAIN, {})))

    def test_tells_the_state_of_live_visits_only(self) -> None:
        """`state_at` knows what is live."""
        d = Driver(CHAIN).start(n=3)
        assert d.stepper.state_at("0")["n"] == 3
        with pytest.raises(WrongInput, match="no live visit 5"):
            d.stepper.state_at("5")


class TestGrowth:
    """Size and depth."""

    def test_runs_a_long_loop(self) -> None:
        """A hundred thousand steps need no deep stack; a step late in the run costs no more than an early one."""
        g = build([("a", "b"), ("b", "a")])
        d = Driver(g).start()
        stepper, feed = d.stepper, d.stepper.feed
        for i in range(100_000):
            feed(0.0, AttemptStarted(str(i), 1))
            feed(0.0, AttemptSucceeded(str(i), 1, {"n": i}))
        assert stepper.visits == {"100000": "a"}
        assert len(stepper._visits) == 1

    def test_runs_a_chain_of_nodes_that_take_no_time(self) -> None:
        """Joins and ends in a row are worked off without recursion."""
        names = [f"J{i}" for i in range(300)]
        g = build([("a", "J0"), *itertools.pairwise(names)], joins=" ".join(names))
        d = Driver(g).start()
        d.ok("0")
        assert d.status == "completed"
        assert d.stepper.totals.visits == 301


class TestFollowing:
    """Taking the past as it was recorded, without evaluating anything."""

    @pytest.mark.parametrize(
        "more",
        [[], [("a", "h", {"on_error": "GuardError"})]],
        ids=["fails the run", "is caught"],
    )
    def test_follows_a_guard_that_raised(self, more: list[tuple[Any, ...]]) -> None:
        """A visit that a raising guard kept from being left stands where it stood; its line did not end."""
        d = Driver(build([("a", "b", {"when": when("note", ">", 5)}), *more])).start()
        d.ok("0")
        again = d.folded()
        assert (again.status, again.stepper.error) == (d.status, d.stepper.error)
        assert again.stepper.visits == d.stepper.visits

    def test_follows_a_guard_that_raised_inside_a_node(self) -> None:
        """Also where a node around it caught the error."""
        inner = build([("a", "b", {"when": when("note", ">", 5)})])
        d = Driver(build([("s", "z"), ("s", "h", {"on_error": "GuardError"})], nodes={"s": subgraph(inner)})).start()
        d.ok("0/0")
        assert d.folded().stepper.visits == d.stepper.visits == {"1": "h"}

    def test_follows_a_missing_route(self) -> None:
        """The folded error is the recorded one, word for word."""
        d = Driver(build([("a", "b", {"when": when("n", ">", 5)})])).start()
        d.ok("0")
        assert d.folded().stepper.error == d.stepper.error


def test_graph_without_code_steps_the_same() -> None:
    """A graph read from its JSON form gives the same events for the same inputs."""
    d = Driver(ASKING).start()
    d.ok("0")
    d.answer("1", "yes")
    d.finish()
    again = Driver(graph_from_json(ASKING.json))
    for record in d.records:
        assert again.stepper.feed(record.at, record.input)[0] == record.events
