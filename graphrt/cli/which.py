"""Which run and which visit a person means.

A run is its id, the beginning of it, `latest`, or a trace file; a visit is its id (`1.0.0`), the text form with the
node's name (`draft@1.0.0`), or the name as people see it (`draft #2`).
"""

from __future__ import annotations

import difflib
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from graphrt.errors import RunNotFound, TraceInvalid, UseError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from graphrt.ports import RunInfo, Store
    from graphrt.told import Account, VisitAccount
    from graphrt.trace import Trace

LATEST: Final = "latest"
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MANY: Final = 500
"""Runs that are looked through for ids like the one given."""
_SHOWN: Final = 20


@contextmanager
def opened(path: str, *, create: bool = False) -> Generator[Store]:
    """Open a store and close it at the end.

    Raises:
        UseError: `path` names no kind of store.
        StoreFault: it does not exist, or cannot be opened.
    """
    from graphrt.stores import open_store

    store = open_store(path, create=create)
    try:
        yield store
    finally:
        store.close()


def which_run(store: Store, text: str) -> str:
    """Return the id of the run that `text` means.

    Raises:
        RunNotFound: none, or more than one.
    """
    if text == LATEST:
        newest = store.runs(limit=1)
        if not newest:
            raise RunNotFound("the store has no runs yet; start one with `graphrt run TARGET`")
        return newest[0].run
    known = [r.run for r in store.runs(limit=_MANY)]
    if text in known:
        return text
    begins = [run for run in known if run.startswith(text)]
    if len(begins) == 1:
        return begins[0]
    if len(begins) > 1:
        shown = ", ".join(begins[:5]) + (f" and {len(begins) - 5} more" if len(begins) > 5 else "")
        raise RunNotFound(f"{len(begins)} runs begin with {text!r}: {shown}; give more of the id", run=text)
    try:
        return store.info(text).run
    except RunNotFound:
        pass
    near = difflib.get_close_matches(text, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "`graphrt runs` lists those it has"
    raise RunNotFound(f"the store has no run {text!r}; {hint}", run=text)


def stored_run(store: Store, text: str) -> str:
    """Return the id of the run of a store that `text` means, for commands that change it.

    Raises:
        UseError: it is a trace file, which is none of the store.
        RunNotFound: none, or more than one.
    """
    if is_file(text):
        raise UseError(f"{text} is no run of the store; put a trace file into it first: graphrt import {text}")
    return which_run(store, text)


def is_file(text: str) -> bool:
    """Say if `text` names a trace file rather than a run of a store."""
    return not _ID.fullmatch(text)


def read_run(text: str, store: str) -> Trace:
    """Return the trace that `text` means, from the store at the path `store` or from a file.

    Raises:
        RunNotFound: there is none.
        UseError: it cannot be read.
        TraceInvalid: it is torn or altered.
    """
    if is_file(text):
        from graphrt.stores.trace_files import read_trace

        return read_trace(Path(text))
    with opened(store) as open_:
        return open_.trace(which_run(open_, text))


def read_known(text: str, store: str) -> tuple[Trace, RunInfo | None]:
    """As `read_run`, with what the store says of the run; None of a trace file."""
    if is_file(text):
        return read_run(text, store), None
    with opened(store) as open_:
        run = which_run(open_, text)
        return open_.trace(run), open_.info(run)


def unrecorded(info: RunInfo, store: str) -> str:
    """Return why nothing of a run is on record, and what can be done about that."""
    from graphrt.cli.outcome import again

    if info.live:
        return f"nothing of run {info.run} is on record yet: another process begins it now; try again in a moment"
    forget = again(f"delete {info.run} --unfinished", store)
    return (
        f"run {info.run} was cut off before anything of it was on record; run the flow again (--run-id {info.run} if"
        f" it is to have this id), or forget it: {forget}"
    )


def account_of(trace: Trace, info: RunInfo | None = None) -> Account:
    """Return what a trace tells, visit by visit; `info` says if somebody drives the run.

    Raises:
        TraceInvalid: its records do not fit each other, though each is sound; tells the first that does not.
    """
    from graphrt.account import account
    from graphrt.replay import fold

    try:
        told = account(trace)
        if info is not None and not info.live:
            told.nobody_drives()
        return told
    except (LookupError, AttributeError, TypeError, AssertionError) as error:
        fold(trace)
        message = (
            f"the trace of run {trace.header.run} does not fit its own definition: {type(error).__name__}: {error}"
        )
        raise TraceInvalid(message) from error


def which_visit(account: Account, text: str) -> VisitAccount:
    """Return the visit that `text` means; of a node that was visited several times, the latest.

    Raises:
        UseError: the run has no such visit.
    """
    text = text.strip()
    if text in account.visits:
        return account.visits[text]
    name, _, ident = text.rpartition("@")
    if name and ident in account.visits and account.visits[ident].node.name == name:
        return account.visits[ident]
    found = re.fullmatch(r"(.+?)\s*#\s*(\d+)", text)
    name, number = (found[1], int(found[2])) if found else (text, None)
    of_node = _of(account, name)
    if number is not None:
        fitting = [v for v in of_node if v.number == number]
        if len(fitting) > 1:
            listed = ", ".join(f"{v.id} ({'/'.join(v.path)})" for v in fitting[:5])
            raise UseError(f"several visits are {text!r}: {listed}; name one by its id", visit=text)
        if fitting:
            return fitting[0]
        if of_node:
            last = max(v.number for v in of_node)
            raise UseError(f"{name!r} has no visit #{number} in run {account.run}; its last is #{last}", visit=text)
    elif of_node:
        return of_node[-1]
    raise UseError(f"run {account.run} has no visit {text!r}; {_visits_like(account, name)}", visit=text)


def visits_named(account: Account, text: str) -> list[VisitAccount]:
    """Return all visits of a node that is given by its name alone; none if `text` says more, or less."""
    text = text.strip()
    if text in account.visits:
        return []
    return _of(account, text)


def _of(account: Account, name: str) -> list[VisitAccount]:
    """Return the visits of a node, by its name or path; where no node is called so, those that call such a tool."""
    of_node = [v for v in account.visits.values() if name in {v.node.name, "/".join(v.path)}]
    return of_node or [v for v in account.visits.values() if v.result is not None and v.result.tool == name]


def the_visit(account: Account, text: str) -> VisitAccount:
    """Return the visit that `text` means, for commands that begin something there.

    Raises:
        UseError: the run has no such visit, or several; lists them.
    """
    several = visits_named(account, text)
    if len(several) > 1:
        listed = _listed(several)
        raise UseError(f"run {account.run} visited {text!r} {len(several)} times; say which: {listed}", visit=text)
    return which_visit(account, text)


def looked_at(account: Account, text: str) -> VisitAccount:
    """As `which_visit`; where the name alone was given of a node that was visited several times, say which was taken.

    Raises:
        UseError: the run has no such visit.
    """
    from graphrt.cli.screen import note

    visit = which_visit(account, text)
    several = visits_named(account, text)
    if len(several) > 1:
        note(f"{text.strip()!r} was visited {len(several)} times; this is the last of {_listed(several)}")
    return visit


def _listed(visits: Sequence[VisitAccount]) -> str:
    """Return visits of one name by what each is called, the last of many among them."""
    most = 5
    names = [f"'{v.node.name} #{v.number}' (visit {v.id})" for v in visits]
    return ", ".join(names if len(names) <= most else [*names[: most - 1], "…", names[-1]])


def _visits_like(account: Account, name: str) -> str:
    nodes = list(dict.fromkeys(v.node.name for v in account.visits.values()))
    near = difflib.get_close_matches(name, nodes, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    shown = ", ".join(f"{v.id} ({v.node.name})" for v in list(account.visits.values())[:_SHOWN])
    more = len(account.visits) - _SHOWN
    return f"its visits: {shown or 'none'}" + (f" and {more} more" if more > 0 else "")
