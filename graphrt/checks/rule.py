"""A rule: a code that stays, a name, and a function that looks at one graph, or at each node of it.

A rule is two files of one name. The Python file is its idea: the docstring says in a line what it finds, the function
finds it. The page beside it (`guard_gap.md`) says why that matters, and shows an example that fails with its repair, as
one listing in which the lines that the repair takes away begin with `-` and those that it adds with `+`. `graphrt
explain`, the reference and the tests read it there.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final, TypeAlias

from graphrt.checks.finding import Found, Severity
from graphrt.checks.settings import Settings
from graphrt.checks.subject import Subject
from graphrt.graph import Node

__all__ = ["PREAMBLE", "Finds", "Found", "Node", "Rule", "Settings", "Subject", "each_node", "rule"]

Finds: TypeAlias = Iterator[Found]

PREAMBLE: Final = """\
from enum import Enum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from graphrt import Agent, Context, DeadlinePassed, Flow, JoinShort, LimitReached, Limits, NodeTimeout, Retry
from graphrt import add, append, contains, extend, is_none, let, matches, merge, not_, one_of, size, tool
"""
"""What stands above every example of a rule."""

_LISTING = re.compile(r"^```(python|diff)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, eq=False)
class Rule:
    """One rule of the checker."""

    code: str
    """Family and number; it never changes its meaning and is never given to another rule."""
    name: str
    """What it finds, as words joined by hyphens."""
    severity: Severity
    find: Callable[[Subject], Finds]
    mistakes: tuple[str, ...] = ()
    """Mistakes that freezing reports and that are this rule's as well: such a flow cannot be frozen at all."""
    settings: Settings = field(default_factory=Settings)
    """With what settings the example earns it."""
    beside: tuple[str, ...] = ()
    """Rules whose findings cannot but come along."""

    @property
    def summary(self) -> str:
        """One line: what it finds; its name where Python was told to drop docstrings."""
        return sys.modules[self.find.__module__].__doc__ or self.name

    @cached_property
    def _page(self) -> str:
        return Path(inspect.getfile(inspect.unwrap(self.find))).with_suffix(".md").read_text("utf-8")

    def _listing(self, kind: str) -> str:
        return next((text for found, text in _LISTING.findall(self._page) if found == kind), "")

    @property
    def why(self) -> str:
        """Why that matters, and what the rule cannot see; paragraphs."""
        return self._page.partition("```")[0].strip()

    @property
    def recorded(self) -> str:
        """Python that makes `flow` as it was once, and a `run` of it; empty for rules that need no recorded run."""
        return self._listing("python")

    @property
    def repair(self) -> str:
        """The example and its repair as one listing: every line begins with ` `, `-` or `+`, or is empty."""
        return self._listing("diff")

    @property
    def example(self) -> str:
        """Python that earns the finding; it makes `flow`, below `PREAMBLE`."""
        return _without(self.repair, "+")

    @property
    def instead(self) -> str:
        """The same, mended."""
        return _without(self.repair, "-")


def _without(listing: str, sign: str) -> str:
    return "".join(f"{line[1:]}\n" for line in listing.splitlines() if not line.startswith(sign))


def rule(
    code: str,
    name: str,
    severity: Severity,
    *,
    mistakes: tuple[str, ...] = (),
    settings: Settings | None = None,
    beside: tuple[str, ...] = (),
) -> Callable[[Callable[[Subject], Finds]], Rule]:
    """Make a function that looks at a graph a rule; the arguments are the fields of `Rule`."""
    return lambda find: Rule(code, name, severity, find, mistakes, settings or Settings(), beside)


def each_node(find: Callable[[Subject, Node], Finds]) -> Callable[[Subject], Finds]:
    """Make a function that looks at a node one that looks at all of them; what it finds is about that node."""

    @functools.wraps(find)
    def of_all(at: Subject) -> Finds:
        for node in at.nodes:
            yield from (f if f.node is not None else replace(f, node=node) for f in find(at, node))

    return of_all
