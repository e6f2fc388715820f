"""The short form of a record: nothing is lost on the way, and nothing altered is read as if it were sound."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from graphrt import codec, events, inputs, packing
from graphrt.errors import TraceInvalid, WrongInput
from graphrt.events import Routed, Verdict, VisitCompleted, VisitStarted
from graphrt.inputs import AttemptStarted, AttemptSucceeded
from graphrt.trace import Record
from tests.test_codec import RECORDS

STEP = Record(
    7,
    1700000000.25,
    AttemptSucceeded("3", 1, {"n": 4}, 0.5),
    (
        VisitCompleted("3", "count", None, {"n": 4}),
        Routed("3", (Verdict(0, "false", {"n": 4}), Verdict(1, "used up", None, 2), Verdict(2, "taken"))),
        VisitStarted("4", "count", ("3",)),
    ),
)


@given(RECORDS)
def test_every_record_survives(record: Record) -> None:
    """What is read back is what was packed, whatever its kind and whatever text and numbers it holds."""
    (row,) = packing.pack([record], b"before")
    (back,) = packing.unpack(row, b"before")
    assert codec.encode_record(back, "") == codec.encode_record(record, "")
    assert packing.pack([back], b"before") == [row]


@given(st.lists(RECORDS, max_size=9))
def test_records_that_follow_each_other_survive(records: list[Record]) -> None:
    """However many were added together, they are read back one after another, under the numbers they had."""
    records = [replace(record, seq=40 + at) for at, record in enumerate(records)]
    rows = packing.pack(records, b"before")
    back: list[Record] = []
    previous = b"before"
    for row in rows:
        assert row.seq == 40 + len(back)
        back += packing.unpack(row, previous)
        previous = row.hash
    assert [codec.encode_record(each, "") for each in back] == [codec.encode_record(each, "") for each in records]


@pytest.mark.parametrize("count", [2, 100])
def test_rows_are_not_long(count: int) -> None:
    """Long records that were added together stand in several rows, and each of those is sealed by the one before."""
    records = [Record(at, 2.0, AttemptSucceeded("4", 1, {"text": "x" * 9_000})) for at in range(count)]
    rows = packing.pack(records, b"before")
    assert [row.seq for row in rows] == list(range(count))
    before = [b"before", *(row.hash for row in rows[:-1])]
    lines = [row.lines for row in rows]
    assert [row.hash for row in rows] == [packing.hash_of(*each) for each in zip(before, lines, strict=True)]
    short = [Record(at, 2.0, AttemptStarted(str(at), 1)) for at in range(count)]
    assert len(packing.pack(short, b"before")) == 1


def test_the_form_of_a_step() -> None:
    """Kinds are numbers, defaults at the end are left out, and what was written stands there once."""
    started = Record(8, 2.0, AttemptStarted("4", 1))
    (row,) = packing.pack([STEP, started], b"")
    assert row.lines == (
        b'[1700000000.25,[2,"3",1,{"n":4},0.5],[[5,"3","count"],'
        b'[8,"3",[[0,1,{"n":4}],[1,2,null,2],[2,0]]],[1,"4","count",["3"]]]]\n'
        b'[2.0,[1,"4",1]]'
    )
    assert packing.unpack(row, b"") == [STEP, started]


def test_every_kind_has_a_number_of_its_own() -> None:
    """No input and no event is forgotten."""
    for numbers, union in ((packing.INPUTS, inputs.Input), (packing.EVENTS, events.Event)):
        assert set(numbers) == set(get_args(union))
        assert sorted(numbers.values()) == list(range(len(numbers)))
    assert list(packing.RESULTS.values()) == list(range(len(packing.RESULTS)))


def test_a_result_without_a_number_is_kept() -> None:
    """What a later release may say of an edge stands as text."""
    record = Record(7, 2.0, AttemptStarted("3", 1), (Routed("3", (Verdict(0, "postponed"), Verdict(1, "taken"))),))
    (row,) = packing.pack([record], b"")
    assert packing.unpack(row, b"") == [record]


@pytest.mark.parametrize(
    ("body", "before"), [(b'[2.0,[1,"4",2]]', b"before"), (b'[2.0,[1,"4",1]]', b"another")], ids=["changed", "moved"]
)
def test_what_was_altered_is_named(body: bytes, before: bytes) -> None:
    """A changed byte, or another record before it, breaks the chain."""
    (row,) = packing.pack([Record(8, 2.0, AttemptStarted("4", 1))], b"before")
    with pytest.raises(TraceInvalid, match="record 8 was altered: the hash beside it is"):
        packing.unpack(replace(row, lines=body), before)


def test_what_was_altered_among_others_is_named() -> None:
    """Of records that share a hash, it is told which those are."""
    (row,) = packing.pack([Record(seq, 2.0, AttemptStarted(str(seq), 1)) for seq in (8, 9, 10)], b"before")
    with pytest.raises(TraceInvalid, match="one of the records 8 to 10 was altered"):
        packing.unpack(replace(row, lines=row.lines.replace(b'"9"', b'"7"')), b"before")


def test_what_is_sealed_and_yet_no_record_is_refused() -> None:
    """A record of a kind that is not known here, or none at all, is said to be none."""
    for body in (b"[2.0,[99]]", b"{}", b'[2.0,[1,"\\ud800"]]', b'[2.0,[1,"3",1],[[8,"3",[[0,4]]]]]', b"[2.0"):
        with pytest.raises(TraceInvalid, match="record 8 is none of a graphrt trace"):
            packing.unpack(packing.Row(8, body, packing.hash_of(b"", body)), b"")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, object()}])
@pytest.mark.parametrize("beside", [0, 1, 9])
def test_what_is_not_json_is_refused(value: Any, beside: int) -> None:
    """Also NaN and infinity, which would be read back as null; the record is named, however many there are."""
    others = [Record(9 + at, 2.0, AttemptSucceeded("4", 1, {"n": None})) for at in range(beside)]
    with pytest.raises(WrongInput, match=r"record 8 .AttemptSucceeded of visit '3'. holds"):
        packing.pack([Record(8, 2.0, AttemptSucceeded("3", 1, {"n": value})), *others], b"")
