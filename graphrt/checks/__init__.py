"""The checker: what is wrong with a flow, found without running it.

    from graphrt.checks import check

    for finding in check(flow):
        print(finding)

A rule looks at a frozen graph and says what it found, with the state or the path that shows it. What a rule calls
impossible no run does; what it cannot decide it says so or leaves alone. Nothing is run: no node, no guard that is a
Python function, no model.
"""

from __future__ import annotations

from graphrt.checks.engine import check
from graphrt.checks.finding import Finding, Severity
from graphrt.checks.rule import Rule
from graphrt.checks.settings import Settings
from graphrt.checks.table import FAMILIES, RULES, rule_named

__all__ = ["FAMILIES", "RULES", "Finding", "Rule", "Settings", "Severity", "check", "rule_named"]
