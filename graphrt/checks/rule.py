"""A rule: a code that stays, a name, and a function that looks at one graph.

What a rule is for stands in the docstring of its module, in fixed sections: one line that says what it finds, why
that matters, an example that fails and the same example mended. `graphrt explain`, the reference and the tests read it
there.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

from graphrt.checks.settings import Settings

if TYPE_CHECKING:
    from graphrt.checks.finding import Found, Severity
    from graphrt.checks.subject import Subject

PREAMBLE: Final = """\
from enum import Enum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from graphrt import Agent, Context, DeadlinePassed, Flow, JoinShort, LimitReached, Limits, NodeTimeout, Retry
from graphrt import add, append, contains, extend, is_none, let, matches, merge, not_, one_of, size, tool
"""
"""What stands above every example of a rule."""

_SECTIONS = re.compile(r"^(Recorded|Example|Instead):$", re.MULTILINE)


@dataclass(frozen=True, eq=False)
class Rule:
    """One rule of the checker."""

    code: str
    """Family and number; it never changes its meaning and is never given to another rule."""
    name: str
    """What it finds, as words joined by hyphens."""
    severity: Severity
    find: Callable[[Subject], Iterable[Found]]
    text: str | None
    """The docstring of its module; None where Python was told to drop docstrings."""
    mistakes: tuple[str, ...] = ()
    """Mistakes that freezing reports and that are this rule's as well: such a flow cannot be frozen at all."""
    settings: Settings = field(default_factory=Settings)
    """With what settings the example earns it."""
    beside: tuple[str, ...] = ()
    """Rules whose findings cannot but come along."""

    @cached_property
    def _parts(self) -> dict[str, str]:
        head, *rest = _SECTIONS.split(self.text or "")
        parts = {"head": head.strip()}
        for title, body in zip(rest[::2], rest[1::2], strict=True):
            parts[title] = textwrap.dedent(body).strip("\n") + "\n"
        return parts

    @property
    def summary(self) -> str:
        """One line: what it finds."""
        return " ".join(self._parts["head"].partition("\n\n")[0].split())

    @property
    def why(self) -> str:
        """Why that matters, and what the rule cannot see; paragraphs."""
        return self._parts["head"].partition("\n\n")[2].strip()

    @property
    def recorded(self) -> str:
        """Python that makes `flow` as it was once, and a `run` of it; empty for rules that need no recorded run."""
        return self._parts.get("Recorded", "")

    @property
    def example(self) -> str:
        """Python that earns the finding; it makes `flow`, below `PREAMBLE`."""
        return self._parts.get("Example", "")

    @property
    def instead(self) -> str:
        """The same, mended."""
        return self._parts.get("Instead", "")
