"""Every rule keeps the promise of its page: its example earns it, the mended example earns nothing."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from graphrt.checks import FAMILIES, RULES, Rule
from tools import rules

NAMES = [f"{r.code}-{r.name}" for r in RULES]


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_the_example_of_a_rule_earns_it_and_nothing_else(rule: Rule) -> None:
    """Who reads a rule's example sees what the rule is about, and no rule that has nothing to do with it."""
    found = rules.found(rule, rule.example)
    assert rule.code in {f.code for f in found}
    assert {f.code for f in found} <= {rule.code, *rule.beside}
    assert all(f.name == rule.name for f in found if f.code == rule.code)


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_the_mended_example_earns_nothing(rule: Rule) -> None:
    """The repair that a rule proposes satisfies this rule and all others."""
    assert rules.found(rule, rule.instead) == []


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_a_rule_says_what_it_finds_and_why(rule: Rule) -> None:
    """Each rule has a line that says what it finds, and a reason that is longer than that line."""
    assert rule.summary.endswith(".")
    assert len(rule.summary) <= 120
    assert len(rule.why) > len(rule.summary)
    assert rule.example != rule.instead


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_the_page_of_a_rule_is_one_reason_and_one_listing(rule: Rule) -> None:
    """A page holds nothing that is not shown: the reason, a recorded run where one is needed, and one listing."""
    page = inspect.getfile(inspect.unwrap(rule.find)).removesuffix(".py") + ".md"
    recorded = f"```python\n{rule.recorded}```\n\n" if rule.recorded else ""
    assert Path(page).read_text("utf-8") == f"{rule.why}\n\n{recorded}```diff\n{rule.repair}```\n"
    assert all(line[:1] in {"", " ", "+", "-"} for line in rule.repair.splitlines())


def test_every_page_belongs_to_a_rule() -> None:
    """A rule that leaves takes its page with it, and none is missing from the table."""
    folder = Path(inspect.getfile(Rule)).parent
    pages = {inspect.getfile(inspect.unwrap(r.find)).removesuffix(".py") for r in RULES}
    assert {str(p.with_suffix("")) for p in folder.rglob("*.md")} == pages


def test_codes_are_in_order_and_belong_to_a_family() -> None:
    """A code and a name are given once, the table is in the order of codes, and each family has a title."""
    codes, names = [r.code for r in RULES], [r.name for r in RULES]
    assert codes == sorted(set(codes))
    assert len(set(names)) == len(names)
    assert {c[:3] for c in codes} == set(FAMILIES)


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_a_finding_names_its_place(rule: Rule) -> None:
    """A finding about a node or an edge says the line of the call that made it."""
    found = [f for f in rules.found(rule, rule.example) if f.code == rule.code]
    assert found
    for one in found:
        assert one.node is None or (one.place or "").startswith("example.py:")
        assert one.message
        assert "\n" not in one.message
