"""Random graphs, and worlds for them to run in: what each attempt comes to, and in which order things happen.

A graph is grown from blocks (sequences, choices, loops, forks, fan-outs, races, nodes with a graph inside, asks,
retries with error edges), then disturbed by a few random edges, joins and forks. Shapes that graphrt refuses are left
out.

What an attempt comes to depends on its visit alone, never on time or order, so any two orders of the same world can be
compared.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar
from zlib import crc32

from hypothesis import reject
from hypothesis import strategies as st

from graphrt.commands import StartAttempt
from graphrt.graph import Each, Graph, Node, Retry
from graphrt.guards import Guard
from graphrt.inputs import AttemptFailed, ErrorInfo, Json
from graphrt.trees import Arithmetic, Compare, Constant, Read, Size
from tests.driving import Driver, Refused, be, build, error, plus, subgraph, when

T = TypeVar("T")


class Draw(Protocol):
    """What hypothesis hands to a composite strategy."""

    def __call__(self, strategy: st.SearchStrategy[T], /) -> T:
        """Draw a value."""
        ...


@dataclass(frozen=True)
class Kinds:
    """Which notions a random graph may use."""

    races: bool = False
    """Joins that wait for some only: what is reached depends on the order."""
    asks: bool = True
    errors: bool = True
    inside: bool = True
    disturbed: bool = True
    actions: bool = True
    local: bool = True
    """Fields that belong to a branch alone."""
    ends: bool = False
    """Ends that stop the run or fail it: what else was reached depends on the order."""
    doubts: bool = False
    """Deadlines, and nodes that do not simply run again after a crash."""


_ENDS: Final[tuple[dict[str, Any], ...]] = (
    {"kind": "end"},
    {"kind": "end", "stop": True},
    {"kind": "end", "failure": True},
)
PLAIN: Final = Kinds()
RACING: Final = Kinds(races=True, actions=False)
BARE: Final = Kinds(asks=False, errors=False, inside=False, actions=False, local=False)
"""What the executable model knows."""
WILD: Final = Kinds(races=True, ends=True, doubts=True)


@dataclass
class Drawing:
    """A graph on paper."""

    edges: list[tuple[str, str, dict[str, Any]]]
    nodes: dict[str, dict[str, Any]]


@dataclass
class _Plan:
    """A graph that grows."""

    draw: Draw
    kinds: Kinds
    edges: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list[tuple[str, str, dict[str, Any]]])
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])

    def one_of(self, options: Sequence[T]) -> T:
        return self.draw(st.sampled_from(options))

    def chance(self, percent: int) -> bool:
        return self.draw(st.integers(0, 99)) < percent

    def node(self, **facts: Any) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes[name] = facts
        return name

    def edge(self, source: str, target: str, **how: Any) -> None:
        if self.kinds.actions and self.chance(6):
            how["set"] = (self.one_of((plus("n", 1), be("note", "set"), be("log", []))),)
        self.edges.append((source, target, how))

    def guard(self) -> Guard:
        """Return a guard that depends on what was logged, or on the item."""
        if self.chance(25):
            return when("item", self.one_of(("<", "!=")), self.one_of((10, 20)))
        size = Arithmetic("%", Size(Read("log")), Constant(self.one_of((2, 3))))
        return Guard(Compare("==", size, Constant(0)))

    # -- blocks: each returns its first and its last node -------------------------------------------------------------

    def block(self, depth: int) -> tuple[str, str]:
        if not depth:
            return self._task()
        blocks: list[Callable[[int], tuple[str, str]]] = [
            self._sequence,
            self._sequence,
            self._fork,
            self._fork,
            self._fan,
            self._choice,
            self._loop,
        ]
        blocks += [self._task] * (depth < 3)
        blocks += [self._ask] * self.kinds.asks + [self._try] * self.kinds.errors + [self._inside] * self.kinds.inside
        block: Callable[[int], tuple[str, str]] = self.one_of(blocks)
        return block(depth - 1)

    def _task(self, _depth: int = 0) -> tuple[str, str]:
        name = self.node()
        if self.kinds.doubts and self.chance(30):
            self.nodes[name]["on_crash"] = self.one_of(("ask", "fail"))
        return name, name

    def _sequence(self, depth: int) -> tuple[str, str]:
        first, middle = self.block(depth)
        then, last = self.block(depth)
        self.edge(middle, then)
        return first, last

    def _join(self, branches: int) -> str:
        facts: dict[str, Any] = {"kind": "join"}
        if self.kinds.races and self.chance(50):
            facts["wait"] = self.draw(st.integers(1, branches))
        if self.chance(15):
            facts["fork"] = True
        return self.node(**facts)

    def _fork(self, depth: int) -> tuple[str, str]:
        """Two or three branches, or fan-outs, some of them straight into the join, some with an early end."""
        fork, count = self.node(fork=True), self.draw(st.integers(2, 3))
        branches = [(None if self.chance(15) else self.block(depth), self._way(fan=30)) for _ in range(count)]
        join = self._join(count)
        for branch, how in branches:
            self._branch(fork, branch, join, how)
        return fork, join

    def _fan(self, depth: int) -> tuple[str, str]:
        fork = self.node(fork=self.chance(50))
        branch, how = self.block(depth), self._way(fan=100)
        join = self._join(2)
        self._branch(fork, branch, join, how)
        return fork, join

    def _way(self, fan: int) -> dict[str, Any]:
        """Return how a branch begins: for each item, guarded, with a field of its own."""
        how: dict[str, Any] = {}
        if self.chance(fan):
            how["each"] = Each("items", "item", self.one_of((None, None, 1, 2)))
        elif self.chance(25):
            how["when"] = self.guard()
        if self.kinds.local and self.chance(20):
            how["local"] = ("note",)
        return how

    def _branch(self, fork: str, branch: tuple[str, str] | None, join: str, how: dict[str, Any]) -> None:
        if branch is None:
            self.edge(fork, join, **how)
            return
        first, last = branch
        self.edge(fork, first, **how)
        joins = self.chance(90) or not any(e[1] == join for e in self.edges)
        if not joins or self.chance(20):
            end = self.node(**self.one_of(_ENDS)) if self.kinds.ends and self.chance(40) else self.node()
            self.edge(last, end, **({"when": self.guard()} if joins else {}))
        if joins:
            self.edge(last, join)

    def _choice(self, depth: int) -> tuple[str, str]:
        router, after = self.node(), self.node()
        for how in ({"when": self.guard()}, {}):
            first, last = self.block(depth)
            self.edge(router, first, **how)
            self.edge(last, after)
        return router, after

    def _loop(self, depth: int) -> tuple[str, str]:
        first, last = self.block(depth)
        test = self.node()
        self.edge(last, test)
        self.edge(test, first, at_most=self.draw(st.integers(1, 2)))
        return first, test

    def _ask(self, _depth: int) -> tuple[str, str]:
        if self.chance(50):
            name = self.node(kind="ask", question="?", writes=("seen",))
            if not self.kinds.doubts:
                return name, name
            after, late = self.node(), self.node()
            self.nodes[name]["deadline_s"] = 5.0
            self.edge(name, after)
            self.edge(name, late, on_error="DeadlinePassed")
            self.edge(late, after)
            return name, after
        ask = self.node(kind="ask", question="?", answers=("yes", "no"), writes=())
        after = self.node()
        for answer in ("yes", "no"):
            then = self.node()
            self.edge(ask, then, on=answer)
            self.edge(then, after)
        return ask, after

    def _try(self, depth: int) -> tuple[str, str]:
        """A block around a node that may fail: with a retry, an error edge, or both."""
        name, after = self.node(), self.node()
        if self.chance(60):
            wait_s = self.one_of((0.0, 1.0))
            self.nodes[name]["retry"] = Retry(self.draw(st.integers(2, 3)), wait_s=wait_s, never=("KeyError",))
        self.edge(name, after)
        if self.chance(70):
            first, last = self.block(depth)
            self.edge(name, first, on_error=self.one_of(("Exception", "ValueError")))
            self.edge(last, after)
        return name, after

    def _inside(self, depth: int) -> tuple[str, str]:
        inner = _Plan(self.draw, self.kinds)
        graph = _built(inner.drawing(depth, disturbed=False))
        reads = ("n", "note", "items", "item")
        name = self.node(**subgraph(graph, *self.one_of((("total",), ("total", "note"), ())), reads=reads))
        if self.kinds.errors and self.chance(40):
            after, handler = self.node(), self.node()
            self.edge(name, after)
            self.edge(name, handler, on_error="Exception")
            self.edge(handler, after)
            return name, after
        return name, name

    # -- the whole ----------------------------------------------------------------------------------------------------

    def drawing(self, depth: int, *, disturbed: bool) -> Drawing:
        """Return a graph that may or may not be accepted."""
        start = self.node()
        first, _ = self.block(depth)
        self.edges.insert(0, (start, first, {}))
        if disturbed:
            for _ in range(self.one_of((0, 0, 0, 1, 2))):
                self._disturb(start)
        return Drawing(self.edges, self.nodes)

    def tangle(self) -> Drawing:
        """Return a graph without any plan: edges forward and some back, with joins and forks anywhere."""
        count = self.draw(st.integers(3, 9))
        joins, forks, fans, backs = (self.one_of(p) for p in ((20, 35, 50), (20, 45), (5, 15, 30), (0, 5, 12)))
        names = [self.node() for _ in range(count)]
        for i, name in enumerate(names):
            if i and self.chance(joins):
                self.nodes[name]["kind"] = "join"
            if self.chance(forks):
                self.nodes[name]["fork"] = True
        for i, name in enumerate(names[:-1]):
            if i > 1 and self.chance(12):
                continue  # its branch ends there
            self._leave(names, i, fans, backs)
            if all("when" in e[2] for e in self.edges if e[0] == name):
                self.edge(name, names[self.draw(st.integers(i + 1, count - 1))])
        for i, name in enumerate(names[1:], 1):
            if not any(e[1] == name for e in self.edges if names.index(e[0]) < i):
                self.edge(names[self.draw(st.integers(0, i - 1))], name)
        for name in names[1:]:
            if self.nodes[name].get("kind") == "join" and self.chance(15):
                self.nodes[name]["of"] = self.one_of(names)
        self.edges.sort(key=lambda e: names.index(e[0]))
        return Drawing(self.edges, self.nodes)

    def _leave(self, names: list[str], i: int, fans: int, backs: int) -> None:
        """Add one to three edges that leave a node of a tangle."""
        for _ in range(self.one_of((1, 1, 2, 2, 3))):
            if i and self.chance(backs):
                self.edge(names[i], names[self.draw(st.integers(1, i))], at_most=self.draw(st.integers(1, 2)))
                continue
            target = names[self.draw(st.integers(i + 1, len(names) - 1))]
            draw = self.draw(st.integers(0, 99))
            if draw < 25:
                self.edge(names[i], target, when=self.guard())
            elif draw < 25 + fans:
                self.edge(names[i], target, each=Each("items", "item"))
            else:
                self.edge(names[i], target)

    def _disturb(self, start: str) -> None:
        """Change something anywhere: an edge more, a join more or less, a fork more or less, another opener."""
        names = [n for n in self.nodes if n != start]
        some, other = self.one_of(names), self.one_of(names)
        facts = self.nodes[some]
        match self.one_of(("edge", "guarded", "each", "join", "fork", "of")):
            case "edge":
                self.edge(some, other, at_most=1)
            case "guarded":
                self.edges.insert(1, (some, other, {"when": self.guard(), "at_most": 2}))
            case "each":
                self.edge(some, other, each=Each("items", "item"), at_most=1)
            case "join" if "kind" not in facts:
                facts["kind"] = "join"
                facts.pop("retry", None)
            case "fork":
                facts["fork"] = not facts.get("fork", False)
            case _ if facts.get("kind") == "join":
                facts["of"] = other
            case _:
                pass


def _built(drawing: Drawing) -> Graph:
    try:
        return build(drawing.edges, nodes=drawing.nodes)
    except Refused:
        reject()


@st.composite
def drawings(draw: Draw, kinds: Kinds = PLAIN) -> Drawing:
    """Return a random graph that graphrt may refuse: grown from blocks, or tangled."""
    plan = _Plan(draw, kinds)
    if draw(st.integers(0, 3)) == 0:
        return plan.tangle()
    return plan.drawing(draw(st.sampled_from((2, 3, 3, 3, 4))), disturbed=kinds.disturbed)


def graphs(kinds: Kinds = PLAIN) -> st.SearchStrategy[Graph]:
    """Return random graphs that graphrt accepts."""
    return drawings(kinds).map(_built)


@dataclass(frozen=True)
class World:
    """What happens to a run, except for the order: the same for a visit whatever happened beside it."""

    salt: int
    plain: int
    """Percent of nodes that write a plain field."""
    failing: int
    """Percent of visits that fail for good; of those with retries, as many more fail first and succeed later."""
    items: tuple[int, ...]

    def _of(self, *what: object) -> int:
        return crc32(repr((self.salt, *what)).encode())

    def failures(self, visit: str, node: Node) -> int:
        """Return how often a visit fails before it succeeds."""
        draw = self._of("fail", visit) % 100
        if draw < self.failing:
            return 10**9
        return 1 if node.retry is not None and draw < 2 * self.failing else 0

    def error(self, visit: str) -> ErrorInfo:
        """Return what a visit fails with."""
        kinds = (ValueError, KeyError, RuntimeError)
        return error(kinds[self._of("kind", visit) % 3], f"of {visit}")

    def writes(self, command: StartAttempt) -> dict[str, Json]:
        """Return what an attempt writes when it succeeds: where it is, and what it saw."""
        name, item = command.node.name, command.state["item"]
        writes: dict[str, Json] = {"log": f"{name}({item})", "total": len(command.state["log"])}
        if self._of("plain", name) % 100 < self.plain:
            writes["note" if self._of("which", name) % 2 else "other"] = f"{name} after {command.state['note']}"
        if self._of("seen", name) % 3 == 0:
            writes["seen"] = [f"{name}", f"{len(command.state['seen'])}"]
        return writes

    def answer(self, visit: str, answers: tuple[str, ...]) -> Json:
        """Return the answer to a question."""
        return answers[self._of("answer", visit) % len(answers)] if answers else [f"answer to {visit}"]


def worlds(*, failing: tuple[int, ...] = (0, 0, 3, 10)) -> st.SearchStrategy[World]:
    """Return random worlds."""
    return st.builds(
        World,
        salt=st.integers(0, 2**16),
        plain=st.sampled_from((0, 0, 10, 25)),
        failing=st.sampled_from(failing),
        items=st.sampled_from(((), (10,), (10, 20), (10, 20, 30))),
    )


ORDERS: Final = st.integers(0, 2**16)
"""Seeds of an order; 0 is oldest first, 1 newest first."""

MOST_MOVES: Final = 700
"""Longer runs are left out: they show nothing that shorter ones do not."""


class TooLong(Exception):
    """A run takes more moves than a test has patience for."""


def moves(driver: Driver) -> list[tuple[str, str]]:
    """Return what may happen next, as (what, visit), in an order that depends on the run alone."""
    found = [("begin", v) for v in driver.ready]
    found += [("end", v) for v in driver.running]
    found += [("fire", v) for v, kind in driver.timers if kind == "retry"]
    found += [("answer", v) for v in driver.stepper.questions]
    return found if driver.status in {"running", "suspended"} else []


def move(driver: Driver, world: World, what: str, visit: str) -> None:
    """Let one thing happen."""
    match what:
        case "begin":
            driver.begin(visit)
        case "fire":
            driver.fire(visit, "retry")
        case "answer":
            driver.answer(visit, world.answer(visit, driver.stepper.questions[visit].answers))
        case _:
            command = driver.running[visit]
            failed = sum(isinstance(r.input, AttemptFailed) and r.input.visit == visit for r in driver.records)
            if failed < world.failures(visit, command.node):
                driver.fail(visit, world.error(visit))
            else:
                driver.ok(visit, **world.writes(command))


def walk(driver: Driver, world: World, order: int, most: int = MOST_MOVES) -> Iterator[Driver]:
    """Drive a run to its end in a random order; yield the driver after each move.

    Raises:
        TooLong: it does not end in time.
    """
    rnd = random.Random(order)
    if driver.status == "new":
        driver.start(items=list(world.items), seed=world.salt)
        yield driver
    while found := moves(driver):
        most -= 1
        if most < 0:
            raise TooLong
        what, visit = found[0] if order == 0 else found[-1] if order == 1 else rnd.choice(found)
        move(driver, world, what, visit)
        yield driver


def run(graph: Graph, world: World, order: int, most: int = MOST_MOVES) -> Driver:
    """Drive a run to its end; leave examples out that take too long."""
    driver = Driver(graph)
    return finish(driver, world, order, most)


def finish(driver: Driver, world: World, order: int, most: int = MOST_MOVES) -> Driver:
    """Drive a run that has begun to its end."""
    try:
        for _ in walk(driver, world, order, most):
            pass
    except TooLong:
        reject()
    return driver
