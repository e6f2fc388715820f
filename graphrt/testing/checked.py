"""A flow's check as a line of a test: no findings, or the test fails and says all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphrt.checks import check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphrt.checks import Settings
    from graphrt.flow import Flow
    from graphrt.graph import Graph


def assert_clean(
    target: Graph | Flow[Any],
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    settings: Settings | None = None,
) -> None:
    """Fail if the checker finds anything about a flow; the arguments are those of `graphrt.checks.check`.

    Raises:
        AssertionError: with a line for each finding: place, code, what was found, what to do.
        UseError: `select` or `ignore` names no rule.
    """
    __tracebackhide__ = True  # pytest shows the line of the test
    found = check(target, select=select, ignore=ignore, settings=settings)
    if found:
        raise AssertionError("\n".join([f"{target.name}: {len(found)} found by the checker", *map(str, found)]))
