"""An `ignore=` at a node that keeps nothing quiet."""

from __future__ import annotations

from graphrt.checks.rule import Finds, Subject, rule


@rule("GR001", "unused-ignore", "warning")
def unused_ignore(at: Subject) -> Finds:
    """Find nothing: only who has run the other rules knows; see `graphrt.checks.engine`."""
    del at
    return iter(())
