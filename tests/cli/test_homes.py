"""Targets of several folders in one command: each is loaded with the modules beside it, as if it were alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.calling import Program

FLOW = """
from __future__ import annotations
from pydantic import BaseModel
from graphrt import Agent, Flow
from {prompts} import TITLE

class Note(BaseModel):
    text: str = "x"
    title: str = ""

flow = Flow("title", Note)
flow.agent("title", Agent(TITLE), reads=flow.state.text, writes=flow.state.title)
"""


def lay(folder: Path, title: str, kind: str) -> str:
    """Put a flow into a folder, with a module of prompts beside it; return what names it."""
    prompts = {"modules": "prompts", "package": ".prompts", "namespace": "texts.prompts"}[kind]
    home = folder / ("docs" if kind == "package" else "")
    beside = home / "texts" if kind == "namespace" else home
    beside.mkdir(parents=True)
    if kind == "package":
        (home / "__init__.py").touch()
    (home / "support.py").write_text(FLOW.format(prompts=prompts), "utf-8")
    (beside / "prompts.py").write_text(f"TITLE = 'Give a {title} title.'", "utf-8")
    return str(home / "support.py")


@pytest.mark.parametrize("kind", ["modules", "package", "namespace"])
def test_two_flows_have_the_modules_beside_them(program: Program, kind: str) -> None:
    """`diff` and `render` compare what each flow is in its own folder, whatever both of them import by one name."""
    old, new = (lay(program.folder / name, name, kind) for name in ("old", "new"))
    ran = program("diff", old, new)
    assert (ran.code, ran.err) == (1, "")
    assert "instructions: Give a old title. → Give a new title." in ran.out
    assert "changed" in program("render", old, new).out
    assert program("diff", new, new).code == 0
    assert "Give a new title. → Give a old title." in program("diff", new, old).out


@pytest.mark.parametrize("kind", ["modules", "package", "namespace"])
def test_each_flow_is_checked_as_what_it_is(program: Program, kind: str) -> None:
    """`check` reports both of two flows that are alike but for a module beside them."""
    old, new = (lay(program.folder / name, name, kind) for name in ("old", "new"))
    ran = program("check", old, new)
    assert (ran.code, ran.out.count("support.py:flow")) == (0, 2)
    assert len(json.loads(program("check", str(program.folder), "--json").out)) == 2


def test_a_module_that_is_missing_beside_a_flow_is_missing(program: Program) -> None:
    """What another target has beside it is not taken in its place."""
    old, new = (lay(program.folder / name, name, "modules") for name in ("old", "new"))
    (program.folder / "new/prompts.py").unlink()
    ran = program("diff", old, new)
    assert (ran.code, ran.out) == (2, "")
    assert "No module named 'prompts'" in ran.err


def test_a_folder_below_another_may_use_what_lies_above_it(program: Program) -> None:
    """A flow in a folder of a project finds the modules of the project, but for those that it has itself."""
    above = lay(program.folder / "flows", "shared", "modules")
    (program.folder / "flows/more").mkdir()
    below = program.folder / "flows/more/other.py"
    below.write_text(Path(above).read_text("utf-8"), "utf-8")
    assert program("diff", above, below).code == 0
    (program.folder / "flows/more/prompts.py").write_text("TITLE = 'Its own.'", "utf-8")
    assert "Give a shared title. → Its own." in program("diff", above, below).out


def test_the_working_folder_is_a_folder_like_others(program: Program) -> None:
    """A flow that is named by its module, or lies where the command is called, has its own modules too."""
    lay(program.folder / "old", "old", "modules")
    (program.folder / "support.py").write_text(FLOW.format(prompts="prompts"), "utf-8")
    (program.folder / "prompts.py").write_text("TITLE = 'Give a new title.'", "utf-8")
    for here in ("support.py", "support:flow"):
        assert "Give a old title. → Give a new title." in program("diff", "old/support.py", here).out
        assert "Give a new title. → Give a old title." in program("diff", here, "old/support.py").out
