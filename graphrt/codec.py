"""The JSON form of a trace: one line a record, each sealed with the hash of everything before it.

A line is a JSON object that ends in `"hash":"…"`: the first sixteen hex digits of SHA-256 over the previous line's
hash and the bytes of this line without its own. The header is the first line and the seed of the chain, so a changed
byte anywhere breaks the chain from there on. `VisitCompleted.writes` is left out where the input of the same record
already says it, and put back on reading.

This module does no I/O; files are read and written by the stores. It never revives types that a line names: what comes
back is JSON inside the known records.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, Final, NoReturn, TypeAlias, cast

import msgspec

from graphrt import events
from graphrt.errors import TraceInvalid, WriteRefused, WrongInput
from graphrt.events import Event, Routed, VisitCompleted
from graphrt.inputs import AttemptSucceeded, Input, Json, Mark
from graphrt.trace import VERSION, Header, Record, Trace

MAX_LINE = 64 * 1024 * 1024
"""Bytes of one line at most, when written and when read."""
MAX_DEPTH = 300
"""How deep lists and objects of one line may nest: whatever a field can hold (pydantic stops at 255) fits."""

_HASH_DIGITS = 16
_SEAL = b',"hash":"'
_TAIL = len(_SEAL) + _HASH_DIGITS + len(b'"}')
_STRICT_JSON = json.JSONEncoder(allow_nan=False, check_circular=False)
_NO_BRACKETS = bytes(sorted(set(range(256)) - set(b"[]{}")))
_QUICK = 1024 * 1024
_FEW = 4096
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_BRACKETS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)


class _Completed(msgspec.Struct, frozen=True, omit_defaults=True, tag="visit_completed"):
    """`VisitCompleted` as it is written: without `writes` and `marks` where the input has them."""

    visit: str
    node: str
    outcome: str | None = None
    writes: dict[str, Json] | msgspec.UnsetType = msgspec.UNSET
    marks: tuple[Mark, ...] | msgspec.UnsetType = msgspec.UNSET


_WireEvent: TypeAlias = (
    events.RunStarted
    | events.VisitStarted
    | events.VisitWaiting
    | events.AttemptRetried
    | events.AttemptLost
    | _Completed
    | events.VisitFailed
    | events.VisitCancelled
    | events.Routed
    | events.Joined
    | events.LimitPassed
    | events.RunResumed
    | events.RunForked
    | events.RunSuspended
    | events.RunCompleted
    | events.RunFailed
    | events.RunCancelled
)


class _Line(msgspec.Struct, omit_defaults=True):
    """A record as it is written, before it is sealed."""

    seq: int
    at: float
    input: Input
    events: tuple[_WireEvent, ...] = ()


_encode = msgspec.json.Encoder().encode
_decode_json = msgspec.json.Decoder().decode
_NO_WRITES: dict[str, Json] = {}
_GRAPH: Final = "graph"
_NO_GRAPH: Final = b'"graph":{}'
"""How a header without a graph says so."""
_HALF: Final = rb"\ud"
"""With what half a surrogate pair begins, which has no form but an escape."""


@cache
def _line_decoder() -> Callable[[bytes], _Line]:
    """Made once it is needed: it has to know every event, which takes longer than reading a short trace."""
    return msgspec.json.Decoder(_Line).decode


@cache
def _input_decoder() -> Callable[[bytes], Input]:
    return msgspec.json.Decoder(Input).decode


# Writing


def encode_graph(graph: dict[str, Json]) -> bytes:
    """Return the JSON of a graph, as a header holds it.

    Raises:
        WrongInput: it is too large or too deeply nested to stand in one.
    """
    return dump({_GRAPH: graph}, 0)[len(_NO_GRAPH) - 1 : -1]


def encode_header(header: Header, graph: bytes | None = None) -> tuple[bytes, str]:
    """Return the first line of a trace, without its line end, and its hash.

    `graph` is what `encode_graph` gives for the header's graph: whoever begins many runs of one graph keeps it.
    """
    fields = msgspec.to_builtins(msgspec.structs.replace(header, graph={}))
    body = dump({"version": header.version, **fields}, 0)
    if header.graph:
        text = encode_graph(header.graph) if graph is None else graph
        if _HALF in body or _HALF in text:  # then all that is not ASCII is escaped, in both
            body = dump({"version": header.version, **fields, _GRAPH: header.graph}, 0)
        else:
            body = body.replace(_NO_GRAPH, _NO_GRAPH[:-2] + text, 1)  # in a text before it the quotes would be escaped
    if len(body) > MAX_LINE:
        message = f"the header of the trace takes {len(body)} bytes, more than the {MAX_LINE} of one line"
        raise WrongInput(message, size=len(body), limit=MAX_LINE)
    return _seal(body, "")


def encode_record(record: Record, previous: str) -> tuple[bytes, str]:
    """Return the line of a record, without its line end, and its hash; `previous` is the hash of the line before.

    Raises:
        WrongInput: a value in the record is not JSON (also NaN and infinity), is too large or too deeply nested.
    """
    line = _Line(record.seq, record.at, record.input, _wire_events(record))
    body = dump(line, _nulls_of_verdicts(record), record)
    return _seal(body, previous)


def encode_trace(trace: Trace) -> bytes:
    """Return a whole trace as JSON lines."""
    line, previous = encode_header(trace.header)
    lines = [line]
    for record in trace.records:
        line, previous = encode_record(record, previous)
        lines.append(line)
    lines.append(b"")
    return b"\n".join(lines)


def encode_input(value: Input) -> bytes:
    """Return the JSON of one input, as requests to a running run are kept."""
    return dump(value, 0)


def encode_json(value: Json) -> bytes:
    """Return the JSON of a value that stands alone, such as a graph."""
    return dump(value, 0)


def check_size(writes: Mapping[str, Json], node: str) -> None:
    """Refuse what a visit of `node` wrote if no record can hold it: the run could not be kept, nor taken up again.

    Raises:
        WriteRefused: it takes more than most of a line.
    """
    size = 0
    for value in writes.values():
        kind = cast("object", value).__class__
        if kind is str:
            size += len(value)
            if len(value) > MAX_LINE // 8:  # A character takes six bytes at most.
                size += len(_encode(value)) - len(value)
        elif kind is list or kind is dict:
            size += len(_encode(value))
    most = MAX_LINE - MAX_LINE // 16
    if size > most:
        message = (
            f"node {node!r} returned what cannot be recorded: it takes {size} bytes, more than the {most} of one"
            " record; keep it elsewhere and write where it is"
        )
        raise WriteRefused(message, node=node, size=size, limit=most)


def decode_json(data: bytes) -> Json:
    """Read a value that stands alone.

    Raises:
        TraceInvalid: it is not JSON.
    """
    return _json(data, 0)


def canonical(value: Any) -> bytes:
    """Return bytes that are equal exactly if the JSON forms are equal: keys sorted, lone surrogates escaped."""
    try:
        return msgspec.json.encode(value, order="sorted")
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(value), sort_keys=True, separators=(",", ":")).encode("ascii")


def _seal(body: bytes, previous: str) -> tuple[bytes, str]:
    digest = chain(previous, body)
    return b'%b,"hash":"%b"}' % (body[:-1], digest.encode("ascii")), digest


def chain(previous: str, body: bytes) -> str:
    """Return the hash of a line: of the hash before it and its bytes without its own hash."""
    return hashlib.sha256(previous.encode("ascii") + body).hexdigest()[:_HASH_DIGITS]


def dump(value: Any, nulls: int, record: Record | None = None) -> bytes:
    """Encode, and see that it can be read back. `record` is what `value` is of, for messages.

    `nulls` is how many nulls are known to be meant: one more may be a NaN, which msgspec writes as null.

    Raises:
        WrongInput: a value is not JSON (also NaN and infinity), is too large or too deeply nested.
    """
    try:
        body = _encode(value)
    except UnicodeEncodeError:
        body = _dump_escaped(value, record)
    except RecursionError:
        _too_deep(value, record)
    except TypeError as error:
        message = f"{_name(value, record)} holds a value that is not JSON: {error}; a node may write JSON values only"
        raise WrongInput(message) from error
    if body.count(b"null") > nulls:
        _refuse_nan(value, record)
    if len(body) > MAX_LINE:
        message = (
            f"{_name(value, record)} takes {len(body)} bytes, more than the {MAX_LINE} of one line; write less at once"
        )
        raise WrongInput(message, size=len(body), limit=MAX_LINE)
    if _deeper_than(body, MAX_DEPTH):
        _too_deep(value, record)
    return body


def dump_few(forms: Sequence[tuple[Any, int]], records: Sequence[Record]) -> bytes:
    """Encode a few values, a line each, with their numbers of nulls as for `dump`; `records` are what they are of.

    Looked over together, and one by one only where something may be wrong.

    Raises:
        WrongInput: as `dump`.
    """
    try:
        body = b"\n".join([_encode(value) for value, _ in forms])
    except (UnicodeEncodeError, RecursionError, TypeError):
        pass
    else:
        size = len(body)
        flat = size < 2 * MAX_DEPTH or body.count(b"[") + body.count(b"{") <= MAX_DEPTH
        nulls = body.count(b"null")
        if flat and size <= MAX_LINE and (not nulls or nulls <= sum([n for _, n in forms])):
            return body
    return b"\n".join([dump(*form, record) for form, record in zip(forms, records, strict=True)])


def _dump_escaped(value: Any, record: Record | None) -> bytes:
    # Text with half a surrogate pair has no UTF-8 form; JSON can hold it as an escape, which msgspec does not write.
    try:
        return json.dumps(msgspec.to_builtins(value), allow_nan=False, separators=(",", ":")).encode("ascii")
    except RecursionError:
        _too_deep(value, record)
    except ValueError:
        _refuse_nan(value, record)
        raise


def _too_deep(value: Any, record: Record | None) -> NoReturn:
    message = f"{_name(value, record)} nests lists and objects deeper than {MAX_DEPTH}; write a flatter value"
    raise WrongInput(message, limit=MAX_DEPTH)


def _name(value: Any, record: Record | None) -> str:
    if record is not None:
        return f"record {record.seq} ({type(record.input).__name__} of visit {getattr(record.input, 'visit', '-')!r})"
    return "the header of the trace" if isinstance(value, dict) else f"an input {type(value).__name__}"


def _refuse_nan(value: Any, record: Record | None) -> None:
    plain = msgspec.to_builtins(value)
    with suppress(ValueError, RecursionError):  # NaN, infinity, an int of thousands of digits; too deep
        _STRICT_JSON.encode(plain)  # in C
        return
    todo = [(plain, "")]
    while todo:
        item, path = todo.pop()
        if isinstance(item, float) and not math.isfinite(item):
            what = _name(value, record)
            message = f"{what} holds {item!r} at {path}, which JSON cannot say; write None or a finite number"
            raise WrongInput(message, path=path)
        if isinstance(item, dict):
            todo.extend((v, f"{path}.{k}" if path else k) for k, v in cast("dict[str, Json]", item).items())
        elif isinstance(item, (list, tuple)):
            todo.extend((v, f"{path}[{i}]") for i, v in enumerate(cast("list[Json]", item)))


def _nulls_of_verdicts(record: Record) -> int:
    count = 0
    for event in record.events:
        if type(event) is Routed:
            for verdict in event.verdicts:
                count += (verdict.values is None) + (verdict.count is None)
    return count


def shared_writes(given: Input, visit: str) -> dict[str, Json]:
    """Return what the input of a record says that a visit wrote; nothing if it is not of that visit."""
    return given.writes if type(given) is AttemptSucceeded and given.visit == visit else _NO_WRITES


def shared_marks(given: Input, visit: str) -> tuple[Mark, ...]:
    """Return what the input of a record says that happened in a visit besides; nothing if it is not of that visit."""
    return given.marks if type(given) is AttemptSucceeded and given.visit == visit else ()


def _wire_events(record: Record) -> tuple[_WireEvent, ...]:
    for event in record.events:
        if type(event) is VisitCompleted:
            return tuple([_wire(record, e) if isinstance(e, VisitCompleted) else e for e in record.events])
    return cast("tuple[_WireEvent, ...]", record.events)


def _wire(record: Record, event: VisitCompleted) -> _Completed:
    writes = msgspec.UNSET if is_shared(record, event) else event.writes
    marks = msgspec.UNSET if event.marks == shared_marks(record.input, event.visit) else event.marks
    return _Completed(event.visit, event.node, event.outcome, writes, marks)


def is_shared(record: Record, event: VisitCompleted) -> bool:
    """Say whether the input of a record says already what one of its visits wrote."""
    shared = shared_writes(record.input, event.visit)
    return event.writes is shared or (event.writes == shared and canonical(event.writes) == canonical(shared))


# Reading


def decode_header(line: bytes) -> tuple[Header, str]:
    """Read the first line of a trace; return the header and its hash.

    Raises:
        TraceInvalid: the line is altered, is no header, or has a version that this release does not read.
    """
    check_line(line, 1)
    altered, digest = _try_unseal(line)
    try:
        found = _json(line, 1)
    except TraceInvalid as error:
        raise altered or error from None
    fields = cast("dict[str, Json]", found) if isinstance(found, dict) else {}
    version = fields.get("version")
    if version is not None and version != VERSION:
        message = f"the trace has version {version!r}, this release reads {VERSION}; use the release that wrote it"
        raise TraceInvalid(message, kind="version", found=version, expected=VERSION)
    if altered is not None and altered.facts["found"] is not None:
        raise altered
    if version is None or not {"run", "flow", "graph"} <= fields.keys():
        message = "line 1 is no header of a trace (an object with version, run, flow, graph); is it another file?"
        raise TraceInvalid(message, kind="malformed", line=1)
    if altered is not None:
        raise altered
    try:
        return msgspec.convert(fields, Header), digest
    except msgspec.ValidationError as error:
        _malformed(error, 1)


def _try_unseal(line: bytes) -> tuple[TraceInvalid | None, str]:
    try:
        return None, _unseal(line, "", 1, None)[1]
    except TraceInvalid as error:
        return error, ""


def decode_record(line: bytes, previous: str, *, number: int = 0, seq: int | None = None) -> tuple[Record, str]:
    """Read a record's line, whose predecessor has the hash `previous`; return the record and the line's hash.

    `number` (the place of the line in its file, from 1) and `seq` (the number the record must have) serve messages.

    Raises:
        TraceInvalid: the line is altered, malformed, too large, or out of order.
    """
    check_line(line, number)
    body, digest = _unseal(line, previous, number, seq)
    try:
        wire = _line_decoder()(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        if b"\\ud" not in body and b"\\uD" not in body:
            _malformed(error, number)
        wire = _convert(_json(body, number), number)
    if seq is not None and wire.seq != seq:
        message = f"line {number} is record {wire.seq}, expected record {seq}: records are missing or out of order"
        raise TraceInvalid(message, kind="gap", line=number, found=wire.seq, expected=seq)
    return _restore(wire), digest


def decode_trace(data: bytes) -> Trace:
    """Read a whole trace from JSON lines.

    Raises:
        TraceInvalid: with `facts["kind"]` `torn` (the last line is incomplete: a crash while it was written), `altered`
            (a line does not fit its hash), `malformed`, `gap`, `too big`, `too deep` or `version`; names the line.
    """
    lines, torn = split_lines(data)
    if not lines:
        message = "the file is empty; expected a trace: a header and one line a record"
        raise TraceInvalid(message, kind="torn", line=1, offset=0) if not torn else _torn(torn, 1, 0)
    header, previous = decode_header(lines[0])
    records: list[Record] = []
    seq = None
    for number, line in enumerate(lines[1:], 2):
        record, previous = decode_record(line, previous, number=number, seq=seq)
        records.append(record)
        seq = record.seq + 1
    if torn:
        raise _torn(torn, len(lines) + 1, len(data) - len(torn))
    return Trace(header, records)


def decode_input(data: bytes) -> Input:
    """Read one input back.

    Raises:
        TraceInvalid: it is malformed.
    """
    try:
        return _input_decoder()(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        try:
            return cast("Input", msgspec.convert(_json(data, 0), Input))
        except msgspec.ValidationError as error:
            _malformed(error, 0)


def hash_of(line: bytes) -> str:
    """Return the hash that a sealed line carries, unchecked."""
    return line[-_HASH_DIGITS - 2 : -2].decode("ascii", "replace")


def split_lines(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the complete lines and what follows the last line end (empty unless the file is torn)."""
    lines = data.split(b"\n")
    return lines[:-1], lines[-1]


def _unseal(line: bytes, previous: str, number: int, seq: int | None) -> tuple[bytes, str]:
    body = line[:-_TAIL] + b"}"
    expected = chain(previous, body)
    if line[-_TAIL:] != b',"hash":"%b"}' % expected.encode("ascii"):
        found = hash_of(line) if line[-_TAIL : -_TAIL + len(_SEAL)] == _SEAL else None
        where = f"line {number}" + ("" if seq is None else f" (record {seq})")
        says = "carries no hash" if found is None else f"carries the hash {found}"
        message = f"{where} was altered: it {says}, its content gives {expected}; what stands before is sound"
        raise TraceInvalid(message, kind="altered", line=number, seq=seq, expected=expected, found=found)
    return body, expected


def _restore(wire: _Line) -> Record:
    for event in wire.events:
        if type(event) is _Completed:
            restored: list[Event] = [_unwire(wire, e) if isinstance(e, _Completed) else e for e in wire.events]
            return Record(wire.seq, wire.at, wire.input, tuple(restored))
    return Record(wire.seq, wire.at, wire.input, cast("tuple[Event, ...]", wire.events))


def _unwire(wire: _Line, event: _Completed) -> VisitCompleted:
    writes = shared_writes(wire.input, event.visit) if event.writes is msgspec.UNSET else event.writes
    marks = shared_marks(wire.input, event.visit) if event.marks is msgspec.UNSET else event.marks
    return VisitCompleted(event.visit, event.node, event.outcome, writes, marks)


def _json(line: bytes, number: int) -> Any:
    try:
        return _decode_json(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        try:
            return json.loads(line, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            _malformed(error, number)


def _no_constant(name: str) -> NoReturn:
    message = f"{name} is not JSON"
    raise ValueError(message)


def _convert(value: Any, number: int) -> _Line:
    try:
        return msgspec.convert(value, _Line)
    except msgspec.ValidationError as error:
        _malformed(error, number)


def _malformed(error: Exception, number: int) -> NoReturn:
    message = f"line {number} is not a line of a graphrt trace: {error}"
    raise TraceInvalid(message, kind="malformed", line=number) from error


def _torn(rest: bytes, number: int, offset: int) -> TraceInvalid:
    message = (
        f"the trace is torn: line {number} is incomplete ({len(rest)} bytes without a line end), as a crash leaves it; "
        "the records before it are sound, resuming the run cuts the rest off"
    )
    return TraceInvalid(message, kind="torn", line=number, offset=offset, size=len(rest))


def check_line(line: bytes, number: int) -> None:
    """Refuse to read a line that no writer of ours can have written.

    Raises:
        TraceInvalid: it is too large, or too deeply nested.
    """
    if len(line) > MAX_LINE:
        message = f"line {number} has {len(line)} bytes, more than the {MAX_LINE} that are read"
        raise TraceInvalid(message, kind="too big", line=number, size=len(line), limit=MAX_LINE)
    if _deeper_than(line, MAX_DEPTH):
        message = f"line {number} nests lists and objects deeper than {MAX_DEPTH}"
        raise TraceInvalid(message, kind="too deep", line=number, limit=MAX_DEPTH)


def _deeper_than(line: bytes, limit: int) -> bool:
    """Say if brackets nest deeper than `limit`; exact, and cheap for lines with few brackets or sound ones."""
    if line.count(b"[") + line.count(b"{") <= limit or _nests_at_most(line, limit):
        return False
    depth = 0
    for match in _BRACKETS.finditer(line):
        byte = line[match.start()]
        if byte in b"[{":
            depth += 1
            if depth > limit:
                return True
        elif byte in b"]}":
            depth -= 1
    return False


def _nests_at_most(line: bytes, limit: int) -> bool:
    """Say if brackets close each other and do not nest deeper than `limit`: each round takes the innermost away.

    It gives up, and says no, where that is not quick: for long lines, and where a round takes little away.
    """
    if len(line) > _QUICK:
        return False
    outside = b"".join(line.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')[::2])
    brackets = outside.translate(_ONE_KIND, _NO_BRACKETS)
    for _ in range(limit):
        if not brackets:
            break
        before = len(brackets)
        brackets = brackets.replace(b"[]", b"")
        if before > _FEW and len(brackets) > before * 7 // 8:
            return False
    return not brackets
