"""The same findings for people, programs, code hosts and GitHub."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from pydantic import ValidationError

from graphrt.checks import RULES, Finding
from graphrt.checks.reports import Checked, place_parts
from graphrt.checks.reports.github import github
from graphrt.checks.reports.plain import plain
from graphrt.checks.reports.sarif import sarif
from graphrt.checks.reports.text import text
from tools import rules

GAP = Finding(
    code="GR201",
    name="guard-gap",
    severity="error",
    graph="support",
    message="score = 0.4: no edge of 'grade' matches, 100 % sure",
    node="grade",
    place="flows/support.py:12",
    witness={"score": 0.4},
    nodes=("grade",),
)
UNUSED = Finding(code="GR303", name="unused-field", severity="warning", graph="support", message="field 'x': unused")
MISTAKE = Finding(
    code="reads-type", name="reads-type", severity="error", graph="support", message="wrong", place="a,b:c.py:3"
)
CHECKED = (Checked("flows/support.py:flow", (UNUSED, GAP)), Checked("flows/fine.py:flow", ()))


def test_text_says_place_code_message_and_name() -> None:
    """Each flow has a line, each finding one below it, and the last line counts."""
    assert text(CHECKED) == (
        "✗ flows/support.py:flow: 1 error, 1 warning\n"
        "  GR303 field 'x': unused [unused-field]\n"
        "  flows/support.py:12: GR201 score = 0.4: no edge of 'grade' matches, 100 % sure [guard-gap]\n"
        "✓ flows/fine.py:flow\n"
        "\n"
        "2 flows checked, 2 findings in 1\n"
    )
    assert text(CHECKED[1:]) == "✓ flows/fine.py:flow\n"
    assert text([CHECKED[1]] * 2).endswith("\n\n2 flows checked, no findings\n")


def test_a_mistake_says_its_code_once() -> None:
    """What no rule stands for has one word for code and name."""
    assert text([Checked("a.py", (MISTAKE,))]).splitlines()[1] == "  a,b:c.py:3: reads-type wrong"


def test_json_has_every_key() -> None:
    """Programs find each fact under its own key, also where there is none."""
    first, second = plain(CHECKED)
    assert second == {"target": "flows/fine.py:flow", "findings": []}
    unused, gap = first["findings"]
    assert unused.keys() == gap.keys()
    assert (gap["file"], gap["line"], gap["witness"]) == ("flows/support.py", 12, {"score": 0.4})
    assert (unused["file"], unused["line"], unused["witness"], unused["node"]) == (None, None, None, None)
    assert json.loads(json.dumps([first, second])) == [first, second]


def test_github_commands_are_escaped() -> None:
    """What would end a command or a property is written as a number; a finding without a place names its flow."""
    assert github(CHECKED).splitlines() == [
        "::warning title=GR303 unused-field::flows/support.py:flow: field 'x': unused",
        f"::error file=flows/support.py,line=12,title=GR201 guard-gap::{GAP.message.replace('%', '%25')}",
    ]
    assert github([Checked("a.py", (MISTAKE,))]) == "::error file=a%2Cb%3Ac.py,line=3,title=reads-type::wrong\n"


def test_sarif_names_rules_places_and_levels() -> None:
    """Each result refers to its rule by index, and says file and line where they are known."""
    log = sarif((*CHECKED, Checked("a.py", (MISTAKE,))), "1.2.3")
    (run,) = log["runs"]
    rules, results = run["tool"]["driver"]["rules"], run["results"]
    assert log["version"] == "2.1.0"
    assert run["tool"]["driver"]["semanticVersion"] == "1.2.3"
    assert [r["id"] for r in rules] == [*(r.code for r in RULES), "reads-type"]
    assert all(rules[r["ruleIndex"]]["id"] == r["ruleId"] for r in results)
    assert [r["level"] for r in results] == ["warning", "error", "error"]
    assert "physicalLocation" not in results[0]["locations"][0]
    assert results[1]["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "flows/support.py"},
        "region": {"startLine": 12},
    }
    assert results[1]["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "support/grade"
    assert all(r["help"]["text"] for r in rules[: len(RULES)])


def test_a_finding_keeps_its_fingerprint_when_lines_move() -> None:
    """Code hosts know a finding again after the file was edited above it; another rule or node is another finding."""

    def fingerprint(finding: Finding) -> str:
        log = sarif([Checked("a.py", (finding,))], "1")
        found: str = log["runs"][0]["results"][0]["partialFingerprints"]["graphrt/v1"]
        return found

    assert fingerprint(GAP) == fingerprint(replace(GAP, place="flows/support.py:99", message="else"))
    assert len({fingerprint(f) for f in (GAP, replace(GAP, code="GR202"), replace(GAP, node="other"))}) == 3


@pytest.mark.parametrize(
    ("place", "parts"),
    [
        ("a.py:3", ("a.py", 3)),
        ("C:\\flows\\a.py:3", ("C:\\flows\\a.py", 3)),
        (None, None),
        ("<stdin>:1", None),
        ("?:0", None),
        ("a.py", None),
    ],
)
def test_places_are_split(place: str | None, parts: tuple[str, int] | None) -> None:
    """A place is a file and a line; what stands in no file has none."""
    assert place_parts(place) == parts


def fits_the_standard(log: object) -> None:
    """Hold a log against the schema of SARIF 2.1.0: no key that it does not know, no value of another type."""
    from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as Log

    Log.model_validate_json(json.dumps(log), strict=True)


def test_sarif_fits_its_schema() -> None:
    """Findings of all rules, mistakes without a rule, and troubles: whoever reads SARIF accepts the log."""
    found = [Checked(rule.code, tuple(rules.found(rule, rule.example))) for rule in RULES]
    fits_the_standard(sarif([*CHECKED, *found, Checked("a.py", (MISTAKE,))], "1.2.3", ["cannot load b.py"]))
    fits_the_standard(sarif([], "1"))


def test_the_schema_refuses_what_is_no_sarif() -> None:
    """What the log is held against can say no."""
    changes: list[dict[str, object]] = [{"version": "2.0.0"}, {"runs": [{"results": 1}]}, {"what": 1}]
    for change in changes:
        with pytest.raises(ValidationError):
            fits_the_standard(sarif(CHECKED, "1") | change)


def test_sarif_names_files_as_addresses() -> None:
    """A place is an address: what a path may hold and an address not is written as its code."""
    for place, uri in (
        ("flows/my flow#1.py:3", "flows/my%20flow%231.py"),
        ("/home/ä/flow.py:3", "file:///home/%C3%A4/flow.py"),
    ):
        log = sarif([Checked("a.py", (replace(GAP, place=place),))], "1")
        (result,) = log["runs"][0]["results"]
        assert result["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": uri}


def test_sarif_says_that_not_all_was_checked() -> None:
    """A log of a check that could not load a target does not look like a good one."""
    (run,) = sarif(CHECKED, "1", ["cannot load b.py"])["runs"]
    (invocation,) = run["invocations"]
    assert not invocation["executionSuccessful"]
    assert invocation["toolExecutionNotifications"][0]["message"]["text"] == "cannot load b.py"
    assert sarif(CHECKED, "1")["runs"][0]["invocations"][0]["executionSuccessful"]
