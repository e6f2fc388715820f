"""The short form of records, as a store keeps them that is read through graphrt: JSON arrays instead of named members.

    [at, [kind of input, its fields …], [[kind of event, its fields …], …]]

It says what a line of an exported trace says, in less than half the bytes and the time. Kinds are numbers; fields that
end in defaults are left out, as is the number of the record. What `VisitCompleted` says of writes and marks is left out
where the input has it.

Records that are appended together are one `Row`, a line for each, because a step makes two and a store pays by the row.
It carries the number of its first record and its hash: of the hash before it, and of its lines.

Files that people read and send around have the long form of `codec`. This module does no I/O.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any, Final, Union

import msgspec

from graphrt import codec, events, inputs
from graphrt.errors import TraceInvalid
from graphrt.events import Routed, Verdict, VisitCompleted, VisitStarted
from graphrt.inputs import AttemptStarted, AttemptSucceeded
from graphrt.trace import Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
RESULTS: Final[dict[str, int]] = {"taken": 0, "false": 1, "used up": 2, "not tried": 3}
"""The number of what became of an edge, likewise; a result that has none stands as text."""

_STARTED, _SUCCEEDED = INPUTS[AttemptStarted], INPUTS[AttemptSucceeded]
_RESULTS: Final = tuple(RESULTS)
_VISIT, _COMPLETED, _ROUTED = EVENTS[VisitStarted], EVENTS[VisitCompleted], EVENTS[Routed]
_HASH_BYTES: Final = 8
_ROW_BYTES: Final = 16 * 1024
"""How many bytes a row has at most, if it has several records."""
_FEW: Final = 4
"""So many records are looked over together."""
_fields_of = msgspec.structs.astuple


def _read_as(
    kinds: Mapping[type[Any], int], changed: Mapping[str, tuple[Any, Any]]
) -> tuple[Any, dict[type[Any], type[Any]]]:
    """Return the type of all packed forms of some kinds, and the kind that each form stands for."""
    made: dict[type[Any], type[Any]] = {}
    for kind, number in kinds.items():
        fields: list[Any] = []
        for field in msgspec.structs.fields(kind):
            of = changed.get(f"{kind.__name__}.{field.name}")
            if of is not None:
                fields.append((field.name, *of))
            elif field.default is not msgspec.NODEFAULT:
                fields.append((field.name, field.type, field.default))
            elif field.default_factory is not msgspec.NODEFAULT:
                fields.append((field.name, field.type, msgspec.field(default_factory=field.default_factory)))
            else:
                fields.append((field.name, field.type))
        made[msgspec.defstruct(kind.__name__, fields, array_like=True, tag=number, gc=False)] = kind
    return Union[tuple(made)], made  # noqa: UP007 - made at run time


class _Verdict(msgspec.Struct, array_like=True, gc=False):
    """As `Verdict`, with the number of its result."""

    edge: int
    result: Annotated[int, msgspec.Meta(ge=0, lt=len(RESULTS))] | str
    values: dict[str, inputs.Json] | None = None
    count: int | None = None


_input_form, _KIND_OF_INPUT = _read_as(INPUTS, {})
_event_form, _KIND_OF_EVENT = _read_as(
    EVENTS,
    {
        "VisitCompleted.writes": (dict[str, inputs.Json] | msgspec.UnsetType, msgspec.UNSET),
        "VisitCompleted.marks": (tuple[inputs.Mark, ...] | msgspec.UnsetType, msgspec.UNSET),
        "Routed.verdicts": (tuple[_Verdict, ...], ()),
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


class Row(msgspec.Struct, frozen=True, gc=False):
    """Records that follow each other, in short form."""

    seq: int
    """The number of the first."""
    lines: bytes
    """A line for each, without a line end behind the last."""
    hash: bytes


def hash_of(previous: bytes, lines: bytes) -> bytes:
    """Return the hash of a row: eight bytes of SHA-256 over the hash before it and its lines."""
    return sha256(previous + lines, usedforsecurity=False).digest()[:_HASH_BYTES]


def pack(records: Sequence[Record], previous: bytes) -> list[Row]:
    """Return the rows of records; `previous` is the hash of the row before.

    Raises:
        WrongInput: a value in a record is not JSON (also NaN and infinity), is too large or too deeply nested.
    """
    if 0 < len(records) <= _FEW:
        lines = codec.dump_few([_form(record) for record in records], records)
        if len(lines) <= _ROW_BYTES or len(records) == 1:
            return [Row(records[0].seq, lines, hash_of(previous, lines))]
        return _rows(records, lines.split(b"\n"), previous)
    return _rows(records, [codec.dump(*_form(record), record) for record in records], previous)


def _rows(records: Sequence[Record], lines: Sequence[bytes], previous: bytes) -> list[Row]:
    """Divide lines into rows that are neither many nor long."""
    rows: list[Row] = []
    first = size = 0
    for at, line in enumerate([*lines, b""]):
        if at > first and (at == len(lines) or size + len(line) > _ROW_BYTES):
            body = b"\n".join(lines[first:at])
            previous = hash_of(previous, body)
            rows.append(Row(records[first].seq, body, previous))
            first, size = at, 0
        size += len(line) + 1
    return rows


def _form(record: Record) -> tuple[tuple[Any, ...], int]:
    """Return what is encoded of a record, and how many nulls in it are meant."""
    given = record.input
    taken: tuple[Any, ...]
    nulls = 0
    if type(given) is AttemptStarted:
        taken = (_STARTED, given.visit, given.attempt)
    elif type(given) is AttemptSucceeded and given.usage is None and not (given.notes or given.marks or given.sent):
        taken = (_SUCCEEDED, given.visit, given.attempt, given.writes, given.duration_s)
    else:
        fields = _fields_of(given)
        nulls = fields.count(None)
        taken = (INPUTS[type(given)], *fields)
    if not record.events:
        return (record.at, taken), nulls
    followed: list[tuple[Any, ...]] = []
    for event in record.events:
        if type(event) is VisitStarted and event.item is None:
            followed.append((_VISIT, event.visit, event.node, event.causes))
        elif type(event) is Routed and event.error is None:
            verdicts: list[tuple[Any, ...]] = []
            for verdict in event.verdicts:
                result = RESULTS.get(verdict.result, verdict.result)
                if verdict.count is not None:
                    verdicts.append((verdict.edge, result, verdict.values, verdict.count))
                    nulls += verdict.values is None
                elif verdict.values is not None:
                    verdicts.append((verdict.edge, result, verdict.values))
                else:
                    verdicts.append((verdict.edge, result))
            followed.append((_ROUTED, event.visit, verdicts))
        elif type(event) is VisitCompleted:
            followed.append(_completed(record, event))
        else:
            fields = _fields_of(event)
            nulls += fields.count(None)
            followed.append((EVENTS[type(event)], *fields))
    return (record.at, taken, followed), nulls


def _completed(record: Record, event: VisitCompleted) -> tuple[Any, ...]:
    if event.marks != codec.shared_marks(record.input, event.visit):
        return (_COMPLETED, event.visit, event.node, event.outcome, event.writes, event.marks)
    if not codec.is_shared(record, event):
        return (_COMPLETED, event.visit, event.node, event.outcome, event.writes)
    if event.outcome is not None:
        return (_COMPLETED, event.visit, event.node, event.outcome)
    return (_COMPLETED, event.visit, event.node)


def unpack(row: Row, previous: bytes) -> list[Record]:
    """Read the records of a row back; `previous` is the hash of the row before.

    Raises:
        TraceInvalid: it is altered, malformed, or too large.
    """
    seq, body, found = row.seq, row.lines, row.hash
    expected = hash_of(previous, body)
    lines = body.split(b"\n")
    if found != expected:
        which = f"record {seq}" if len(lines) == 1 else f"one of the records {seq} to {seq + len(lines) - 1}"
        message = (
            f"{which} was altered: the hash beside it is {found.hex()}, the content gives {expected.hex()};"
            " what stands before is sound"
        )
        raise TraceInvalid(message, kind="altered", seq=seq, expected=expected.hex(), found=found.hex())
    return [_record(line, seq + at) for at, line in enumerate(lines)]


def _record(body: bytes, seq: int) -> Record:
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
    if kind is Routed:
        verdicts = [Verdict(v.edge, _result(v.result), v.values, v.count) for v in form.verdicts]
        return Routed(form.visit, tuple(verdicts), form.error)
    return kind(*_fields_of(form))


def _result(found: int | str) -> str:
    return found if isinstance(found, str) else _RESULTS[found]


def _malformed(error: Exception, seq: int) -> TraceInvalid:
    return TraceInvalid(f"record {seq} is none of a graphrt trace: {error}", kind="malformed", seq=seq)
