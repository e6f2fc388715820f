"""From the events of a run to those of a conversation: which agent is at work, which tool it called, who handed over.

The teller reads the records of the run itself, as they become durable, because they say what was written; what a
listener is handed only tells how far to read. So nothing is lost when somebody is slow.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from graphrt import events as run_events
from graphrt.chat import events
from graphrt.configurations.switch import NONE_OF_THEM
from graphrt.errors import RunNotFound
from graphrt.inputs import AttemptSucceeded, ErrorInfo, Mark
from graphrt.runtime import Delta
from graphrt.told import without_advice

if TYPE_CHECKING:
    from graphrt.graph import Graph, Node
    from graphrt.ports import Store
    from graphrt.runtime import Item
    from graphrt.trace import Record


_CLOSING = (events.AgentCompleted, events.ToolReturned)
"""What closes for good: an agent that failed, or a call that was stopped, gets another chance with its turn."""


class Teller:
    """Tells one turn."""

    def __init__(
        self,
        graph: Graph,
        store: Store,
        run: str,
        tell: Callable[[events.ChatEvent], None],
        first: events.TurnStarted | None = None,
        told: frozenset[str] = frozenset(),
    ) -> None:
        self._graph = graph
        self._store = store
        self._run = run
        self._tell = tell
        self._first = first
        """Told once the run is seen to have begun."""
        self._told = told
        """Visits of agents and tools that were told to have begun, when the turn was suspended, and are still open."""
        self.has_begun = False
        """Whether anything of the run was heard."""
        self._muted = False
        self._next = 0
        self._pairs: deque[tuple[Record, run_events.Event]] = deque()
        self._nodes: dict[str, Node] = {}
        self._agents: dict[str, str] = {}
        """Agents at work: visit to name."""
        self._judges: set[str] = set()
        """Visits of agents that judge inside of others: what they say is on record, but said to nobody."""
        self._calls: dict[tuple[str, str], events.ToolRequested] = {}
        """Tools at work, by the visit of their agent and the id of the call."""
        self._failed: dict[str, ErrorInfo] = {}
        """What went wrong inside an agent: it fails with it, unless it goes on."""
        self._scores: dict[str, dict[str, float]] = {}

    @property
    def open(self) -> frozenset[str]:
        """Visits of the agents and tools at work."""
        return frozenset(self._agents) | {call.visit for call in self._calls.values()}

    def skip_recorded(self) -> None:
        """Take in what is on record already; of those told to be open, tell who has ended meanwhile."""
        self._muted = True
        self._drain()
        self._muted = False

    def begin_open(self) -> None:
        """Tell who is at work, and was not told to be."""
        for visit in self._agents:
            if visit not in self._told:
                self._begun(visit)
        for call in self._calls.values():
            if call.visit not in self._told:
                self._say(call)

    def forget_untold(self) -> None:
        """Know only of those that were told to be at work: the others have not begun for whoever listens."""
        self._agents = {visit: agent for visit, agent in self._agents.items() if visit in self._told}
        self._calls = {key: call for key, call in self._calls.items() if call.visit in self._told}

    async def hear(self, item: Item) -> None:
        """Take the next event or piece of text of the run."""
        self.has_begun = True
        if self._first is not None:
            self._tell(self._first)
            self._first = None
        if isinstance(item, Delta):
            if self._is_judging(item.visit):
                return
            agent = self._owner(item.visit)
            self._say(
                events.OutputDelta(
                    agent[1] if agent else item.node, agent[0] if agent else item.visit, item.text, item.anew
                )
            )
            return
        if not self._pairs:
            self._read()
        if self._pairs:
            self._take(*self._pairs.popleft())

    def finish(self) -> None:
        """Tell what is on record and was not told yet, and close what is open."""
        try:
            self._drain()
        finally:
            self.close("end")

    def close(self, why: str) -> None:
        """Close what is open, without a look at the record."""
        for visit, agent in reversed(list(self._agents.items())):
            self._stopped(visit, agent, why)
        self._agents.clear()

    def pause(self) -> None:
        """Tell what is on record and was not told yet, and leave open what waits for an answer."""
        self._drain()

    def _drain(self) -> None:
        self._read()
        while self._pairs:
            self._take(*self._pairs.popleft())

    def _read(self) -> None:
        with suppress(RunNotFound):  # it was stopped before it began
            for record in self._store.records(self._run, self._next):
                self._next = record.seq + 1
                self._pairs.extend((record, event) for event in record.events)

    def _say(self, event: events.ChatEvent) -> None:
        if not self._muted or (isinstance(event, _CLOSING) and event.visit in self._told):
            self._tell(event)

    def _owner(self, visit: str) -> tuple[str, str] | None:
        """Return visit and name of the agent that this visit is, or is inside of."""
        while visit:
            if visit in self._agents:
                return visit, self._agents[visit]
            visit = visit.rpartition("/")[0]
        return None

    def _take(self, record: Record, event: run_events.Event) -> None:
        if self._muted and isinstance(event, run_events.VisitFailed | run_events.VisitCancelled):
            return  # it gets another chance now
        if isinstance(event, run_events.VisitCompleted | run_events.VisitFailed | run_events.AttemptRetried):
            self._marks(event.visit, event.node, event.marks)
        match event:
            case run_events.VisitStarted():
                self._started(event)
            case run_events.VisitCompleted():
                self._completed(record, event)
            case run_events.VisitFailed(visit=visit, error=error):
                if visit in self._agents:
                    self._close_calls(visit)
                    self._say(_failed(self._agents.pop(visit), visit, error, caught=_is_caught(record, visit)))
                else:
                    if (owner := self._owner(visit)) is not None:
                        self._failed[owner[0]] = error
                    self._attempt(visit, event.node, event.attempt, error.type, error.message, again=False)
            case run_events.AttemptRetried(visit=visit, error=error):
                self._attempt(visit, event.node, event.attempt, error.type, error.message, again=True)
            case run_events.VisitCancelled(visit=visit):
                if visit in self._agents:
                    self._stopped(visit, self._agents.pop(visit), event.why)
            case run_events.Routed(visit=visit, error=str(error)):
                if visit in self._agents:
                    self._stopped(visit, self._agents.pop(visit), "failure", caught=True)
                if self._is_router(visit):
                    self._say(events.FellBack(self._nodes[visit].name, visit, error))
            case _:
                pass

    def _is_judging(self, visit: str) -> bool:
        """Say whether a visit is that of a judge, or inside of one."""
        while visit:
            if visit in self._judges:
                return True
            visit = visit.rpartition("/")[0]
        return False

    def _is_router(self, visit: str) -> bool:
        return visit in self._nodes and self._nodes[visit].kind == "router"

    def _marks(self, visit: str, node: str, marks: Sequence[Mark]) -> None:
        owner = self._owner(visit)
        for mark in marks:
            by = owner[1] if owner else node
            self._say(events.PolicyActed(by, visit, mark.by, mark.what, mark.text, mark.facts))

    def _attempt(self, visit: str, node: str, attempt: int, error: str, message: str, *, again: bool) -> None:
        owner = self._owner(visit)
        self._say(events.AttemptFailed(owner[1] if owner else node, visit, attempt, error, message, again))

    def _started(self, event: run_events.VisitStarted) -> None:
        visit = event.visit
        outer = self._nodes.get(visit.rpartition("/")[0])
        graph = self._graph if outer is None or outer.graph is None else outer.graph
        node = graph.by_name.get(event.node)
        if node is None:
            return
        self._nodes[visit] = node
        if self._is_judging(visit):
            return
        if node.kind in {"agent", "router"} and node.graph is not None:
            if self._owner(visit) is not None:
                self._judges.add(visit)
                return
            self._agents[visit] = node.name
            self._begun(visit)
            return
        owner = self._owner(visit)
        if owner is not None and isinstance(cast("object", event.item), Mapping):
            call = cast("Mapping[str, Any]", event.item)
            tool, call_id = str(call.get("name")), str(call.get("id"))
            told = events.ToolRequested(owner[1], visit, tool, call_id, dict(call.get("arguments") or {}))
            self._calls[owner[0], call_id] = told
            self._say(told)

    def _begun(self, visit: str) -> None:
        node = self._nodes[visit]
        self._say(events.AgentStarted(node.name, visit, node.about.get("step"), node.about.get("of")))

    def _completed(self, record: Record, event: run_events.VisitCompleted) -> None:
        visit, given = event.visit, record.input
        ended = isinstance(given, AttemptSucceeded) and given.visit == visit
        notes: dict[str, Any] = given.notes if isinstance(given, AttemptSucceeded) and ended else {}
        writes: dict[str, Any] = given.writes if isinstance(given, AttemptSucceeded) and ended else event.writes
        if "scores" in notes:
            self._scores[visit] = notes["scores"]
        if visit in self._agents:
            self._close_calls(visit)
            self._say(events.AgentCompleted(self._agents.pop(visit), visit))
        elif (owner := self._owner(visit)) is not None:
            self._returned(owner[0], writes.get("messages"))
        inside = self._owner(visit.rpartition("/")[0]) is not None  # an agent's own ways are nobody's routes
        if self._is_router(visit) and event.outcome is not None and not inside:
            name = self._nodes[visit].name
            if event.outcome == NONE_OF_THEM:
                self._say(events.FellBack(name, visit, f"the router answered {notes.get('said', 'nothing')}"))
            else:
                scores = self._scores.get(visit) or self._scores.get(f"{visit}/0")
                self._say(events.RouteChosen(name, visit, event.outcome, scores))
        if isinstance(handover := writes.get("handovers"), Mapping):
            self._say(events.HandedOver(visit=visit, **cast("Mapping[str, Any]", handover)))

    def _returned(self, agent_visit: str, messages: object) -> None:
        """Tell which calls these messages answer."""
        for message in cast("list[dict[str, Any]]", messages) if isinstance(messages, list) else []:
            found = self._calls.pop((agent_visit, str(message.get("call_id"))), None)
            if found is not None:
                text, failed = str(message.get("text", "")), bool(message.get("failed"))
                returned = events.ToolReturned(found.agent, found.visit, found.tool, found.call_id, text, failed)
                self._say(returned)

    def _stopped(self, visit: str, agent: str, why: str, *, caught: bool = False) -> None:
        """Tell that an agent did not get to its end: it failed, if something inside it did."""
        self._close_calls(visit)
        error = self._failed.pop(visit, None)
        if error is not None:
            self._say(_failed(agent, visit, error, caught=caught))
        else:
            self._say(events.AgentCancelled(agent, visit, why))

    def _close_calls(self, agent_visit: str) -> None:
        for key in [key for key in self._calls if key[0] == agent_visit]:
            call = self._calls.pop(key)
            self._say(events.ToolCancelled(call.agent, call.visit, call.tool, call.call_id))


def _is_caught(record: Record, visit: str) -> bool:
    """Say whether an edge caught the failure of a visit, of which this record tells."""
    return any(isinstance(e, run_events.Routed) and e.visit == visit and e.error is not None for e in record.events)


def _failed(agent: str, visit: str, error: ErrorInfo, *, caught: bool) -> events.AgentFailed:
    message = without_advice(error.message) if caught else error.message
    return events.AgentFailed(agent, visit, error.type, message, caught)
