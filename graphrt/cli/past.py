"""A run as it was after so many of its records, told as quickly wherever one looks.

Records are read in their order, and every so often what was read is kept: from there on it is read again, so that a
look back reads a few records, however long the run is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from graphrt import inputs as i
from graphrt.account import Reader
from graphrt.graph import graph_from_json

if TYPE_CHECKING:
    from graphrt.account import Account
    from graphrt.graph import Graph
    from graphrt.trace import Trace

_APART: Final = 1_000
"""Records between two places that are kept, at least …"""
_MOST: Final = 16
"""… and how many places are kept: each holds a reference to every visit before it."""


class Past:
    """Tells a run as it was, by the definition that was in force."""

    def __init__(self, trace: Trace, apart: int = _APART) -> None:
        """Take a trace as it is now; places that are kept lie at least so many records `apart`."""
        self._trace, self._apart = trace, apart
        self._definitions = [(0, trace.header.graph)]
        """Each with the number of records from which on it is the one in force."""
        for k, record in enumerate(trace.records):
            if isinstance(record.input, i.Resumed) and record.input.graph is not None:
                self._definitions.append((k + 1, record.input.graph))
        self._read: dict[int, _Read] = {}
        """What was read by each definition."""

    def at(self, records: int) -> Account:
        """Return what the first records tell, by the definition they were made under; it holds until the next call."""
        began, form = next(d for d in reversed(self._definitions) if d[0] <= records)
        if began not in self._read:
            self._read[began] = _Read(self._trace, graph_from_json(form), self._apart)
        return self._read[began].at(records)


class _Read:
    """A run as it is read by one definition."""

    def __init__(self, trace: Trace, graph: Graph, apart: int) -> None:
        self._records = trace.records
        self._apart = max(apart, len(trace.records) // _MOST)
        self._now = Reader(trace.header, graph, trace.records[0].at if trace.records else None)
        self._number = 0
        """How many records it has read."""
        self._kept = [self._now.copied()]
        """The reader after each so many records."""

    def at(self, records: int) -> Account:
        """Return what the first records tell."""
        place = min(records // self._apart, len(self._kept) - 1)
        if records < self._number or place * self._apart > self._number:
            self._now, self._number = self._kept[place].copied(), place * self._apart
        for record in self._records[self._number : records]:
            self._now.read(record)
            self._number += 1
            if self._number == len(self._kept) * self._apart:
                self._kept.append(self._now.copied())
        return self._now.account
