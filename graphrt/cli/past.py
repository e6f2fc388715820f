"""A run as it was after so many of its records, told as quickly wherever one looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt import inputs as i
from graphrt.account import Reader
from graphrt.graph import graph_from_json
from graphrt_viz.rereading import APART, Rereading

if TYPE_CHECKING:
    from graphrt.told import Account
    from graphrt.trace import Trace


class Past:
    """Tells a run as it was, by the definition that was in force."""

    def __init__(self, trace: Trace, apart: int = APART) -> None:
        """Take a trace as it is now; see `Rereading` for `apart`."""
        self._trace, self._apart = trace, apart
        self._definitions = [(0, trace.header.graph)]
        """Each with the number of records from which on it is the one in force."""
        for k, record in enumerate(trace.records):
            if isinstance(record.input, i.Resumed) and record.input.graph is not None:
                self._definitions.append((k + 1, record.input.graph))
        self._read: dict[int, Rereading[Reader]] = {}
        """What is read by each definition."""

    def at(self, records: int) -> Account:
        """Return what the first records tell, by the definition they were made under; it holds until the next call."""
        began, form = next(d for d in reversed(self._definitions) if d[0] <= records)
        if began not in self._read:
            first = self._trace.records[0].at if self._trace.records else None
            begun = Reader(self._trace.header, graph_from_json(form), first)
            self._read[began] = Rereading(self._trace.records, begun, self._apart)
        return self._read[began].at(records).account
