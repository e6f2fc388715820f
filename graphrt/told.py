"""What an account tells: of a run, its visits, their attempts and edges, and what they used; and how that is said.

Times are seconds since the epoch, durations seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, cast

from graphrt.inputs import ErrorInfo, Json, Mark, Sent, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphrt import events as e
    from graphrt.graph import Edge, Graph, Node

VisitStatus: TypeAlias = Literal["running", "waiting", "paused", "completed", "failed", "cancelled", "lost"]
"""`paused` waits for its next attempt, `waiting` for an answer, `lost` has an attempt in doubt."""
RunStatus: TypeAlias = Literal["running", "suspended", "completed", "failed", "cancelled"]
_MODELS: Final = ", "
"""Stands between the names of several models."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens and money, added up as far as they are known.

    A sum that leaves something out says so, and whoever shows it has to: what nobody said is unknown, never 0.
    """

    tokens: int = 0
    cost_usd: float = 0.0
    uses: int = 0
    """Attempts that said what they used."""
    uncounted: int = 0
    """Of these, those that did not say how many tokens they took …"""
    unpriced: int = 0
    """… and those whose price is not known."""

    def __add__(self, other: Spent) -> Spent:
        """Return both together."""
        return Spent(
            self.tokens + other.tokens,
            self.cost_usd + other.cost_usd,
            self.uses + other.uses,
            self.uncounted + other.uncounted,
            self.unpriced + other.unpriced,
        )


def spent(usage: Usage | None) -> Spent:
    """Return what an attempt used, as far as it said."""
    if usage is None:
        return _NOTHING_SPENT
    return Spent(
        (usage.input_tokens or 0) + (usage.output_tokens or 0),
        usage.cost_usd or 0.0,
        1,
        usage.input_tokens is None or usage.output_tokens is None,
        usage.cost_usd is None,
    )


_NOTHING_SPENT: Final = Spent()


@dataclass(frozen=True, slots=True)
class ParentsShare:
    """What of a visit in a fork is the parent's: it was before the run went off."""

    attempts: int
    """Attempts that it had made, the first of its list."""
    took_s: float
    """The time from its start, as far as the run was driven."""
    whole: bool
    """Whether the visit is the parent's as a whole: it did not go on in the fork."""


@dataclass(slots=True)
class AttemptAccount:
    """One try of a visit."""

    number: int
    started: float
    ended: float | None = None
    duration_s: float | None = None
    error: ErrorInfo | None = None
    usage: Usage | None = None
    marks: tuple[Mark, ...] = ()
    """What happened in it besides, such as a cache hit."""
    sent: tuple[Sent, ...] = ()
    """What it sent to models."""
    lost: bool = False
    """Started, and cut off by a crash: whether its effect took place is in doubt."""
    step: str = ""
    """The step that it is; see `graphrt.numbering`."""


class ToolResult(NamedTuple):
    """What the model of an agent was told about a call of a tool."""

    tool: str
    text: str
    failed: bool
    """Whether the text says what went wrong with the call instead of a result."""
    raised: str | None = None
    """The exception that the tool raised, which the model was not told in full."""

    @property
    def trouble(self) -> str:
        """What went wrong, as people want to know it: the tool, and what it raised or what the model was told."""
        return f"{self.tool}: {self.raised or self.text}"


@dataclass(slots=True)
class EdgeAccount:
    """What became of an edge when a visit was left."""

    edge: Edge
    target: str
    result: str
    """`taken`, `false`, `used up`, `not tried`.

    Where a guard raised: `raised` for its edge, before it `no match`, or `tried` where several edges may be taken.
    """
    values: dict[str, Json] = field(default_factory=dict[str, Any])
    count: int | None = None
    step: str = ""
    """The step that its crossing is; empty if it was not taken."""

    @property
    def taken(self) -> bool:
        """Whether the line crossed it."""
        return self.result == "taken"

    @property
    def trigger(self) -> str:
        """Outcome and guard that it needs, as a person would write them; `always` for an edge without either."""
        parts = [p for p in (self.edge.on, self.edge.on_error) if p]
        if self.edge.when is not None:
            parts.append(self.edge.when.text)
        return " and ".join(parts) or "always"

    @property
    def text(self) -> str:
        """Why, in one line: `score < 0.8 → false (score = 0.91)`."""
        return verdict_text(self)


@dataclass(slots=True)
class VisitAccount:
    """One execution of one node."""

    id: str
    node: Node
    path: tuple[str, ...]
    """Names of the nodes around it and of its own."""
    number: int
    """Which visit of this node it is, counted from 1 in the order of their starts."""
    causes: tuple[str, ...]
    started: float
    ended: float | None = None
    status: VisitStatus = "running"
    attempts: list[AttemptAccount] = field(default_factory=list[AttemptAccount])
    outcome: str | None = None
    writes: dict[str, Json] = field(default_factory=dict[str, Any])
    item: Json = None
    routed: list[EdgeAccount] = field(default_factory=list[EdgeAccount])
    caught: str | None = None
    """The type of the error that an error edge of it caught."""
    error: ErrorInfo | None = None
    stuck: ErrorInfo | None = None
    """Why it could not be left, though its work went well: a guard raised, no edge matched, an action failed."""
    question: str | None = None
    answers: tuple[str, ...] = ()
    due: float | None = None
    reads: dict[str, Json] = field(default_factory=dict[str, Any])
    """What the question showed: the fields that its node reads."""
    answer: Json = None
    by: str | None = None
    """Who answered."""
    why: str | None = None
    """Why it was cancelled: `run`, `failure`, `join`, `end`."""
    joined: e.Joined | None = None
    idle_s: float = 0.0
    """The time since its start in which nobody drove the run, while it did not wait for an answer."""
    step: str = ""
    """The step that led to it; see `graphrt.numbering`."""
    asked: str = ""
    """The step that its latest question is; empty if it asked nothing."""
    again: str = ""
    """The step that its next attempt will be, while it is paused."""
    notes: dict[str, Json] = field(default_factory=dict[str, Any])
    agent: str | None = None
    """Name of the agent's node that it works inside of; None outside of agents."""
    inside: Usage | None = None
    """What ran inside it consumed, however deep; None if nothing was said."""
    spent: Spent = _NOTHING_SPENT
    """What it used with all that ran inside it, as far as it is known."""
    parents: ParentsShare | None = None
    """What of it is the parent's; None if nothing is, or the run is no fork."""

    @property
    def own_attempts(self) -> list[AttemptAccount]:
        """Its attempts in this run; in a fork without those that the parent made."""
        return self.attempts if self.parents is None else self.attempts[self.parents.attempts :]

    @property
    def own_took_s(self) -> float | None:
        """How long it took in this run, as `took_s`; in a fork without what it took in the parent."""
        if self.parents is None or self.took_s is None:
            return self.took_s
        if self.attempts:
            return sum(a.duration_s or 0.0 for a in self.own_attempts)
        return max(0.0, self.took_s - self.parents.took_s)

    def goes_on(self) -> None:
        """Note that something is done at it in a fork, whatever had become of it in the parent."""
        if self.parents is not None and self.parents.whole:
            self.parents = replace(self.parents, whole=False)

    def copied(self) -> VisitAccount:
        """Return the visit as it is now, whatever becomes of it; of its attempts only the last can change."""
        return replace(self, attempts=[*self.attempts[:-1], *map(replace, self.attempts[-1:])])

    @property
    def result(self) -> ToolResult | None:
        """What the model was told about the call of a tool that this visit made; None if it made none."""
        if self.agent is None or "tools" not in self.node.about or self.status != "completed":
            return None
        last = told_of_call(self.writes)
        if last is None:
            return None
        raised = str(self.notes["error"]) if "error" in self.notes else None
        return ToolResult(str(last.get("name")), str(last.get("text")), last.get("failed") is True, raised)

    @property
    def refused(self) -> ToolResult | None:
        """The call that it made, if that went wrong and the model was told so: the visit completed all the same."""
        return result if (result := self.result) is not None and result.failed else None

    @property
    def name(self) -> str:
        """The node as people refer to this visit of it: `review #2`."""
        return f"{self.node.name} #{self.number}" if self.number > 1 else self.node.name

    @property
    def steps(self) -> tuple[str, ...]:
        """Its steps: the one that led to it, then its further attempts and questions."""
        return tuple(dict.fromkeys(s for s in (self.step, *(a.step for a in self.attempts), self.asked) if s))

    @property
    def duration_s(self) -> float | None:
        """From start to end, without the time in which nobody drove the run; None while it is live.

        Of a question it is how long it waited for its answer.
        """
        return None if self.ended is None else max(0.0, self.ended - self.started - self.idle_s)

    @property
    def busy_s(self) -> float:
        """Sum of the durations of its own attempts."""
        return sum(a.duration_s or 0.0 for a in self.attempts)

    @property
    def took_s(self) -> float | None:
        """How long it took, as everything shows it: its attempts, without the waits between them.

        Of a question it is how long it waited for its answer, of a node with a graph inside the time from start to end.
        None while it is live, and of an end or a join, which do nothing.
        """
        if self.ended is None or self.node.kind in {"end", "join"}:
            return None
        return self.busy_s if self.attempts else self.duration_s

    @property
    def marks(self) -> list[Mark]:
        """What happened in its own attempts besides, oldest first."""
        return [mark for attempt in self.attempts for mark in attempt.marks]

    @property
    def usage(self) -> Usage | None:
        """What its own attempts consumed together; None if nothing was said."""
        return total_usage([a.usage for a in self.attempts])

    @property
    def used(self) -> Usage | None:
        """What it consumed with all that ran inside it, as everything shows it; None if nothing was said."""
        return total_usage([*(a.usage for a in self.attempts), self.inside])


@dataclass(slots=True)
class Totals:
    """What a run used. None means unknown."""

    visits: int = 0
    attempts: int = 0
    retries: int = 0
    """Attempts that were made since the one before them failed; what a crash cut off is no failure."""
    active_s: float = 0.0
    """What the attempts took, those beside each other added up."""
    wall_s: float = 0.0
    """From the first record to the last; of a fork without the time from where it leaves its parent to when it did."""
    idle_s: float = 0.0
    """Of that, the time in which nobody drove the run: while it waited for an answer with nothing else to do, and after
    it had failed or was cut off."""
    usage: Usage | None = None
    spent: Spent = _NOTHING_SPENT
    """Tokens and cost as far as they are known, which `usage` does not tell where a part is unknown."""

    @property
    def driven_s(self) -> float:
        """The time in which somebody drove the run."""
        return max(0.0, self.wall_s - self.idle_s)


@dataclass(slots=True)
class Account:
    """A run, as its trace tells it."""

    run: str
    flow: str
    digest: str
    graph: Graph
    status: RunStatus
    visits: dict[str, VisitAccount]
    """In the order of their starts."""
    totals: Totals
    started: float
    ended: float
    """When the last record was made."""
    error: ErrorInfo | None = None
    failed_at: str | None = None
    end: str | None = None
    """The stopping end that ended it; `ends` names any end."""
    questions: tuple[str, ...] = ()
    cancelled_by: str | None = None
    parent: str | None = None
    parent_visit: str | None = None
    parents: Totals | None = None
    """What of the totals is the parent's, of a fork; None if the run is none."""
    cut_off: bool = False
    """Whether it is running by its trace, and by its store nobody drives it; see `nobody_drives`."""
    step: str = "0"
    """The latest number of its steps; `0` before the first."""

    @property
    def standing(self) -> str:
        """How it stands in a word: its status, or that it was cut off."""
        return "cut off" if self.cut_off else self.status

    def nobody_drives(self) -> None:
        """Note that the process which drove the run is gone, which its trace cannot tell."""
        if self.status != "running":
            return
        self.cut_off = True
        for visit in self.visits.values():
            if visit.status == "running":
                visit.status = "lost"

    @property
    def ends(self) -> tuple[str, ...]:
        """Names of the ends of the flow that were reached, each once, in the order in which they were.

        The end that stopped the run comes alone: what others have reached was given up with it.
        """
        if self.end is not None:
            return (self.end,)
        dropped = {visit for v in self.visits.values() if v.joined is not None for visit in v.joined.dropped}
        reached = (
            v
            for v in self.visits.values()
            if v.node.kind == "end" and len(v.path) == 1 and v.status in {"completed", "failed"} and v.id not in dropped
        )
        return tuple(dict.fromkeys(v.node.name for v in reached))

    def graph_around(self, visit: VisitAccount) -> Graph:
        """Return the graph that a visit's node stands in."""
        return within(self.graph, visit.path[:-1])

    def of_node(self, *path: str) -> list[VisitAccount]:
        """Return the visits of a node; nodes inside others are named with all names around them."""
        return [v for v in self.visits.values() if v.path == path]


def is_block(error_type: str) -> bool:
    """Say whether an error is that by which a guardrail stops an agent, by the name of its type."""
    return error_type.rpartition(".")[2] in _BLOCKING


def without_advice(text: str) -> str:
    """Return what an error says without its advice to lead an edge away, which was taken where an edge caught it."""
    fact, semicolon, advice = text.rpartition("; ")
    return fact if semicolon and "lead an edge" in advice else text


def told_of_call(writes: Mapping[str, Json]) -> dict[str, Any] | None:
    """Return the message by which the call of a tool tells its model what came of it, if there is one among writes."""
    said = writes.get("messages")
    last = cast("list[Json]", said)[-1] if isinstance(said, list) and said else None
    message = cast("dict[str, Any]", last) if isinstance(last, dict) else {}
    return message if message.get("role") == "tool" else None


def total_usage(parts: list[Usage | None]) -> Usage | None:
    """Add up usages.

    A number that one part does not know is unknown in the sum; parts that say nothing at all do not count.
    """
    known = [p for p in parts if p is not None]
    if not known:
        return None
    models = list(dict.fromkeys(model for p in known if p.model for model in p.model.split(_MODELS)))

    def whole(name: str) -> Any:  # noqa: ANN401 - int or float
        values = [getattr(p, name) for p in known]
        return None if any(v is None for v in values) else sum(values)

    return Usage(_MODELS.join(models) or None, whole("input_tokens"), whole("output_tokens"), whole("cost_usd"))


def defined_then(told: Account, visit: VisitAccount, then: Graph) -> tuple[Graph, Node]:
    """Return the node of a visit as the definition `then` has it, and the graph that it stands in."""
    graph, node = told.graph_around(visit), visit.node
    if then is not told.graph:
        graph = _inside(then, visit.path[:-1]) or graph
        node = graph.by_name.get(node.name, node)
    return graph, node


def edges_tried(told: Account, visit: VisitAccount, event: e.Routed, then: Graph) -> list[EdgeAccount]:
    """Return what became of each edge of a visit that was left; `then` is the definition that it was left under."""
    graph, node = defined_then(told, visit, then)
    edges = [node.edges[v.edge] for v in event.verdicts]
    return [
        EdgeAccount(edge, graph.nodes[edge.target].name, v.result, v.values or {}, v.count)
        for edge, v in zip(edges, event.verdicts, strict=True)
    ]


def verdict_text(edge: EdgeAccount) -> str:
    """Return why an edge was taken or not, in one line, with the values its guard read."""
    values = ", ".join(f"{k} = {value_text(v)}" for k, v in edge.values.items())
    if edge.result == "used up":
        return f"{edge.trigger} → used up ({edge.count} of {edge.edge.at_most})"
    if edge.result in {"not tried", "no match", "tried", "raised"}:
        return f"{edge.trigger} → {edge.result}"
    shown = "true" if edge.taken else "false"
    if edge.edge.when is None:
        shown = "taken" if edge.taken else "false"
    if edge.edge.each is not None and edge.taken:
        shown += f", {edge.count} branch{'' if edge.count == 1 else 'es'}"
    return f"{edge.trigger} → {shown}" + (f" ({values})" if values else "")


def value_text(value: Json) -> str:
    """Return a JSON value as a person would write it in a guard."""
    if isinstance(value, str):
        return f'"{value}"'
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return "[" + ", ".join(value_text(v) for v in cast("list[Json]", value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {value_text(v)}" for k, v in cast("dict[str, Json]", value).items()) + "}"
    return str(value)


def within(graph: Graph, path: tuple[str, ...]) -> Graph:
    """Return the graph inside the nodes of `path`, which are there."""
    for name in path:
        inner = graph.by_name[name].graph
        assert inner is not None, "a visit below another stands in a node with a graph inside"
        graph = inner
    return graph


def _inside(graph: Graph, path: tuple[str, ...]) -> Graph | None:
    """Return the graph inside the nodes of `path`; None if a definition has them not, or nothing inside."""
    found: Graph | None = graph
    for name in path:
        node = found.by_name.get(name) if found is not None else None
        found = node.graph if node is not None else None
    return found


_BLOCKING: Final = frozenset({"GuardrailTripped", "GuardrailTimeout"})
