"""Turns a scenario into a graphrt graph.

How the notions of a scenario are mapped:

==================  ================================================================================================
node with ops       a task whose `work` is a `Program`; what it may write follows from its ops
op `pause`          an ask that writes the key
op `goto`           edges to the targets; beside a static edge the node forks
`subgraph`          a subgraph node; plain fields go in and come out by name, reduced fields start anew inside
`terminate`         the task, then an `end(stop)`
`goto_parent`       an edge of the subgraph node to the target: an inner graph is left at its end only
`defer`             a join in front of the node, which gathers every line that comes to it
`END`               a plain end
several starts      a fork node `START` without work in front of them; none: the node without an incoming edge
multi-source edge   a join `TO.join` in front of the target: `all` waits for all, `any` and `race` for one
`map`               an `each` edge; the node that follows the mapped one gathers, so a join stands in front of it
`choose`            all: fork, first: not. By default a node with guards takes the first match, one with several
                    plain edges forks, and so does one that mixes both (the plain ones would hide the guarded)
`else`              an edge without a guard, moved behind the others
`pause_before`      an ask without a written field in front of the node; `pause_after`: behind it
`max_steps`         a limit of visits
unreachable node    left out
==================  ================================================================================================

Nodes that only this mapping brings in have a dot or capitals in their name and are left out of what a run visited.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, cast

import yaml
from pydantic import Field as Attribute
from pydantic import create_model

from graphrt.fields import fields_of
from graphrt.graph import Each, Edge, Graph, Node, NodeKind, Retry, Work
from graphrt.guards import Change, Guard
from graphrt.inputs import Limits
from graphrt.openers import place_joins
from graphrt.reducers import add, extend
from graphrt.trees import And, Compare, Constant, Not, Read, Tree

Json = Any
Scenario = dict[str, Json]

FILE = Path(__file__).with_name("scenarios.yaml")
ERRORS: dict[str, type[Exception]] = {
    kind.__name__: kind for kind in (KeyError, LookupError, RuntimeError, TypeError, ValueError, ZeroDivisionError)
}
_REDUCERS: dict[str, Any] = {"append": extend, "add": add, "max": max}


def scenarios() -> list[Scenario]:
    """Return all scenarios in their order."""
    found: list[Scenario] = yaml.safe_load(FILE.read_text(encoding="utf-8"))["scenarios"]
    return found


class Refused(Exception):
    """The graph cannot be frozen; its text has the codes of the mistakes."""


@dataclass(frozen=True)
class Effect:
    """What one attempt of a program came to."""

    took_ms: int
    writes: dict[str, Json]
    error: Exception | None = None


@dataclass(frozen=True)
class Program:
    """The ops of one node, as a function of the state and the number of the attempt."""

    ops: tuple[dict[str, Json], ...]
    reduce: dict[str, str]

    def __call__(self, state: dict[str, Any], attempt: int) -> Effect:
        """Perform the ops in order; a `fail` ends the attempt, and what it wrote is lost."""
        seen, writes, took = dict(state), dict[str, Json](), 0
        for op in self.ops:
            if "when" in op and not guard(op["when"]).evaluate(seen)[0]:
                continue
            match op["op"]:
                case "sleep":
                    took += op["ms"]
                case "fail" if op["times"] == "always" or attempt <= op["times"]:
                    return Effect(took, {}, ERRORS[op["error"]](op["message"]))
                case "fail" | "goto":
                    pass
                case _:
                    self._write(op, seen, writes)
        return Effect(took, writes)

    def _write(self, op: dict[str, Json], seen: dict[str, Any], writes: dict[str, Json]) -> None:
        key, given = op["key"], value(op["value"], seen)
        match self.reduce[key]:
            case "append":
                writes[key] = [*writes.get(key, []), *([given] if op["op"] == "append" else given)]
                seen[key] = [*state_list(seen[key]), *([given] if op["op"] == "append" else given)]
            case "add":
                writes[key] = writes.get(key, 0) + given
                seen[key] += given
            case "max":
                writes[key] = max(writes.get(key, given), given)
                seen[key] = max(seen[key], given)
            case _:
                old = seen[key]
                writes[key] = seen[key] = (
                    old + given if op["op"] == "add" else old * given if op["op"] == "mul" else given
                )

    @property
    def writes(self) -> tuple[str, ...]:
        """The fields it may write."""
        return tuple(dict.fromkeys(op["key"] for op in self.ops if "key" in op))


def state_list(found: Any) -> list[Json]:
    """Return a list of the state as a plain list."""
    return list(found)


def value(given: Json, state: dict[str, Any]) -> Json:
    """Return the value that an op names: as it stands, or computed from the state."""
    match given:
        case {"$": key}:
            return state[key]
        case {"$len": key}:
            return len(state[key])
        case {"$add": parts}:
            return sum(value(p, state) for p in parts)
        case list():
            return [value(v, state) for v in cast("list[Json]", given)]
        case _:
            return given


def guard(given: Json) -> Guard:
    """Return a scenario's guard."""
    return Guard(_tree(given))


def _tree(given: Json) -> Tree:
    match given:
        case {"all": parts}:
            return And(tuple(_tree(p) for p in parts))
        case {"not": part}:
            return Not(_tree(part))
        case {"always": True}:
            return Compare("==", Constant(1), Constant(1))
        case {"never": True}:
            return Compare("==", Constant(1), Constant(0))
        case {"key": key, "cmp": op, "value": right}:
            return Compare(op, Read(key), Constant(right))
        case _:
            raise ValueError(f"no such guard: {given}")


@dataclass
class _Sketch:
    """A node and its edges by names, before indices are known."""

    name: str
    kind: NodeKind = "task"
    program: Program | None = None
    fork: bool = False
    more: dict[str, Any] = field(default_factory=dict[str, Any])
    edges: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])


class _Loader:
    """Builds one graph of a scenario: the whole, or one inside a node."""

    def __init__(self, name: str, part: Scenario, whole: Scenario) -> None:
        self.name = name
        self.part = part
        self.whole = whole
        self.reduce = {key: spec.get("reduce", "last") for key, spec in whole["state"].items()}
        self.nodes: dict[str, dict[str, Json]] = {
            name: given if isinstance(given, dict) else {"ops": given} for name, given in part["nodes"].items()
        }
        self.edges: list[dict[str, Json]] = [
            e if isinstance(e, dict) else {"from": e[0], "to": e[1]} for e in part["edges"]
        ]
        self.items: set[str] = {e["map"]["as"] for e in self.edges if "map" in e}
        self.sketches: dict[str, _Sketch] = {}
        self.heads: dict[str, str] = {}
        """Where an edge to a node really leads: to the join or the ask in front of it."""
        self.tails: dict[str, str] = {}
        """Where the edges of a node really begin: at the ask or the end behind it."""

    def graph(self) -> Graph:
        for name, given in self.nodes.items():
            self._node(name, given)
        self._pauses()
        edges = [dict(e) for e in self.edges]
        self._gather_maps(edges)
        for source in self.nodes:
            self._leave(source, [e for e in edges if e["from"] == source])
        for e in edges:
            if isinstance(e["from"], list):
                self._multi(e)
        return self._freeze(self._start())

    def _node(self, name: str, given: dict[str, Json]) -> None:
        ops = given.get("ops", [])
        program = Program(tuple(ops), self.reduce)
        sketch = self.sketches[name] = _Sketch(name, program=program, more={"writes": program.writes})
        if "subgraph" in given:
            self._inside(sketch, given["subgraph"])
        if ops and ops[0]["op"] == "pause":
            assert len(ops) == 1, "a pause is a node of its own"
            sketch.kind, sketch.program, sketch.more["question"] = "ask", None, ops[0]["prompt"]
        if "retry" in given:
            on = given["retry"].get("on")
            sketch.more["retry"] = Retry(given["retry"]["max_attempts"], wait_s=0, on=(on,) if on else ())
        if "timeout_ms" in given:
            sketch.more["timeout_s"] = given["timeout_ms"] / 1000
        if given.get("defer"):
            self._join(name, None)
        if given.get("terminate"):
            stop = self.tails[name] = f"{name}.end"
            self.sketches[stop] = _Sketch(stop, "end", more={"stop": True})
            sketch.edges.append((stop, {}))

    def _inside(self, sketch: _Sketch, part: Scenario) -> None:
        loader = _Loader(f"{self.name}.{sketch.name}", part, self.whole)
        inner = loader.graph()
        plain = [key for key, how in self.reduce.items() if how == "last"]
        written = {key for n in inner.nodes for key in n.writes}
        back = tuple(Change(key, Read(key)) for key in self.reduce if key in written)
        sketch.kind, sketch.program = "subgraph", None
        inputs = tuple(Change(key, Read(key)) for key in plain)
        sketch.more |= {"graph": inner, "inputs": inputs, "outputs": back, "writes": tuple(c.field for c in back)}
        sketch.edges += [(given["goto_parent"], {}) for given in loader.nodes.values() if "goto_parent" in given]

    def _join(self, name: str, wait: int | None) -> str:
        join = f"{name}.join"
        self.sketches[join] = _Sketch(join, "join", more={"wait": wait}, edges=[(self.heads.get(name, name), {})])
        return join

    def _pauses(self) -> None:
        for name in self.part.get("pause_before", ()):
            ask = self.heads[name] = f"{name}.before"
            self.sketches[ask] = _Sketch(ask, "ask", more={"question": f"go on to {name}?"}, edges=[(name, {})])
        for name in self.part.get("pause_after", ()):
            ask = self.tails[name] = f"{name}.after"
            self.sketches[ask] = _Sketch(ask, "ask", more={"question": f"go on after {name}?"})
            self.sketches[name].edges.append((ask, {}))

    def _gather_maps(self, edges: list[dict[str, Json]]) -> None:
        mapped = {e["to"] for e in edges if "map" in e}
        for e in edges:
            if not isinstance(e["from"], list) and e["from"] in mapped:
                e["to"] = self._join(e["to"], None)

    def _leave(self, source: str, edges: list[dict[str, Json]]) -> None:
        sketch = self.sketches[self.tails.get(source, source)]
        normal = [e for e in edges if "on_error" not in e]
        jumps = [op["to"] for op in self.nodes[source].get("ops", ()) if op["op"] == "goto"]
        normal += [{"from": source, "to": target} for targets in jumps for target in targets]
        choose: str | None = self.part.get("choose", {}).get(source)
        sketch.fork = len(normal) > 1 and (
            choose == "all" if choose else any(not e.keys() & {"when", "else"} for e in normal)
        )
        if not sketch.fork:
            normal.sort(key=lambda e: "else" in e)
        for e in [*normal, *(e for e in edges if "on_error" in e)]:
            how: dict[str, Any] = {}
            if "when" in e:
                how["when"] = guard(e["when"])
            if "map" in e:
                how["each"] = Each(e["map"]["over"], e["map"]["as"])
            if "on_error" in e:
                how["on_error"] = "Exception" if e["on_error"] is True else e["on_error"]
            sketch.edges.append((self._target(e["to"]), how))

    def _target(self, name: str) -> str:
        if name == "END":
            self.sketches.setdefault("END", _Sketch("END", "end"))
            return name
        gathered = self.nodes.get(name, {}).get("defer")
        return f"{name}.join" if gathered else self.heads.get(name, name)

    def _multi(self, edge: dict[str, Json]) -> None:
        how: str = edge["join"]
        wait = None if how == "all" else 1 if how in {"any", "race"} else int(how.removeprefix("count:"))
        join = self._join(edge["to"], wait)
        sources: list[str] = edge["from"]
        for source in sources:
            self.sketches[self.tails.get(source, source)].edges.append((join, {}))

    def _start(self) -> str:
        """Return the start; several become a fork in front of them, none is found by its having no incoming edge."""
        starts = [self._target(s) for s in self.part["start"]]
        if not starts:
            entered = {target for s in self.sketches.values() for target, _ in s.edges}
            starts = [name for name in self.sketches if name not in entered]
        if len(starts) == 1:
            return starts[0]
        edges = [(s, dict[str, Any]()) for s in starts]
        self.sketches["START"] = _Sketch("START", program=Program((), {}), fork=True, edges=edges)
        return "START"

    def _freeze(self, start: str) -> Graph:
        self._prune(start)
        index = {name: i for i, name in enumerate(self.sketches)}
        unknown = [key for s in self.sketches.values() for key in s.more.get("writes", ()) if key not in self.reduce]
        if unknown:
            raise Refused(f"unknown-field {unknown[0]}")
        nodes = tuple(
            Node(
                index=i,
                name=s.name,
                kind=s.kind,
                fork=s.fork,
                edges=tuple(Edge(i, index[target], k, **how) for k, (target, how) in enumerate(s.edges)),
                work=None if s.program is None else Work(s.program),
                **s.more,
            )
            for i, s in enumerate(self.sketches.values())
        )
        placed, mistakes = place_joins(nodes, index[start])
        if mistakes:
            raise Refused(" ".join(m.code for m in mistakes))
        steps = self.part.get("max_steps")
        return Graph(self.name, self._fields(), placed, index[start], Limits(visits=steps) if steps else None)

    def _prune(self, start: str) -> None:
        """Leave out nodes that nothing leads to: graphrt would refuse them."""
        seen, todo = {start}, [start]
        while todo:
            fresh = {target for target, _ in self.sketches[todo.pop()].edges} - seen
            seen |= fresh
            todo += fresh
        self.sketches = {name: s for name, s in self.sketches.items() if name in seen}

    def _fields(self) -> Any:
        attributes: dict[str, Any] = dict.fromkeys(sorted(self.items), (Any, None))
        for key, spec in self.whole["state"].items():
            how = self.reduce[key]
            kind = list[Any] if how == "append" else int if how in {"add", "max"} else Any
            annotation = Annotated[kind, _REDUCERS[how]] if how in _REDUCERS else kind
            attributes[key] = (
                annotation,
                Attribute(default_factory=list) if spec.get("init") == [] else spec.get("init"),
            )
        fields, mistakes = fields_of(create_model("State", **attributes))
        assert not mistakes, mistakes
        return fields


def graph_of(scenario: Scenario) -> Graph:
    """Return the graph of a scenario.

    Raises:
        Refused: it cannot be frozen.
    """
    return _Loader(scenario["id"], scenario, scenario).graph()


def initial(graph: Graph, scenario: Scenario, given: dict[str, Json] | None = None) -> dict[str, Json]:
    """Return the state that a run starts with: the declared values, then the input."""
    start: dict[str, Json] = scenario.get("input", {}) if given is None else given
    return {f.name: start.get(f.name, f.default_json) for f in graph.fields}


def is_added(name: str) -> bool:
    """Tell whether only the mapping brought a node in."""
    return "." in name or name in {"START", "END"}
