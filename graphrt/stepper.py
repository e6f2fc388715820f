"""The state machine: one input in, events and commands out.

No I/O, no clock, no randomness: the same inputs give the same run.

    stepper = Stepper(graph)
    events, commands = stepper.feed(at, Started(run="r1", state={...}))

A driver performs the commands and feeds what the world says back. Which lines exist and when they meet is `branches`'
affair; here are attempts and retries, outcomes and guards, questions, limits, graphs inside nodes, and how a run ends.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeAlias

from graphrt.abbreviation import show
from graphrt.answering import read_answer
from graphrt.commands import CancelAttempt, CancelTimer, StartAttempt, StartTimer
from graphrt.errors import (
    AnswerRefused,
    DeadlinePassed,
    EndedInFailure,
    GraphrtError,
    GuardError,
    InDoubt,
    InputRefused,
    LimitReached,
    RunError,
    WriteRefused,
    WrongInput,
)
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
    RunStarted,
    RunSuspended,
    VisitCancelled,
    VisitCompleted,
    VisitFailed,
    VisitStarted,
    VisitWaiting,
)
from graphrt.fields import MISSING
from graphrt.frames import Assigned, Frame, changes, frame_of, policies, policy, shown
from graphrt.inputs import (
    Answered,
    AttemptFailed,
    AttemptStarted,
    AttemptSucceeded,
    Cancelled,
    ErrorInfo,
    Forked,
    Resumed,
    Started,
    TimerFired,
)
from graphrt.meter import Meter, Totals
from graphrt.recorded import error_info, label_of
from graphrt.retrying import is_worth_retrying, wait_s
from graphrt.routing import SURE, Ways, catches, judge, no_route, plan_of
from graphrt.script import Script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from graphrt.commands import Command
    from graphrt.errors import JoinShort
    from graphrt.events import Event
    from graphrt.fields import Field
    from graphrt.graph import Edge, Graph, OnCrash, Retry
    from graphrt.inputs import Input, Json, Mark
    from graphrt.lines import Fired, Visit
    from graphrt.meter import Passed
    from graphrt.routing import Taken

Status: TypeAlias = Literal["new", "running", "suspended", "completed", "failed", "cancelled"]

# Phases of a live visit.
READY: Final = "ready"  # its next attempt is commanded
RUNNING: Final = "running"  # its attempt has started
PAUSED: Final = "paused"  # it waits before its next attempt
WAITING: Final = "waiting"  # it waits for an answer
DOUBTFUL: Final = "doubtful"  # it waits for a person to say whether to run a lost attempt again
INSIDE: Final = "inside"  # the graph inside it runs
DONE: Final = "done"  # its work has ended well, its routing has not (it failed there)
FAILED: Final = "failed"  # its work has failed, and so has the run

_DOUBT_ANSWERS: Final = ("retry", "fail")


class Stepper:
    """One run of one graph. `feed` is its only verb; everything else tells where it stands."""

    __slots__ = (
        "_at",
        "_commands",
        "_events",
        "_inside",
        "_meter",
        "_root",
        "_seed",
        "_todo",
        "_visits",
        "attempts",
        "end",
        "error",
        "failed_at",
        "graph",
        "questions",
        "run",
        "script",
        "state",
        "status",
        "timers",
        "totals",
    )

    def __init__(self, graph: Graph) -> None:
        """Prepare a run of `graph`; it begins with the input `Started`."""
        self.graph = graph
        self.run = ""
        self.status: Status = "new"
        self.state: dict[str, Any] | None = None
        """The final state, once completed."""
        self.error: ErrorInfo | None = None
        self.failed_at: tuple[str, str] | None = None
        """(visit, node) at which the run failed."""
        self.end: str | None = None
        """The stopping end that ended the run."""
        self.questions: dict[str, VisitWaiting] = {}
        self.timers: dict[tuple[str, str], float] = {}
        self.attempts: dict[str, int] = {}
        """Attempts that started and have not ended."""
        self._meter = Meter()
        self.totals = self._meter.totals
        self.script: Script | None = None
        """What was recorded to follow from the next input: it is done so again instead of being decided anew."""
        self._root: Frame | None = None
        self._visits: dict[str, Visit] = {}
        self._seed = 0
        self._at = 0.0
        self._events: list[Event] = []
        self._commands: list[Command] = []
        self._todo: list[tuple[Callable[..., None], Frame, Visit, tuple[Any, ...]]] = []
        """What follows at once from what was done: a method, and the live visit that it goes on with."""
        self._inside = 0
        """How many live visits have a graph inside that runs."""

    # -- where it stands ----------------------------------------------------------------------------------------------

    @property
    def partial(self) -> dict[str, Any]:
        """The state of the main line: what a run that did not complete has to show."""
        return self._root.root.state if self._root is not None else {}

    @property
    def visits(self) -> dict[str, str]:
        """Live visits: id to the name of the node."""
        return {v.id: v.node.name for v in self._visits.values()}

    def state_at(self, visit: str) -> dict[str, Any]:
        """Return the state that a live visit sees.

        Raises:
            WrongInput: the visit is not live.
        """
        return self._live(visit)[1].line.state

    def seen_at(self, visit: str, fields: Iterable[str]) -> dict[str, Json]:
        """Return fields of the state that a live visit sees, as JSON; those that it has no value for are left out.

        Raises:
            WrongInput: the visit is not live.
        """
        frame, live = self._live(visit)
        state, field = live.line.state, frame.graph.field
        return {name: field[name].encode_state_value(state[name]) for name in fields if name in state}

    # -- inputs -------------------------------------------------------------------------------------------------------

    @property
    def bounds(self) -> tuple[tuple[str, float], ...]:
        """What the run may use, by the name of the limit; empty if it has no limits."""
        return self._meter.bounds

    def feed(self, at: float, given: Input) -> tuple[tuple[Event, ...], list[Command]]:
        """Take one input; return what followed from it and what the world is asked to do.

        Args:
            at: when the input was taken, in seconds since the epoch.
            given: what the world says.

        Raises:
            UseError: the input does not fit the run as it stands (`WrongInput`, `InputRefused`, `AnswerRefused`);
            nothing has changed.
        """
        self._at = at
        if type(given) is AttemptStarted:  # Nothing follows from it but its end.
            visit = self._visits.get(given.visit)
            if (
                visit is None
                or visit.phase != READY
                or visit.attempt != given.attempt
                or self.status not in {"running", "suspended"}
            ):
                raise self._unexpected(given.visit, given.attempt)
            visit.phase = RUNNING
            self.attempts[given.visit] = given.attempt
            return (), []
        events: list[Event] = []
        commands: list[Command] = []
        self._events, self._commands = events, commands
        self._TAKE[type(given)](self, given)
        if self._todo:
            self._work_off()
        if self.status == "running" and (self.questions or not self._visits):
            self._look_round()
        return tuple(events), commands

    def _work_off(self) -> None:
        waiting = deque(self._todo)
        while waiting and self.status == "running":
            self._todo = []
            do, frame, visit, args = waiting.popleft()
            if frame.live.get(visit.id) is visit:  # What came before may have cancelled it.
                do(frame, visit, *args)
            waiting.extendleft(reversed(self._todo))  # What follows from a step comes before its younger siblings.
        self._todo = []

    def _then(self, do: Callable[..., None], frame: Frame, visit: Visit, *args: Any) -> None:  # noqa: ANN401 - its own
        self._todo.append((do, frame, visit, args))

    def _look_round(self) -> None:
        """Notice that nothing is live any more, or nothing but questions."""
        root = self._root
        assert root is not None, "a running run has begun"
        if not self._visits and root.done:
            try:
                state = root.final()
            except RunError as error:
                self._fail_run(error_info(error), "", "")
                return
            self._complete(state, None)
        elif self.questions and len(self.questions) == len(self._visits) - self._inside:
            self.status = "suspended"
            self._events.append(RunSuspended(tuple(self.questions)))

    def _started(self, given: Started) -> None:
        if self.status != "new":
            raise self._wrong("has begun already")
        state: dict[str, Any] = {}
        unknown = [name for name in given.state if name not in self.graph.field]
        if unknown:
            message = (
                f"flow {self.graph.name!r} has no field {unknown[0]!r}; its fields are {', '.join(self.graph.field)}"
            )
            raise InputRefused(message, field=unknown[0])
        for field in self.graph.fields:
            if field.name not in given.state:
                lacks = ", which has no default that is always the same" if field.default_json is MISSING else ""
                message = f"flow {self.graph.name!r} needs a value for field {field.name!r}{lacks}"
                raise InputRefused(message, field=field.name)
            try:
                state[field.name] = field.decode_whole(given.state[field.name])
            except (ValueError, TypeError) as error:
                raise InputRefused(
                    f"flow {self.graph.name!r}, field {field.name!r}: {error}", field=field.name
                ) from error
        self.run, self.status, self._seed = given.run, "running", given.seed
        self._meter.limit(given.limits if given.limits is not None else self.graph.limits)
        self._events.append(RunStarted(self.graph.name, given.run))
        self._root = Frame(plan_of(self.graph), state, "", None)
        self._root.begin()
        self._take_up(self._root)

    def _attempt_succeeded(self, given: AttemptSucceeded) -> None:
        if self.attempts.get(given.visit) != given.attempt:
            raise self._unexpected(given.visit, given.attempt)
        visit = self._visits[given.visit]
        frame = frame_of(visit.outer)
        fields = frame.fields
        node = visit.node
        decoded: list[tuple[Field, Any]] = []
        if node.answers and node.writes[0] not in given.writes:
            raise self._wrong(f"visit {visit.id} of {node.name!r} answers nothing; it has to write {node.writes[0]!r}")
        for name, value in given.writes.items():
            if name not in node.writes:
                if self.script is None:
                    raise self._wrong(
                        f"visit {visit.id} of {node.name!r} writes {name!r}, which the node does not declare"
                    )
                if name not in fields:
                    continue  # the definition under which it was written had this field
            try:
                field = fields[name]
                decoded.append((field, field.decode(value)))
            except (ValueError, TypeError) as error:
                refused = WriteRefused(f"{error}", node=node.name, field=name)
                self._attempt_failed(_refused(given, refused))
                return
        try:
            if decoded:
                frame.write(visit.line, decoded, visit)
        except WriteRefused as refused:
            self._attempt_failed(_refused(given, refused))
            return
        del self.attempts[given.visit]
        outcome = label_of(given.writes[node.writes[0]]) if node.answers else None
        self._meter.use(given.duration_s, given.usage)
        self._completed(frame, visit, outcome, given.writes, given.marks)

    def _attempt_failed(self, given: AttemptFailed) -> None:
        if self.attempts.get(given.visit) != given.attempt:
            raise self._unexpected(given.visit, given.attempt)
        visit = self._visits[given.visit]
        frame = frame_of(visit.outer)
        del self.attempts[given.visit]
        self._meter.use(given.duration_s, given.usage)
        error = given.error
        if self._meter.bounds and (passed := self._meter.passed()) is not None:
            self._pass_limit(frame, visit, passed)
        elif (due := self._retry_due(frame, visit, error)) is not None:
            visit.phase = PAUSED
            self._events.append(AttemptRetried(visit.id, visit.node.name, given.attempt, error, due, given.marks))
            if due > self._at:
                self._start_timer(visit, "retry", due)
            else:
                self._start_attempt(frame, visit)
        else:
            self._failed(frame, visit, error, given.marks)

    def _retry_due(self, frame: Frame, visit: Visit, error: ErrorInfo) -> float | None:
        """Return when the next attempt is due, in seconds since the epoch; None if there will be none."""
        if self.script is not None:
            retried = self.script.retried.get(visit.id)
            return retried.due if retried is not None else None
        retry: Retry | None = policy(visit, frame, "retry")
        if retry is None or visit.tries >= retry.attempts or not is_worth_retrying(retry, error):
            return None
        return self._at + wait_s(
            retry, error, seed=self._seed, visit=visit.id, attempt=visit.attempt, tries=visit.tries
        )

    def _timer_fired(self, given: TimerFired) -> None:
        key = (given.visit, given.kind)
        if key not in self.timers or self.status not in {"running", "suspended"}:
            raise self._wrong(f"has no timer {given.kind!r} for visit {given.visit}")
        del self.timers[key]
        visit = self._visits[given.visit]
        frame = frame_of(visit.outer)
        self.status = "running"
        if given.kind == "retry":
            self._start_attempt(frame, visit)
            return
        del self.questions[visit.id]
        node = visit.node
        error = DeadlinePassed(
            f"nobody answered {node.question!r} (node {node.name!r}, visit {visit.id}) within {node.deadline_s:g} s;"
            " answer sooner, or lead an edge away from it with on=DeadlinePassed",
            node=node.name,
            visit=visit.id,
        )
        self._failed(frame, visit, error_info(error))

    def _answered(self, given: Answered) -> None:
        if self.status not in {"running", "suspended"}:
            raise self._wrong("takes no answers")
        asked = self.questions.get(given.visit)
        if asked is None:
            waiting = ", ".join(self.questions) or "none"
            raise AnswerRefused(
                f"run {self.run}: visit {given.visit} asks nothing; open questions: {waiting}", visit=given.visit
            )
        visit = self._visits[given.visit]
        frame = frame_of(visit.outer)
        if visit.phase == DOUBTFUL:
            self._doubt_answered(frame, visit, given)
            return
        outcome, writes, decoded = read_answer(visit, frame.graph.field, given.answer)
        if decoded:
            try:
                frame.write(visit.line, decoded, visit)
            except WriteRefused as error:
                raise AnswerRefused(f"{given.answer!r} is no answer: {error}", visit=visit.id) from error
        del self.questions[visit.id]
        self._stop_timer(visit, "deadline")
        self.status = "running"
        self._completed(frame, visit, outcome, writes)

    def _cancelled(self, given: Cancelled) -> None:
        if self.status not in {"running", "suspended"}:
            raise self._wrong("cannot be cancelled")
        self._halt("run")
        self.status = "cancelled"
        self._events.append(RunCancelled(given.by, given.reason))

    def _resumed(self, given: Resumed) -> None:
        before = self.status
        if before in {"new", "completed"}:
            raise self._wrong("cannot be resumed")
        if given.limits is not None:
            self._meter.limit(given.limits)
        self.status, self.error, self.failed_at = "running", None, None
        self._events.append(RunResumed(before))
        if before in {"failed", "cancelled"}:
            for frame, visit in self._all_live():
                self._restart(frame, visit)
            self._settle_everything()
        else:
            for frame, visit in self._all_live():
                self._pick_up(frame, visit)

    def _forked(self, given: Forked) -> None:
        if self.status == "new":
            raise self._wrong("cannot be forked before it began")
        frame, visit = self._live(given.visit)
        fields = frame.graph.field
        values: list[tuple[Field, Any]] = []
        for name, value in given.set.items():
            if name not in fields:
                message = f"flow {frame.graph.name!r} has no field {name!r}; its fields are {', '.join(fields)}"
                raise InputRefused(message, field=name)
            try:
                values.append((fields[name], fields[name].decode_whole(value)))
            except (ValueError, TypeError) as error:
                raise InputRefused(f"field {name!r}: {error}", field=name) from error
        before = self.status
        self.run, self.status, self.error, self.failed_at = given.run, "running", None, None
        self._events.append(RunForked(given.run, given.parent, given.visit))
        if values:
            frame.write(visit.line, values, visit, replace=True)
        self.attempts.clear()
        self.timers.clear()
        if visit.inner is not None:
            self._leave_inside(visit, "run")
            visit.phase = READY
            self._commands.clear()  # What the parent had in hand is not this run's to stop.
        for other, each in self._all_live():
            if each.phase == READY and before == "running":
                each.attempt = max(each.attempt - 1, 0)  # Commanded, and never begun in the run that goes on here.
            self._restart(other, each, own=False)
        if before == "failed":
            self._settle_everything()

    # -- starting visits ----------------------------------------------------------------------------------------------

    def _take_up(self, frame: Frame) -> None:
        """Start the visits that were born, cancel those that a join left behind, and let joins that fired go on."""
        fired = frame.fired
        if fired:
            frame.fired = []
            for join in fired:
                self._then(self._join_fired, frame, join.visit, join.short)
        if frame.born:
            born, frame.born = frame.born, []
            for visit in born:
                self._visits[visit.id] = visit
                self._begin(frame, visit)
        for join in fired:
            self._start_join(join)

    def _begin(self, frame: Frame, visit: Visit) -> None:
        node, line = visit.node, visit.line
        if line.item is not None:
            field, line.item = frame.graph.field[line.item], None
            visit.item = show(field.encode_state_value(line.state[field.name]))
        self._events.append(VisitStarted(visit.id, node.name, visit.causes, visit.item))
        self.totals.visits += 1
        if self._meter.bounds and (passed := self._meter.passed()) is not None:
            self._then(self._pass_limit, frame, visit, passed)
        elif frame.exits[node.index].works:
            visit.attempt = visit.tries = 1
            self._command_attempt(frame, visit)
        elif node.kind == "ask":
            self._ask(frame, visit)
        elif node.kind == "end":
            self._then(self._reach_end, frame, visit)
        else:
            self._then(self._enter, frame, visit)

    def _start_join(self, fired: Fired) -> None:
        visit, name = fired.visit, fired.visit.node.name
        self._visits[visit.id] = visit
        for left in fired.dropped:
            self._discard(left, "join")
        self._events.append(VisitStarted(visit.id, name, visit.causes))
        self._events.append(Joined(visit.id, name, fired.of, fired.arrived, tuple(v.id for v in fired.dropped)))
        self.totals.visits += 1

    def _start_attempt(self, frame: Frame, visit: Visit) -> None:
        visit.phase = READY
        visit.attempt += 1
        visit.tries += 1
        self._command_attempt(frame, visit)

    def _command_attempt(self, frame: Frame, visit: Visit) -> None:
        node = visit.node
        if frame.outer is None:
            timeout, wraps = node.timeout_s, frame.exits[node.index].policies
        else:
            timeout, wraps = policy(visit, frame, "timeout_s"), policies(visit, frame)
        self._commands.append(StartAttempt(visit.id, visit.attempt, node, visit.line.state, timeout, wraps))

    def _ask(self, frame: Frame, visit: Visit) -> None:
        node = visit.node
        visit.phase = WAITING
        due = None if node.deadline_s is None else self._at + node.deadline_s
        if self.script is not None and visit.id in self.script.waiting:
            due = self.script.waiting[visit.id].due
        question = VisitWaiting(visit.id, node.name, node.question, node.answers, due, shown(frame, visit))
        self.questions[visit.id] = question
        self._events.append(question)
        if due is not None:
            self._start_timer(visit, "deadline", due)

    def _enter(self, frame: Frame, visit: Visit) -> None:
        """Begin the graph inside a node."""
        node, entry = visit.node, frame.exits[visit.node.index].entry
        assert entry is not None, "only a node with a graph inside is entered"
        try:
            state = entry.state(visit.line.state)
        except Exception as error:  # noqa: BLE001 - whatever an expression or a validator raises is the node's failure
            refused = WriteRefused(
                f"node {node.name!r} cannot fill the state of the flow inside it: {error}", node=node.name
            )
            self._failed(frame, visit, error_info(refused))
            return
        visit.phase = INSIDE
        visit.inner = below = Frame(plan_of(entry.graph), state, f"{visit.id}/", visit)
        self._inside += 1
        below.begin()
        self._take_up(below)

    def _join_fired(self, frame: Frame, visit: Visit, short: JoinShort | None) -> None:
        if short is not None:
            visit.short = error_info(short)
            self._failed(frame, visit, visit.short)
        elif self._meter.bounds and (passed := self._meter.passed()) is not None:
            self._pass_limit(frame, visit, passed)
        else:
            self._completed(frame, visit, None, {})

    def _reach_end(self, frame: Frame, visit: Visit) -> None:
        node = visit.node
        if node.failure:
            error = EndedInFailure(
                f"the run reached {node.name!r}, which is declared a failure", node=node.name, visit=visit.id
            )
            self._failed(frame, visit, error_info(error))
            return
        if not node.stop:
            self._completed(frame, visit, None, {})
            return
        self._events.append(VisitCompleted(visit.id, node.name))
        state = frame.state_behind(visit.line)
        for other in sorted(frame.live.values(), key=lambda v: v.place):
            if other is not visit:
                self._discard(other, "end")
        frame.live.clear()
        del self._visits[visit.id]
        if frame.outer is None:
            self._complete(state, node.name)
        else:
            self._leave_graph(frame, state)

    # -- ending visits ------------------------------------------------------------------------------------------------

    def _completed(
        self,
        frame: Frame,
        visit: Visit,
        outcome: str | None,
        writes: dict[str, Json],
        marks: tuple[Mark, ...] = (),
    ) -> None:
        """A visit ended well: say so and go on from it."""
        visit.phase, visit.outcome = DONE, outcome
        self._events.append(VisitCompleted(visit.id, visit.node.name, outcome, writes, marks))
        if visit.node.kind != "end" and self._meter.bounds and (passed := self._meter.passed()) is not None:
            self._pass_limit(frame, visit, passed)
        else:
            self._route(frame, visit, outcome)

    def _route(self, frame: Frame, visit: Visit, outcome: str | None) -> None:
        """Leave a completed visit by the edges for its outcome."""
        if self.script is not None:
            self._follow(frame, visit)
            return
        node = visit.node
        leaving = frame.exits[node.index]
        if leaving.sure is not None:
            self._events.append(Routed(visit.id, SURE))
            self._cross(frame, visit, leaving.sure)
            return
        ways = leaving.plain if outcome is None else leaving.ways(outcome)
        if not ways.edges and not leaving.choices:
            self._cross(frame, visit, [])
            return
        try:
            verdicts, taken = judge(visit, ways, every=node.fork)
        except GuardError as error:
            self._fail_at(frame, visit, error_info(error))
            return
        self._events.append(Routed(visit.id, tuple(verdicts)))
        if taken:
            self._cross(frame, visit, taken)
        else:
            self._fail_at(frame, visit, error_info(no_route(frame.graph, visit, outcome, ways.edges, verdicts)))

    def _follow(self, frame: Frame, visit: Visit, error: ErrorInfo | None = None) -> bool:
        """Leave a visit as it was left when the run was recorded; tell whether it was left at all.

        Raises:
            WrongInput: the definition has no such edge.
        """
        assert self.script is not None, "only a recorded run is followed"
        recorded = self.script.routed.get((visit.id, error is not None))
        node = visit.node
        if recorded is None:
            if error is None:
                self._follow_unrouted(frame, visit)
            return False
        taken: Taken = []
        for verdict in recorded.verdicts:
            if verdict.edge >= len(node.edges):
                raise self._wrong(
                    f"visit {visit.id} was left by edge {verdict.edge + 1} of {node.name!r}, which is gone"
                )
            if verdict.result == "taken":
                edge = node.edges[verdict.edge]
                taken.append((edge, visit.line.state[edge.each.of] if edge.each is not None else None))
        self._events.append(recorded)
        if not taken and error is None:
            edges = [node.edges[v.edge] for v in recorded.verdicts]
            none = no_route(frame.graph, visit, visit.outcome, edges, recorded.verdicts)
            self._fail_at(frame, visit, error_info(none))
        elif taken:
            self._cross(frame, visit, taken)
        return bool(taken)

    def _follow_unrouted(self, frame: Frame, visit: Visit) -> None:
        """A recorded visit was left by no edge: its line ended, unless a guard had raised."""
        assert self.script is not None, "only a recorded run is followed"
        raised = self.script.unrouted.get(visit.id)
        caught = self.script.routed.get((visit.id, True))
        if raised is None and caught is not None:
            raised = ErrorInfo(caught.error or "", "", (caught.error or "",))
        if raised is not None:
            self._fail_at(frame, visit, raised)
        else:
            self._cross(frame, visit, [])

    def _cross(self, frame: Frame, visit: Visit, taken: Taken) -> None:
        """Move the line of a visit over the edges taken, and let joins fire that waited for it."""
        line = visit.line
        changed: dict[int, Assigned] = {}
        try:
            for edge, _ in taken:
                if edge.set:
                    changed[edge.index] = changes(frame, visit, edge)
        except RunError as error:
            self._fail_at(frame, visit, error_info(error))
            return
        if len(taken) == 1:
            edge = taken[0][0]
            if frame.exits[edge.source].hops[edge.index]:
                if edge.set:
                    changed[edge.index].write(frame, line, visit)
                following = frame.hop(visit, edge)
                del self._visits[visit.id]
                self._visits[following.id] = following
                self._begin(frame, following)
                return
        crossings = frame.leave(visit, taken)
        del self._visits[visit.id]
        if not crossings:
            frame.end(line, visit)
            self._settle(frame, line.scopes, visit)
            return
        chains = {id(line.scopes): line.scopes}
        causes, place = (visit.id,), visit.place
        for crossing in crossings:
            if crossing.edge.index in changed:
                changed[crossing.edge.index].write(frame, crossing.line, visit)
            frame.arrive(crossing, causes, place)
            chains[id(crossing.line.scopes)] = crossing.line.scopes
        for scopes in sorted(chains.values(), key=len, reverse=True):
            if not self._settle(frame, scopes, visit):
                return

    def _settle(self, frame: Frame, scopes: tuple[Any, ...], visit: Visit) -> bool:
        """Let joins fire that waited for a visit which was left; tell whether that went well."""
        if len(scopes) == 1 and not frame.joins.whole:
            if frame.born or frame.fired:
                self._take_up(frame)
        else:
            try:
                frame.settle(scopes)
            except RunError as error:
                self._take_up(frame)
                join = error.facts.get("node") or visit.node.name
                self._fail_from(frame, error_info(error), visit.id, str(join))
                return False
            self._take_up(frame)
        if frame.outer is not None and frame.done and not frame.live:
            self._then(self._inner_done, frame_of(frame.outer.outer), frame.outer)
        return True

    def _inner_done(self, _: Frame, visit: Visit) -> None:
        """Nothing is live any more in the graph inside a visit."""
        if visit.inner is None or visit.inner.live:
            return
        frame = frame_of(visit.inner)
        try:
            state = frame.final()
        except RunError as error:
            self._fail_from(frame, error_info(error), visit.id, visit.node.name)
            return
        self._leave_graph(frame, state)

    def _leave_graph(self, frame: Frame, inner: dict[str, Any]) -> None:
        """The graph inside a node has ended: write what the node writes and go on from it."""
        visit = frame.outer
        assert visit is not None, "only a graph inside a node is left"
        outer = frame_of(visit.outer)
        self._leave_inside(visit)
        node = visit.node
        fields = outer.graph.field
        try:
            writes = {c.field: fields[c.field].encode(c.value(inner)) for c in node.outputs}
            outcome = label_of(writes[node.writes[0]]) if node.answers else None
            decoded = [(fields[name], fields[name].decode(value)) for name, value in writes.items()]
            outer.write(visit.line, decoded, visit)
        except Exception as error:  # noqa: BLE001 - whatever an expression or a validator raises is the node's failure
            refused = WriteRefused(
                f"node {node.name!r} cannot write what the flow inside it gave: {error}", node=node.name
            )
            self._failed(outer, visit, error_info(refused))
            return
        self._completed(outer, visit, outcome, writes)

    # -- failing ------------------------------------------------------------------------------------------------------

    def _failed(self, frame: Frame, visit: Visit, error: ErrorInfo, marks: tuple[Mark, ...] = ()) -> None:
        """A visit ended with an error: take its error edge, or else let the error go up."""
        visit.phase = FAILED
        self._events.append(VisitFailed(visit.id, visit.node.name, error, max(visit.attempt, 1), marks))
        self._fail_at(frame, visit, error)

    def _fail_at(self, frame: Frame, visit: Visit, error: ErrorInfo) -> None:
        """An error stands at a live visit; an error edge of it, or of a node around it, may catch it."""
        if self.script is not None:
            if not self._follow(frame, visit, error):
                self._fail_from(frame, error, visit.id, visit.node.name)
            return
        catching = [e for e in frame.exits[visit.node.index].errors if catches(e, error)]
        if catching:
            self._catch(frame, visit, error, catching)
            return
        self._fail_from(frame, error, visit.id, visit.node.name)

    def _fail_from(self, frame: Frame, error: ErrorInfo, visit: str, node: str) -> None:
        """Let an error go up to the nodes around, if one of them can catch it; else the run fails."""
        at = frame
        while at.outer is not None:
            outer = at.outer
            around = frame_of(outer.outer)
            if self._caught(around, outer, error):
                self._leave_inside(outer, "failure")
                self._failed(around, outer, error)
                return
            at = around
        self._fail_run(error, visit, node)

    def _caught(self, frame: Frame, visit: Visit, error: ErrorInfo) -> bool:
        """Tell whether an error edge of a visit catches an error."""
        if self.script is not None:
            return (visit.id, True) in self.script.routed
        return any(catches(e, error) for e in frame.exits[visit.node.index].errors)

    def _leave_inside(self, visit: Visit, why: str = "") -> None:
        """Let go of the graph inside a visit; what is still live in it is cancelled."""
        assert visit.inner is not None, "there is a graph inside"
        frame = frame_of(visit.inner)
        visit.inner = None
        self._inside -= 1
        for each in sorted(frame.live.values(), key=lambda v: v.place):
            self._discard(each, why)
        frame.live.clear()

    def _catch(self, frame: Frame, visit: Visit, error: ErrorInfo, edges: list[Edge]) -> None:
        try:
            verdicts, taken = judge(visit, Ways(tuple(edges)), every=False)
        except GuardError as raised:
            self._fail_from(frame, error_info(raised), visit.id, visit.node.name)
            return
        self._events.append(Routed(visit.id, tuple(verdicts), error.type))
        if taken:
            self._cross(frame, visit, taken)
        else:
            self._fail_from(frame, error, visit.id, visit.node.name)

    def _fail_run(self, error: ErrorInfo, visit: str, node: str) -> None:
        if self.script is not None and self.script.failed is not None:
            recorded = self.script.failed
            error, visit, node = recorded.error, recorded.visit, recorded.node
        self._halt("failure", apart=visit)
        self.status, self.error, self.failed_at = "failed", error, (visit, node)
        self._events.append(RunFailed(error, visit, node))

    def _halt(self, why: str, apart: str = "") -> None:
        """Stop all live attempts and waits; the lines stay where they are, so that the run can be resumed."""
        for _, visit in self._all_live():
            if visit.id == apart or visit.phase in {INSIDE, DONE, FAILED}:
                continue
            self._stop(visit)
            self._events.append(VisitCancelled(visit.id, visit.node.name, why))
        self.questions.clear()
        self._todo = []

    def _stop(self, visit: Visit) -> None:
        commanded = visit.phase == READY and visit.attempt > 0
        if self.attempts.pop(visit.id, None) is not None or commanded:
            self._commands.append(CancelAttempt(visit.id, visit.attempt))
        self._stop_timer(visit, "retry")
        self._stop_timer(visit, "deadline")
        if commanded:
            visit.attempt -= 1

    def _discard(self, visit: Visit, why: str) -> None:
        """Stop a visit for good, and all that runs inside it."""
        if visit.inner is not None:
            self._leave_inside(visit, why)
        self.questions.pop(visit.id, None)
        self._stop(visit)
        del self._visits[visit.id]
        if visit.phase not in {DONE, FAILED}:  # Those have ended, and their error was caught further up.
            self._events.append(VisitCancelled(visit.id, visit.node.name, why))

    # -- taking a run up again ----------------------------------------------------------------------------------------

    def _all_live(self) -> list[tuple[Frame, Visit]]:
        """Return live visits in the order of their births, outer before inner."""
        return [(frame_of(visit.outer), visit) for visit in self._visits.values()]

    def _pick_up(self, frame: Frame, visit: Visit) -> None:
        """After a crash or a suspension: command again what a driver has to have in hand."""
        if visit.phase == READY:
            self._command_attempt(frame, visit)
        elif visit.phase == RUNNING:
            del self.attempts[visit.id]
            self._lose(frame, visit, self._on_crash(frame, visit))
        elif visit.phase in {PAUSED, WAITING}:
            for kind in ("retry", "deadline"):
                if (due := self.timers.get((visit.id, kind))) is not None:
                    self._commands.append(StartTimer(visit.id, kind, due))

    def _on_crash(self, frame: Frame, visit: Visit) -> OnCrash:
        """Return what becomes of an attempt that began and was cut off."""
        if self.script is not None:
            lost = self.script.lost.get(visit.id)
            return lost.then if lost is not None else "retry"
        then: OnCrash = policy(visit, frame, "on_crash")
        return then

    def _lose(self, frame: Frame, visit: Visit, then: OnCrash) -> None:
        self._events.append(AttemptLost(visit.id, visit.node.name, visit.attempt, then))
        visit.lost = then
        self._then(self._lost, frame, visit, then)

    def _lost(self, frame: Frame, visit: Visit, then: OnCrash) -> None:
        """Decide about an attempt that started before a crash and has no recorded end."""
        visit.lost = None
        if then == "retry":
            visit.tries -= 1
            self._start_attempt(frame, visit)
        elif then == "fail":
            why = "was cut off; the node declares on_crash='fail', so it is not run again"
            self._fail_in_doubt(frame, visit, why, again="fail")
        else:
            self._ask_about(frame, visit)

    def _ask_about(self, frame: Frame, visit: Visit) -> None:
        """Ask whether to run a lost attempt again."""
        visit.phase = DOUBTFUL
        name = visit.node.name
        text = (
            f"Attempt {visit.attempt} of {name!r} was cut off; its effect may or may not have taken place."
            " Run it again?"
        )
        question = VisitWaiting(visit.id, name, text, _DOUBT_ANSWERS, reads=shown(frame, visit))
        self.questions[visit.id] = question
        self._events.append(question)

    def _doubt_answered(self, frame: Frame, visit: Visit, given: Answered) -> None:
        if given.answer not in _DOUBT_ANSWERS:
            expected = " or ".join(repr(a) for a in _DOUBT_ANSWERS)
            raise AnswerRefused(
                f"visit {visit.id} asks whether to run a lost attempt again: answer {expected}", visit=visit.id
            )
        del self.questions[visit.id]
        self.status = "running"
        if given.answer == "retry":
            visit.tries -= 1
            self._start_attempt(frame, visit)
            return
        self._fail_in_doubt(frame, visit, "was cut off and given up by answer", again="ask")

    def _fail_in_doubt(self, frame: Frame, visit: Visit, why: str, *, again: OnCrash) -> None:
        """Fail a visit whose attempt may have had its effect; who resumes the run meets the same doubt `again`."""
        visit.lost = again
        name = visit.node.name
        error = InDoubt(f"attempt {visit.attempt} of {name!r} (visit {visit.id}) {why}", node=name, visit=visit.id)
        self._failed(frame, visit, error_info(error))

    def _restart(self, frame: Frame, visit: Visit, *, own: bool = True) -> None:
        """Give a visit of a halted run a new round; what had completed and could not go on tries to go on again.

        An attempt of the run's own that was stopped in the middle may have had its effect, as if it had crashed.
        """
        node = visit.node
        self.attempts.pop(visit.id, None)
        visit.tries = 0
        if visit.phase == INSIDE:
            return
        if visit.phase == DONE:
            self._then(self._route, frame, visit, visit.outcome)
        elif visit.phase == DOUBTFUL:
            self._ask_about(frame, visit)
        elif node.kind == "ask":
            self._stop_timer(visit, "deadline")
            self._ask(frame, visit)
        elif node.graph is not None:
            self._then(self._enter, frame, visit)
        elif node.kind == "end":
            self._then(self._reach_end, frame, visit)
        elif node.kind == "join" and visit.short is not None:
            self._then(self._failed, frame, visit, visit.short)
        elif node.kind == "join":
            self._then(self._completed, frame, visit, None, {})
        else:
            self._stop_timer(visit, "retry")
            if own and visit.lost is not None:  # It is still in doubt what its last attempt did.
                visit.tries = 1
                self._then(self._lost, frame, visit, visit.lost)
                return
            visit.lost = None
            then = self._on_crash(frame, visit) if own and visit.phase == RUNNING else "retry"
            if then == "retry":
                self._start_attempt(frame, visit)
            else:
                visit.tries = 1
                self._lose(frame, visit, then)

    def _settle_everything(self) -> None:
        """A run that failed where branches met tries to let them meet again."""
        frames: dict[int, Frame] = {}
        if self._root is not None:
            frames[id(self._root)] = self._root
        for frame, visit in self._all_live():
            frames[id(frame)] = frame
            if visit.inner is not None:
                inner = frame_of(visit.inner)
                frames[id(inner)] = inner
        for frame in frames.values():
            if frame.outer is not None and frame.outer.inner is not frame:
                continue  # An error inside it was caught by a node around it.
            try:
                frame.settle_all()
            except RunError as error:
                self._fail_from(frame, error_info(error), "", str(error.facts.get("node") or ""))
                if self.status != "running":
                    return
                continue
            self._take_up(frame)
            if frame.outer is not None and frame.done and not frame.live:
                self._then(self._inner_done, frame_of(frame.outer.outer), frame.outer)

    # -- limits -------------------------------------------------------------------------------------------------------

    def _pass_limit(self, frame: Frame, visit: Visit, passed: Passed) -> None:
        """The visit that passed a limit has that as its outcome; an edge may catch it once per limit."""
        name, used, allowed = passed
        self._events.append(LimitPassed(visit.id, name, used, allowed))
        error = error_info(
            LimitReached(
                f"the run used {used:g} {name}, {allowed:g} are allowed (passed at {visit.node.name!r}, visit"
                f" {visit.id});"
                " raise the limit and resume, or lead an edge away with on=LimitReached",
                limit=name,
                used=used,
                allowed=allowed,
            )
        )
        if self._meter.is_graced(name):
            visit.phase = FAILED
            self._events.append(VisitFailed(visit.id, visit.node.name, error, max(visit.attempt, 1)))
            self._fail_run(error, visit.id, visit.node.name)
            return
        self._meter.grace(name)
        if visit.phase == DONE:
            self._fail_at(frame, visit, error)
        else:
            self._failed(frame, visit, error)
        if self.status == "failed":
            self._meter.withdraw(name)  # Nobody caught it, so nobody needs grace to end in order.

    # -- small things -------------------------------------------------------------------------------------------------

    def _complete(self, state: dict[str, Any], end: str | None) -> None:
        self.state, self.status, self.end = state, "completed", end
        self._visits.clear()
        self.questions.clear()
        self.timers.clear()
        self._todo = []
        self._events.append(RunCompleted(end, self.totals.visits))

    def _start_timer(self, visit: Visit, kind: str, due: float) -> None:
        self.timers[visit.id, kind] = due
        self._commands.append(StartTimer(visit.id, kind, due))

    def _stop_timer(self, visit: Visit, kind: str) -> None:
        if self.timers.pop((visit.id, kind), None) is not None:
            self._commands.append(CancelTimer(visit.id, kind))

    def _live(self, visit: str) -> tuple[Frame, Visit]:
        found = self._visits.get(visit)
        if found is None:
            live = ", ".join(f"{i} ({name})" for i, name in self.visits.items()) or "none"
            raise self._wrong(f"has no live visit {visit}; live: {live}")
        return frame_of(found.outer), found

    def _unexpected(self, visit: str, attempt: int) -> WrongInput:
        return self._wrong(f"expects no such thing of attempt {attempt} of visit {visit}")

    def _wrong(self, why: str) -> WrongInput:
        return WrongInput(
            f"run {self.run or '(new)'} of {self.graph.name!r} is {self.status} and {why}",
            run=self.run,
            status=self.status,
        )

    _TAKE: ClassVar[dict[type, Callable[[Stepper, Any], None]]] = {
        Started: _started,
        AttemptSucceeded: _attempt_succeeded,
        AttemptFailed: _attempt_failed,
        TimerFired: _timer_fired,
        Answered: _answered,
        Cancelled: _cancelled,
        Resumed: _resumed,
        Forked: _forked,
    }


def _refused(given: AttemptSucceeded, error: WriteRefused) -> AttemptFailed:
    """Return how an attempt ended that returned what cannot be written."""
    facts = (given.duration_s, given.usage, given.marks, given.sent, given.kept)
    return AttemptFailed(given.visit, given.attempt, error_info(error), *facts)


__all__ = ["GraphrtError", "Status", "Stepper", "Totals"]
