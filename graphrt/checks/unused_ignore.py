"""An `ignore=` at a node that keeps nothing quiet.

What it was written for has been mended, or its code is misspelt. Left in place, it would hide the next finding of that
rule, whatever it may be.

Example:
    class Ticket(BaseModel):
        message: str
        reply: str = ""


    flow = Flow("support", Ticket)
    s = flow.state


    @flow.task(writes=s.reply, ignore=("GR302", "the outline is for people who watch"))
    def answer(message: str) -> str: ...

Instead:
    class Ticket(BaseModel):
        message: str
        reply: str = ""


    flow = Flow("support", Ticket)
    s = flow.state


    @flow.task(writes=s.reply)
    def answer(message: str) -> str: ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.checks.finding import Found
    from graphrt.checks.subject import Subject


def _find(at: Subject) -> Iterator[Found]:
    """Find nothing: only who has run the other rules knows; see `graphrt.checks.engine`."""
    del at
    return iter(())


RULE = Rule("GR001", "unused-ignore", "warning", _find, __doc__)
