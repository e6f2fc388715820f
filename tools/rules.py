"""The examples of the checker's rules, run: what a rule says about its example, and about the mended one.

The reference of the rules is made from this, and the tests of the rules use it.
"""

from __future__ import annotations

import linecache
import sys
import types
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from graphrt import Flow
from graphrt.checks import Finding, Rule, Settings, check
from graphrt.checks.rule import PREAMBLE
from graphrt.cli.against import tried

FILE = "example.py"
"""The file that the examples are said to stand in."""


@contextmanager
def page(source: str) -> Generator[dict[str, Any]]:
    """Run an example as a module of its own, so that the types in its signatures are found; give its names."""
    module = types.ModuleType("example" if "example" not in sys.modules else "recorded")
    sys.modules[module.__name__] = module
    text, file = PREAMBLE + source, f"{module.__name__}.py"
    linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file  # as if the file were there
    try:
        # Our own examples, from the docstrings of our own modules.
        exec(compile(text, file, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - as above
        yield module.__dict__
    finally:
        del sys.modules[module.__name__], linecache.cache[file]


def settings_of(rule: Rule, flow: Flow[Any]) -> Settings:
    """Return the settings of a rule, with the run that it tells of tried against a flow."""
    if not rule.recorded:
        return rule.settings
    with page(rule.recorded) as names:
        trace = names["run"].trace
    return Settings(against=(tried(trace, flow.freeze()),))


def found(rule: Rule, source: str) -> list[Finding]:
    """Return all findings about an example of a rule."""
    with page(source) as names:
        return check(names["flow"], settings=settings_of(rule, names["flow"]))
