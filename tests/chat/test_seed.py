"""The table of what a chat runtime should be able to do names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parent.parent.parent / "docs" / "reference" / "seed.md"


def test_every_statement_names_a_test_that_exists() -> None:
    """Each line of the table points to a test function of the file that it links, or says that it is not there yet."""
    table = PAGE.read_text("utf-8").split("## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 30
    missing: list[str] = []
    for row in rows:
        named = re.findall(r"\[`(test_\w+)`\]\(([^)]+)\)", row)
        if not named and "not there yet" not in row:
            missing.append(row)
        for name, file in named:
            if f"def {name}(" not in (PAGE.parent / file).resolve().read_text("utf-8"):
                missing.append(name)
    assert missing == []
