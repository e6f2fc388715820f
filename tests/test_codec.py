"""The JSON form of a trace: nothing is lost on the way, and nothing altered is read as if it were sound."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrt import codec, events, inputs
from graphrt.errors import TraceInvalid, WrongInput
from graphrt.events import Routed, RunStarted, Verdict, VisitCompleted, VisitStarted
from graphrt.hints import is_mapping
from graphrt.inputs import AttemptFailed, AttemptStarted, AttemptSucceeded, ErrorInfo, Started
from graphrt.items import is_listed
from graphrt.trace import VERSION, Header, Record, Trace

HEADER = Header(run="r1", flow="demo", digest="0" * 16, graph={"name": "demo", "nodes": []}, created=1700000000.5)
"""Of a run of no graph in particular: the codec does not look inside."""

TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=8)
"""Any text at all, halves of surrogate pairs and NUL included."""
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
FINITE = st.floats(0, 2e9)


def _struct(kind: type[Any]) -> st.SearchStrategy[Any]:
    fields = {
        "writes": st.dictionaries(TEXT, JSON, max_size=2),
        "state": st.dictionaries(TEXT, JSON, max_size=2),
        "set": st.dictionaries(TEXT, JSON, max_size=2),
        "notes": st.dictionaries(TEXT, JSON, max_size=1),
        "facts": st.dictionaries(TEXT, JSON, max_size=1),
        "detail": st.dictionaries(TEXT, JSON, max_size=1),
        "values": st.none() | st.dictionaries(TEXT, JSON, max_size=2),
        "item": JSON,
        "answer": JSON,
        "visit": st.sampled_from(["0", "1.0.0", "2/1.1-4.0"]),
    }
    out = {f.name: fields[f.name] for f in msgspec.structs.fields(kind) if f.name in fields}
    out |= {f.name: FINITE for f in msgspec.structs.fields(kind) if f.type is float}
    out |= {f.name: st.none() | FINITE for f in msgspec.structs.fields(kind) if f.type == (float | None)}
    out |= {f.name: TEXT for f in msgspec.structs.fields(kind) if f.type is str and f.name not in out}
    out |= {f.name: NESTED[f.name] for f in msgspec.structs.fields(kind) if f.name in NESTED}
    return st.builds(kind, **out)


NESTED: dict[str, st.SearchStrategy[Any]] = {}
NESTED["error"] = _struct(ErrorInfo)
NESTED["usage"] = st.none() | _struct(inputs.Usage)
NESTED["limits"] = st.none() | _struct(inputs.Limits)
NESTED["marks"] = st.lists(_struct(inputs.Mark), max_size=2).map(tuple)
NESTED["verdicts"] = st.lists(_struct(Verdict), max_size=2).map(tuple)
INPUTS = st.one_of([_struct(kind) for kind in get_args(inputs.Input)])
_ROUTED = st.builds(Routed, visit=st.just("0"), verdicts=NESTED["verdicts"], error=st.none() | TEXT)
EVENTS = st.one_of([_struct(kind) if kind is not Routed else _ROUTED for kind in get_args(events.Event)])
RECORDS = st.builds(
    Record, seq=st.integers(0, 9), at=FINITE, input=INPUTS, events=st.lists(EVENTS, max_size=3).map(tuple)
)


def _trace(count: int = 6) -> Trace:
    """Return a small trace of a chain, as a driver would write it."""
    records = [
        Record(0, 1.0, Started("r1", {"n": 0}), (RunStarted("demo", "r1"), VisitStarted("0", "a"))),
    ]
    for i in range(count):
        visit = str(i)
        done = AttemptSucceeded(visit, 1, {"n": i, "note": 'a "b" \\ é [{'}, 0.25)
        follow = (
            VisitCompleted(visit, "a", None, done.writes),
            Routed(visit, (Verdict(0, "taken", {"n": i}),)),
            VisitStarted(str(i + 1), "a", (visit,)),
        )
        records += [Record(2 * i + 1, 2.0 + i, AttemptStarted(visit, 1)), Record(2 * i + 2, 2.5 + i, done, follow)]
    return Trace(HEADER, records)


@settings(max_examples=300, deadline=None)
@given(RECORDS)
def test_every_record_survives(record: Record) -> None:
    """Reading what was written gives the same record, whatever its texts, numbers and absent values."""
    line, digest = codec.encode_record(record, "seed")
    back, again = codec.decode_record(line, "seed")
    assert back == record
    assert again == digest
    assert codec.encode_record(back, "seed") == (line, digest)
    assert b"\n" not in line


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(TEXT, JSON, max_size=3), st.none() | TEXT, FINITE)
def test_every_header_survives(graph: dict[str, Any], target: str | None, created: float) -> None:
    """Reading a written header gives the same header."""
    header = Header("r", "f", "d", graph, created, target=target, parent="p", parent_seq=3)
    line, digest = codec.encode_header(header)
    assert codec.decode_header(line)[0] == header
    assert codec.encode_header(header, codec.encode_graph(graph)) == (line, digest)


@pytest.mark.parametrize("target", ["a.py", "caf\udce9/a.py", "café/a.py", 'say "graph":{} and \\ud.py'])
@pytest.mark.parametrize("name", ["a", "é", "\ud800", "\U0001f600"])
def test_a_header_is_written_as_one_value(target: str, name: str) -> None:
    """The bytes, and with them the hash, do not depend on whether the text of the graph was at hand."""
    graph: dict[str, Any] = {"name": name, "empty": {"graph": {}}}
    header = Header("r", "f", "d", graph, 1.0, target=target)
    whole = codec.encode_json({"version": VERSION, **msgspec.to_builtins(header)})
    line, _ = codec.encode_header(header, codec.encode_graph(graph))
    assert line.startswith(whole[:-1])


@settings(max_examples=100, deadline=None)
@given(INPUTS)
def test_every_input_survives(value: inputs.Input) -> None:
    """A request that is kept beside a trace comes back as it was."""
    assert codec.decode_input(codec.encode_input(value)) == value


def test_every_event_has_its_wire_form() -> None:
    """No event of the vocabulary is missing among those that are read, and none has fields that would be lost."""
    wire = {codec._Completed if kind is VisitCompleted else kind for kind in get_args(events.Event)}
    assert wire == set(get_args(codec._WireEvent))
    names = [f.name for f in msgspec.structs.fields(VisitCompleted)]
    assert [f.name for f in msgspec.structs.fields(codec._Completed)] == names


def test_writes_are_stored_once() -> None:
    """What the input says is not said again by the event; different writes of an event are kept, empty ones too."""
    done = AttemptSucceeded("0", 1, {"text": "long text"})
    same = Record(1, 1.0, done, (VisitCompleted("0", "a", None, {"text": "long text"}),))
    assert codec.encode_record(same, "")[0].count(b"long text") == 1
    for writes in ({}, {"text": "other"}, {"text": True}):
        record = Record(1, 1.0, AttemptSucceeded("0", 1, {"text": 1}), (VisitCompleted("0", "a", None, writes),))
        back = codec.decode_record(codec.encode_record(record, "")[0], "")[0]
        assert back == record
        assert json.dumps(back.events[0].writes) == json.dumps(writes)  # type: ignore[union-attr]  # it is a completed visit


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), [1, {"a": float("-inf")}]])
def test_numbers_that_json_cannot_say_are_refused(bad: Any) -> None:
    """NaN and infinity are named with their place, never written as null."""
    record = Record(3, 1.0, AttemptSucceeded("7", 1, {"x": bad}), (Routed("7", (Verdict(0, "taken"),)),))
    with pytest.raises(WrongInput, match=r"record 3 \(AttemptSucceeded of visit '7'\) holds .* at input.writes.x"):
        codec.encode_record(record, "")
    with pytest.raises(WrongInput, match="JSON cannot say"):
        codec.encode_record(Record(3, 1.0, AttemptSucceeded("7", 1, {"x": bad, "y": "\ud800"})), "")


def test_values_that_are_not_json_are_refused() -> None:
    """An object that has no JSON form is named, with what may be written instead."""
    with pytest.raises(WrongInput, match="not JSON"):
        codec.encode_record(Record(0, 1.0, AttemptSucceeded("0", 1, {"x": object()})), "")


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("depth", [codec.MAX_DEPTH, 5_000])
def test_deep_nesting_is_refused_on_both_sides(depth: int) -> None:
    """A value nested too deeply is neither written nor read, with a message and not a crash."""
    with pytest.raises(WrongInput, match="deeper than 300"):
        codec.encode_record(Record(0, 1.0, AttemptSucceeded("0", 1, {"x": _nested(depth)})), "")
    text = b'{"seq":0,"at":1.0,"input":{"type":"answered","visit":"0","answer":%b}}' % (b"[" * depth + b"]" * depth)
    with pytest.raises(TraceInvalid, match="deeper than 300"):
        codec.decode_record(codec._seal(text, "")[0], "")


def test_brackets_in_text_and_beside_each_other_are_not_depth() -> None:
    """Only real nesting counts, however many brackets there are."""
    value = {"x": [[i] for i in range(500)], "t": "[" * 1000 + '\\"{'}
    record = Record(0, 1.0, AttemptSucceeded("0", 1, value))
    assert codec.decode_record(codec.encode_record(record, "")[0], "")[0] == record


def _depth(value: Any) -> int:
    if is_mapping(value):
        value = list(value.values())
    return 1 + max(map(_depth, value), default=0) if is_listed(value) else 0


_BRACKETED = st.recursive(
    st.text(r'[]{}"\a', max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(r'[]{}"\a', max_size=3), inner, max_size=3),
    max_leaves=25,
)


@given(_BRACKETED)
def test_depth_is_that_of_the_value(value: Any) -> None:
    """How deep a line nests does not depend on brackets, quotes and backslashes in its texts."""
    line, depth = json.dumps(value, ensure_ascii=False).encode(), _depth(value)
    assert codec._nests_at_most(line, depth)
    assert not codec._deeper_than(line, depth)
    if depth:
        assert not codec._nests_at_most(line, depth - 1)
        assert codec._deeper_than(line, depth - 1)


def _took(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(3):
        begun = time.process_time()
        work()
        best = min(best, time.process_time() - begun)
    return best


def test_a_hostile_line_is_refused_as_fast_as_a_sound_one_is_read() -> None:
    """Brackets that nest without end do not hold a reader up."""
    size = codec._QUICK // 2 - 1
    sound, hostile = b"[" + b"[]," * (size // 2) + b"]", b"[" * size + b"]" * size
    assert not codec._deeper_than(sound, codec.MAX_DEPTH)
    assert codec._deeper_than(hostile, codec.MAX_DEPTH)
    quick, slow = (_took(partial(codec._deeper_than, line, codec.MAX_DEPTH)) for line in (sound, hostile))
    assert slow < 20 * quick


def test_large_lines_are_refused_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line over the limit is neither written nor read."""
    monkeypatch.setattr(codec, "MAX_LINE", 1000)
    with pytest.raises(WrongInput, match="more than the 1000"):
        codec.encode_record(Record(0, 1.0, AttemptSucceeded("0", 1, {"x": "a" * 1000})), "")
    with pytest.raises(TraceInvalid, match="more than the 1000") as caught:
        codec.decode_record(b"x" * 1001, "", number=4)
    assert caught.value.facts["kind"] == "too big"


def test_another_version_is_refused_with_both_numbers() -> None:
    """A trace of a later release names its version and the one that is read."""
    line = codec.encode_header(Header("r", "f", "d", {}, 1.0, version=VERSION + 1))[0]
    with pytest.raises(TraceInvalid, match=f"version {VERSION + 1}, this release reads {VERSION}"):
        codec.decode_header(line)


@pytest.mark.parametrize(
    "data", [b"", b"{}\n", b"[]\n", b"hello\n", b'{"version":1}\n', b"\xff\xfe\n", b"null\n", b"\n"]
)
def test_other_files_are_not_read_as_traces(data: bytes) -> None:
    """A file that is no trace is refused in a sentence."""
    with pytest.raises(TraceInvalid):
        codec.decode_trace(data)


def test_a_trace_survives_and_its_bytes_are_stable() -> None:
    """A whole trace reads back the same; writing it again gives the same bytes."""
    data = codec.encode_trace(_trace())
    assert codec.decode_trace(data) == _trace()
    assert codec.encode_trace(codec.decode_trace(data)) == data


def test_every_cut_is_noticed_and_named() -> None:
    """Cut anywhere inside a line, a file is called torn at that line; cut between lines, what is left is sound."""
    trace = _trace(3)
    data = codec.encode_trace(trace)
    for cut in range(len(data)):
        part = data[:cut]
        whole = part.count(b"\n")
        if whole and part.endswith(b"\n"):
            assert list(codec.decode_trace(part).records) == list(trace.records)[: whole - 1]
            continue
        with pytest.raises(TraceInvalid) as caught:
            codec.decode_trace(part)
        assert caught.value.facts["kind"] == "torn"
        assert caught.value.facts["line"] == whole + 1
        assert caught.value.facts["offset"] == part.rfind(b"\n") + 1


def test_every_flipped_bit_is_noticed_and_its_line_named() -> None:
    """Whichever bit of a file is turned over, reading fails and names that line, or the one that it was joined with."""
    data = codec.encode_trace(_trace(2))
    for place in range(len(data)):
        number = data.count(b"\n", 0, place) + 1
        for bit in range(8):
            flipped = bytearray(data)
            flipped[place] ^= 1 << bit
            with pytest.raises(TraceInvalid) as caught:
                codec.decode_trace(bytes(flipped))
            facts = caught.value.facts
            assert facts.get("line", 1) == number, (place, bit, caught.value)
            assert str(number) in str(caught.value) or facts["kind"] == "version"


def test_lost_and_swapped_lines_are_noticed() -> None:
    """A line that is missing, doubled or out of order breaks the chain where it happens."""
    lines = codec.encode_trace(_trace()).split(b"\n")
    for mixed in ([*lines[:3], *lines[4:]], [*lines[:3], lines[2], *lines[3:]], [*lines[:3], lines[4], lines[3]]):
        with pytest.raises(TraceInvalid, match="line 4") as caught:
            codec.decode_trace(b"\n".join([*mixed, b""]))
        assert caught.value.facts["kind"] == "altered"


def test_a_gap_with_sound_hashes_is_noticed() -> None:
    """Records that were sealed without their predecessor are refused as a gap."""
    trace = _trace(2)
    data = codec.encode_trace(Trace(trace.header, [r for r in trace.records if r.seq != 2]))
    with pytest.raises(TraceInvalid, match="line 4 is record 3, expected record 2"):
        codec.decode_trace(data)


def test_canonical_bytes_ignore_the_order_of_keys_only() -> None:
    """Equal JSON gives equal bytes; another number type does not."""
    assert codec.canonical({"b": 1, "a": [None]}) == codec.canonical({"a": [None], "b": 1})
    assert codec.canonical({"a": 1}) != codec.canonical({"a": 1.0})
    assert codec.canonical({"a": "\ud800"}) == b'{"a":"\\ud800"}'


def test_an_error_record_keeps_its_lineage() -> None:
    """What an error edge needs to match comes back as a tuple of names."""
    record = Record(1, 1.0, AttemptFailed("0", 1, ErrorInfo("app.Boom", "no", ("app.Boom", "Exception"))))
    assert codec.decode_record(codec.encode_record(record, "")[0], "")[0] == record
