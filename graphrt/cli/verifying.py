"""Recorded runs against the code of today: equal, or where they first differ.

Every run is checked under the flow that it began with, or the one that was named; a run whose code cannot be found is
never passed over in silence. No model, tool or other work is called.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from graphrt.cli.origin import load_origin
from graphrt.cli.screen import line, say, say_json, say_table
from graphrt.cli.which import opened, read_run
from graphrt.errors import DefinitionError, GraphrtError, UseError
from graphrt.replay import changed_at, verify
from graphrt_viz.wording import plural, shorten

if TYPE_CHECKING:
    from rich.text import Text

    from graphrt.cli.screen import Part
    from graphrt.graph import Graph
    from graphrt.inputs import Json
    from graphrt.ports import RunInfo, Store
    from graphrt.replay import Divergence
    from graphrt.trace import Trace


_LONG: Final = 1_000
"""Characters of a line of a difference; JSON has all."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of checking one run."""

    run: str
    flow: str
    result: Literal["equal", "differs", "unchecked"]
    records: int
    divergence: Divergence | None = None
    why: str = ""
    """Why it could not be checked."""
    taken: int = 0
    """How many records were taken as they are: they were made under a definition that the run has left behind."""


def verify_one(run: str, store: str, target: str | None, *, as_json: bool) -> int:
    """Check one run, tell what was found, and return the exit code.

    Raises:
        UseError: there is no such run, or its code cannot be found.
    """
    trace = read_run(run, store)
    found = _check(trace, load_origin(trace.header, target).graph())
    if as_json:
        say_json(_as_json(found))
    elif found.divergence is None:
        if found.taken:
            checked = found.records - found.taken
            say(line(("✓ ", "green"), f"equal: {checked} of {plural(found.records, 'record')}, no model called"))
            say(f"  the first {found.taken} were taken as they are: the run then went on under another definition")
        else:
            say(line(("✓ ", "green"), f"equal: {plural(found.records, 'record')}, no model called"))
    else:
        say(*_difference(found.divergence))
    return 0 if found.divergence is None else 1


def verify_all(store: str, target: str | None, *, as_json: bool) -> int:
    """Check every run of a store, of one flow if `target` names it; the exit code is 0 only if all are equal."""
    with opened(store) as open_:
        origins = _Origins(target)
        found = [_checked(open_, info, origins) for info in reversed(open_.runs()) if origins.wants(info)]
    wrong = [f for f in found if f.result != "equal"]
    if as_json:
        say_json([_as_json(f) for f in found])
        return 1 if wrong else 0
    if not found:
        say("no run to check")
        return 0
    say_table(("RUN", "FLOW", "RESULT", "RECORDS", ""), [_row(f) for f in found], right=(3,))
    for one in wrong:
        if one.divergence is not None:
            say("", *_difference(one.divergence))
    equal, differ = (sum(f.result == r for f in found) for r in ("equal", "differs"))
    unchecked = len(found) - equal - differ
    parts = [f"{equal} equal"] if equal else []
    parts += [f"{differ} {'differs' if differ == 1 else 'differ'}"] if differ else []
    parts += [f"{unchecked} could not be checked"] if unchecked else []
    say("", f"{plural(len(found), 'run')}: {', '.join(parts)}; no model called")
    return 1 if wrong else 0


class _Origins:
    """The flows behind runs, each loaded once."""

    def __init__(self, target: str | None) -> None:
        self._known: dict[str | None, Graph | GraphrtError] = {}
        self._only: Graph | None = None
        if target is not None:
            from graphrt.cli.target import load

            self._only = load(target).graph()

    def wants(self, info: RunInfo) -> bool:
        """Say if a run is one of those to check."""
        return self._only is None or info.flow == self._only.name

    def graph(self, info: RunInfo) -> Graph:
        """Return the flow that a run is of, as it is now.

        Raises:
            GraphrtError: it cannot be loaded, or has mistakes.
        """
        if self._only is not None:
            return self._only
        if info.target is None:
            return load_origin(info).graph()  # raises, and names the run
        known = self._known.get(info.target)
        if known is None:
            try:
                known = load_origin(info).graph()
            except GraphrtError as error:
                known = error
            self._known[info.target] = known
        if isinstance(known, GraphrtError):
            raise known
        return known


def _checked(store: Store, info: RunInfo, origins: _Origins) -> Finding:
    try:
        return _check(store.trace(info.run), origins.graph(info))
    except DefinitionError as error:
        why = f"{info.target or 'its flow'} has {plural(len(error.mistakes), 'mistake')}"
    except UseError as error:
        why = error.message.partition("\n")[0]
    return Finding(info.run, info.flow, "unchecked", info.records, why=why)


def _check(trace: Trace, graph: Graph) -> Finding:
    header = trace.header
    divergence = verify(trace, graph)
    result: Literal["equal", "differs"] = "differs" if divergence is not None else "equal"
    taken = max(0, changed_at(trace))
    return Finding(header.run, header.flow, result, len(trace.records), divergence, taken=taken)


def _difference(found: Divergence) -> list[Part]:
    """Return where a run differs, and what was and what is."""
    where = f"visit {found.visit} ({found.node})" if found.visit is not None else "the run itself"
    head = line(
        ("✗ ", "red"), "run ", (found.run, "bold"), " differs at record ", f"{found.seq}, ", (where, "bold"), ":"
    )
    return [
        head,
        "  recorded:",
        *(f"    {shorten(text, _LONG)}" for text in found.recorded or ("nothing",)),
        "  now:",
        *((f"    {shorten(text, _LONG)}", "bold") for text in found.now or ("nothing",)),
    ]


def _row(found: Finding) -> list[Part]:
    signs: dict[str, Text] = {
        "equal": line(("✓ equal", "green")),
        "differs": line(("✗ differs", "red")),
        "unchecked": line(("! unchecked", "yellow")),
    }
    more = f"the first {found.taken} taken as they are" if found.taken else found.why
    if found.divergence is not None:
        more = (
            f"at visit {found.divergence.visit} ({found.divergence.node})" if found.divergence.visit else "at its start"
        )
    return [(found.run, "bold"), found.flow, signs[found.result], str(found.records), (more, "dim")]


def _as_json(found: Finding) -> dict[str, Json]:
    out: dict[str, Json] = {
        "run": found.run,
        "flow": found.flow,
        "result": found.result,
        "records": found.records,
        "taken": found.taken,
        "why": found.why or None,
        "difference": None,
    }
    if (d := found.divergence) is not None:
        out["difference"] = {
            "record": d.seq,
            "visit": d.visit,
            "node": d.node,
            "recorded": list(d.recorded),
            "now": list(d.now),
        }
    return out
