"""The trace of a run: a header with the graph, then one record per input and what followed from it."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import msgspec

from graphrt.events import Event
from graphrt.graph import Graph, graph_from_json
from graphrt.inputs import Input, Json, Resumed
from graphrt.showing import displayed

VERSION = 1
"""Version of the trace format; readers refuse what they do not know."""
_KEPT: Final = 16
"""Definitions read from traces that are kept: many runs are of one flow, and what is made of it can be shared."""


class Header(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a trace is of. Says everything that is needed to draw and fold it without the flow's code."""

    run: str
    flow: str
    digest: str
    graph: dict[str, Json]
    """The JSON form of the graph."""
    created: float
    """Seconds since the epoch."""
    version: int = VERSION
    target: str | None = None
    """Where the flow was loaded from (`graphs/support.py:flow`), so that `resume` and `replay` find it."""
    parent: str | None = None
    """The run that this one was forked from …"""
    parent_seq: int | None = None
    """… and how many of its records (0 to parent_seq - 1) stand before the records of this one."""

    def __repr__(self) -> str:
        parent = f", parent={self.parent!r}" if self.parent is not None else ""
        return f"Header(run={self.run!r}, flow={self.flow!r}, digest={self.digest!r}{parent})"


class Record(msgspec.Struct, frozen=True, gc=False):
    """One input and everything that followed from it."""

    seq: int
    """Counts from 0 without holes; a fork goes on counting where its share of the parent's records ends."""
    at: float
    """Seconds since the epoch when the input was taken."""
    input: Input
    events: tuple[Event, ...] = ()


class Trace(msgspec.Struct, frozen=True):
    """A whole trace: of a forked run, the parent's records come first."""

    header: Header
    records: tuple[Record, ...] | list[Record] = ()

    def events(self) -> list[Event]:
        """All events in order."""
        return [event for record in self.records for event in record.events]

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Show the run in a notebook, on its flow."""
        del include, exclude
        return displayed(self, repr(self))

    def __repr__(self) -> str:
        header, count = self.header, len(self.records)
        return f"Trace(run={header.run!r}, flow={header.flow!r}: {count} record{'' if count == 1 else 's'})"


def graph_of(trace: Trace) -> Graph:
    """Return the definition that a trace was last recorded under, without its code."""
    changed = [r.input.graph for r in trace.records if isinstance(r.input, Resumed) and r.input.graph is not None]
    return _built(msgspec.json.encode(changed[-1] if changed else trace.header.graph))


@lru_cache(_KEPT)
def _built(text: bytes) -> Graph:
    return graph_from_json(msgspec.json.decode(text))
