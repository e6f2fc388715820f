"""The short form of a record: nothing is lost on the way, and nothing altered is read as if it were sound."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given

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
    body, digest = packing.pack(record, b"before")
    back = packing.unpack(body, digest, b"before", record.seq)
    assert codec.encode_record(back, "") == codec.encode_record(record, "")
    assert packing.pack(back, b"before") == (body, digest)


def test_the_form_of_a_step() -> None:
    """Kinds are numbers, defaults at the end are left out, and what was written stands there once."""
    body, digest = packing.pack(STEP, b"")
    assert body == (
        b'[1700000000.25,[2,"3",1,{"n":4},0.5],[[5,"3","count"],'
        b'[8,"3",[[0,"false",{"n":4}],[1,"used up",null,2],[2,"taken"]]],[1,"4","count",["3"]]]]'
    )
    assert packing.unpack(body, digest, b"", 7) == STEP
    assert packing.pack(Record(8, 2.0, AttemptStarted("4", 1)), digest)[0] == b'[2.0,[1,"4",1]]'


def test_every_kind_has_a_number_of_its_own() -> None:
    """No input and no event is forgotten."""
    for numbers, union in ((packing.INPUTS, inputs.Input), (packing.EVENTS, events.Event)):
        assert set(numbers) == set(get_args(union))
        assert sorted(numbers.values()) == list(range(len(numbers)))


@pytest.mark.parametrize(
    ("body", "before"), [(b'[2.0,[1,"4",2]]', b"before"), (b'[2.0,[1,"4",1]]', b"another")], ids=["changed", "moved"]
)
def test_what_was_altered_is_named(body: bytes, before: bytes) -> None:
    """A changed byte, or another record before it, breaks the chain."""
    _, digest = packing.pack(Record(8, 2.0, AttemptStarted("4", 1)), b"before")
    with pytest.raises(TraceInvalid, match="record 8 was altered: it carries the hash"):
        packing.unpack(body, digest, before, 8)


def test_what_is_sealed_and_yet_no_record_is_refused() -> None:
    """A record of a kind that is not known here, or none at all, is said to be none."""
    for body in (b"[2.0,[99]]", b"{}", b'[2.0,[1,"\\ud800"]]', b"[2.0"):
        with pytest.raises(TraceInvalid, match="record 8 is none of a graphrt trace"):
            packing.unpack(body, packing.hash_of(b"", body), b"", 8)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, object()}])
def test_what_is_not_json_is_refused(value: Any) -> None:
    """Also NaN and infinity, which would be read back as null; the record is named."""
    with pytest.raises(WrongInput, match=r"record 8 .AttemptSucceeded of visit '3'. holds"):
        packing.pack(Record(8, 2.0, AttemptSucceeded("3", 1, {"n": value})), b"")
