"""Which runs may go: those that ended long ago, and that nothing which stays builds on.

A fork begins with records of its parent, so a parent goes after its forks. Turn n of the conversation `tea` is the run
`tea-n`, and the last turn is found by counting from the first, so a conversation goes as a whole, its last turn first.
What a crash leaves of a deletion is therefore sound: whole runs, and conversations that lack their last turns.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import isawaitable
from itertools import pairwise
from typing import Any, Final, NamedTuple

from graphrt.errors import RunLocked, RunNotFound, UseError
from graphrt.ports import RunInfo, RunStatus, Store

ENDED: Final[tuple[RunStatus, ...]] = ("completed", "failed", "cancelled")
"""How runs stand of which nothing more will come by itself."""
_TURN: Final = re.compile(r"(.+)-([1-9][0-9]*)")
_AT_ONCE: Final = 200
"""Runs that are deleted together: whoever wants to write waits for no more than these."""


class Kept(NamedTuple):
    """A run that was meant, and stays."""

    info: RunInfo
    """Its line of the list."""
    why: str
    """In a few words: `its fork 4fz stays`."""


@dataclass(frozen=True, slots=True)
class Pruning:
    """What goes, and what stays although it was meant."""

    runs: tuple[RunInfo, ...]
    """In the order in which they are deleted: nothing before what builds on it."""
    kept: tuple[Kept, ...] = ()
    """What was meant, and is needed by what stays."""


def to_prune(store: Store, before: float, *, status: Collection[RunStatus] = ENDED, flow: str | None = None) -> Pruning:
    """Return which runs can be deleted that changed last before a time, in seconds since the epoch.

    Args:
        store: where they are.
        before: the time.
        status: how they stand. What was cut off or waits for an answer goes only if `running` or `suspended` is named.
        flow: only runs of this flow.
    """
    listed = store.runs()
    meant = {i.run for i in listed if i.updated < before and i.status in status and flow in {None, i.flow}}
    return _sorted_out(store, listed, meant)


async def prune(
    store: Store, before: float, *, status: Collection[RunStatus] = ENDED, flow: str | None = None
) -> Pruning:
    """Delete the runs that `to_prune` returns; return what went, and what stayed after all.

    Raises:
        StoreFault: the store cannot be written; each run is there whole, or not at all.
    """
    return await carry_out(store, to_prune(store, before, status=status, flow=flow))


async def carry_out(store: Store, planned: Pruning) -> Pruning:
    """Delete what was found to go; return what went, and what stayed after all.

    Raises:
        StoreFault: the store cannot be written; each run is there whole, or not at all.
    """
    gone: list[RunInfo] = []
    kept = list(planned.kept)
    for first in range(0, len(planned.runs), _AT_ONCE):
        part = planned.runs[first : first + _AT_ONCE]
        try:
            await _delete(store, part)
            gone += part
        except (UseError, RunLocked):  # the store is not any more as it was when we looked
            for info in part:
                try:
                    await _delete(store, (info,))
                    gone.append(info)
                except RunNotFound:
                    continue  # somebody else deletes, too
                except (UseError, RunLocked) as refused:
                    kept.append(Kept(info, refused.message))
    return Pruning(tuple(gone), tuple(kept))


def to_delete(store: Store, runs: Collection[str]) -> Pruning:
    """Return the order in which these runs can be deleted, however they stand, and those on which others build.

    Raises:
        RunNotFound: there is no such run.
    """
    known = {run: store.info(run) for run in runs}
    listed = store.runs()
    return _sorted_out(store, [*(i for i in listed if i.run not in known), *known.values()], known)


def turns_of(store: Store, conversation: str) -> list[str]:
    """Return the runs that are the turns of a conversation, oldest first."""
    ours = [(turn[1], i.run) for i in store.runs() if (turn := _turn(i.run)) is not None and turn[0] == conversation]
    return [run for _, run in sorted(ours) if _is_spoken(store, run)]


def _sorted_out(store: Store, listed: Sequence[RunInfo], meant: Collection[str]) -> Pruning:
    """Tell apart what goes and what stays, of the runs that are meant."""
    of = {info.run: info for info in listed}
    holds: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    """Which runs have to stay if one does, and why."""
    after: defaultdict[str, list[str]] = defaultdict(list)
    """Which runs can go once one has gone."""
    for info in listed:
        if info.parent in of:
            holds[info.run].append((info.parent, f"its fork {info.run} stays"))
            after[info.run].append(info.parent)
    for earlier, later in _turns(store, listed, meant):
        holds[later].append((earlier, "it is a turn of a conversation that stays"))
        holds[earlier].append((later, "it is a turn of a conversation that stays"))
        after[later].append(earlier)
    kept = {info.run: "somebody drives it" for info in listed if info.live and info.run in meant}
    news = [info.run for info in listed if info.run in kept or info.run not in meant]
    while news:
        for run, why in holds[news.pop()]:
            if run in meant and run not in kept:
                kept[run] = why
                news.append(run)
    going = [run for run in of if run in meant and run not in kept]
    return Pruning(
        tuple(of[run] for run in _in_order(going, after)), tuple(Kept(of[run], why) for run, why in kept.items())
    )


def _turns(store: Store, listed: Sequence[RunInfo], meant: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield each turn with the next one, of the conversations of which a turn is meant."""
    talks: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for info in listed:
        if (turn := _turn(info.run)) is not None:
            talks[turn[0]].append((turn[1], info.run))
    for turns in talks.values():
        turns.sort()
        if any(run in meant for _, run in turns) and _is_spoken(store, turns[0][1]):
            yield from pairwise(run for _, run in turns)


def _turn(run: str) -> tuple[str, int] | None:
    """Return the conversation of which a run can be a turn by its id, and which turn."""
    found = _TURN.fullmatch(run)
    return (found[1], int(found[2])) if found is not None else None


def _is_spoken(store: Store, run: str) -> bool:
    """Say whether a run is of a flow that is talked to: its state has messages, to which is appended."""
    try:
        fields: Iterable[Mapping[str, Any]] = store.header(run).graph.get("fields", ())
    except UseError:
        return False  # its turns cannot be read, so nothing is lost of them
    return any(field["name"] == "messages" and field.get("reducer") == "append" for field in fields)


def _in_order(going: Sequence[str], after: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the runs in an order in which each comes after all that build on it; none that builds on itself."""
    wanted = set(going)
    waits = Counter(other for run in going for other in after.get(run, ()) if other in wanted)
    out = [run for run in going if not waits[run]]
    for run in out:  # grows meanwhile
        for other in after.get(run, ()):
            waits[other] -= 1
            if other in wanted and not waits[other]:
                out.append(other)
    return out


async def _delete(store: Store, runs: Sequence[RunInfo]) -> None:
    done = store.delete([info.run for info in runs])
    if isawaitable(done):
        await done
