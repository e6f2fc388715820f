"""The short form of a record, as a store keeps it that is read through graphrt: JSON arrays instead of named members.

    [at, [kind of input, its fields …], [[kind of event, its fields …], …]]

It says what a line of an exported trace says, in less than half the bytes and the time. Kinds are numbers; fields that
end in defaults are left out, as is the number of the record, by which the store finds it. What `VisitCompleted` says of
writes and marks is left out where the input has it. The hash of a record is that of the record before it and of these
bytes.

Files that people read and send around have the long form of `codec`. This module does no I/O.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Union

import msgspec

from graphrt import codec, events, inputs
from graphrt.errors import TraceInvalid
from graphrt.events import Routed, VisitCompleted, VisitStarted
from graphrt.inputs import AttemptStarted, AttemptSucceeded
from graphrt.trace import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphrt.events import Verdict

INPUTS: Final[dict[type[Any], int]] = {
    inputs.Started: 0,
    inputs.AttemptStarted: 1,
    inputs.AttemptSucceeded: 2,
    inputs.AttemptFailed: 3,
    inputs.TimerFired: 4,
    inputs.Answered: 5,
    inputs.Cancelled: 6,
    inputs.Resumed: 7,
    inputs.Forked: 8,
}
"""The number of each kind. Stores have them: numbers never change, new kinds get new ones."""
EVENTS: Final[dict[type[Any], int]] = {
    events.RunStarted: 0,
    events.VisitStarted: 1,
    events.VisitWaiting: 2,
    events.AttemptRetried: 3,
    events.AttemptLost: 4,
    events.VisitCompleted: 5,
    events.VisitFailed: 6,
    events.VisitCancelled: 7,
    events.Routed: 8,
    events.Joined: 9,
    events.LimitPassed: 10,
    events.RunResumed: 11,
    events.RunForked: 12,
    events.RunSuspended: 13,
    events.RunCompleted: 14,
    events.RunFailed: 15,
    events.RunCancelled: 16,
}

_STARTED, _SUCCEEDED = INPUTS[AttemptStarted], INPUTS[AttemptSucceeded]
_VISIT, _COMPLETED, _ROUTED = EVENTS[VisitStarted], EVENTS[VisitCompleted], EVENTS[Routed]
_HASH_BYTES: Final = 8
_fields_of = msgspec.structs.astuple


def _read_as(kinds: Mapping[type[Any], int], changed: Mapping[str, Any]) -> tuple[Any, dict[type[Any], type[Any]]]:
    """Return the type of all packed forms of some kinds, and the kind that each form stands for."""
    made: dict[type[Any], type[Any]] = {}
    for kind, number in kinds.items():
        fields: list[Any] = []
        for field in msgspec.structs.fields(kind):
            of = changed.get(f"{kind.__name__}.{field.name}")
            if of is not None:
                fields.append((field.name, of, msgspec.UNSET))
            elif field.default is not msgspec.NODEFAULT:
                fields.append((field.name, field.type, field.default))
            elif field.default_factory is not msgspec.NODEFAULT:
                fields.append((field.name, field.type, msgspec.field(default_factory=field.default_factory)))
            else:
                fields.append((field.name, field.type))
        made[msgspec.defstruct(kind.__name__, fields, array_like=True, tag=number, gc=False)] = kind
    return Union[tuple(made)], made  # noqa: UP007 - made at run time


_input_form, _KIND_OF_INPUT = _read_as(INPUTS, {})
_event_form, _KIND_OF_EVENT = _read_as(
    EVENTS,
    {
        "VisitCompleted.writes": dict[str, inputs.Json] | msgspec.UnsetType,
        "VisitCompleted.marks": tuple[inputs.Mark, ...] | msgspec.UnsetType,
    },
)
_all_events: Any = tuple.__class_getitem__((_event_form, ...))  # as `tuple[…]`, of a type that is made at run time
_Packed: Any = msgspec.defstruct(
    "_Packed",
    [("at", float), ("input", _input_form), ("events", _all_events, ())],
    array_like=True,
    gc=False,
)
_decode: Any = msgspec.json.Decoder(_Packed).decode


def hash_of(previous: bytes, body: bytes) -> bytes:
    """Return the hash of a record: eight bytes of SHA-256 over the hash before it and its own bytes."""
    return sha256(previous + body, usedforsecurity=False).digest()[:_HASH_BYTES]


def pack(record: Record, previous: bytes) -> tuple[bytes, bytes]:
    """Return the short form of a record, and its hash; `previous` is the hash of the record before.

    Raises:
        WrongInput: a value in the record is not JSON (also NaN and infinity), is too large or too deeply nested.
    """
    given = record.input
    taken: tuple[Any, ...]
    nulls = 0
    if type(given) is AttemptStarted:
        taken = (_STARTED, given.visit, given.attempt)
    elif type(given) is AttemptSucceeded and given.usage is None and not given.notes and not given.marks:
        taken = (_SUCCEEDED, given.visit, given.attempt, given.writes, given.duration_s)
    else:
        fields = _fields_of(given)
        nulls = fields.count(None)
        taken = (INPUTS[type(given)], *fields)
    if not record.events:
        body = codec.dump((record.at, taken), nulls, record)
        return body, hash_of(previous, body)
    followed: list[tuple[Any, ...]] = []
    for event in record.events:
        if type(event) is VisitStarted and event.item is None:
            followed.append((_VISIT, event.visit, event.node, event.causes))
        elif type(event) is Routed and event.error is None:
            followed.append((_ROUTED, event.visit, [_verdict(v) for v in event.verdicts]))
            nulls += sum([v.values is None and v.count is not None for v in event.verdicts])
        elif type(event) is VisitCompleted:
            followed.append(_completed(record, event))
        else:
            fields = _fields_of(event)
            nulls += fields.count(None)
            followed.append((EVENTS[type(event)], *fields))
    body = codec.dump((record.at, taken, followed), nulls, record)
    return body, hash_of(previous, body)


def _verdict(verdict: Verdict) -> tuple[Any, ...]:
    if verdict.count is not None:
        return (verdict.edge, verdict.result, verdict.values, verdict.count)
    if verdict.values is not None:
        return (verdict.edge, verdict.result, verdict.values)
    return (verdict.edge, verdict.result)


def _completed(record: Record, event: VisitCompleted) -> tuple[Any, ...]:
    if event.marks != codec.shared_marks(record.input, event.visit):
        return (_COMPLETED, event.visit, event.node, event.outcome, event.writes, event.marks)
    if not codec.is_shared(record, event):
        return (_COMPLETED, event.visit, event.node, event.outcome, event.writes)
    if event.outcome is not None:
        return (_COMPLETED, event.visit, event.node, event.outcome)
    return (_COMPLETED, event.visit, event.node)


def unpack(body: bytes, found: bytes, previous: bytes, seq: int) -> Record:
    """Read a record back; `found` is the hash that stands beside it, `previous` that of the record before.

    Raises:
        TraceInvalid: it is altered, malformed, or too large.
    """
    expected = hash_of(previous, body)
    if found != expected:
        message = (
            f"record {seq} was altered: it carries the hash {found.hex()}, its content gives {expected.hex()};"
            " what stands before is sound"
        )
        raise TraceInvalid(message, kind="altered", seq=seq, expected=expected.hex(), found=found.hex())
    codec.check_line(body, seq)
    try:
        packed = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        # Half a surrogate pair stands as an escape, which msgspec does not read.
        if b"\\ud" not in body and b"\\uD" not in body:
            raise _malformed(error, seq) from error
        try:
            packed = msgspec.convert(codec.decode_json(body), _Packed)
        except msgspec.ValidationError as misfit:
            raise _malformed(misfit, seq) from misfit
    form = packed.input
    given = _KIND_OF_INPUT[type(form)](*_fields_of(form))
    followed = packed.events
    return Record(seq, packed.at, given, tuple([_event(given, e) for e in followed]) if followed else ())


def _event(given: Any, form: Any) -> Any:  # noqa: ANN401 - types that are made at run time
    kind = _KIND_OF_EVENT[type(form)]
    if kind is VisitCompleted:
        writes = codec.shared_writes(given, form.visit) if form.writes is msgspec.UNSET else form.writes
        marks = codec.shared_marks(given, form.visit) if form.marks is msgspec.UNSET else form.marks
        return VisitCompleted(form.visit, form.node, form.outcome, writes, marks)
    return kind(*_fields_of(form))


def _malformed(error: Exception, seq: int) -> TraceInvalid:
    return TraceInvalid(f"record {seq} is none of a graphrt trace: {error}", kind="malformed", seq=seq)
