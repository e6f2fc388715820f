"""Going to and fro in a row of records, without reading it from its beginning each time.

Every so often what was read so far is copied and kept: from there on it is read again, so that a look back reads a few
records, however many there are. Only so many copies are kept, since each refers to all that was read before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphrt.trace import Record

APART: Final = 1_000
"""Records between two copies, at least …"""
_MOST: Final = 16
"""… and how many copies are kept."""
_NEAR: Final = 50
"""Records that one who looks back step by step reads again each time, at most."""


class Readable(Protocol):
    """What reads records, one after the other."""

    def read(self, record: Record) -> None:
        """Take the next record."""

    def copied(self) -> Self:
        """Return what goes on from here by itself."""
        ...


R = TypeVar("R", bound=Readable)


class Rereading(Generic[R]):
    """A reader of some records, as it was after any number of them."""

    def __init__(self, records: Sequence[Record], begun: R, apart: int = APART) -> None:
        """Take the records, a reader that has read none of them, and how far apart copies are at least."""
        self._records = records
        self._apart = max(apart, len(records) // _MOST)
        self._now, self._number = begun, 0
        """The reader, and how many records it has read."""
        self._kept = [begun.copied()]
        self._near, self._near_number = self._kept[0], 0
        """A copy that lies a little before the latest look back, for the next ones."""

    def at(self, records: int) -> R:
        """Return the reader after the first so many records; it holds until the next call."""
        place = min(records // self._apart, len(self._kept) - 1)
        if records < self._number:
            self._go_back(records, place)
        elif place * self._apart > self._number:
            self._now, self._number = self._kept[place].copied(), place * self._apart
        self._read_to(records)
        return self._now

    def _go_back(self, records: int, place: int) -> None:
        """Take up a copy that lies before a place, and leave one a little before it."""
        if self._near_number <= records and self._near_number > place * self._apart:
            self._now, self._number = self._near.copied(), self._near_number
            return
        self._now, self._number = self._kept[place].copied(), place * self._apart
        self._read_to(max(self._number, records - _NEAR))
        self._near, self._near_number = self._now.copied(), self._number

    def _read_to(self, records: int) -> None:
        for record in self._records[self._number : records]:
            self._now.read(record)
            self._number += 1
            if self._number == len(self._kept) * self._apart:
                self._kept.append(self._now.copied())
