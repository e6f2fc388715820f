"""What type checkers do for authors: they accept what is right, and refuse a mistake at the line where it is made.

`accepted/` holds flows that are right, `refused/` one mistake a line, marked `# error: why`; where only one checker
notices it, `# error in pyright: why`. What a checker remarks besides (that a type is now unknown, that a value is not
used) does not count.
"""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from graphrt import Flow

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
ACCEPTED = sorted((HERE / "accepted").glob("*.py"))
REFUSED = sorted((HERE / "refused").glob("*.py"))
MARK = re.compile(r"# error(?: in (?P<checker>\w+))?: \S")
BESIDES = re.compile(r"reportUnknown\w+|reportUnused(Expression|Variable)|reportUntypedFunctionDecorator")

Finding: TypeAlias = tuple[str, int, str]
"""File, line counted from 1, message."""


def output(*command: str) -> str:
    """Run a checker as a module; return what it prints, whatever it thinks of the files."""
    result = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode in {0, 1}, result.stdout + result.stderr
    return result.stdout


def mypy() -> Iterator[Finding]:
    """Ask mypy, under the settings of the repository."""
    files = [str(path.relative_to(ROOT)) for path in (*ACCEPTED, *REFUSED)]
    for line in output("mypy", "--output=json", *files).splitlines():
        found: dict[str, Any] = json.loads(line)
        if found["severity"] == "error":
            yield found["file"], found["line"], f"{found['message']} [{found['code']}]"


def pyright() -> Iterator[Finding]:
    """Ask pyright, under the settings of the repository."""
    answer = json.loads(output("pyright", "--outputjson", f"--project={HERE}"))
    assert answer["summary"]["filesAnalyzed"] == len(ACCEPTED) + len(REFUSED)
    for found in answer["generalDiagnostics"]:
        rule = found.get("rule", "")
        if not BESIDES.fullmatch(rule):
            line = found["range"]["start"]["line"] + 1
            yield str(Path(found["file"]).relative_to(ROOT)), line, f"{found['message'].splitlines()[0]} [{rule}]"


def marked(checker: str) -> set[tuple[str, int]]:
    """Return the lines that a checker should refuse."""
    return {
        (str(path.relative_to(ROOT)), number)
        for path in (*ACCEPTED, *REFUSED)
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if (mark := MARK.search(line)) and mark["checker"] in {None, checker}
    }


def differences(expected: set[tuple[str, int]], findings: list[Finding]) -> list[str]:
    """Return what should be refused and is not, and what is refused and should not be, in the order of the files."""
    said: dict[tuple[str, int], list[str]] = defaultdict(list)
    for file, line, message in findings:
        said[file, line].append(message)
    wrong: list[str] = []
    for file, line in sorted(expected ^ said.keys()):
        source = (ROOT / file).read_text("utf-8").splitlines()[line - 1].strip()
        verdict = f"is refused: {'; '.join(said[file, line])}" if (file, line) in said else "should be refused"
        wrong.append(f"{file}:{line}: `{source}` {verdict}")
    return wrong


@pytest.mark.slow
@pytest.mark.parametrize("checker", [mypy, pyright], ids=["mypy", "pyright"])
def test_type_checkers_refuse_each_mistake_and_nothing_else(checker: Callable[[], Iterator[Finding]]) -> None:
    """Both checkers refuse exactly the marked lines; what is right they accept to the last line."""
    pytest.importorskip(checker.__name__, reason="needs the extra `dev`")
    found = differences(marked(checker.__name__), list(checker()))
    assert not found, "\n".join(found)


def test_most_mistakes_are_noticed_by_both_checkers() -> None:
    """The corpus is of a size that means something, and the checkers hardly differ."""
    both = marked("mypy") & marked("pyright")
    assert len(both) > 100
    assert len(marked("mypy") ^ marked("pyright")) <= 3
    assert {Path(file).parent.name for file, _ in both} == {"refused"}


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_what_is_accepted_is_right(path: Path) -> None:
    """The accepted flows are no mere shapes: each can be frozen, which finds every mistake that checkers cannot see."""
    module = importlib.import_module(f"tests.typing.accepted.{path.stem}")
    flows: list[Flow[Any]] = [value for value in vars(module).values() if isinstance(value, Flow)]
    assert flows
    for flow in flows:
        assert flow.check() == (), flow


def test_differences_are_told_with_their_lines() -> None:
    """The comparison can fail both ways, and says where and why."""
    file = str(REFUSED[0].relative_to(ROOT))
    assert differences({(file, 1)}, [(file, 1, "no")]) == []
    missed, extra = differences({(file, 1)}, [(file, 3, "cannot be [rule]")])
    assert missed.startswith(f"{file}:1: `")
    assert missed.endswith("should be refused")
    assert extra.startswith(f"{file}:3: `")
    assert extra.endswith("is refused: cannot be [rule]")
