"""Findings as SARIF 2.1.0, which code hosts and editors read (OASIS standard; sections 3.19, 3.20, 3.27 and 3.49)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from graphrt.checks.reports import place_parts
from graphrt.checks.table import RULES

if TYPE_CHECKING:
    from graphrt.checks.finding import Finding
    from graphrt.checks.reports import Checked
    from graphrt.checks.rule import Rule
    from graphrt.inputs import Json

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif(checked: Sequence[Checked], version: str, troubles: Sequence[str] = ()) -> dict[str, Json]:
    """Return one run of the tool, with every rule that it knows and a result per finding.

    Args:
        checked: the flows that were checked.
        version: the version of this tool.
        troubles: why other flows could not be; a run of the tool that has some was not successful.
    """
    rules = [_rule(r) for r in RULES]
    place = {r.code: i for i, r in enumerate(RULES)}
    for one in (f for c in checked for f in c.findings):
        if one.code not in place:  # a mistake that no rule stands for
            place[one.code] = len(rules)
            rules.append({"id": one.code, "name": one.name, "defaultConfiguration": {"level": "error"}})
    results = [_result(c.target, f, place) for c in checked for f in c.findings]
    driver: dict[str, Json] = {"name": "graphrt check", "semanticVersion": version, "rules": rules}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "invocations": [_invocation(troubles)],
                "columnKind": "unicodeCodePoints",
                "results": results,
            }
        ],
    }


def _invocation(troubles: Sequence[str]) -> dict[str, Json]:
    notifications: list[Json] = [{"level": "error", "message": {"text": text}} for text in troubles]
    return {"executionSuccessful": not troubles, "toolExecutionNotifications": notifications}


def _rule(rule: Rule) -> dict[str, Json]:
    example = f"Example:\n\n{rule.example}\nInstead:\n\n{rule.instead}"
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": rule.summary or rule.name},
        "fullDescription": {"text": rule.why or rule.name},
        "help": {"text": f"{rule.why}\n\n{example}"},
        "defaultConfiguration": {"level": rule.severity},
    }


def _result(target: str, finding: Finding, place: dict[str, int]) -> dict[str, Json]:
    full = "/".join(part for part in (finding.graph, finding.node) if part)
    logical: dict[str, Json] = {"fullyQualifiedName": full, "kind": "object" if finding.node else "module"}
    location: dict[str, Json] = {"logicalLocations": [logical]}
    at = place_parts(finding.place)
    if at is not None:
        path = Path(at[0])
        artifact = {"uri": path.as_uri() if path.is_absolute() else quote(path.as_posix())}
        location["physicalLocation"] = {"artifactLocation": artifact, "region": {"startLine": max(1, at[1])}}
    # What makes it the same finding tomorrow: not the line, nor the words.
    same = "\0".join((finding.code, full, finding.target or "", *finding.nodes))
    return {
        "ruleId": finding.code,
        "ruleIndex": place[finding.code],
        "level": finding.severity,
        "message": {"text": finding.message},
        "locations": [location],
        "partialFingerprints": {"graphrt/v1": hashlib.sha256(same.encode()).hexdigest()[:32]},
        "properties": {"target": target, "witness": dict(finding.witness), "path": list(finding.path)},
    }
