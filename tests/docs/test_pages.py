"""The documentation keeps its word: its code runs, its pictures are those of the code, its references are complete."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from graphrt.checks import mistakes
from tools import reading, references
from tools.blocks import Page, PageFailed, blocks
from tools.mistakes import reported

ROOT = Path(__file__).parent.parent.parent
PAGES = references.every_page()
NAMES = [str(path.relative_to(ROOT)) for path in PAGES]
REFERENCE = ROOT / "docs" / "reference"


def headings(path: Path) -> set[str]:
    """Return the anchors of a page, as GitHub makes them."""
    text = re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_a_page_is_what_its_code_makes_of_it(path: Path) -> None:
    """Every block of a page runs, and what it prints, draws and generates stands in the page."""
    now = references.page_now(path)
    assert now == path.read_text("utf-8"), "out of date; run: python tools/references.py"


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_links_lead_somewhere(path: Path) -> None:
    """A link inside the repository names a file that is there, and a heading that is in it."""
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    broken: list[str] = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        there = (path.parent / name).resolve() if name else path
        if not there.exists() or (anchor and there.suffix == ".md" and anchor not in headings(there)):
            broken.append(target)
    assert broken == []


def test_every_error_has_a_section_and_a_remedy() -> None:
    """Whoever meets an error finds what it means and what to do."""
    known = headings(REFERENCE / "errors.md")
    kinds = references.errors()
    assert len(kinds) > 40
    assert [k.__name__ for k in kinds if k.__name__.lower() not in known] == []
    assert [k.__name__ for k in kinds if not references.REMEDY.get(k.__name__)] == []
    assert sorted(set(references.REMEDY) - {k.__name__ for k in kinds}) == [], "remedies for errors that are no more"


def test_every_error_has_a_code_of_its_own() -> None:
    """A code names one error, so that programs and people can rely on it."""
    codes = [k.code for k in references.errors()]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(
    ("page", "module", "alias"),
    [
        ("events", "graphrt.events", "Event"),
        ("inputs", "graphrt.inputs", "Input"),
        ("commands", "graphrt.commands", "Command"),
    ],
)
def test_every_record_type_has_a_section(page: str, module: str, alias: str) -> None:
    """Events, inputs and commands are described one by one, and each of their fields says what it means."""
    names = references.union_members(getattr(sys.modules[module], alias))
    known = reading.structs(sys.modules[module])
    assert set(names) <= set(known)
    assert [n for n in names if n.lower() not in headings(REFERENCE / f"{page}.md")] == []


def test_every_mistake_has_an_example() -> None:
    """What freezing can report and what the page of mistakes shows are the same codes."""
    assert set(mistakes.BY_CODE) == references.mistake_codes()
    for code, kind in mistakes.BY_CODE.items():
        assert kind.says in [m.message for m in reported(kind.example) if m.code == code], code
    assert sum(map(len, mistakes.KINDS.values())) == len(mistakes.BY_CODE)


# -- the tools themselves --------------------------------------------------------------------------------------------


def page(text: str, folder: Path) -> str:
    """Run a page with this text."""
    return Page(folder / "page.md", text).run(folder)


def test_blocks_share_a_namespace_and_may_await(tmp_path: Path) -> None:
    """A later block sees the names of an earlier one, and any block may await at its top level."""
    text = "```python\nimport asyncio\nn = 2\n```\n\n```python\nawait asyncio.sleep(0)\nassert n == 2\n```\n"
    assert page(text, tmp_path) == text


def test_what_is_printed_is_written_into_the_page(tmp_path: Path) -> None:
    """A text block marked so holds what was printed since the last one."""
    text = "```python\nprint(1 + 1)\n```\n\n<!-- prints -->\n```text\n3\n```\n"
    assert page(text, tmp_path) == text.replace("3", "2")


def test_a_block_that_raises_fails_the_page_and_names_its_place(tmp_path: Path) -> None:
    """An error in a block is no page: the message says where the block stands."""
    with pytest.raises(PageFailed, match=r"page\.md:4: ZeroDivisionError"):
        page("# Title\n\n```python\n1 / 0\n```\n", tmp_path)


def test_an_announced_error_must_come(tmp_path: Path) -> None:
    """A block that is said to raise must do so, and its message counts as printed."""
    text = "<!-- raises: KeyError -->\n```python\n{}['a']\n```\n\n<!-- prints -->\n```text\n'a'\n```\n"
    assert page(text, tmp_path) == text
    with pytest.raises(PageFailed, match="nothing is raised"):
        page("<!-- raises: KeyError -->\n```python\npass\n```\n", tmp_path)


def test_files_are_written_and_hidden_code_runs(tmp_path: Path) -> None:
    """A block can stand in a file of its own, and a comment can prepare what a reader need not see."""
    text = "<!-- python\nready = True\n-->\n\n<!-- file: a/one.py -->\n```python\nassert ready\n```\n"
    page(text, tmp_path)
    assert (tmp_path / "a" / "one.py").read_text("utf-8") == "assert ready\n"


def test_a_mistake_must_earn_its_code(tmp_path: Path) -> None:
    """An example of a mistake that does not make it fails the page."""
    text = "<!-- setup -->\n```python\n{}```\n\n<!-- mistake: {} -->\n```python\nflow.start(draft)\n```\n"
    with pytest.raises(PageFailed, match="not 'no-start'"):
        page(text.format(mistakes.SETUP, "no-start"), tmp_path)


def test_every_python_block_is_found() -> None:
    """No fence escapes the runner: as many python blocks are run as the pages have."""
    for path in PAGES:
        text = path.read_text("utf-8")
        assert len([b for b in blocks(text) if b.language == "python"]) == len(
            re.findall(r"^```python|^<!-- python$", text, re.MULTILINE)
        )
