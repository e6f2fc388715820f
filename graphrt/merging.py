"""Merging: what lines wrote, folded onto the state at the point where they parted.

Theory
------
*Canonical order* is topological by causes, ties by visit id. Lines part only at their ends, so a line is contiguous in
that order, and lines can be ordered as wholes: by key, and where partial joins are involved, topologically with ties by
key.

*Conflict.* Two writes of which neither is behind the other conflict if one of them replaces the field's value. Going
through the lines in canonical order, it is enough to compare with the latest lines that wrote the field: all earlier
ones are behind those.

A pure function of lines: it changes nothing, so a merge that raises can be tried again.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from graphrt.errors import WriteConflict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from graphrt.fields import Field
    from graphrt.graph import Node
    from graphrt.lines import Delta, Key, Line, State


def merge(
    fields: Mapping[str, Field], base: Line, tips: Sequence[Line], *, keep: frozenset[str], node: Node | None
) -> tuple[State, list[tuple[str, Delta]]]:
    """Fold the lines behind `tips`, back to `base`, onto the state at the end of `base`, in canonical order.

    Fields local to a branch (all but those in `keep`) are left out: they end with their branch. `node` is the join
    where the lines meet, None at the end of a run.

    Returns the state, and what was written, field by field in that order, unless `base` does not keep that.

    Raises:
        WriteConflict: two lines beside each other wrote one field, and one of them replaced its value.
        WriteRefused: a reducer raised.
    """
    lines = _behind(base, tips)
    if not lines:
        return base.state, []
    state = dict(base.state)
    written: list[tuple[str, Delta]] = []
    writers: dict[str, _Writers] = {}
    noted = base.delta is not None
    for line in lines:
        assert line.delta is not None
        for name, delta in line.delta.items():
            if name in line.local and name not in keep:
                continue
            seen = writers.get(name)
            if seen is None:
                seen = writers[name] = _Writers()
            other = seen.conflict(line, replaces=delta.replaced, base=base)
            if other is not None:
                assert other.delta is not None, "a line that wrote has what it wrote"
                raise _conflict(name, other.delta[name], delta, node)
            state[name] = delta.apply(fields[name], state[name])
            if noted:
                written.append((name, delta))
    return state, written


def _conflict(name: str, one: Delta, other: Delta, node: Node | None) -> WriteConflict:
    where = f"which meet at join {node.name!r}" if node else "which never meet at a join"
    return WriteConflict(
        f"field {name!r} was written in two branches beside each other, by {one.node!r} (visit {one.visit}) and by"
        f" {other.node!r} (visit {other.visit}), {where}; give the field a reducer (Annotated[..., append]), write it"
        " in one branch only, or declare it local to the branches; `graphrt check` finds this before a run (GR304)",
        field=name,
        visits=[one.visit, other.visit],
        node=node.name if node else None,
    )


class _Writers:
    """The latest lines that wrote one field, during a merge."""

    __slots__ = ("heads", "replacing")

    def __init__(self) -> None:
        self.heads: list[Line] = []
        """Lines that wrote it, back to the latest that replaced it: that one is behind the others."""
        self.replacing: list[Line] = []
        """The latest line that replaced it."""

    def conflict(self, line: Line, *, replaces: bool, base: Line) -> Line | None:
        """Take note of a writer; return an earlier one that it conflicts with."""
        against = self.heads if replaces else self.replacing
        for other in against:
            if not _is_behind(other, line, base):
                return other
        if replaces:
            self.heads, self.replacing = [line], [line]
        else:
            self.heads.append(line)
        return None


def _is_behind(one: Line, other: Line, base: Line) -> bool:
    """Tell whether everything on `one` is behind the start of `other`."""
    todo, seen = list(other.behind), {id(base)}
    while todo:
        line = todo.pop()
        if line is one:
            return True
        if id(line) not in seen:
            seen.add(id(line))
            todo.extend(line.behind)
    return False


def _behind(base: Line, tips: Iterable[Line]) -> list[Line]:
    """Return the lines behind `tips` up to `base` (excluded), in canonical order."""
    seen: dict[int, Line] = {}
    joined = False
    todo = list(tips)
    while todo:
        line = todo.pop()
        if line is base or id(line) in seen:
            continue
        seen[id(line)] = line
        joined = joined or len(line.behind) > 1
        todo.extend(line.behind)
    lines = sorted(seen.values(), key=lambda line: line.order)
    return _topological(lines) if joined else lines


def _topological(lines: list[Line]) -> list[Line]:
    """Order lines so that those behind others come first, ties by key."""
    known = {id(line) for line in lines}
    missing = {id(line): len({id(b) for b in line.behind if id(b) in known}) for line in lines}
    after: dict[int, list[Line]] = {}
    for line in lines:
        for b in {id(b): b for b in line.behind}.values():
            after.setdefault(id(b), []).append(line)
    heap = [(_turn(line), i, line) for i, line in enumerate(lines) if not missing[id(line)]]
    heapq.heapify(heap)
    order: list[Line] = []
    tie = len(lines)
    while heap:
        line = heapq.heappop(heap)[2]
        order.append(line)
        for later in after.get(id(line), ()):
            missing[id(later)] -= 1
            if not missing[id(later)]:
                tie += 1
                heapq.heappush(heap, (_turn(later), tie, later))
    return order


def _turn(line: Line) -> Key:
    """Order ready lines; one that went straight from a fork to a join has no visit and takes no turn."""
    return line.order if line.numbers.last >= 0 else ()
