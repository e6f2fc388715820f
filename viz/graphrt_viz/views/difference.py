"""What differs: between two definitions, or between two runs.

Both sides are drawn on one picture, nodes matched by their path of names and edges by what makes them what they are.
Two runs are compared visit by visit in the order in which the first one went; the first visit that differs is named.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast

from msgspec.structs import replace

from graphrt.account import account
from graphrt.inputs import Started
from graphrt.replay import fold
from graphrt.told import verdict_text
from graphrt.trace import graph_of
from graphrt_viz import story
from graphrt_viz.extract import picture_of, step_into
from graphrt_viz.overlay import picture_of_run
from graphrt_viz.picture import NodeMark, PCluster, PEdge, Picture, PNode
from graphrt_viz.values import LONG_VALUE, shown_value, whole_value
from graphrt_viz.verdicts import error_text
from graphrt_viz.wording import count, parting, shorten

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from graphrt.graph import Graph
    from graphrt.inputs import Json
    from graphrt.told import Account, VisitAccount
    from graphrt.trace import Trace
    from graphrt_viz.extract import Opened
    from graphrt_viz.picture import Change, EdgeMark

P = TypeVar("P", PNode, PCluster)
_LONG: Final = 60
_LONG_STATE: Final = 400
_KINDS: Final[tuple[Change, ...]] = ("added", "removed", "changed")
_MOST_NOTES: Final = 5
_MOST_SAID: Final = 12
"""Differences between two definitions that are told of two runs; `graphrt diff` of the definitions tells all."""
_OF_EDGES: Final = ("number", "on", "guard", "action", "bound", "each", "at_once", "fork", "otherwise", "error")
"""What an edge says of itself, and may say otherwise in another definition."""


# ---- definitions


def difference_of(first: Graph, second: Graph, *, opened: Opened = None) -> Picture:
    """Return a picture of both definitions: what is new in the second, what is gone, what is changed and how."""
    old, new = picture_of(first, opened=opened), picture_of(second, opened=opened)
    both = _union(old, new)
    before, after = dict(_facts(first.json, "")), dict(_facts(second.json, ""))
    nodes = tuple(_changed(n, o, m, before, after) for n, o, m in both.nodes)
    clusters = tuple(_changed(c, o, m, before, after) for c, o, m in both.clusters)
    edges = tuple(_changed_edge(e, o, m) for e, o, m in both.edges)
    changes: list[Change] = [*(n.change for n in nodes), *(c.change for c in clusters), *(e.change for e in edges)]
    tally = Counter(changes)
    said = [f"sha {first.digest[:7]} → {second.digest[:7]}"]
    said += [f"{count(tally[key])} {key}" for key in _KINDS if tally[key]]
    said += whole_changes(first, second)
    if first.digest == second.digest:
        said.append("no difference")
    return Picture(second.name, " · ".join(said), nodes, edges, clusters, "diff")


def changes_in(picture: Picture) -> list[tuple[str, Change, tuple[str, ...]]]:
    """Return what a picture of two definitions shows to differ: what, how, and the notes on it."""
    names = story.names_of(picture)
    found: list[tuple[str, Change, tuple[str, ...]]] = []
    parts: list[PNode | PCluster] = [*picture.nodes, *picture.clusters]
    for p in parts:
        if p.change:
            found.append((names[p.id], p.change, p.notes))  # noqa: PERF401 - as a comprehension it is no list of Change
    for e in picture.edges:
        if e.change:
            words = story.condition(e)
            way = f"{names[e.source]} → {names[e.target]}" + (f" [{words}]" if words else "")
            found.append((way, e.change, e.notes))
    return found


def whole_changes(first: Graph, second: Graph) -> list[str]:
    """Return how two definitions differ as a whole, in none of their nodes and edges: name, fields and limits."""
    fields = _fields_changed(first, second)
    said = [f"name: {' → '.join(parting(first.name, second.name, _LONG))}"] if first.name != second.name else []
    said += [f"fields: {', '.join(fields)}"] if fields else []
    limits = [cast("dict[str, Json]", graph.json.get("limits", {})) for graph in (first, second)]
    return said + ([_said("limits", *limits, absent="none")] if limits[0] != limits[1] else [])


def _facts(graph: Mapping[str, Json], path: str) -> list[tuple[str, dict[str, Json]]]:
    """Return what the JSON form says of each node itself, by the node's id."""
    found: list[tuple[str, dict[str, Json]]] = []
    for node in graph["nodes"]:
        ident = step_into(path, node["name"])
        about = {f"about {k}": v for k, v in node.get("about", {}).items()}
        found.append((ident, {k: v for k, v in node.items() if k not in {"edges", "graph", "about", "name"}} | about))
        if "graph" in node:
            inside = node["graph"]
            found[-1][1]["fields"] = {f["name"]: f for f in inside["fields"]}
            found[-1][1]["limits"] = inside.get("limits", {})
            found += _facts(inside, ident)
    return found


def _fields_changed(first: Graph, second: Graph) -> list[str]:
    old, new = ({f["name"]: f for f in g.json["fields"]} for g in (first, second))
    found = [f"+{name}" for name in new if name not in old] + [f"-{name}" for name in old if name not in new]
    return found + [f"~{name}" for name in new if name in old and new[name] != old[name]]


def _changed(part: P, old: P | None, new: P | None, before: Mapping[str, Any], after: Mapping[str, Any]) -> P:
    if part.id.endswith("//") and old is not None and new is not None:
        return part  # the dot where a graph begins
    if old is None or new is None:
        return replace(part, change="added" if old is None else "removed")
    notes = _node_changes(before.get(part.id, {}), after.get(part.id, {}))
    return replace(part, change="changed", notes=notes) if notes else part


def _node_changes(was: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    differing = [key for key in dict.fromkeys((*was, *now)) if was.get(key) != now.get(key)]
    notes = [_said(key, was.get(key), now.get(key)) for key in differing]
    if len(notes) > _MOST_NOTES:
        notes = [*notes[: _MOST_NOTES - 1], f"and {len(notes) - _MOST_NOTES + 1} more"]
    return tuple(notes)


def _changed_edge(edge: PEdge, old: PEdge | None, new: PEdge | None) -> PEdge:
    if old is None or new is None:
        return replace(edge, change="added" if old is None else "removed")
    notes = [_said(k, was, now) for k in _OF_EDGES if (was := getattr(old, k)) != (now := getattr(new, k))]
    return replace(edge, change="changed", notes=tuple(notes)) if notes else edge


def _said(key: str, was: Json, now: Json, *, absent: str = "default") -> str:
    """Return one change in words (`retry: 3 → 5`); `absent` is the word for a part that one side does not have."""
    if isinstance(was, dict) and isinstance(now, dict):
        one, other = cast("dict[str, Json]", was), cast("dict[str, Json]", now)
        keys = [k for k in dict.fromkeys((*one, *other)) if one.get(k) != other.get(k)]
        parts = [f"{k} {' → '.join(_pair(one.get(k, absent), other.get(k, absent)))}" for k in keys]
        return f"{key}: {', '.join(parts)}"
    if isinstance(was, list) and isinstance(now, list):
        before, after = cast("list[Json]", was), cast("list[Json]", now)
        more, less = [v for v in after if v not in before], [v for v in before if v not in after]
        if more or less:
            return f"{key}: {', '.join(_come_and_gone(more, less))}"
    return f"{key.replace('_', ' ')}: {' → '.join(_pair(was, now))}"


def _come_and_gone(more: Sequence[Json], less: Sequence[Json]) -> list[str]:
    pairs = [_pair(come, gone) for come, gone in zip(more, less, strict=False)]
    come = [one for one, _ in pairs] + [shorten(_worded(v), _LONG) for v in more[len(pairs) :]]
    gone = [other for _, other in pairs] + [shorten(_worded(v), _LONG) for v in less[len(pairs) :]]
    return [f"+{text}" for text in come] + [f"-{text}" for text in gone]


def _pair(was: Json, now: Json) -> tuple[str, str]:
    """Return two values that differ, so short that a line has room for both, with the place where they part."""
    return parting(_worded(was), _worded(now), _LONG)


def _worded(value: Json) -> str:
    if value in (None, "", False):
        return "none" if value is None else "no" if value is False else "none"
    if value is True:
        return "yes"
    return value if isinstance(value, str) else whole_value(value)


# ---- both on one picture


@dataclass(frozen=True, slots=True)
class _Both:
    """The parts of two pictures, each with what it is in the first and in the second."""

    nodes: tuple[tuple[PNode, PNode | None, PNode | None], ...]
    clusters: tuple[tuple[PCluster, PCluster | None, PCluster | None], ...]
    edges: tuple[tuple[PEdge, PEdge | None, PEdge | None], ...]


def _union(old: Picture, new: Picture) -> _Both:
    """Match two pictures. What is only in the first stands behind what it stood behind there."""
    frames = {c.id for c in new.clusters} | {c.id for c in old.clusters if not any(n.id == c.id for n in new.nodes)}
    was = {n.id: n for n in old.nodes}
    nodes: list[tuple[PNode, PNode | None, PNode | None]] = [(n, was.get(n.id), n) for n in new.nodes]
    known = {n.id for n in new.nodes} | {c.id for c in new.clusters}
    behind = ""
    for node in old.nodes:
        if node.id not in known:
            kept = replace(node, cluster=node.cluster if node.cluster in frames else None)
            place = next((i + 1 for i, (n, _, _) in enumerate(nodes) if n.id == behind), len(nodes))
            nodes.insert(place, (kept, node, None))
        behind = node.id
    had = {c.id: c for c in old.clusters}
    clusters: list[tuple[PCluster, PCluster | None, PCluster | None]] = [(c, had.get(c.id), c) for c in new.clusters]
    ids = {n.id for n, _, _ in nodes} | {c.id for c in new.clusters}
    clusters += [
        (replace(c, parent=c.parent if c.parent in frames else None), c, None) for c in old.clusters if c.id not in ids
    ]
    return _Both(tuple(nodes), tuple(clusters), _matched(old, new))


def _matched(old: Picture, new: Picture) -> tuple[tuple[PEdge, PEdge | None, PEdge | None], ...]:
    """Match edges: first those that say the same, then those that lead the same way, in their order."""
    left = dict(enumerate(old.edges))
    pairs: dict[int, PEdge] = {}
    for key in (_whole, _condition, _way):
        waiting: dict[tuple[object, ...], list[int]] = {}
        for place, edge in left.items():
            waiting.setdefault(key(edge), []).append(place)
        for i, edge in enumerate(new.edges):
            if i not in pairs and (found := waiting.get(key(edge))):
                pairs[i] = left.pop(found.pop(0))
    matched: list[tuple[PEdge, PEdge | None, PEdge | None]] = [
        (edge, pairs.get(i), edge) for i, edge in enumerate(new.edges)
    ]
    return (*matched, *((edge, edge, None) for edge in left.values()))


def _way(edge: PEdge) -> tuple[object, ...]:
    return (edge.source, edge.target, edge.retry)


def _condition(edge: PEdge) -> tuple[object, ...]:
    return (*_way(edge), edge.on, edge.guard, edge.error, edge.each)


def _whole(edge: PEdge) -> tuple[object, ...]:
    return (*_way(edge), *(getattr(edge, k) for k in _OF_EDGES))


# ---- runs


@dataclass(frozen=True, slots=True)
class Divergence:
    """Where two runs first went different ways."""

    visit: str
    name: str
    """The node as people refer to this visit of it."""
    first: str
    """What the first run has there."""
    second: str


@dataclass(frozen=True, slots=True)
class RunsCompared:
    """Two runs, side by side."""

    picture: Picture
    divergence: Divergence | None
    """None if both have the same visits with the same results."""
    state: tuple[tuple[str, str, str], ...]
    """Fields whose value at the end differs, with both values."""
    definitions: tuple[str, ...] = ()
    """If the runs went by different definitions, their digests and what differs between them, in words."""
    began_apart: bool = False
    """Whether they began with different values."""

    @property
    def lines(self) -> tuple[str, ...]:
        """All that differs, in words."""
        found = self.divergence
        same = "both runs went the same way" + (
            ", and each visit did the same" if self.state else " with the same results"
        )
        said = [*self.definitions, same]
        if found is not None:
            said = [*self.definitions, f"first difference at {found.name} (visit {found.visit}):"]
            said += [f"  first:  {found.first}", f"  second: {found.second}"]
        if found is None and self.state:
            why = ", as what they began with does" if self.began_apart else ""
            said.append(f"the state at the end differs{why}:")
        else:
            said += ["state at the end:"] if self.state else ["the state at the end is the same"]
        return (*said, *(f"  {name}: {one} → {other}" for name, one, other in self.state))


def difference_of_runs(first: Trace, second: Trace, *, opened: Opened = None) -> RunsCompared:
    """Compare two runs: what each did on one picture, where they first differ, how the state differs at the end."""
    old, new = picture_of_run(first, opened=opened), picture_of_run(second, opened=opened)
    both = _union(old, new)
    nodes = tuple(_sided(n, o, m) for n, o, m in both.nodes)
    clusters = tuple(_sided(c, o, m) for c, o, m in both.clusters)
    edges = tuple(_sided_edge(e, o, m) for e, o, m in both.edges)
    one, other = account(first), account(second)
    found = _divergence(one, other)
    if found is not None:
        drawn = {n.id for n in nodes} | {c.id for c in clusters}
        place = ident = ""
        for name in (one.visits.get(found.visit) or other.visits[found.visit]).path:
            ident = step_into(ident, name)
            place = ident if ident in drawn else place
        nodes = tuple(_parted(n, found) if n.id == place else n for n in nodes)
        clusters = tuple(_parted(c, found) if c.id == place else c for c in clusters)
    said = [f"first {one.run[:12]} {one.status}", f"second {other.run[:12]} {other.status}"]
    definitions = _definitions_compared(graph_of(first), graph_of(second), opened)
    if definitions:
        said.append(definitions[0].removesuffix(":"))
    state = _states_compared(first, second)
    same = "same way, another state at the end" if state else "same way, same results"
    said.append(f"differ first at {found.name}" if found is not None else same)
    picture = Picture(new.title, " · ".join(said), nodes, edges, clusters, "diff")
    return RunsCompared(picture, found, state, definitions, _given(first) != _given(second))


def _given(trace: Trace) -> object:
    """Return the values that a run began with."""
    given = trace.records[0].input if trace.records else None
    return given.state if isinstance(given, Started) else None


def _definitions_compared(first: Graph, second: Graph, opened: Opened) -> tuple[str, ...]:
    """Return in words how two definitions differ; nothing if they do not."""
    if first.digest == second.digest:
        return ()
    found = changes_in(difference_of(first, second, opened=opened))
    said = [f"  {how} {what}" + (f" ({'; '.join(notes)})" if notes else "") for what, how, notes in found]
    said += [f"  {text}" for text in whole_changes(first, second)]
    if len(said) > _MOST_SAID:
        said = [*said[: _MOST_SAID - 1], f"  and {len(said) - _MOST_SAID + 1} more"]
    return (f"the definitions differ, sha {first.digest[:7]} and {second.digest[:7]}:", *said)


def _sided(part: P, old: P | None, new: P | None) -> P:
    one, other = (p.mark if p is not None else None for p in (old, new))
    notes = _node_notes(one, other)
    return replace(part, mark=None, change=_side(first=one is not None, second=other is not None), notes=notes)


def _parted(part: P, found: Divergence) -> P:
    """Mark the node at which two runs first differ, and say how; of one that only one of them visited, say it alone."""
    change: Change = "parted" if part.change == "both" else part.change
    return replace(part, change=change, notes=_told_parted(part.notes, found))


def _told_parted(notes: Sequence[str], found: Divergence) -> tuple[str, ...]:
    """Return the notes on the node at which two runs first differ: what each has there, then what else there is."""
    answered = found.first.startswith("answers ")
    first, second = parting(found.first, found.second, _LONG)
    return (
        *([f"at {found.name}"] if "#" in found.name else []),
        f"first: {first}",
        f"second: {second}",
        *(note for note in notes if not (answered and note.startswith("answer: "))),
    )


def _side(*, first: bool, second: bool) -> Change:
    return "both" if first and second else "first" if first else "second" if second else "neither"


def _node_notes(one: NodeMark | None, other: NodeMark | None) -> tuple[str, ...]:
    if one is None or other is None:
        said = story.brief(mark) if (mark := one or other) is not None else ""
        return (said,) if said else ()
    notes: list[str] = []
    if one.status != other.status:
        notes.append(f"{story.STATUSES[one.status]} | {story.STATUSES[other.status]}")
    if one.outcome != other.outcome:
        notes.append(f"answer: {one.outcome or 'none'} | {other.outcome or 'none'}")
    first, second = story.brief(one), story.brief(other)
    if first or second:
        notes.append(first if first == second else f"{first or '–'} | {second or '–'}")
    return tuple(notes)


def _sided_edge(edge: PEdge, old: PEdge | None, new: PEdge | None) -> PEdge:
    one, other = (e.mark if e is not None else None for e in (old, new))
    first, second = (m is not None and m.taken > 0 for m in (one, other))
    notes: tuple[str, ...] = ()
    if one is not None and other is not None and first and second:
        times = (f"×{count(one.taken)}", f"×{count(other.taken)}")
        same = times[0] == times[1]
        notes = (() if one.taken == 1 and same else (times[0] if same else f"{times[0]} | {times[1]}",)) + _read(
            one, other
        )
    elif first or second:
        mark = one if first else other
        assert mark is not None, "an edge that was taken has a mark"
        notes = tuple(text for text in (f"×{count(mark.taken)}" if mark.taken > 1 else "", story.values(mark)) if text)
    return replace(edge, mark=None, change=_side(first=first, second=second), notes=notes)


def _read(one: EdgeMark, other: EdgeMark) -> tuple[str, ...]:
    first, second = story.values(one), story.values(other)
    return () if first == second else (f"{first or '–'} | {second or '–'}",)


def _divergence(one: Account, other: Account) -> Divergence | None:
    """Return the first visit of the first run, in the order of their starts, that the second does not have alike."""
    for visit, mine in one.visits.items():
        theirs = other.visits.get(visit)
        if theirs is None:
            return Divergence(visit, mine.name, f"visits {mine.node.name}", "has no such visit")
        said, heard = _did(mine), _did(theirs)
        if said != heard:
            place = next(i for i in range(max(len(said), len(heard))) if said[i : i + 1] != heard[i : i + 1])
            first, second = ([*x, _NOTHING][min(place, len(x))] for x in (said, heard))
            return Divergence(visit, mine.name, *_told_apart(first, second))
    for visit, theirs in other.visits.items():
        if visit not in one.visits:
            return Divergence(visit, theirs.name, "has no such visit", f"visits {theirs.node.name}")
    return None


class _Did(NamedTuple):
    """One thing that a visit did: what it is, and the values that it is compared by, as JSON text."""

    what: str
    value: str = ""
    shown: str = ""
    """The value, so short that a person reads it."""


_NOTHING: Final = _Did("nothing")
_ABSENT: Final = object()
"""Stands for the value of a field that has none."""


def _did(visit: VisitAccount) -> Sequence[_Did]:
    """Return what a visit did, in the order in which a difference is best told."""
    did = [_Did(f"visits {'/'.join(visit.path)}"), _Did(visit.status)]
    if (error := visit.error) is not None:
        did.append(_Did("", f"{error.type}: {error.message}", error_text(error)))
    did += [_Did(f"answers {visit.outcome}")] if visit.outcome is not None else []
    did += [
        _Did(f"writes {name} = ", whole_value(value), shown_value(value))
        for name, value in sorted(visit.writes.items())
    ]
    for e in visit.routed:
        if e.taken:
            text = verdict_text(e)
            did.append(_Did(f"goes to {e.target}: ", f"{text} {whole_value(e.values)}", text))
    return did


def _told_apart(one: _Did, other: _Did) -> tuple[str, str]:
    """Return what two visits did that differs, in words that differ too."""
    first, second = (did.what + did.shown for did in (one, other))
    if shorten(first, LONG_VALUE) == shorten(second, LONG_VALUE):
        return parting(one.what + one.value, other.what + other.value, _LONG_STATE)
    return first, second


def _states_compared(first: Trace, second: Trace) -> tuple[tuple[str, str, str], ...]:
    one, other = (_state_of(trace) for trace in (first, second))
    names = [*one, *(name for name in other if name not in one)]
    return tuple(
        (name, *_values_apart([state.get(name, _ABSENT) for state in (one, other)]))
        for name in names
        if (name in one) != (name in other) or whole_value(one[name]) != whole_value(other[name])
    )


def _state_of(trace: Trace) -> dict[str, object]:
    """Return the fields of a run that have a value at its end, with their values."""
    stepper = fold(trace)
    state = stepper.state if stepper.state is not None else stepper.partial
    return {name: state[name] for name in (f.name for f in graph_of(trace).fields) if name in state}


def _values_apart(values: Sequence[object]) -> tuple[str, str]:
    """Return two values that differ as texts that differ."""
    first, second = (shorten("–" if v is _ABSENT else shown_value(v), _LONG_STATE) for v in values)
    if first != second:
        return first, second
    one, other = (whole_value(v) for v in values)
    return parting(one, other, _LONG_STATE)
